"""What is particular to CWTM and DKPP."""

import functools

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from matrices import pairs
from objective_cases import ALL
from objective_cases import B
from objective_cases import N
from objective_cases import T
from objective_cases import assert_close
from objective_cases import batch
from objective_cases import distributions
from objective_cases import float64
from objective_cases import loss_and_gradient

from keras_ban import objectives

# --- CWTM


@pytest.mark.parametrize("shape", [(1,), (B,), (B, T)])
def test_cwtm_weights(shape):
    _, _, t = batch(shape)
    weights = objectives.CWTM().weights(t)
    expected = reference.cwtm_weights(t.reshape(-1, N)).reshape(shape)
    assert_close(weights, expected)
    assert_close(np.sum(weights), 1)


@pytest.mark.parametrize("shape", [(B,), (B, T)])
def test_cwtm_weights_with_mask(shape):
    _, _, t = batch(shape)
    mask = np.arange(np.prod(shape)).reshape(shape) % 3 > 0
    weights = np.asarray(objectives.CWTM().weights(t, mask))
    assert_close(weights[mask], reference.cwtm_weights(t[mask]))
    assert not weights[~mask].any()
    assert_close(weights.sum(), 1)


def test_cwtm_is_the_weighted_sum():
    y, s, t = batch()
    losses = reference.cross_entropy(reference.one_hot(y, N), s)
    expected = (reference.cwtm_weights(t) * losses).sum()
    assert_close(objectives.CWTM()(y, s, t), expected)


# --- DKPP

COMPILED = {
    "eager": lambda f: f,
    "graph": tf.function,
    "jit": functools.partial(tf.function, jit_compile=True),
}


@pytest.mark.parametrize(
    "how, n, shape", pairs(COMPILED, [3, 10, 1000], [(B,), (B, T)]), ids=str
)
def test_permute_keeps_argmax_and_values(how, n, shape):
    p = distributions(shape, n)
    permuted = np.asarray(COMPILED[how](objectives.DKPP().permute)(p))
    top = p.argmax(-1)[..., None]
    np.testing.assert_array_equal(permuted.argmax(-1), p.argmax(-1))
    np.testing.assert_array_equal(
        np.take_along_axis(permuted, top, -1), np.take_along_axis(p, top, -1)
    )
    np.testing.assert_array_equal(np.sort(permuted), np.sort(p))


@pytest.mark.parametrize("compiler", COMPILED.values(), ids=COMPILED)
def test_permute_differs_by_sample_and_call(compiler):
    p = np.tile(distributions((1,)), (64, 1))
    permute = compiler(objectives.DKPP(seed=0).permute)
    first, second = np.asarray(permute(p)), np.asarray(permute(p))
    assert len(np.unique(first, axis=0)) > 60
    assert (first != second).any(-1).mean() > 0.9


@pytest.mark.parametrize("top", [0, 2, 4])
def test_permute_is_uniform(top):
    row = np.array([0.1, 0.15, 0.05, 0.2, 0.5], "float32")
    row[[top, 4]] = row[[4, top]]
    p = np.tile(row, (20_000, 1))
    permuted = objectives.DKPP(seed=0).permute(p)
    _, counts = np.unique(permuted, axis=0, return_counts=True)
    assert len(counts) == 24
    assert np.abs(counts / len(p) * 24 - 1).max() < 0.2


@pytest.mark.parametrize("top", [0, 2, 4])
def test_permute_reaches_every_place(top):
    row = np.array([0.1, 0.15, 0.05, 0.2, 0.5], "float32")
    row[[top, 4]] = row[[4, top]]
    p = np.tile(row, (20_000, 1))
    permuted = np.asarray(objectives.DKPP(seed=1).permute(p))
    share = np.stack([(permuted == v).mean(0) for v in np.delete(row, top)])
    assert np.abs(np.delete(share, top, axis=1) - 0.25).max() < 0.02


@pytest.mark.parametrize(
    "row", [[0.3, 0.3, 0.25, 0.15], [0.1, 0.4, 0.1, 0.4], 4 * [0.25]]
)
def test_permute_keeps_the_first_of_ties(row):
    p = np.tile(np.array(row, "float32"), (64, 1))
    permuted = np.asarray(objectives.DKPP(seed=0).permute(p))
    top = np.argmax(row)
    np.testing.assert_array_equal(permuted[:, top], p[:, top])
    np.testing.assert_array_equal(np.sort(permuted), np.sort(p))


def test_permute_of_two_classes_changes_nothing():
    p = distributions(n=2)
    np.testing.assert_array_equal(objectives.DKPP().permute(p), p)


def test_permute_is_reproducible_by_seed():
    p = distributions()
    a, b, other = (objectives.DKPP(seed=seed) for seed in (3, 3, 4))
    for _ in range(3):
        expected = a.permute(p)
        np.testing.assert_array_equal(b.permute(p), expected)
        assert np.any(other.permute(p) != expected)


def test_permute_is_reproducible_by_global_seed():
    p, drawn = distributions(), []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        drawn.append(objectives.DKPP().permute(p))
    np.testing.assert_array_equal(*drawn)


def test_fresh_starts_the_stream_anew():
    p = distributions()
    dkpp = objectives.DKPP(seed=3, name="mine", reduction="sum")
    first, second = dkpp.permute(p), dkpp.permute(p)
    fresh = dkpp.fresh()
    np.testing.assert_array_equal(fresh.permute(p), first)
    np.testing.assert_array_equal(fresh.permute(p), second)
    assert fresh.get_config() == dkpp.get_config()


def test_fresh_leaves_the_original_stream_alone():
    p = distributions()
    dkpp, same = objectives.DKPP(seed=3), objectives.DKPP(seed=3)
    dkpp.fresh().permute(p)
    np.testing.assert_array_equal(dkpp.permute(p), same.permute(p))


@pytest.mark.parametrize("objective", ALL)
def test_fresh_has_the_same_configuration(objective):
    original = objective(name="mine", reduction="sum")
    fresh = original.fresh()
    assert fresh is not original
    assert type(fresh) is objective
    assert fresh.get_config() == original.get_config()


@pytest.mark.parametrize("n, scale", [(10, 1), (10, 100), (1000, 10)])
def test_dkpp_is_ban_on_permuted_probabilities(n, scale):
    y, s, t = batch(n=n, scale=scale)
    loss, gradient = loss_and_gradient(objectives.DKPP(seed=7), y, s, t)
    p = float64(objectives.DKPP(seed=7).permute(reference.softmax(t)))
    values, expected = reference.labels(p, s)
    assert_close(loss, values.mean())
    assert_close(gradient, expected)


def test_dkpp_logs_the_teacher_as_it_is():
    y, s, t = batch()
    losses = objectives.DKPP().teacher_loss(s, t)
    assert_close(losses, reference.ban(y, s, t)[0])
