"""The one door: every kind of data, and what may not stand beside it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import Batches
from builders import data_set
from lineages import FIT
from lineages import X
from lineages import Y
from lineages import graph_fn

import keras_ban
from keras_ban.feeding.arrays import Arrays
from keras_ban.feeding.datasets import Dataset
from keras_ban.feeding.door import given
from keras_ban.feeding.feed import feed
from keras_ban.feeding.functions import Function
from keras_ban.feeding.iterables import Iterable
from keras_ban.feeding.iterables import Once
from keras_ban.feeding.py_datasets import PyBatches


def batches(generation=0, epoch=0):
    return data_set(X, Y, size=32)


class Loader:
    """Batches anew in each pass, of no kind that Keras knows."""

    def __iter__(self):
        yield X[:32], Y[:32]
        yield X[32:64], Y[32:64]


KINDS = {
    "array": (X, Y, Arrays),
    "tensor": (tf.constant(X), tf.constant(Y), Arrays),
    "structure": ({"a": X, "b": (X, X)}, Y, Arrays),
    "tf.data": (batches(), None, Dataset),
    "PyDataset": (Batches(X, Y), None, PyBatches),
    "loader": (Loader(), None, Iterable),
    "generator": (iter(Loader()), None, Once),
    "function": (
        lambda generation, epoch: batches(),
        None,
        Function,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_class_that_reads_it(kind):
    x, y, expected = KINDS[kind]
    examples = given(x, y, generation=0, once=True)
    assert type(examples) is expected
    assert given(examples) is examples
    inputs, labels, weights = next(examples.read(1))
    first = keras.tree.flatten(inputs)[0]
    np.testing.assert_array_equal(first, X[:32])
    np.testing.assert_array_equal(labels, Y[:32])
    assert weights is None


@pytest.mark.parametrize(
    "x",
    [
        batches(),
        Batches(X, Y),
        batches,
    ],
)
@pytest.mark.parametrize("beside", [{"y": Y}, {"sample_weight": X[:, 0]}])
def test_labels_beside_a_data_set_are_refused(x, beside):
    """Plain Keras refuses them too; in silence they would be left out."""
    ban = keras_ban.BornAgain(graph_fn)
    with pytest.raises(ValueError, match="brings its own labels and weights"):
        ban.fit(x, generations=1, **beside, **FIT)


@pytest.mark.parametrize("kind", ["tf.data", "PyDataset"])
def test_evaluation_refuses_labels_beside_a_data_set(kind):
    lineage = keras_ban.Lineage(
        [keras_ban.Generation(0, "Teacher", graph_fn(), "labels")]
    )
    with pytest.raises(ValueError, match="brings its own labels and weights"):
        lineage.evaluate(KINDS[kind][0], Y)


@pytest.mark.parametrize("x", [None, 3, object()])
@pytest.mark.parametrize("y", [None, Y])
def test_anything_else_is_named(x, y):
    with pytest.raises(ValueError, match="Expected arrays, a `tf"):
        keras_ban.BornAgain(graph_fn).fit(x, y, generations=1, **FIT)


class Maker:
    """A function of generation and epoch with a name of its own."""

    def __call__(self, generation, epoch):
        return batches()

    def __repr__(self):
        return "the maker"


def test_an_error_names_what_was_given():
    ban = keras_ban.BornAgain(graph_fn)
    with pytest.raises(ValueError, match=r"Received: the maker\. Give"):
        ban.fit(Maker(), generations=1, teacher_outputs="cached", **FIT)


def fit(*args, **kwargs):
    """Fits a `Distiller`: what passes through no views is Keras' matter."""
    distiller = keras_ban.Distiller(graph_fn(), graph_fn(), "ban+l")
    kwargs = {"verbose": 0, "epochs": 2, **kwargs}
    return distiller.fit(*args, **kwargs).history


@pytest.mark.filterwarnings("ignore:Your input ran out")
# Later versions of Keras say so, earlier ones that the data has ended.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_buffer_that_keras_ignores_needs_no_length():
    data = tf.data.Dataset.from_generator(
        lambda: iter(Loader()), output_signature=batches().element_spec
    )
    assert len(fit(data, shuffle=100)["loss"]) == 2


def test_generators_are_read_once_by_keras_alone():
    def endless():
        while True:
            yield from Loader()

    found = fit(
        endless(),
        shuffle=False,
        steps_per_epoch=2,
        validation_data=endless(),
        validation_steps=2,
    )
    assert len(found["val_loss"]) == 2


def test_a_split_of_one_class_is_still_checked_whole():
    y = np.repeat([0, 1], [48, 16])
    assert len(fit(X, y, validation_split=0.25)["val_loss"]) == 2


def test_later_epochs_of_a_function_are_checked_too():
    """What it gives for epoch 1 is no data set."""

    def data(generation, epoch):
        return batches() if epoch == 0 else [1, 2]

    with pytest.raises(ValueError, match=r"a list, x\(0, 1\)\. Build"):
        keras_ban.BornAgain(graph_fn).fit(
            data, generations=1, **{**FIT, "epochs": 2}
        )


SHUFFLES = {
    "arrays": ({"x": X}, "'batch'", ["foo", 10, -1, 0.5, [True]]),
    "tf.data": (
        {"x": data_set(X, size=8)},
        "size of a buffer",
        ["foo", "batch", -1, 0.5],
    ),
    "PyDataset": ({"x": Batches(X)}, "`True` or `False`", ["batch", 10, "no"]),
    "function": (
        {"x": lambda generation, epoch: data_set(X, size=8)},
        "`True` or `False`",
        ["batch", 10],
    ),
}


@pytest.mark.parametrize("kind", SHUFFLES)
def test_what_shuffle_may_be(kind):
    data, expected, refused = SHUFFLES[kind]
    for shuffle in refused:
        with pytest.raises(ValueError, match="argument `shuffle`") as error:
            feed({**data, "shuffle": shuffle}, generation=0)
        assert expected in str(error.value)
        assert f"Received: {shuffle!r}" in str(error.value)
    for shuffle in (None, True, False, np.True_):
        feed({**data, "shuffle": shuffle}, generation=0)


def test_a_buffer_may_be_an_integer_of_numpy():
    found = feed({"x": data_set(X, size=8), "shuffle": np.int64(9)})
    read = found.generation(0, 1, 0)["x"]
    assert not np.array_equal(next(iter(read)), X[:8])
