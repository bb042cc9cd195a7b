"""What is exported, and the packages that each format needs."""

import keras
import pytest

from keras_ban import Generation
from keras_ban import Lineage

PACKAGES = {
    "onnx": ("onnx", "tf2onnx", "onnxruntime"),
    "litert": ("ai_edge_litert",),
}


def reads_backwards():
    """An LSTM, of sequences of any length."""
    x = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(11, 4)(x)
    h = keras.layers.LSTM(4, return_sequences=True)(h)
    return keras.Model(x, keras.layers.Dense(3)(h))


def of(model):
    """A lineage of one network, as it is."""
    return Lineage([Generation(0, "Teacher", model, "labels")])


def needing(format):
    """Skips a test where a package of the format is not installed."""
    for package in PACKAGES.get(format, ()):
        pytest.importorskip(package)
