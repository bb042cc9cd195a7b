"""Sets of images, of text and of speech, as networks read them."""

from keras_ban.data import speech
from keras_ban.data import text
from keras_ban.data import vision

__all__ = ["speech", "text", "vision"]
