"""Runs that must be refused before their first step."""

import keras
import numpy as np
import pytest

import keras_ban

NAN, INF = float("nan"), float("inf")


def toy(rows=96):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 6)).astype("float32")
    return x, (x @ rng.normal(size=(6, 4))).argmax(-1)


X, Y = toy()


LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(outputs=4, activation=None, loss=LOGITS, seed=None):
    initializer = keras.initializers.GlorotUniform(seed)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(
                outputs, activation, kernel_initializer=initializer
            ),
        ]
    )
    if loss is not None:
        model.compile("sgd", loss, run_eagerly=True)
    return model


class Untouched(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        pytest.fail("a training began")


def refused(*words, model_fn=network, born=None, **fit):
    fit = {"x": X, "y": Y, "generations": 2, "callbacks": Untouched(), **fit}
    with pytest.raises(ValueError) as info:
        keras_ban.BornAgain(model_fn, **(born or {})).fit(verbose=0, **fit)
    message = str(info.value)
    for word in words:
        assert word in message
