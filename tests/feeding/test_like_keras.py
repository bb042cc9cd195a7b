"""What plain Keras trains on trains here too, to the bit."""

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf
from builders import Batches
from builders import compiled
from builders import data_set
from builders import linear
from lineages import FIT
from matrices import pairs
from matrices import rows
from refusals import X
from refusals import Y
from weights import assert_same

import keras_ban

POSITIVE = X * (X > 0)
CSR = scipy.sparse.csr_matrix(POSITIVE)
SPARSE = tf.sparse.from_dense(POSITIVE)
ONE_HOT = np.eye(4, dtype="float32")[Y]
FRAME, SERIES = pd.DataFrame(X), pd.Series(Y)
HALF = pd.DataFrame({**{i: X[:, i] for i in range(5)}, "b": X[:, 5] > 0})


def model_fn():
    return compiled(linear(loss=None))


def one_hot_fn():
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    return compiled(linear(loss=None), loss=loss)


def sparse_fn():
    inputs = keras.Input((6,), sparse=True)
    model = keras.Model(inputs, keras.layers.Dense(4)(inputs))
    return compiled(model, eager=False)


def words_fn():
    layers = keras.layers
    return compiled(
        keras.Sequential(
            [
                keras.Input((None,), dtype="int32"),
                layers.Embedding(9, 4),
                layers.GlobalAveragePooling1D(),
                layers.Dense(4),
            ]
        )
    )


def two_kinds_fn():
    a = keras.Input((4,), name="a")
    b = keras.Input((2,), sparse=True, name="b")
    parts = [keras.layers.Dense(4)(inputs) for inputs in (a, b)]
    model = keras.Model({"a": a, "b": b}, keras.layers.Add()(parts))
    return compiled(model, eager=False)


WORDS = tf.RaggedTensor.from_row_lengths(
    np.arange(286) % 9, 1 + np.arange(96) % 5
)
LIKE_KERAS = {
    "SciPy": (sparse_fn, {"x": CSR}),
    "SciPy, COO": (sparse_fn, {"x": scipy.sparse.coo_array(POSITIVE)}),
    "SciPy, float64": (sparse_fn, {"x": CSR.astype("float64")}),
    "SciPy, integers": (sparse_fn, {"x": (2 * CSR).astype("int64")}),
    "SciPy, split": (sparse_fn, {"x": CSR, "validation_split": 0.25}),
    "SciPy, dense model": (model_fn, {"x": CSR}),
    "SparseTensor": (sparse_fn, {"x": SPARSE}),
    "SparseTensor, validated": (
        sparse_fn,
        {"x": SPARSE, "validation_data": (SPARSE, Y)},
    ),
    "sparse data set": (
        sparse_fn,
        {"x": data_set(SPARSE, Y, size=32), "y": None, "batch_size": None},
    ),
    "frame": (model_fn, {"x": FRAME, "y": SERIES}),
    "frame, float64": (
        model_fn,
        {"x": FRAME.astype("float64"), "y": pd.DataFrame({"y": Y})},
    ),
    "frame, mixed": (model_fn, {"x": HALF.astype({0: "float64"})}),
    "frame, split": (
        model_fn,
        {"x": FRAME[::-1], "y": SERIES[::-1], "validation_split": 0.25},
    ),
    "frame, weights": (
        model_fn,
        {"x": FRAME, "y": SERIES, "sample_weight": pd.Series(X[:, 0])},
    ),
    "ragged of even rows": (
        model_fn,
        {"x": tf.RaggedTensor.from_row_lengths(X.reshape(-1), [6] * 96)},
    ),
    "ragged of uneven rows": (words_fn, {"x": WORDS}),
    "SciPy beside an array": (
        two_kinds_fn,
        {"x": {"a": X[:, :4], "b": CSR[:, 4:]}},
    ),
    "labels in a list": (model_fn, {"y": [Y]}),
    "weights in a list": (model_fn, {"sample_weight": [X[:, 0]]}),
    "float labels in a column": (model_fn, {"y": Y[:, None] * 1.0}),
    "negative weights": (model_fn, {"sample_weight": -X[:, 0]}),
    "weights in a column": (model_fn, {"sample_weight": X[:, :1]}),
    "Boolean weights": (model_fn, {"sample_weight": Y > 1}),
    "class_weight={}": (model_fn, {"class_weight": {}}),
    "class omitted": (model_fn, {"class_weight": {1: 2.0}}),
    "class unknown": (model_fn, {"class_weight": {1: 2, 9: 3.0}}),
    "class_weight, one-hot": (
        one_hot_fn,
        {"y": ONE_HOT, "class_weight": {0: 2.0, 3: 0.5}},
    ),
    "class_weight, column": (
        model_fn,
        {"y": Y[:, None], "class_weight": {0: 2.0, 3: 0.5}},
    ),
    "class_weight, Boolean": (
        lambda: linear(1, "sigmoid", "binary_crossentropy"),
        {"y": Y > 1, "class_weight": {0: 1.0, 1: 3.0}},
    ),
    "class_weight, data set": (
        model_fn,
        {
            "x": data_set(X, Y, size=32),
            "y": None,
            "batch_size": None,
            "class_weight": {0: 2.0, 1: 1.0, 2: 0.5, 3: 3.0},
        },
    ),
    "class omitted in a PyDataset": (
        model_fn,
        {
            "x": Batches(X, Y),
            "y": None,
            "batch_size": None,
            "class_weight": {1: 2.0},
        },
    ),
    "validated after given epochs": (
        model_fn,
        {"validation_data": (X, Y), "validation_freq": [2]},
    ),
}


RARELY = (
    "SciPy, COO",
    "SciPy, float64",
    "SciPy, integers",
    "SciPy, split",
    "SparseTensor",
    "frame, float64",
    "frame, mixed",
    "labels in a list",
    "float labels in a column",
    "Boolean weights",
    "class_weight={}",
    "class unknown",
    "class_weight, column",
    "class_weight, Boolean",
    "class_weight, data set",
)
OFTEN = [name for name in LIKE_KERAS if name not in RARELY]


@pytest.mark.parametrize(("make", "given"), rows(LIKE_KERAS, *OFTEN))
def test_trains_as_plain_keras(make, given):
    fit = {**FIT, "x": X, "y": Y, **given}
    if fit["batch_size"] is None:
        del fit["batch_size"]
    lineage = keras_ban.BornAgain(make).fit(**fit, generations=1)
    keras.utils.set_random_seed(lineage[0].seed)
    plain = make()
    history = plain.fit(**fit).history
    assert_same(lineage[0].model, plain.get_weights())
    assert lineage[0].history == history


@pytest.mark.parametrize(
    "given",
    [
        {"x": FRAME.astype("Float32"), "y": SERIES.astype("Int64")},
        {"x": FRAME.astype(pd.SparseDtype("float32")), "y": pd.Index(Y)},
        {"x": FRAME, "y": SERIES.astype("category")},
    ],
    ids=["nullable", "sparse", "category"],
)
def test_types_of_pandas_that_keras_does_not_know(given):
    expected, actual = (
        keras_ban.BornAgain(model_fn, "labels").fit(
            **{**FIT, "x": X, "y": Y, **more}, generations=0
        )
        for more in ({}, given)
    )
    assert_same(expected[0].model, actual[0].model.get_weights())


def test_sparse_beside_dense_inputs_in_a_run_that_is_kept(tmp_path):
    x = {"a": X[:, :4], "b": CSR[:, 4:]}
    run = keras_ban.BornAgain(two_kinds_fn, "kd", directory=tmp_path)
    lineage = run.fit(x, Y, generations=1, teacher_outputs="cached", **FIT)
    dense = {"a": tf.constant(X[:, :4]), "b": tf.constant(POSITIVE[:, 4:])}
    for row, generation in zip(lineage.evaluate(x, Y), lineage, strict=False):
        right = generation.model(dense).numpy().argmax(-1) == Y
        assert row["accuracy"] == pytest.approx(right.mean())


@pytest.mark.parametrize(
    ("classes", "shuffle"), pairs([{1: 2.0}, {1: 2.0, 9: 3.0}, {}], [False, 96])
)
def test_class_weight_on_a_data_set_is_that_on_arrays(classes, shuffle):
    """Where Keras fails: on a data set, at a class that is left out."""
    weight = np.array([classes.get(y, 1.0) for y in Y.tolist()])
    expected, actual = (
        keras_ban.BornAgain(model_fn).fit(
            data_set(*arrays, size=32),
            generations=1,
            epochs=2,
            verbose=0,
            shuffle=shuffle,
            **given,
        )
        for arrays, given in (
            ((X, Y, weight), {}),
            ((X, Y), {"class_weight": classes}),
        )
    )
    for one, other in zip(expected, actual, strict=True):
        assert_same(one.model, other.model.get_weights())


@pytest.mark.parametrize(
    ("kind", "outputs"), pairs(["SciPy", "TensorFlow"], ["online", "cached"])
)
def test_sparse_rows_teach_and_are_measured_as_dense_ones(kind, outputs):
    x = CSR if kind == "SciPy" else SPARSE
    teacher = sparse_fn()
    runs = [
        keras_ban.BornAgain(sparse_fn).fit(
            given, Y, 1, teacher=teacher, teacher_outputs=outputs, **FIT
        )
        for given in (x, POSITIVE)
    ]
    for one, other in zip(
        runs[0][1].model.get_weights(),
        runs[1][1].model.get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)
    tables = [runs[0].evaluate(given, Y) for given in (x, POSITIVE)]
    for name in ("accuracy", "nll", "agreement"):
        one, other = (table[1][name] for table in tables)
        assert one == pytest.approx(other, abs=1e-6)


@pytest.mark.parametrize("shuffle", [True, "batch"])
def test_shuffled_sparse_rows_come_in_the_order_of_dense_ones(shuffle):
    runs = [
        keras_ban.BornAgain(sparse_fn).fit(
            x, Y, 1, **{**FIT, "shuffle": shuffle}
        )
        for x in (CSR, POSITIVE)
    ]
    losses = [run[0].history["loss"] for run in runs]
    np.testing.assert_allclose(*losses, atol=1e-6)


def test_rows_of_a_sparse_tensor_in_any_order():
    places = np.argwhere(POSITIVE)[::-1]
    mixed = tf.SparseTensor(places, POSITIVE[tuple(places.T)], POSITIVE.shape)
    one, other = (
        keras_ban.BornAgain(sparse_fn).fit(x, Y, 1, **FIT)
        for x in (mixed, SPARSE)
    )
    assert_same(one[1].model, other[1].model.get_weights())


def test_distiller_takes_sparse_rows_and_frames():
    for make, x, y in ((sparse_fn, CSR, Y), (model_fn, FRAME, SERIES)):
        student = make()
        keras_ban.Distiller(student, make()).fit(x, y, **FIT)
        assert np.isfinite(student.get_weights()[0]).all()
