"""A table that networks learn, and estimators that train on it briefly."""

import keras
import numpy as np
from builders import learnable

from keras_ban.sklearn import BornAgainClassifier
from keras_ban.sklearn import BornAgainRegressor

X, NUMBERS = learnable(160)
NAMES = np.array(["elm", "ash", "oak", "fir"])[NUMBERS]
# As 0 to 3 in the order of the names.
CODES = np.array([1, 0, 3, 2])[NUMBERS]
VALUES = (X @ np.random.default_rng(2).normal(size=(6, 2))).astype("float32")
MARKS = (VALUES > 0).astype(int)
BRIEF = {
    "generations": 1,
    "epochs": 2,
    "hidden_units": (8,),
    "learning_rate": 0.05,
    "random_state": 0,
}
# One network, on the labels.
ONE = {"objective": "labels", "generations": 0}


def classifier(**options):
    return BornAgainClassifier(**{**BRIEF, **options})


def regressor(**options):
    return BornAgainRegressor(**{**BRIEF, **options})


def softmax_fn(X, y, units=5, loss="categorical_crossentropy"):
    """As Keras' own wrapper of scikit-learn takes one."""
    model = keras.Sequential(
        [
            keras.Input(X.shape[1:]),
            keras.layers.Dense(units, "relu"),
            keras.layers.Dense(y.shape[1], "softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    return model
