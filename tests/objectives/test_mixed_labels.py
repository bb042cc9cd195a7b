"""Mixed labels: as one-hot labels that NumPy mixes in float64."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from builders import SparseCE
from objective_cases import B
from objective_cases import Halfway
from objective_cases import N
from objective_cases import T
from objective_cases import batch
from objective_cases import distributions
from objective_cases import each_objective
from objective_cases import error
from objective_cases import float64
from objective_cases import loss_and_gradient

from keras_ban import objectives
from keras_ban.distiller import Distiller
from keras_ban.distribution.parts import Mixed
from keras_ban.tasks import mixed

TOLERANCE = 1e-6
RNG = np.random.default_rng(5)
SHARE = RNG.random(B).astype("float32")
WEIGHTS = RNG.uniform(0.1, 3, (2, B)).astype("float32")


def labels(kind, shape=(B,), n=N):
    """Two labels of each example as given, and as distributions."""
    if kind == "soft":
        pair = [distributions(shape, n, seed) for seed in (1, 2)]
        return pair, pair
    pair = [batch(shape, n, seed=seed)[0] for seed in (1, 2)]
    rows = [reference.one_hot(y, n) for y in pair]
    if kind == "one-hot":
        return [r.astype("float32") for r in rows], rows
    return (pair if kind == "sparse" else [y[..., None] for y in pair]), rows


def mix(pair, weights=None):
    """What the views give: `Mixed` labels, and the weights of the samples."""
    if weights is None:
        return Mixed(*map(tf.constant, pair), SHARE, tf.constant(SHARE)), None
    one, two = SHARE * weights[0], (1 - SHARE) * weights[1]
    total = one + two
    part = tf.constant(one / total)
    return Mixed(*map(tf.constant, pair), SHARE, part), tf.constant(total)


def by_hand(rows, weights=None):
    """The mixed distributions and the weights of samples, in float64."""
    share = SHARE.astype("float64")
    weights = np.ones((2, B)) if weights is None else weights.astype("float64")
    one, two = share * weights[0], (1 - share) * weights[1]
    total = one + two
    y = (one[:, None] * rows[0] + two[:, None] * rows[1]) / total[:, None]
    return y, total


def divisor(reduction, total):
    return {
        "sum_over_batch_size": B,
        "mean": B,
        "sum": 1,
        "mean_with_sample_weight": total.sum(),
    }[reduction]


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", ["sparse", "column", "one-hot", "soft"])
@each_objective
def test_value_and_gradient(objective, formula, kind, weights):
    pair, rows = labels(kind)
    _, s, t = batch()
    y, weight = mix(pair, weights)
    loss, gradient = loss_and_gradient(
        objective(), y, s, t, sample_weight=weight
    )
    expected, total = by_hand(rows, weights)
    values, slopes = formula(expected, s, t)
    assert error(loss, (total * values).mean()) <= TOLERANCE
    assert error(gradient, total[:, None] * slopes) <= TOLERANCE


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"]
)
@each_objective
def test_reductions(objective, formula, reduction, weights):
    pair, rows = labels("sparse")
    _, s, t = batch()
    y, weight = mix(pair, weights)
    loss, gradient = loss_and_gradient(
        objective(reduction=reduction), y, s, t, sample_weight=weight
    )
    expected, total = by_hand(rows, weights)
    values, slopes = formula(expected, s, t)
    count = divisor(reduction, total)
    assert error(loss, (total * values).sum() / count) <= TOLERANCE
    expected = B * total[:, None] * slopes / count
    assert error(gradient, expected) <= TOLERANCE


def test_labels_of_positions_have_the_share_of_their_example():
    pair, rows = labels("sparse", (B, T))
    _, s, t = batch((B, T))
    y = Mixed(*map(tf.constant, pair), SHARE, tf.constant(SHARE))
    loss, _ = loss_and_gradient(objectives.BANWithLabels(), y, s, t)
    share = SHARE.astype("float64")[:, None, None]
    expected = share * rows[0] + (1 - share) * rows[1]
    values = reference.cross_entropy(expected, s)
    values = values + reference.cross_entropy(reference.softmax(t), s)
    assert error(loss, values.mean()) <= TOLERANCE


def squared(y_true, student_logits, teacher_logits):
    """No loss that is linear in labels: of each label by itself."""
    hard = keras.ops.one_hot(y_true, N)
    p = keras.ops.softmax(student_logits)
    pull = keras.ops.softmax(teacher_logits) - p
    return keras.ops.sum((p - hard) ** 2 + pull**2, axis=-1)


def test_a_function_sees_each_label_by_itself():
    pair, rows = labels("sparse")
    _, s, t = batch()
    y, weight = mix(pair, WEIGHTS)
    found = objectives.get(squared)(y, s, t, weight)
    p = reference.softmax(s)
    pull = ((reference.softmax(t) - p) ** 2).sum(-1)
    one, two = (((p - r) ** 2).sum(-1) + pull for r in rows)
    share = SHARE.astype("float64")
    expected = share * WEIGHTS[0] * one + (1 - share) * WEIGHTS[1] * two
    assert error(found, expected.mean()) <= TOLERANCE


def test_an_objective_of_ones_own():
    pair, rows = labels("one-hot")
    _, s, t = batch()
    y, _ = mix(pair)
    found = Halfway()(y, s, t)
    expected, _ = by_hand(rows)
    hard = reference.labels(expected, s)[0]
    soft = reference.ban(expected, s, t)[0]
    assert error(found, (hard / 2 + soft / 2).mean()) <= TOLERANCE


def test_dkpp_draws_once_and_needs_no_labels():
    pair, _ = labels("sparse")
    _, s, t = batch()
    y, weight = mix(pair, WEIGHTS)
    one, other = objectives.DKPP(seed=3), objectives.DKPP(seed=3)
    assert one(y, s, t, weight) == other(pair[0], s, t, weight)
    assert one(y, s, t, weight) == other(None, s, t, weight)


def test_the_label_of_the_larger_share_is_measured():
    pair, _ = labels("sparse")
    y, _ = mix(pair, WEIGHTS)
    expected = np.where(SHARE >= 0.5, *pair)
    np.testing.assert_array_equal(mixed.larger(y), expected)
    rows, _ = labels("one-hot")
    y, _ = mix(rows, WEIGHTS)
    np.testing.assert_array_equal(
        mixed.larger(y), reference.one_hot(expected, N)
    )
    assert mixed.larger(None) is None


# --- The loss that a student was compiled with

BINARY = keras.losses.BinaryCrossentropy


def student(outputs, last, loss, reduction="sum_over_batch_size"):
    """The logits of its inputs, or their probabilities."""
    x = keras.Input((outputs,))
    one = keras.layers.Dense(
        outputs, last, kernel_initializer="identity", dtype="float64"
    )
    model = keras.Model(x, one(x))
    model.compile("sgd", loss(reduction), run_eagerly=True)
    return model


LOSSES = {
    "sparse": (
        "sparse",
        N,
        None,
        lambda r: SparseCE(from_logits=True, reduction=r),
    ),
    "sparse of probabilities": (
        "sparse",
        N,
        "softmax",
        lambda r: SparseCE(reduction=r),
    ),
    "one-hot": (
        "one-hot",
        N,
        None,
        lambda r: keras.losses.CategoricalCrossentropy(
            from_logits=True, reduction=r
        ),
    ),
    "soft": (
        "soft",
        N,
        "softmax",
        lambda r: keras.losses.CategoricalCrossentropy(reduction=r),
    ),
    "binary": ("sparse", 1, None, lambda r: BINARY(True, reduction=r)),
    "binary of probabilities": (
        "column",
        1,
        "sigmoid",
        lambda r: BINARY(reduction=r),
    ),
}
# What Keras makes of probabilities is clipped at 1e-7.
SCALE = 0.5


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    "reduction",
    ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight"],
)
@pytest.mark.parametrize("case", LOSSES)
def test_the_compiled_loss(case, reduction, weights):
    kind, outputs, last, loss = LOSSES[case]
    pair, rows = labels(kind, n=max(outputs, 2))
    _, s, _ = batch(n=outputs, scale=SCALE, dtype="float64")
    y, weight = mix(pair, weights)
    model = student(outputs, last, loss, reduction)
    distiller = Distiller(model, None, "labels")
    z = tf.constant(s)
    with tf.GradientTape() as tape:
        tape.watch(z)
        found = distiller.compute_loss(z, y, model(z), weight)
    gradient = tape.gradient(found, z)
    expected, total = by_hand(rows, weights)
    both = np.concatenate([0 * s, s], -1) if outputs == 1 else s
    values, slopes = reference.labels(expected, both)
    count = divisor(reduction, total)
    assert error(found, (total * values).sum() / count) <= TOLERANCE
    slopes = B * total[:, None] * slopes / count
    assert error(gradient, slopes[:, -outputs:]) <= TOLERANCE


def test_a_loss_that_is_not_linear_is_that_of_each_label():
    loss = keras.losses.CategoricalFocalCrossentropy(
        from_logits=True, label_smoothing=0.1
    )
    pair, _ = labels("one-hot")
    _, s, _ = batch(scale=SCALE, dtype="float64")
    y, _ = mix(pair)
    model = student(N, None, lambda r: loss)
    found = Distiller(model, None, "labels").compute_loss(s, y, model(s))
    one, two = (float64(loss.call(tf.constant(p), s)) for p in pair)
    expected = SHARE * one + (1 - SHARE) * two
    assert error(found, expected.mean()) <= TOLERANCE
