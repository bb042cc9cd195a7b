"""Labels of every form, binary classifiers too."""

import numpy as np
import pytest
import reference
from objective_cases import NEED_LABELS
from objective_cases import PLAIN
from objective_cases import B
from objective_cases import N
from objective_cases import T
from objective_cases import assert_close
from objective_cases import batch
from objective_cases import column
from objective_cases import distributions
from objective_cases import each_objective
from objective_cases import loss_and_gradient

from keras_ban import objectives


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16", "float32"])
@pytest.mark.parametrize("reshape", [np.asarray, column])
@pytest.mark.parametrize("shape", [(B,), (B, T)])
def test_class_numbers(dtype, reshape, shape):
    y, s, t = batch(shape, n=1000)
    expected = reference.cross_entropy(reference.one_hot(y, 1000), s).mean()
    y = reshape(y).astype(dtype)
    assert_close(objectives.Labels()(y, s, t), expected)


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64", "bool"])
@pytest.mark.parametrize("shape", [(B,), (B, T)])
def test_one_hot_labels(dtype, shape):
    y, s, t = batch(shape)
    y = reference.one_hot(y, N)
    expected = reference.cross_entropy(y, s).mean()
    assert_close(objectives.Labels()(y.astype(dtype), s, t), expected)


@each_objective
def test_soft_labels(objective, formula):
    _, s, t = batch()
    y = distributions()
    loss, gradient = loss_and_gradient(objective(), y, s, t)
    values, expected = formula(y, s, t)
    assert_close(loss, values.mean())
    assert_close(gradient, expected)


@pytest.mark.parametrize("reshape", [np.asarray, column])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("scale", [1, 100])
def test_binary_labels(reshape, soft, scale):
    _, s, t = batch(n=1, scale=scale)
    y = np.random.default_rng(2).uniform(size=B).astype("float32")
    y = y if soft else np.round(y).astype("int32")
    loss, gradient = loss_and_gradient(objectives.Labels(), reshape(y), s, t)
    sigma = reference.softmax(np.c_[np.zeros(B), s])[:, 1]
    assert_close(loss, reference.binary_cross_entropy(y, s[:, 0]).mean())
    assert_close(gradient, (sigma - y)[:, None] / B)


@pytest.mark.parametrize("shape", [(B, T), (B, T, 1)])
def test_binary_labels_of_a_sequence(shape):
    y, s, t = batch((B, T), n=1)
    y = np.arange(B * T).reshape(B, T) % 2
    expected = reference.binary_cross_entropy(y, s[..., 0]).mean()
    assert_close(objectives.Labels()(y.reshape(shape), s, t), expected)


@pytest.mark.parametrize(
    "objective, formula",
    [p for p in PLAIN if p.id not in ("logits", "kd-standardized")],
)
def test_one_logit_is_like_two(objective, formula):
    _, s, t = batch(n=1)
    y = np.arange(B) % 2
    loss, gradient = loss_and_gradient(objective(), y, s, t)
    zero = np.zeros_like(s)
    values, expected = formula(
        reference.one_hot(y, 2), np.c_[zero, s], np.c_[zero, t]
    )
    assert_close(loss, values.mean())
    assert_close(gradient, expected[:, 1:])


def test_logit_regression_of_one_logit():
    y, s, t = batch(n=1)
    expected = reference.logit_regression(y, s, t)[0].mean()
    assert_close(objectives.LogitRegression()(y, s, t), expected)


@pytest.mark.parametrize("reshape", [np.asarray, column])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_class_numbers_of_two_classes(reshape, dtype):
    y, s, t = batch(n=2)
    expected = reference.cross_entropy(reference.one_hot(y, 2), s).mean()
    y = reshape(y).astype(dtype)
    assert_close(objectives.Labels()(y, s, t), expected)


def test_probability_of_class_1():
    y, s, t = distributions(n=2), *batch(n=2)[1:]
    expected = reference.cross_entropy(y, s).mean()
    assert_close(objectives.Labels()(y[:, 1], s, t), expected)


@pytest.mark.parametrize("objective", NEED_LABELS)
@pytest.mark.parametrize(
    "labels, logits",
    [
        ((), (B, N)),
        ((B - 1,), (B, N)),
        ((B, 2), (B, N)),
        ((B, N - 1), (B, N)),
        ((B - 1, N), (B, N)),
        ((B, T, 1), (B, N)),
        ((B,), (B, T, N)),
        ((B, T + 1), (B, T, N)),
        ((B, N), (B, T, N)),
    ],
)
def test_labels_of_another_shape(objective, labels, logits):
    _, s, t = batch(logits[:-1], n=N)
    with pytest.raises(ValueError) as raised:
        objective()(np.zeros(labels, "int32"), s, t)
    assert f"shape {labels}" in str(raised.value)
    assert f"shape {logits}" in str(raised.value)
