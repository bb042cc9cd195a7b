"""Data sets of the born-again experiments."""

from keras_ban.data import vision

__all__ = ["vision"]
