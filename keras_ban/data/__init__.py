"""Image classification sets, and how their images are augmented."""

from keras_ban.data import vision

__all__ = ["vision"]
