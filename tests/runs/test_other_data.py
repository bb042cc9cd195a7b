"""A run does not go on with other values than those it began with."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from builders import Batches
from builders import data_set
from builders import learnable
from builders import linear
from lineages import VALIDATION
from lineages import X
from lineages import Y
from refusals import Untouched
from weights import same

import keras_ban
from keras_ban import files
from keras_ban.feeding.feed import feed
from keras_ban.feeding.samples import sample

OTHER_X, OTHER_Y = learnable(64, 7)
WEIGHT = np.linspace(0.5, 1.5, 64).astype("float32")


def run(directory, generations=1, **fit):
    fit = {"x": X, "y": Y, "epochs": 1, "verbose": 0, **fit}
    return keras_ban.BornAgain(linear, directory=directory).fit(
        generations=generations, **fit
    )


def scanned(x=X, y=Y, **fit):
    """What `fit` reads, as far as it is read before training."""
    found = feed({"x": x, "y": y, **fit}, generation=0)
    for examples in filter(None, (found.train, found.validation)):
        examples.scan()
    return found


def one_label(y):
    y = y.copy()
    y[29] = (y[29] + 1) % 4
    return y


def batches(x, y):
    return {"x": data_set(x, y, size=16), "y": None}


def py_batches(x, y):
    return {"x": Batches(x, y, size=16), "y": None}


def listed(x, y):
    rows = range(0, 64, 16)
    return {"x": [(x[k : k + 16], y[k : k + 16]) for k in rows], "y": None}


def by_number(x, y):
    def data(generation, epoch):
        return data_set(x, y).shuffle(64, seed=epoch).batch(16)

    return {"x": data, "y": None}


def sparse(x):
    return {"x": scipy.sparse.csr_matrix(np.maximum(x, 0))}


def weighted(weight):
    return {"sample_weight": weight}


def held_out(x, y):
    return {"validation_data": (x, y)}


def held_out_batches(x, y):
    return {"validation_data": data_set(x, y, size=16)}


CASES = {
    "inputs": ("data.x", {}, {"x": OTHER_X}),
    "labels": ("data.y", {}, {"y": OTHER_Y}),
    "one label": ("data.y", {}, {"y": one_label(Y)}),
    "order": ("data.x", {}, {"x": X[::-1], "y": Y[::-1]}),
    "weights": (
        "data.sample_weight",
        weighted(WEIGHT),
        weighted(WEIGHT[::-1]),
    ),
    "tf.data": ("data.x", batches(X, Y), batches(OTHER_X, Y)),
    "labels of tf.data": ("data.y", batches(X, Y), batches(X, OTHER_Y)),
    "PyDataset": ("data.y", py_batches(X, Y), py_batches(X, OTHER_Y)),
    "sparse": ("data.x", sparse(X), sparse(OTHER_X)),
    "places of the same numbers": (
        "data.x",
        sparse(np.eye(64, 6)),
        sparse(np.eye(64, 6)[:, ::-1]),
    ),
    "list": ("data.x", listed(X, Y), listed(OTHER_X, Y)),
    "function": ("data.x", by_number(X, Y), by_number(OTHER_X, Y)),
    "validation": (
        "validation data.y",
        held_out(*VALIDATION),
        held_out(VALIDATION[0], VALIDATION[1][::-1]),
    ),
    "validation of tf.data": (
        "validation data.x",
        held_out_batches(*VALIDATION),
        held_out_batches(-VALIDATION[0], VALIDATION[1]),
    ),
    "split": (
        "validation data.x",
        {"validation_split": 0.25},
        {"validation_split": 0.25, "x": np.r_[X[:48], -X[48:]]},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_other_values_are_told(name):
    path, before, after = CASES[name]
    before, after = scanned(**before), scanned(**after)
    name, part = path.split(".")
    one, other = before.samples()[name], after.samples()[name]
    assert next(k for k in one if one[k] != other[k]) == part
    # They are not random: a second reading gives the same.
    assert before.sample_anew(name) == one
    assert after.sample_anew(name) == other


@pytest.mark.parametrize("name", ["labels", "sparse", "validation of tf.data"])
def test_other_values_are_refused(tmp_path, name):
    path, before, after = CASES[name]
    run(tmp_path, **before)
    with pytest.raises(ValueError, match="holds another run") as caught:
        run(tmp_path, 2, callbacks=Untouched(), **after)
    for words in (f"`values of {path}` differs", "Recorded", "overwrite=True"):
        assert words in str(caught.value)
    assert len(run(tmp_path, 2, **before)) == 3


class Shuffling(Batches):
    def on_epoch_end(self):
        order = np.random.permutation(64)
        self.arrays = tuple(a[order] for a in self.arrays)


def noisy(x, y):
    return x + tf.random.normal(tf.shape(x)), y


def shuffled(**arguments):
    return data_set(X, Y).shuffle(64, **arguments).batch(16)


RANDOM = {
    "shuffled": shuffled,
    "shuffled once": lambda: shuffled(reshuffle_each_iteration=False),
    "noise": lambda: data_set(X, Y, size=16).map(noisy),
    "PyDataset": lambda: Shuffling(X, Y, size=16),
    "function": lambda: lambda generation, epoch: shuffled(),
    "function with noise": lambda: (
        lambda generation, epoch: shuffled(seed=epoch).map(noisy)
    ),
}


@pytest.mark.parametrize("name", RANDOM)
def test_random_data_tells_nothing(name):
    found = scanned(RANDOM[name](), None)
    held = found.samples()["data"]
    assert held is None or found.sample_anew("data") != held


def test_random_data_goes_on(tmp_path):
    for generations in (1, 2):
        run(tmp_path, generations, x=RANDOM["noise"](), y=None)


def test_the_same_values_of_another_precision(tmp_path):
    wide = X.astype("float64")
    first = run(tmp_path, sample_weight=WEIGHT)
    found = run(tmp_path, 2, x=wide, sample_weight=WEIGHT.astype("float64"))
    assert same(found[1].model, first[1].model)
    assert same(found[2].model, run(None, 2, sample_weight=WEIGHT)[2].model)


def test_a_run_of_an_earlier_version_goes_on(tmp_path):
    run(tmp_path)
    content = files.read_json(tmp_path / "run.json")
    del content["samples"]
    files.write_json(tmp_path / "run.json", content)
    assert len(run(tmp_path, 2)) == 3
    with pytest.raises(ValueError, match=r"`values of data\.y` differs"):
        run(tmp_path, 3, y=OTHER_Y)


def test_long_arrays_are_sampled(tmp_path):
    """Their first, last and middle rows."""
    rows = np.zeros((101, 2**18), "uint8")
    before = sample(rows)
    for row in (0, -1):
        changed = rows.copy()
        changed[row] = 1
        assert sample(changed) != before
    assert sample(rows + 1) != before


@pytest.mark.parametrize(
    "x",
    [
        np.array([["a", "b"]] * 4, object),
        np.array([b"a", b"b"]),
        tf.constant(["a", "b"]),
        np.zeros((0, 3)),
        {"a": np.arange(3), "b": [np.ones(3, "float16"), None]},
        np.array([True, False]),
        keras.ops.ones((2, 3), "bfloat16"),
    ],
    ids=str,
)
def test_samples_of_any_kind(x):
    assert sample(x) == sample(x)
    assert sample(x, np.arange(3)) != sample(x, np.arange(3, 6))
