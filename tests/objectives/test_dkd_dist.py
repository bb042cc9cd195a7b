"""What is particular to DKD and DIST."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from builders import compiled
from builders import mlp
from objective_cases import B
from objective_cases import N
from objective_cases import T
from objective_cases import batch
from objective_cases import distributions
from objective_cases import error
from objective_cases import float64
from objective_cases import loss_and_gradient
from replicas import mirrored

import keras_ban
from keras_ban import objectives
from keras_ban.distribution.parts import Mixed

TOLERANCE = 1e-6
FORMULAS = {"dkd": reference.dkd, "dist": reference.dist}
REDUCTIONS = ["sum_over_batch_size", "sum", "mean_with_sample_weight"]
WEIGHTS = np.random.default_rng(3).uniform(0.1, 3, B).astype("float32")

each = pytest.mark.parametrize("name", FORMULAS)


def labels(kind, n=N, seed=0):
    """Labels as given, and as distributions."""
    if kind == "soft":
        return distributions(n=n, seed=seed), distributions(n=n, seed=seed)
    y = batch(n=n, seed=seed)[0]
    rows = reference.one_hot(y, n)
    given = {"sparse": y, "column": y[:, None], "one-hot": rows}
    return given[kind], rows


def no_labels(y_true, logits):
    """A loss of the labels that is 0."""
    return 0 * logits[..., 0]


def assert_correct(found, values, gradient):
    assert error(found[0], values) <= TOLERANCE
    assert error(found[1], gradient) <= TOLERANCE
    assert np.isfinite(float64(found[1])).all()


# --- All labels, weights and reductions


@each
@pytest.mark.parametrize("kind", ["sparse", "column", "one-hot", "soft"])
def test_labels(name, kind):
    given, rows = labels(kind)
    _, s, t = batch()
    values, gradient = FORMULAS[name](rows, s, t)
    found = loss_and_gradient(objectives.get(name), given, s, t)
    assert_correct(found, values.mean(), gradient)


ARGUMENTS = [
    ("dkd", {"alpha": 0.5, "beta": 2, "temperature": 1}),
    ("dkd", {"alpha": 0, "beta": 3}),
    ("dkd", {"alpha": 2, "beta": 0}),
    ("dist", {"beta": 2, "gamma": 0.5, "temperature": 4}),
    ("dist", {"beta": 0, "gamma": 3}),
    ("dist", {"beta": 3, "gamma": 0}),
]


@pytest.mark.parametrize("name, arguments", ARGUMENTS)
def test_arguments(name, arguments):
    y, s, t = batch()
    rows = reference.one_hot(y, N)
    values, gradient = FORMULAS[name](rows, s, t, **arguments)
    objective = type(objectives.get(name))(**arguments)
    found = loss_and_gradient(objective, y, s, t)
    assert_correct(found, values.mean(), gradient)


@each
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weights_and_reductions(name, weights, reduction):
    y, s, t = batch()
    rows = reference.one_hot(y, N)
    w = np.ones(B) if weights is None else weights.astype("float64")
    divisor = {"sum": 1, "mean_with_sample_weight": w.sum()}.get(reduction, B)
    values, gradient = FORMULAS[name](rows, s, t)
    # The relation over the batch is the same part of each sample's loss.
    common = 0
    if name == "dist":
        own = reference.dist(rows, s, t, gamma=0)[1]
        common, gradient = w.sum() * (gradient - own), own
    gradient = B * w[:, None] * gradient + common
    objective = type(objectives.get(name))(reduction=reduction)
    found = loss_and_gradient(objective, y, s, t, sample_weight=weights)
    assert_correct(found, (w * values).sum() / divisor, gradient / divisor)


@each
@pytest.mark.parametrize("kind", ["sparse", "one-hot", "soft"])
def test_mixed_labels_have_the_mean_of_both_losses(name, kind):
    pair, rows = zip(*(labels(kind, seed=k) for k in (1, 2)), strict=True)
    _, s, t = batch()
    part = np.random.default_rng(5).random(B).astype("float32")
    y = Mixed(*map(tf.constant, pair), part, tf.constant(part))
    found = loss_and_gradient(objectives.get(name), y, s, t)
    one, two = (FORMULAS[name](r, s, t)[0] for r in rows)
    part = float64(part)
    expected = (part * one + (1 - part) * two).mean()
    assert error(found[0], expected) <= TOLERANCE
    slope = _slope_of_mixed(name, rows, part, s, t)
    assert error(found[1], slope) <= TOLERANCE


def _slope_of_mixed(name, rows, part, s, t):
    """The gradient; that of DIST is linear in the labels."""
    part = part[:, None]
    if name == "dist":
        return reference.dist(part * rows[0] + (1 - part) * rows[1], s, t)[1]
    one, two = (reference.dkd(r, s, t)[1] for r in rows)
    return part * one + (1 - part) * two


# --- One sigmoid, extreme logits, half precision


@each
@pytest.mark.parametrize("shape", [(B,), (B, 1)])
@pytest.mark.parametrize("kind", ["classes", "probabilities"])
def test_binary_with_one_output(name, shape, kind):
    _, s, t = batch(n=1)
    y = np.random.default_rng(1).random(B)
    y = y.round() if kind == "classes" else y
    rows = np.stack([1 - y, y], -1)
    both = [np.concatenate([0 * z, z], -1) for z in (s, t)]
    values, gradient = FORMULAS[name](rows, *both)
    y = y.astype("float32").reshape(shape)
    found = loss_and_gradient(objectives.get(name), y, s, t)
    assert_correct(found, values.mean(), gradient[:, 1:])


def test_dkd_of_two_classes_has_no_others():
    y, s, t = batch(n=2)
    found = [objectives.DKD(beta=beta)(y, s, t) for beta in (0, 8)]
    assert found[0] == found[1]


EXTREMES = {
    "both sure": ([80, -80, 0, -80], [80, -80, 0, -80]),
    "apart": ([80, -80, -80, 0], [-80, 80, 0, -80]),
    "student sure": ([80, -80, -80, -80], [0, 0.5, 0, 1]),
    "teacher sure": ([0, 0.5, 0, 1], [80, -80, -80, -80]),
}


@each
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("case", EXTREMES)
def test_extreme_logits(name, dtype, case):
    s, t = (
        np.stack([np.roll(row, k) for k in range(4)]).astype(dtype)
        for row in EXTREMES[case]
    )
    y = np.array([0, 1, 1, 3])
    found = loss_and_gradient(objectives.get(name), y, s, t)
    rows = reference.one_hot(y, 4)
    values, gradient = FORMULAS[name](rows, float64(s), float64(t))
    assert found[0].dtype == "float32"
    assert error(found[0], values.mean()) <= TOLERANCE
    limit = {"float16": 1e-3, "float32": 5 * TOLERANCE}[dtype]
    assert error(found[1], gradient) <= limit


@each
def test_training_in_mixed_precision(name, data):
    keras.config.set_dtype_policy("mixed_float16")
    x, y = data
    student, teacher = compiled(mlp()), mlp()
    logits = [m.predict(x, verbose=0) for m in (student, teacher)]
    assert logits[0].dtype == "float16"
    history = keras_ban.Distiller(student, teacher, name).fit(
        x, y, batch_size=len(x), epochs=2, shuffle=False, verbose=0
    )
    rows = reference.one_hot(y, logits[0].shape[-1])
    values, _ = FORMULAS[name](rows, *map(float64, logits))
    losses = history.history["loss"]
    assert losses[0] == pytest.approx(values.mean(), rel=2e-3)
    assert losses[1] < losses[0]


# --- DKD


@pytest.mark.parametrize("temperature", [1, 4])
def test_dkd_takes_the_divergence_apart(temperature):
    """`KD = TCKD + (1 - p_y) NCKD` (Zhao et al., 2022, Equation 6)."""
    y, s, t = batch(dtype="float64")

    def term(**weights):
        objective = objectives.DKD(**weights, temperature=temperature)
        return float64(objective.decoupled(y, s, t)) / temperature**2

    p, z = reference.softmax(t / temperature), s / temperature
    expected = reference.cross_entropy(p, z) - reference.cross_entropy(
        p, t / temperature
    )
    rest = 1 - p[np.arange(B), y]
    found = term(alpha=1, beta=0) + rest * term(alpha=0, beta=1)
    assert error(found, expected) <= 1e-12


@pytest.mark.parametrize("n", [1, 2, 3, 1000])
def test_dkd_has_no_gradient_where_student_is_teacher(n):
    y, s, _ = batch(n=n, scale=10)
    objective = objectives.DKD()
    objective.learn_labels_by(no_labels)
    loss, gradient = loss_and_gradient(objective, y % 2, s, s)
    assert loss == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(s))


@pytest.mark.parametrize("distance", [1e-3, 0.01, 0.1])
def test_dkd_of_a_student_that_is_almost_its_teacher(distance):
    y, s, _ = batch()
    t = (s + distance * batch(seed=1)[1]).astype("float32")
    objective = objectives.DKD(temperature=1)
    found = objective.decoupled(y, s, t)
    rows = reference.one_hot(y, N)
    expected = reference.dkd(rows, s, t, temperature=1)[0]
    expected -= reference.labels(rows, s)[0]
    assert error(found, expected) <= 1e-6 / distance


@pytest.mark.parametrize("kind", ["sparse", "one-hot"])
def test_dkd_of_sequences_with_a_mask(kind):
    y, s, t = batch((B, T))
    mask = np.arange(B * T).reshape(B, T) % 3 > 0
    rows = reference.one_hot(y, N)
    values, gradient = reference.dkd(rows[mask], s[mask], t[mask])
    given = y if kind == "sparse" else rows
    loss, slope = loss_and_gradient(objectives.DKD(), given, s, t, mask=mask)
    assert_correct((loss, np.asarray(slope)[mask]), values.mean(), gradient)


# --- DIST


def flat_cases():
    y, s, t = batch(n=4)
    same = np.zeros_like(s)
    bias = np.tile(np.float32([0.1, 0.7, -0.3, 5]), (B, 1))
    row = s.copy()
    row[::2] = 0.3
    return [
        pytest.param(y, *pair, id=f"{name} {of}")
        for name, flat in {
            "all": same,
            "samples": bias,
            "some rows": row,
        }.items()
        for of, pair in {
            "student": (flat.astype("float32"), t),
            "teacher": (s, flat.astype("float32")),
            "both": (flat.astype("float32"), flat.astype("float32")),
        }.items()
    ]


@pytest.mark.parametrize("y, s, t", flat_cases())
def test_what_does_not_vary_has_no_correlation(y, s, t):
    found = loss_and_gradient(objectives.DIST(), y, s, t)
    values, gradient = reference.dist(reference.one_hot(y, 4), s, t)
    assert_correct(found, values.mean(), gradient)


def test_a_class_that_is_never_probable_counts_like_all():
    y, s, t = batch()
    s[:, 3] -= 200
    t[:, 5] -= 300
    found = loss_and_gradient(objectives.DIST(), y, s, t)
    values, gradient = reference.dist(reference.one_hot(y, N), s, t)
    assert error(found[0], values.mean()) <= TOLERANCE
    assert error(found[1], gradient) <= 1e-5


@pytest.mark.parametrize("n", [2, 10])
def test_one_sample_has_no_correlation_in_the_batch(n):
    y, s, t = batch((1,), n)
    objective = objectives.DIST(beta=0)
    objective.learn_labels_by(no_labels)
    loss, gradient = loss_and_gradient(objective, y, s, t)
    assert loss == 1
    assert not np.asarray(gradient).any()


def test_dist_is_0_where_student_is_teacher():
    y, s, _ = batch(scale=1)
    objective = objectives.DIST()
    objective.learn_labels_by(no_labels)
    loss, gradient = loss_and_gradient(objective, y, s, s + 3)
    assert abs(loss) <= 1e-6
    assert np.abs(gradient).max() <= 1e-6


def test_dist_logs_both_relations():
    y, s, t = batch()
    found = objectives.DIST(2.0, 3.0).teacher_loss(s, t)
    rows = reference.one_hot(y, N)
    expected = reference.dist(rows, s, t, 2.0, 3.0)[0]
    expected -= reference.labels(rows, s)[0]
    assert error(found, expected) <= TOLERANCE


@pytest.mark.parametrize("name", ["dkd", "dist"])
@pytest.mark.parametrize("first", [0, 5, B])
def test_two_replicas_have_the_global_batch(name, first):
    y, s, t = batch((B, T))
    mask = np.arange(B * T).reshape(B, T) % 3 > 0
    expected = loss_and_gradient(objectives.get(name), y, s, t, mask=mask)
    strategy, objective = mirrored(2), objectives.get(name)
    parts = slice(0, first), slice(first, None)

    def split(array):
        return strategy.experimental_distribute_values_from_function(
            lambda c: tf.constant(array[parts[c.replica_id_in_sync_group]])
        )

    def step(y, s, t, mask):
        s = tf.identity(s)
        with tf.GradientTape() as tape:
            tape.watch(s)
            s._keras_mask = mask
            loss = objective(y, s, t)
        return loss, tape.gradient(loss, s)

    given = tuple(map(split, (y, s, t, mask)))
    found = tf.function(lambda *a: strategy.run(step, a))(*given)
    losses, slopes = map(strategy.experimental_local_results, found)
    assert error(sum(losses), float64(expected[0])) <= TOLERANCE
    slope = np.concatenate(slopes)
    assert error(slope, float64(expected[1])) <= TOLERANCE


# --- Arguments out of their ranges

BAD = [
    (objectives.DKD, "alpha", (-1, float("inf"), float("nan"), "x", None)),
    (objectives.DKD, "beta", (-1, float("inf"), True)),
    (objectives.DKD, "temperature", (0, -1, float("nan"), None)),
    (objectives.DIST, "beta", (-1, float("inf"), "x")),
    (objectives.DIST, "gamma", (-1, float("nan"), None)),
    (objectives.DIST, "temperature", (0, float("inf"), True)),
    (objectives.KD, "standardize", (1, None, "yes")),
]


@pytest.mark.parametrize(
    "objective, name, value", [(o, n, v) for o, n, vs in BAD for v in vs]
)
def test_arguments_out_of_range(objective, name, value):
    with pytest.raises(ValueError, match=rf"`{name}`.*Expected") as raised:
        objective(**{name: value})
    assert str(raised.value).endswith(f"Received: {value!r}")
