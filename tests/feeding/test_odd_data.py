"""Data of no use: one error, before the first step."""

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf
from builders import compiled
from builders import data_set
from builders import linear
from refusals import NAN
from refusals import X
from refusals import Y
from refusals import refused

import keras_ban

ONE_HOT = np.eye(4, dtype="float32")[Y]
FRAME, SERIES = pd.DataFrame(X), pd.Series(Y)


def one_hot_fn():
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    return compiled(linear(loss=None), loss=loss)


TEXT = X.astype(str)
DICTS = data_set({"image": X, "label": Y}, size=32)
ALONE = {"y": None}
REFUSED = {
    "lists": ({"x": X.tolist(), "y": Y.tolist()}, ("`x`", "list", "asarray")),
    "list alone": ({"x": X.tolist(), **ALONE}, ("`x`", "list", "asarray")),
    "list of weights": ({"sample_weight": [1.0] * 96}, ("list", "asarray")),
    "text": ({"x": "abc"}, ("`x`", "a str", "asarray")),
    "bytes": ({"x": b"abc"}, ("`x`", "a bytes", "asarray")),
    "set": ({"x": {1, 2}}, ("`x`", "a set", "asarray")),
    "nothing in a list": ({"x": []}, ("`x` is empty",)),
    "nothing in a dict": ({"x": {}}, ("`x` is empty",)),
    "None in a dict": ({"x": {"a": X, "b": None}}, ("`x`", "a dict")),
    "0-d": ({"x": np.array(1.0), "y": np.array(1)}, ("`x`", "shape ()")),
    "0-d labels": ({"y": np.array(1)}, ("`y`", "shape ()", "first axis")),
    "0-d weight": (
        {"sample_weight": np.array(1.0)},
        ("`sample_weight`", "shape ()"),
    ),
    "numbers in a list": ({"x": [np.float32(1)] * 96}, ("`x`", "shape ()")),
    "dict labels": ({"y": {"out": Y}}, ("labels", "a dict of 'out'")),
    "two labels": ({"y": [Y, Y]}, ("labels", "a list of 2", "one output")),
    "dict weights": (
        {"sample_weight": {"out": X[:, 0]}},
        ("`sample_weight` holds several arrays", "a dict of 'out'"),
    ),
    "dict labels in a data set": (
        {"x": data_set(X, {"out": Y}, size=32), **ALONE},
        ("labels", "a dict of 'out'", "`map`"),
    ),
    "TFDS": ({"x": DICTS, **ALONE}, ("no labels", "'label'", "supervised")),
    "dict of all": (
        {"x": {"image": X, "label": Y}, **ALONE},
        ("no labels", "'image', 'label'"),
    ),
    "objects": ({"x": X.astype(object)}, ("`x`", "object")),
    "text in a frame": (
        {"x": FRAME.assign(b="a").drop(columns=5)},
        ("`x`", "object"),
    ),
    "complex": ({"x": X.astype(complex)}, ("`x`", "complex", "real")),
    "complex labels": ({"y": Y.astype(complex)}, ("`y`", "complex")),
    "dates": (
        {"x": X.astype("int64").astype("M8[s]")},
        ("`x`", "datetime"),
    ),
    "object labels": ({"y": Y.astype(object)}, ("`y`", "object")),
    "text labels in a series": ({"y": SERIES.astype(str)}, ("`y`", "numbers")),
    "a column too few": ({"x": FRAME[[0, 1]]}, ("`x`", "[None, 6]", "[96, 2]")),
    "swapped": ({"x": Y, "y": X}, ("`x`", "[None, 6]", "int64[96]")),
    "sparse labels": (
        {"y": scipy.sparse.csr_matrix(ONE_HOT)},
        ("`y`", "sparse", "toarray"),
    ),
    "ragged labels": (
        {"y": tf.RaggedTensor.from_row_lengths(Y, [1] * 96)},
        ("`y`", "ragged"),
    ),
    "weights for outputs": (
        {"sample_weight": np.ones((96, 4))},
        ("`sample_weight`", "(96, 4)", "each sample"),
    ),
    "weights of text": (
        {"sample_weight": np.array(["a"] * 96)},
        ("`sample_weight`", "<U1"),
    ),
    "NaN weight": (
        {"sample_weight": np.full(96, NAN)},
        ("NaN", "`sample_weight`"),
    ),
    "one-hot, sparse loss": (
        {"y": ONE_HOT},
        ("sparse_categorical_crossentropy", "(8, 4)", "argmax"),
    ),
    "class numbers, categorical loss": (
        {"model_fn": one_hot_fn},
        ("categorical_crossentropy", "(8,)", "to_categorical"),
    ),
    "class numbers, Brier score": (
        {"model_fn": lambda: linear(4, "softmax", "mse")},
        ("'mse'", "(8,)", "to_categorical"),
    ),
}


@pytest.mark.parametrize(("given", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_before_the_first_step(given, words):
    refused(*words, **given)


HELD_OUT = {
    "width": ((X[:, :5], Y), ("[None, 6]", "[96, 5]")),
    "swapped": ((Y, X), ("[None, 6]", "int64[96]")),
    "structure": (({"a": X}, Y), ("[None, 6]", "'a'")),
    "text": ((TEXT, Y), ("[None, 6]", "[96, 6]")),
    "data set": (data_set(X[:, :5], Y, size=32), ("[None, 6]", ", 5]")),
    "TFDS": (DICTS, ("no labels", "'label'")),
    "lists": ((X.tolist(), Y.tolist()), ("a list", "asarray")),
    "text alone": ("abc", ("a str",)),
    "classes": ((X, Y + 1), ("to 4", "0 to 3")),
    "one-hot": ((X, ONE_HOT), ("sparse_categorical", "(8, 4)")),
    "dict labels": ((X, {"out": Y}), ("labels", "'out'")),
    "objects": ((X.astype(object), Y), ("object",)),
}


@pytest.mark.parametrize(("given", "words"), HELD_OUT.values(), ids=HELD_OUT)
def test_validation_data_is_refused_before_the_first_step(given, words):
    refused(*words, validation_data=given)
    distiller = keras_ban.Distiller(linear(), linear())
    with pytest.raises(ValueError) as info:
        distiller.fit(X, Y, validation_data=given, verbose=0)
    assert all(word in str(info.value) for word in words)


def test_validation_weights_are_refused_before_the_first_step():
    for weight, words in (
        (np.ones((96, 2)), ("(96, 2)", "each sample")),
        ({"a": X[:, 0]}, ("several arrays", "'a'")),
        (np.array(["a"] * 96), ("<U1",)),
    ):
        refused(*words, validation_data=(X, Y, weight))


@pytest.mark.parametrize("value", [0, -1, 1.0, "a", None, [0], (1,), False])
def test_validation_freq(value):
    words = "`validation_freq`", "integer of at least 1", repr(value)
    refused(*words, validation_data=(X, Y), validation_freq=value)


@pytest.mark.parametrize(
    "value", [[1, 2], {"a": 1}, {0: "b"}, {0: NAN}, {-1: 2.0}, {0.5: 1.0}, 3]
)
def test_class_weight(value):
    refused("`class_weight`", "a dict", repr(value), class_weight=value)


def test_class_weight_beside_other_weights():
    weight = np.ones(96)
    refused("`sample_weight`", class_weight={0: 2.0}, sample_weight=weight)
    x = data_set(X, Y, weight, size=32)
    refused("weights in the data", x=x, y=None, class_weight={0: 2.0})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((X[:64], Y), r"inputs of 64, labels of 96"),
        ((X[:64], Y[:64], np.ones(96)), "labels of 64, weights of 96"),
        ((X, Y, np.ones((96, 2))), r"\(32, 2\)"),
        ((X, Y, np.full(96, NAN)), "NaN.*`sample_weight`"),
        ((NAN * X, Y), "NaN.*`x`"),
        ((X[:, :5], Y), "cannot be run on `x`"),
        ((X.tolist(), Y.tolist()), "a list"),
        ((X, {"out": Y}), "a dict of 'out'"),
        ((X, Y.astype(str)), "numbers"),
        ((DICTS,), "without labels.*'label'"),
    ],
)
def test_evaluation_refuses_them_too(given, words, simple):
    with pytest.raises(ValueError, match=words):
        simple.evaluate(*given)


def test_lengths_differ_wherever_data_enters():
    distiller = keras_ban.Distiller(linear(), linear())
    for fit in (
        {"y": Y[:64]},
        {"sample_weight": np.ones(64)},
        {"validation_data": (X, Y[:64])},
        {"validation_split": 0.2, "sample_weight": np.ones(64)},
    ):
        refused("different lengths", "64", **fit)
        with pytest.raises(ValueError, match="different lengths"):
            distiller.fit(**{"x": X, "y": Y, "verbose": 0, **fit})


def test_lengths_differ_within_a_batch():
    class Uneven(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[:32], Y[: 32 - index]

    refused(
        "different lengths", "inputs of 32, labels of 31", x=Uneven(), y=None
    )
