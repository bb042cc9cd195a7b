"""A frozen backbone with a head, and what trains all of it later."""

import keras
import numpy as np
from builders import compiled
from lineages import X
from lineages import Y

import keras_ban

FIT = {"epochs": 5, "batch_size": 16, "verbose": 0, "phases": None}
BACKBONE = [
    np.random.default_rng(k).normal(size=shape).astype("float32")
    for k, shape in enumerate([(6, 8), (8,)])
]


def model_fn(dropout=0.2, eager=True):
    """A backbone with weights of its own, frozen, and a head."""
    backbone = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "tanh")], name="backbone"
    )
    backbone.set_weights(BACKBONE)
    backbone.trainable = False
    inputs = keras.Input((6,))
    hidden = keras.layers.Dropout(dropout)(backbone(inputs))
    model = keras.Model(inputs, keras.layers.Dense(4)(hidden))
    optimizer = keras.optimizers.Adam(0.01)
    return compiled(model, eager, optimizer=optimizer)


def unfreeze(model):
    model.get_layer("backbone").trainable = True
    compiled(model, model.run_eagerly, optimizer=keras.optimizers.SGD(0.02))


PHASES = {2: unfreeze}


def run(directory=None, objective="ban+l", phases=PHASES, **fit):
    ban = keras_ban.BornAgain(model_fn, objective, directory, seed=3)
    return ban.fit(X, Y, **{**FIT, "generations": 1, "phases": phases, **fit})


def backbone(model):
    return model.get_layer("backbone").get_weights()
