"""Small runs for the tests of the driver."""

import functools

import keras
import numpy as np
import tensorflow as tf

import keras_ban

# Unshuffled, so that plain Keras reads the same batches.
FIT = {"epochs": 2, "batch_size": 32, "verbose": 0, "shuffle": False}


SPARSE = functools.partial(
    keras.losses.SparseCategoricalCrossentropy, from_logits=True
)


def toy(rows=64, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 6)).astype("float32")
    y = (x @ np.random.default_rng(1).normal(size=(6, 4))).argmax(-1)
    return x, y


X, Y = toy()


VALIDATION = toy(40, 2)


def network(units=8, *between, outputs=4, activation=None):
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(units, "relu"),
            *between,
            keras.layers.Dense(outputs, activation),
        ]
    )


def compiled(model, eager=True, **kwargs):
    kwargs = {
        "optimizer": keras.optimizers.SGD(0.1, momentum=0.9),
        "loss": SPARSE(),
        "metrics": ["accuracy"],
        **kwargs,
    }
    model.compile(run_eagerly=eager, **kwargs)
    return model


def model_fn():
    return compiled(network())


def graph_fn():
    return compiled(network(), eager=False)


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, size=32):
        super().__init__()
        self.data = x, y
        self.size = size

    def __len__(self):
        return -(-len(self.data[0]) // self.size)

    def __getitem__(self, index):
        part = slice(index * self.size, (index + 1) * self.size)
        return tuple(a[part] for a in self.data)


def batched(x, y=None):
    return tf.data.Dataset.from_tensor_slices((x, y) if y is not None else x)


def same(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def run(model=model_fn, objective="ban", seed=0, x=X, y=Y, **kwargs):
    kwargs = {"generations": 1, **FIT, **kwargs}
    return keras_ban.BornAgain(model, objective, seed=seed).fit(x, y, **kwargs)


def plain(generation, model=model_fn, x=X, y=Y, **kwargs):
    keras.utils.set_random_seed(generation.seed)
    model = model()
    history = model.fit(x, y, **{**FIT, **kwargs})
    return model, history.history


def distilled(generation, teacher, model=model_fn, objective="ban", **kwargs):
    keras.utils.set_random_seed(generation.seed)
    model = model()
    distiller = keras_ban.Distiller(model, teacher, objective)
    kwargs = {"x": X, "y": Y, **FIT, **kwargs}
    return model, distiller.fit(**kwargs).history
