"""Leading axes, weights, masks and reductions."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from objective_cases import ALL
from objective_cases import PLAIN
from objective_cases import B
from objective_cases import N
from objective_cases import T
from objective_cases import assert_close
from objective_cases import batch
from objective_cases import each_objective
from objective_cases import every_objective
from objective_cases import float64
from objective_cases import loss_and_gradient

from keras_ban import objectives

ROWWISE = [p for p in PLAIN if p.id != "cwtm"]


each_rowwise = pytest.mark.parametrize("objective, formula", ROWWISE)


# --- Axes, weights, masks, reductions


@every_objective
@pytest.mark.parametrize("shape", [(B, T), (2, 4, T)])
def test_leading_axes_are_like_one(objective, formula, shape):
    y, s, t = batch(shape)
    loss, gradient = loss_and_gradient(objective(), y, s, t)
    flat, flat_gradient = loss_and_gradient(
        objective(), y.ravel(), s.reshape(-1, N), t.reshape(-1, N)
    )
    assert_close(loss, flat, 1e-6)
    assert_close(gradient, np.reshape(flat_gradient, s.shape), 1e-6)


@each_rowwise
def test_batch_is_the_mean_of_its_rows(objective, formula):
    y, s, t = batch()
    objective = objective()
    rows = [
        objective(y[i : i + 1], s[i : i + 1], t[i : i + 1]) for i in range(B)
    ]
    assert_close(objective(y, s, t), np.mean(rows))


@each_objective
@pytest.mark.parametrize("column", [False, True])
def test_sample_weight(objective, formula, column):
    y, s, t = batch()
    weight = np.linspace(0, 2, B, dtype="float32")
    losses, gradient = formula(reference.one_hot(y, N), s, t)
    actual = loss_and_gradient(
        objective(),
        y,
        s,
        t,
        sample_weight=weight[:, None] if column else weight,
    )
    assert_close(actual[0], (weight * losses).mean())
    assert_close(actual[1], weight[:, None] * gradient)


@every_objective
@pytest.mark.parametrize("shape", [(B,), (B, 1), (B, T)])
def test_sample_weight_of_a_sequence(objective, formula, shape):
    y, s, t = batch((B, T))
    weight = np.linspace(0, 2, np.prod(shape), dtype="float32").reshape(shape)
    losses, _ = formula(
        reference.one_hot(y.ravel(), N), s.reshape(-1, N), t.reshape(-1, N)
    )
    expected = (weight.reshape(B, -1) * losses.reshape(B, T)).mean()
    assert_close(objective()(y, s, t, sample_weight=weight), expected)


@each_rowwise
def test_zero_weight_leaves_the_divisor(objective, formula):
    y, s, t = batch()
    weight = np.r_[np.ones(12), np.zeros(B - 12)]
    part = objective()(y[:12], s[:12], t[:12])
    expected = float64(part) * 12 / B
    assert_close(objective()(y, s, t, sample_weight=weight), expected)


@every_objective
@pytest.mark.parametrize("shape", [(B,), (B, T)])
def test_mask_is_like_a_slice(objective, formula, shape):
    y, s, t = batch(shape)
    mask = np.arange(np.prod(shape)).reshape(shape) % 3 > 0
    loss, gradient = loss_and_gradient(objective(), y, s, t, mask=mask)
    values, expected = formula(reference.one_hot(y[mask], N), s[mask], t[mask])
    assert_close(loss, values.mean())
    assert_close(np.asarray(gradient)[mask], expected)
    assert not np.asarray(gradient)[~mask].any()


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_mask_of_other_precisions_is_like_a_slice(dtype):
    y, s, t = batch((B, T), dtype=dtype)
    mask = np.arange(B * T).reshape(B, T) % 3 > 0
    loss, _ = loss_and_gradient(objectives.CWTM(), y, s, t, mask=mask)
    y = reference.one_hot(y[mask], N)
    assert_close(loss, reference.cwtm(y, s[mask], t[mask])[0].mean())


@every_objective
def test_mask_with_sample_weight(objective, formula):
    y, s, t = batch((B, T))
    mask = np.arange(B * T).reshape(B, T) % 3 > 0
    weight = np.linspace(0, 2, B * T, dtype="float32").reshape(B, T)
    loss, _ = loss_and_gradient(
        objective(), y, s, t, mask=mask, sample_weight=weight
    )
    values, _ = formula(reference.one_hot(y[mask], N), s[mask], t[mask])
    assert_close(loss, (weight[mask] * values).mean())


@pytest.mark.parametrize("objective", ALL)
def test_batch_without_a_sample_that_counts(objective):
    y, s, t = batch()
    mask = np.zeros(B, bool)
    loss, gradient = loss_and_gradient(objective(), y, s, t, mask=mask)
    assert loss == 0
    assert not np.asarray(gradient).any()


@every_objective
@pytest.mark.parametrize("shape", [(B,), (B, T)])
def test_reduction_sum(objective, formula, shape):
    y, s, t = batch(shape)
    flat = reference.one_hot(y.ravel(), N), s.reshape(-1, N), t.reshape(-1, N)
    values, gradient = formula(*flat)
    actual = loss_and_gradient(objective(reduction="sum"), y, s, t)
    assert_close(actual[0], values.sum())
    assert_close(actual[1], len(values) * gradient.reshape(s.shape))


@every_objective
def test_no_reduction(objective, formula):
    y, s, t = batch()
    values, _ = formula(reference.one_hot(y, N), s, t)
    assert_close(objective(reduction=None)(y, s, t), values)
    assert_close(objective().call(y, s, t), values)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"]
)
def test_reduction_is_that_of_keras(weighted, masked, reduction):
    y, s, t = batch((B, T))
    mask = np.arange(B * T).reshape(B, T) % 3 > 0 if masked else None
    weight = np.linspace(0, 2, B * T).reshape(B, T) if weighted else None
    loss, _ = loss_and_gradient(
        objectives.Labels(reduction=reduction),
        y,
        s,
        t,
        mask=mask,
        sample_weight=weight,
    )
    keras_loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction=reduction
    )
    z = tf.constant(s)
    if masked:
        z._keras_mask = tf.constant(mask)
    assert_close(loss, keras_loss(y, z, sample_weight=weight))
