"""A worker that the launcher connects, and what it may do before and after.

What it finds it prints, as JSON.
"""

import json
import os
import signal
import sys
import time
from unittest import mock

import numpy as np
import tensorflow as tf

# A tensor and a model before anything of the workers: they are connected.
X = tf.random.stateless_normal((96, 8), (0, 1))

import keras  # noqa: E402

import keras_ban  # noqa: E402
from keras_ban import launch  # noqa: E402
from keras_ban.feeding import arrays  # noqa: E402
from keras_ban.feeding import scan  # noqa: E402

keras.utils.set_random_seed(0)
Y = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])(X)
X, Y = X.numpy(), np.argmax(Y, axis=-1)
NUMBER = launch.strategy().cluster_resolver.task_id
SAME = {
    "seed": 1,
    "objective": "ban",
    "directory": None,
    "generations": 1,
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
    data = {"x": x, "y": Y[: given["rows"]]}
    rest = {k: v for k, v in given.items() if k not in (*SAME, *data)}
    rest |= {k: given[k] for k in ("generations", "epochs", "batch_size")}
    rest |= {k: given.get(k, v) for k, v in data.items()}
    try:
        lineage = keras_ban.BornAgain(compiled, **born).fit(
            callbacks=list(callbacks), verbose=0, **rest
        )
    except ValueError as error:
        return str(error)
    return [w.tolist() for w in lineage[-1].model.get_weights()]


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


def checks():
    """What the check of arrays says, of which each worker reads its share."""
    spoiled = X.copy()
    spoiled[-1, -1] = np.nan
    read, finite = [], scan.finite

    def counting(x, name="x"):
        read.append(len(x) if name == "x" else 0)
        finite(x, name)

    alone = {"objective": "labels", "generations": 0}
    with mock.patch.object(scan, "finite", counting):
        found = {"spoiled": fit(x=spoiled, **alone), "read": sum(read)}
    # A class for each worker, two in all.
    found["sorted"] = fit(y=np.repeat([0, 1], 48), **alone)
    found["one"] = fit(y=np.zeros(96, int), **alone)
    return found


def sums():
    """The collective operations of a step, the reading of its batch among."""
    strategy = launch.strategy()
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.BatchNormalization(),
                keras.layers.Dense(3),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"])
    trained = keras_ban.Distiller(model, None, "labels")
    ds = tf.data.Dataset.from_tensor_slices((X, Y)).batch(20)
    trained.fit(ds, verbose=0)
    batches = iter(
        trained.distribute_strategy.experimental_distribute_dataset(ds)
    )

    @tf.function(autograph=False)
    def step(batches):
        return strategy.run(trained.train_step, args=(next(batches),))

    graph = step.get_concrete_function(batches).graph.as_graph_def()
    nodes = list(graph.node)
    for function in graph.library.function:
        nodes += function.node_def
    return [n.op for n in nodes if n.op.startswith("CollectiveReduce")]


class Files(keras.utils.PyDataset):
    """Examples in batches of 4, of which a worker loads its own rows."""

    read = 0

    def __init__(self, batches=24):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        number, count = launch.place()
        start, stop = (4 * index + 4 * k // count for k in (number, number + 1))
        self.read += stop - start
        return X[start:stop], Y[start:stop]


def counted(rows):
    """What gathers rows of arrays, and notes how many."""
    gathering = arrays._gathering

    def note(numbers):
        rows.append(len(numbers))
        return numbers

    def counting(tensors):
        gather = gathering(tensors)

        def gather_counted(numbers):
            held = tf.numpy_function(note, [numbers], "int64")
            return gather(tf.ensure_shape(held, numbers.shape))

        return gather_counted

    return mock.patch.object(arrays, "_gathering", counting)


def shares():
    """What is read where each worker reads its share, and what it gives."""
    alone = {"objective": "labels", "generations": 0, "batch_size": 4}
    ordered = {**alone, "shuffle": False}
    found, rows = {}, []
    with counted(rows):
        found["shares"] = fit(**ordered)
    found["rows"] = sum(rows)
    with mock.patch.object(arrays.Arrays, "_share", lambda *_: None):
        found["whole"] = fit(**ordered)
    files = Files()
    found["files"] = fit(x=files, y=None, shard=True, **ordered)
    found["read"] = files.read
    number, count = launch.place()
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4 // count)
    data = data.shard(count, number)
    found["data"] = fit(x=data, y=None, shard=True, **ordered)
    files = Files(24 - number)
    found["uneven"] = fit(x=files, y=None, shard=True, **ordered)
    found["sums"] = sums()
    found["checks"] = checks()
    return found


if __name__ == "__main__":
    found = {"same": fit(), "others": others(sys.argv[1]), **shares()}
    print("found", json.dumps(found))
    # 24 steps, of which the last one is saved.
    alone = {"objective": "labels", "generations": 0, "batch_size": 4}
    fit([Told()], directory=sys.argv[1], **alone)
