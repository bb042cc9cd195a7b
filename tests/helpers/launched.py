"""A worker that the launcher connects, and what it may do before and after.

What it finds it prints, as JSON.
"""

import json
import os
import signal
import sys
import time

import numpy as np
import tensorflow as tf

# A tensor and a model before anything of the workers: they are connected.
X = tf.random.stateless_normal((96, 8), (0, 1))

import keras  # noqa: E402

import keras_ban  # noqa: E402
from keras_ban import launch  # noqa: E402

keras.utils.set_random_seed(0)
Y = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])(X)
X, Y = X.numpy(), np.argmax(Y, axis=-1)
NUMBER = launch.strategy().cluster_resolver.task_id
SAME = {
    "seed": 1,
    "objective": "ban",
    "directory": None,
    "units": 4,
    "rows": 96,
    "shift": 0.0,
    "epochs": 1,
    "batch_size": 32,
}


class Told(keras.callbacks.Callback):
    """Tells the last worker to end."""

    def on_train_batch_end(self, batch, logs=None):
        print("step", batch)
        time.sleep(0.05)
        if batch == 2 and NUMBER:
            os.kill(os.getpid(), signal.SIGTERM)


def fit(callbacks=(), **given):
    """The weights of a run, or what it is refused by."""
    given = {**SAME, **given}

    def model_fn():
        return keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(given["units"], "relu"),
                keras.layers.Dense(3),
            ]
        )

    def compiled():
        model = model_fn()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss)
        return model

    born = {k: given[k] for k in ("seed", "objective", "directory")}
    x = X[: given["rows"]].copy()
    x[0] += given["shift"]
    try:
        lineage = keras_ban.BornAgain(compiled, **born).fit(
            x,
            Y[: given["rows"]],
            generations=1,
            epochs=given["epochs"],
            batch_size=given["batch_size"],
            callbacks=list(callbacks),
            verbose=0,
        )
    except ValueError as error:
        return str(error)
    return [w.tolist() for w in lineage[1].model.get_weights()]


def others(directory):
    """What runs are refused by of which the workers were told otherwise."""
    differing = {
        "epochs": 2,
        "batch_size": 16,
        "seed": 2,
        "objective": "kd",
        "directory": directory,
        "units": 5,
        "rows": 95,
        "shift": 0.5,
        "callbacks": [keras.callbacks.EarlyStopping("loss", patience=3)],
    }
    return {
        name: fit(**({name: value} if NUMBER else {}))
        for name, value in differing.items()
    }


if __name__ == "__main__":
    found = {"same": fit(), "others": others(sys.argv[1])}
    print("found", json.dumps(found))
    # 24 steps, of which the last one is saved.
    fit([Told()], batch_size=4, directory=sys.argv[1])
