"""The networks of the born-again experiments, as functional Keras models."""

from keras_ban.models.densenet import densenet
from keras_ban.models.wide_resnet import wide_resnet

__all__ = ["densenet", "wide_resnet"]
