"""Data sets of images and of speech, as networks read them."""

from keras_ban.data import speech
from keras_ban.data import vision

__all__ = ["speech", "vision"]
