"""A class weight is the sample weight of each position of the class."""

import keras
import numpy as np
import pytest
from builders import Batches
from builders import SparseCE
from builders import compiled
from builders import data_set
from matrices import rows
from weights import assert_same

import keras_ban

CLASS_WEIGHT = {0: 0.5, 2: 3.0}
FIT = {"epochs": 1, "verbose": 0}
X = np.random.default_rng(0).normal(size=(24, 5, 6)).astype("float32")
Y = np.random.default_rng(1).integers(-1, 4, (24, 5))
WEIGHT = np.array([0.5, 1.0, 3.0, 1.0, 1.0], "float32")[Y]


def tagger(loss=None):
    """Ignores labels of -1, which have no class."""
    model = keras.Sequential([keras.Input((5, 6)), keras.layers.Dense(4)])
    loss = loss or SparseCE(from_logits=True, ignore_class=-1)
    return compiled(model, loss=loss)


def one_hot_tagger():
    return tagger(keras.losses.CategoricalCrossentropy(from_logits=True))


def arrays(*parts):
    names = "x", "y", "sample_weight"
    return dict(zip(names, parts, strict=False)) | {"shuffle": False}


def batches(*parts):
    return {"x": Batches(*parts, size=32)}


def data(*parts):
    return {"x": data_set(*parts, size=32)}


def function(*parts):
    return {"x": lambda generation, epoch: data_set(*parts, size=32)}


KINDS = {
    "arrays": (arrays, tagger, Y),
    "data set, column": (data, tagger, Y[..., None]),
    "PyDataset, one-hot": (batches, one_hot_tagger, np.eye(4)[Y]),
    "function": (function, tagger, Y),
}


@pytest.mark.parametrize(("kind", "make", "y"), KINDS.values(), ids=KINDS)
def test_labels_are_plain_keras_with_a_weight_for_each(kind, make, y):
    lineage = keras_ban.BornAgain(make, "labels").fit(
        **kind(X, y), generations=0, class_weight=CLASS_WEIGHT, **FIT
    )
    keras.utils.set_random_seed(lineage[0].seed)
    plain = make()
    plain.fit(X, y, sample_weight=WEIGHT, shuffle=False, **FIT)
    assert_same(lineage[0].model, plain.get_weights())


STUDENTS = {
    "arrays": (arrays, {}),
    "data set": (data, {}),
    "PyDataset": (batches, {}),
    "PyDataset, cached": (batches, {"teacher_outputs": "cached"}),
    "mixed arrays": (arrays, {"augment": "mixup"}),
}


OFTEN = "data set", "PyDataset, cached", "mixed arrays"


@pytest.mark.parametrize(("kind", "how"), rows(STUDENTS, *OFTEN))
def test_students_are_those_with_a_weight_for_each(kind, how):
    start, teacher, found = tagger(), tagger(), []
    for given, more in (
        ((X, Y, WEIGHT), {}),
        ((X, Y), {"class_weight": CLASS_WEIGHT}),
    ):
        student = tagger()
        student.set_weights(start.get_weights())
        keras.utils.set_random_seed(1)
        keras_ban.Distiller(student, teacher, "kd").fit(
            **kind(*given), **FIT, **how, **more
        )
        found.append(student)
    assert_same(found[0], found[1].get_weights())
