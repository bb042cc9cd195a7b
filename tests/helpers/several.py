"""A model with several outputs: classes, values and marks, and its data."""

import keras
import numpy as np
from builders import compiled

X = np.random.default_rng(3).normal(size=(79, 6)).astype("float32")
DIGIT = X[:, :3].argmax(-1)
SIZES = (X[:, :2] * 2 + 1).astype("float32")
MARKS = (X[:, :2] > 0).astype("float32")
Y = {"digit": DIGIT, "sizes": SIZES, "marks": MARKS}
CE = keras.losses.SparseCategoricalCrossentropy
BCE = keras.losses.BinaryCrossentropy
SCALES = {"digit": 1.0, "sizes": 0.25, "marks": 2.0}
FIT = {"batch_size": 26, "epochs": 2, "shuffle": False, "verbose": 0}


def heads(features):
    """An output of each kind, by name."""
    return {
        "digit": keras.layers.Dense(3, name="digit")(features),
        "sizes": keras.layers.Dense(2, name="sizes")(features),
        "marks": keras.layers.Dense(2, name="marks")(features),
    }


def losses():
    return {"digit": CE(True), "sizes": "mse", "marks": BCE(True)}


def make(structure=dict, units=8, eager=True, rate=0.05, **compilation):
    """A function that makes a compiled model, its outputs in a dict or list."""

    def model_fn():
        inputs = keras.Input((6,))
        x = keras.layers.Dense(units, "tanh")(inputs) if units else inputs
        found = heads(x)
        loss, metrics = losses(), {"digit": ["accuracy"]}
        if structure is list:
            found, loss = list(found.values()), list(loss.values())
            metrics = [["accuracy"], [], []]
        scales = SCALES if structure is dict else list(SCALES.values())
        given = {
            "loss": loss,
            "loss_weights": scales,
            "metrics": metrics,
            "optimizer": keras.optimizers.SGD(rate),
        }
        return compiled(
            keras.Model(inputs, found), eager, **{**given, **compilation}
        )

    return model_fn


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def bigger():
    """A trained teacher with outputs of its own beside those of students."""
    inputs = keras.Input((6,))
    found = heads(inputs)
    del found["marks"]
    found["other"] = keras.layers.Dense(5, name="other")(inputs)
    return compiled(
        keras.Model(inputs, found),
        loss={"digit": CE(True), "sizes": "mse", "other": "mse"},
        metrics=[],
    )
