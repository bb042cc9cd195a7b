"""Data that the driver refuses."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import compiled
from builders import data_set
from builders import linear
from builders import split_features
from builders import two_inputs
from refusals import INF
from refusals import NAN
from refusals import X
from refusals import Y
from refusals import refused

import keras_ban


def two_inputs_fn():
    return compiled(two_inputs())


def changed(array, index, value, dtype=None):
    array = array.astype(dtype or array.dtype)
    array[index] = value
    return array


DS = {"y": None, "x": data_set(X, Y, size=8)}


def endless():
    while True:
        yield X, Y


def one_shot():
    left = iter([(X, Y)] * 3)
    signature = (
        tf.TensorSpec((None, 6), tf.float32),
        tf.TensorSpec((None,), tf.int64),
    )
    return tf.data.Dataset.from_generator(
        lambda: left, output_signature=signature
    )


class Endless(keras.utils.PyDataset):
    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        return X, Y


class Short(keras.utils.PyDataset):
    def __init__(self, count=2, y=Y):
        super().__init__()
        self.count = count
        self.y = y

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return X, self.y


EMPTY = {
    "arrays": {"x": X[:0], "y": Y[:0]},
    "tf.data": {"x": data_set(X[:0], Y[:0], size=8), "y": None},
    "filtered": {"x": DS["x"].filter(lambda x, y: False), "y": None},
    "remainder": {
        "x": data_set(X, Y).batch(97, drop_remainder=True),
        "y": None,
    },
    "PyDataset": {"x": Short(0), "y": None},
}


@pytest.mark.parametrize("fit", EMPTY.values(), ids=EMPTY)
def test_no_data(fit):
    refused("`x` is empty", "at least one batch", "Check", **fit)


@pytest.mark.parametrize("x", [None, 3])
def test_no_data_at_all(x):
    refused("`x`", "Expected", "Received", x=x, y=None)


@pytest.mark.parametrize("fit", [{"x": endless()}, {"x": iter([(X, Y)])}])
def test_generator(fit):
    words = "exhausted after one pass", "Received: <", "Give arrays"
    refused(*words, y=None, **fit)
    refused(*words, y=None, steps_per_epoch=2, **fit)


def test_one_shot_data_set():
    words = "exhausted after one pass", "starts anew", "Create the generator"
    refused(*words, x=one_shot(), y=None)


@pytest.mark.parametrize("x", [DS["x"].repeat(), Endless()], ids=["tf", "py"])
def test_infinite(x):
    words = "`x` is infinite", "with an end", "Pass `steps_per_epoch`"
    refused(*words, x=x, y=None)


@pytest.mark.parametrize(
    "fit",
    [{}, DS, {"x": Short(12), "y": None}],
    ids=["arrays", "tf.data", "PyDataset"],
)
def test_more_steps_than_data(fit):
    words = "steps_per_epoch=13", "Received: 12", "Lower `steps_per_epoch`"
    batch_size = None if fit else 8
    refused(*words, steps_per_epoch=13, batch_size=batch_size, **fit)


@pytest.mark.parametrize("steps", [0, -1, 1.5])
def test_steps_per_epoch(steps):
    refused("steps_per_epoch", "Expected", repr(steps), steps_per_epoch=steps)


RANGE = ("0 to 3", "Correct the labels")


LABELS = {
    "out of range": (changed(Y, 0, 4), ("to 4", *RANGE)),
    "late": (changed(Y, -1, 9), ("to 9", *RANGE)),
    "negative": (changed(Y, -1, -1), ("from -1", *RANGE)),
    "fractional": (
        changed(Y, -1, 0.5, "float32"),
        ("0.5", "whole class numbers", "Correct"),
    ),
    "NaN": (
        changed(Y, -1, NAN, "float32"),
        ("NaN", "finite numbers", "Leave out"),
    ),
    "strings": (Y.astype(str), ("texts", "Number them")),
    "no distribution": (
        changed(np.eye(4)[Y], -1, 0.4),
        ("[0.4 0.4 0.4 0.4]", "a sum of 1", "Correct"),
    ),
    "negative distribution": (
        changed(np.eye(4)[Y], -1, [-1, 2, 0, 0]),
        ("[-1.  2.  0.  0.]", "none negative", "Correct"),
    ),
    "NaN distribution": (
        changed(np.eye(4)[Y], -1, NAN),
        ("NaN", "finite numbers", "Leave out"),
    ),
    "one class": (
        np.full(96, 2),
        ("one class only", "two classes", "the class 2", "Check"),
    ),
    "one class, one-hot": (
        np.eye(4)[np.full(96, 2)],
        ("one class only", "two classes", "the class 2", "Check"),
    ),
}


@pytest.mark.parametrize("case", LABELS.values(), ids=LABELS)
def test_labels(case):
    y, words = case
    refused(*words, y=y)


@pytest.mark.parametrize(
    "name", ["late", "negative", "fractional", "no distribution", "one class"]
)
def test_labels_of_data_sets(name):
    y, words = LABELS[name]
    refused(*words, x=data_set(X, y, size=8), y=None)


def test_labels_of_py_dataset():
    y, words = LABELS["late"]
    refused(*words, x=Short(2, y), y=None)


def test_labels_far_into_the_data():
    y = np.concatenate([np.tile(Y, 100), [7]])
    x = np.zeros((len(y), 6), "float32")
    refused("to 7", *RANGE, x=x, y=y)


@pytest.mark.parametrize("value", [-0.1, 1.1, 2, NAN])
def test_labels_of_a_sigmoid(value):
    y = changed(Y % 2, -1, value, "float32")
    model_fn = functools.partial(linear, 1, "sigmoid", "binary_crossentropy")
    way_out = "Leave out" if np.isnan(value) else "Correct"
    refused("Invalid labels in `y`", way_out, y=y, model_fn=model_fn)


def test_two_columns_of_labels_for_a_sigmoid():
    y = np.eye(2, dtype="float32")[Y % 2]
    model_fn = functools.partial(linear, 1, "sigmoid", "binary_crossentropy")
    refused("(96, 2)", "(96, 1)", "Correct", y=y, model_fn=model_fn)


@pytest.mark.parametrize(
    ("born", "teacher"),
    [({}, False), ({"objective": "ban+l"}, True), ({"objective": "kd"}, True)],
)
@pytest.mark.parametrize(
    "x", [X, data_set((X,), size=8)], ids=["arrays", "tf.data"]
)
def test_labels_are_missing(x, born, teacher):
    teacher = linear() if teacher else None
    words = "has no labels", "Expected (inputs, labels)", "`teacher=`"
    refused(*words, x=x, y=None, born=born, teacher=teacher)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_inputs_are_not_finite(value):
    x = changed(X, (-1, 3), value)
    words = "NaN or infinity in `x`", f"{value} at index", "Clean the data"
    refused(*words, "[95, 3]", x=x)
    refused(*words, x=data_set(x, Y, size=8), y=None)


def test_dict_inputs_are_not_finite():
    x = split_features(X)
    x["b"] = changed(x["b"], (-1, 1), NAN)
    words = "NaN or infinity in `x`", "[95, 1]", "Clean the data"
    refused(*words, x=x, model_fn=two_inputs_fn)


@pytest.mark.parametrize("value", [NAN, INF])
def test_sample_weight_is_not_finite(value):
    weight = changed(np.ones(96, "float32"), -1, value)
    words = "in `sample_weight`", f"{value} at index", "Clean the data"
    refused(*words, sample_weight=weight)
    refused(*words, x=data_set(X, Y, weight, size=8), y=None)


VALIDATION = {
    "out of range": (
        {"validation_data": (X, changed(Y, -1, 9))},
        ("`validation_data`", "to 9", "0 to 3"),
    ),
    "missing labels": (
        {"validation_data": X},
        ("`validation_data` has no labels", "(inputs, labels)", "Give"),
    ),
    "missing labels, tf.data": (
        {"validation_data": data_set((X,), size=8)},
        ("`validation_data` has no labels", "(inputs, labels)", "Give"),
    ),
    "empty": (
        {"validation_data": (X[:0], Y[:0])},
        ("`validation_data` is empty", "at least one batch", "Check"),
    ),
    "empty tf.data": (
        {"validation_data": DS["x"].filter(lambda x, y: False)},
        ("`validation_data` is empty", "at least one batch", "Check"),
    ),
    "infinite": (
        {"validation_data": DS["x"].repeat()},
        ("`validation_data` is infinite", "Pass `validation_steps`"),
    ),
    "too many steps": (
        {"validation_data": DS["x"], "validation_steps": 13},
        ("validation_steps=13", "Received: 12", "Lower `validation_steps`"),
    ),
    "generator": (
        {"validation_data": endless()},
        ("`validation_data` is exhausted", "Give arrays"),
    ),
    "NaN": (
        {"validation_data": (changed(X, (5, 1), NAN), Y)},
        ("NaN or infinity in `validation_data`", "[5, 1]", "Clean"),
    ),
    "length": ({"validation_data": (X, Y[:-3])}, ("96", "93")),
    "weights": ({"validation_data": (X, Y, np.ones(5))}, ("96", "5")),
    "four parts": (
        {"validation_data": (X, Y, Y, Y)},
        ("(x, y, sample_weight)", "found"),
    ),
    "split of tf.data": (
        {**DS, "validation_split": 0.2},
        ("`validation_split` needs arrays", "0.2", "`validation_data`"),
    ),
    "split of PyDataset": (
        {"x": Short(), "y": None, "validation_split": 0.2},
        ("`validation_split` needs arrays", "0.2", "`validation_data`"),
    ),
    "split above 1": (
        {"validation_split": 1.5},
        ("`validation_split` needs", "between 0 and 1", "1.5"),
    ),
    "negative split": (
        {"validation_split": -0.5},
        ("`validation_split` needs", "between 0 and 1", "-0.5"),
    ),
    "split that leaves nothing": (
        {"validation_split": 0.999},
        ("empty", "at least one batch"),
    ),
}


@pytest.mark.parametrize("case", VALIDATION.values(), ids=VALIDATION)
def test_validation(case):
    fit, words = case
    refused(*words, **fit)


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        ({"y": Y[:-3]}, ("96", "93")),
        ({"x": X[:-3]}, ("96", "93")),
        ({"sample_weight": np.ones(5)}, ("96", "5")),
    ],
)
def test_lengths_differ(fit, words):
    refused(*words, "same number", **fit)


def test_lengths_of_dict_inputs_differ():
    x = split_features(X)
    x["b"] = x["b"][:-3]
    refused("96", "93", "same number", x=x, model_fn=two_inputs_fn)


def test_labels_in_a_list():
    refused("no arrays", "numpy.asarray", y=Y.tolist())


@pytest.mark.parametrize("known", [True, False])
def test_data_ends_within_an_epoch(known):
    ds = data_set(X, Y, size=12)
    if not known:
        ds = ds.filter(lambda x, y: True)
    words = "exhausted", "steps_per_epoch=5", "8 batches", "repeat"
    refused(*words, x=ds, y=None, steps_per_epoch=5, epochs=4)
    if not known:
        words = "exhausted", "steps_per_epoch=50", "8 batches"
        refused(*words, x=ds, y=None, steps_per_epoch=50)


def test_data_may_serve_several_epochs():
    ds = data_set(X, Y, size=12)
    ban = keras_ban.BornAgain(linear)
    lineage = ban.fit(ds, None, 1, steps_per_epoch=4, epochs=3, verbose=0)
    assert len(lineage[1].history["loss"]) == 3


def test_no_weight_at_all():
    zero = np.zeros(len(X))
    refused("sample weight", "0", sample_weight=zero)
    refused("validation_data", "0", validation_data=(X, Y, zero))


def test_soft_labels_may_tie_and_validation_data_hold_one_class():
    def model_fn():
        return linear(loss=keras.losses.CategoricalCrossentropy(True))

    y = np.full((len(X), 4), 0.25, "float32")
    one = np.eye(4, dtype="float32")[np.zeros(8, int)]
    ban = keras_ban.BornAgain(model_fn)
    ban.fit(X, y, 1, validation_data=(X[:8], one), verbose=0)
    assert len(ban.lineage) == 2
