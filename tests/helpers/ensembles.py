"""Members of ensembles."""

import keras
import numpy as np
from builders import scaled
from builders import split_features

X = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")


Y = np.arange(20) % 4


def sequential(activation=None, outputs=4):
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(outputs, activation),
        ]
    )


def sharp(model):
    return scaled(model, 3.0)


SPLIT = split_features(X)
