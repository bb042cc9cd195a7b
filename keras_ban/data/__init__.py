"""Sets of images and of text, and how images are augmented."""

from keras_ban.data import text
from keras_ban.data import vision

__all__ = ["text", "vision"]
