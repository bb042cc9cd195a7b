"""Small runs for the tests of the driver."""

import keras
from builders import compiled
from builders import learnable
from builders import mlp

import keras_ban

# Unshuffled, so that plain Keras reads the same batches.
FIT = {"epochs": 2, "batch_size": 32, "verbose": 0, "shuffle": False}


X, Y = learnable(64)


VALIDATION = learnable(40, 2)


def model_fn():
    return compiled(mlp())


def graph_fn():
    return compiled(mlp(), eager=False)


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
