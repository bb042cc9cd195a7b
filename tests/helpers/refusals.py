"""Runs that must be refused before their first step."""

import keras
import pytest
from builders import learnable
from builders import linear

import keras_ban

NAN, INF = float("nan"), float("inf")


X, Y = learnable(96)


class Untouched(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        pytest.fail("a training began")


def refused(*words, model_fn=linear, born=None, **fit):
    fit = {"x": X, "y": Y, "generations": 2, "callbacks": Untouched(), **fit}
    with pytest.raises(ValueError) as info:
        keras_ban.BornAgain(model_fn, **(born or {})).fit(verbose=0, **fit)
    message = str(info.value)
    for word in words:
        assert word in message
