"""Callbacks that know which generation is trained."""

from keras_ban.callbacks.tensorboard import TensorBoard

__all__ = ["TensorBoard"]
