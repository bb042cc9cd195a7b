import functools
import re

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from keras_ban import losses
from keras_ban import objectives

B, T, N = 16, 3, 10


def case(name, objective, formula, **arguments):
    formula = functools.partial(formula, **arguments)
    return pytest.param(
        functools.partial(objective, **arguments), formula, id=name
    )


PLAIN = [
    case("labels", objectives.Labels, reference.labels),
    case("ban", objectives.BAN, reference.ban),
    case("ban+l", objectives.BANWithLabels, reference.ban_with_labels),
    case("logits", objectives.LogitRegression, reference.logit_regression),
    case("cwtm", objectives.CWTM, reference.cwtm),
    case("kd", objectives.KD, reference.kd, alpha=0.3, temperature=5),
]
KD = [
    case(
        f"kd-{alpha}-{t}",
        objectives.KD,
        reference.kd,
        alpha=alpha,
        temperature=t,
    )
    for alpha in (0, 0.3, 1)
    for t in (1, 2, 5, 20)
]
ROWWISE = [p for p in PLAIN if p.id != "cwtm"]
SAME_AT_TEACHER = [
    pytest.param(objectives.BAN, id="ban"),
    pytest.param(objectives.LogitRegression, id="logits"),
] + [
    pytest.param(
        functools.partial(objectives.KD, alpha=0, temperature=t), id=f"kd-{t}"
    )
    for t in (1, 2, 5, 20)
]
ALL = [
    objectives.Labels,
    objectives.BAN,
    objectives.BANWithLabels,
    objectives.CWTM,
    objectives.DKPP,
    objectives.KD,
    objectives.LogitRegression,
]

each_objective = pytest.mark.parametrize("objective, formula", PLAIN)
each_rowwise = pytest.mark.parametrize("objective, formula", ROWWISE)


def batch(shape=(B,), n=N, scale=3.0, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(n, size=shape)
    s, t = rng.normal(scale=scale, size=(2, *shape, n)).astype(dtype)
    return y, s, t


def distributions(shape=(B,), n=N, seed=1):
    logits = np.random.default_rng(seed).normal(size=(*shape, n))
    return reference.softmax(logits).astype("float32")


def loss_and_gradient(objective, y, s, t, mask=None, **arguments):
    s = tf.convert_to_tensor(s)
    with tf.GradientTape() as tape:
        tape.watch(s)
        if mask is not None:
            s._keras_mask = tf.constant(mask)
        loss = objective(y, s, t, **arguments)
    return loss, tape.gradient(loss, s)


def compiled_loss_and_gradient(objective):
    @tf.function(jit_compile=True)
    def compiled(y, s, t):
        return loss_and_gradient(objective, y, s, t)

    return compiled


def float64(x):
    return np.asarray(x).astype("float64")


def error(a, b):
    return np.linalg.norm(float64(a) - b) / np.linalg.norm(b)


def assert_close(actual, expected, tolerance=1e-5):
    assert np.shape(actual) == np.shape(expected)
    assert error(actual, expected) <= tolerance


def half_logits(dtype, scale=100, n=1000):
    y, s, t = batch(n=n, scale=scale)
    return y, tf.cast(s, dtype), tf.cast(t, dtype)


# --- Values and gradients


@each_objective
def test_reference_gradient_is_the_derivative(objective, formula):
    y, s, t = batch(dtype="float64")
    y, step = reference.one_hot(y, N), 1e-6
    gradient = np.empty_like(s)
    for i in np.ndindex(s.shape):
        move = np.zeros_like(s)
        move[i] = step
        up, down = formula(y, s + move, t)[0], formula(y, s - move, t)[0]
        gradient[i] = (up.mean() - down.mean()) / (2 * step)
    assert_close(formula(y, s, t)[1], gradient, 1e-6)


@pytest.mark.parametrize("objective, formula", PLAIN + KD)
@pytest.mark.parametrize("n", [10, 1000])
@pytest.mark.parametrize("scale", [1, 10, 50, 100])
def test_value_and_gradient(objective, formula, n, scale):
    y, s, t = batch(n=n, scale=scale)
    loss, gradient = loss_and_gradient(objective(), y, s, t)
    values, expected = formula(reference.one_hot(y, n), s, t)
    assert loss.dtype == "float32"
    assert_close(loss, values.mean())
    assert_close(gradient, expected)


@pytest.mark.parametrize("objective, formula", PLAIN + KD)
@pytest.mark.parametrize("scale", [1, 100])
def test_float64_stays_float64(objective, formula, scale):
    y, s, t = batch(scale=scale, dtype="float64")
    loss, gradient = loss_and_gradient(objective(), y, s, t)
    values, expected = formula(reference.one_hot(y, N), s, t)
    assert loss.dtype == "float64"
    assert_close(loss, values.mean(), 1e-12)
    assert_close(gradient, expected, 1e-12)


@each_objective
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("n", [10, 1000])
@pytest.mark.parametrize("scale", [1, 100])
def test_half_precision_logits(objective, formula, dtype, n, scale):
    y, s, t = half_logits(dtype, scale, n)
    loss, gradient = loss_and_gradient(objective(), y, s, t)
    y = reference.one_hot(y, n)
    values, expected = formula(y, float64(s), float64(t))
    assert loss.dtype == "float32"
    assert np.isfinite(float64(gradient)).all()
    assert_close(loss, values.mean())
    assert_close(gradient, expected, 1e-2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_permuted(dtype):
    y, s, t = half_logits(dtype)
    loss, gradient = loss_and_gradient(objectives.DKPP(), y, s, t)
    assert loss.dtype == "float32"
    assert np.isfinite(loss)
    assert np.isfinite(float64(gradient)).all()


@each_objective
@pytest.mark.parametrize(
    ("student", "teacher"),
    [
        ("float32", "float16"),
        ("float16", "float32"),
        ("float32", "float64"),
        ("float64", "float32"),
    ],
)
def test_teacher_of_another_precision(objective, formula, student, teacher):
    y, s, t = batch()
    s, t = s.astype(student), t.astype(teacher)
    loss = objective()(y, s, t)
    values, _ = formula(reference.one_hot(y, N), s, t)
    assert_close(loss, values.mean())


@pytest.mark.parametrize("objective", SAME_AT_TEACHER)
@pytest.mark.parametrize("size", [1, 64])
@pytest.mark.parametrize("scale", [1, 10, 100])
def test_no_gradient_where_student_is_teacher(objective, size, scale):
    y, s, _ = batch((size,), n=1000, scale=scale)
    _, gradient = loss_and_gradient(objective(), y, s, s)
    np.testing.assert_array_equal(gradient, np.zeros_like(s))


@pytest.mark.parametrize("objective", SAME_AT_TEACHER)
def test_no_gradient_where_student_is_teacher_compiled(objective):
    y, s, _ = batch(n=1000)
    compiled = compiled_loss_and_gradient(objective())
    _, gradient = compiled(y, s, s)
    assert np.abs(gradient).max() <= 1e-7


@each_objective
def test_compiled_equals_eager(objective, formula):
    y, s, t = batch()
    compiled = compiled_loss_and_gradient(objective())
    loss, gradient = compiled(y, s, t)
    values, expected = formula(reference.one_hot(y, N), s, t)
    assert_close(loss, values.mean())
    assert_close(gradient, expected)


@each_objective
@pytest.mark.parametrize("label_shape", [(None,), (None, 1)])
def test_unknown_shapes(objective, formula, label_shape):
    y, s, t = batch()
    y = y[:, None] if label_shape == (None, 1) else y
    objective, logits = objective(), tf.TensorSpec((None, N))

    @tf.function(
        input_signature=[tf.TensorSpec(label_shape, "int64"), logits, logits]
    )
    def traced(y, s, t):
        return objective(y, s, t)

    expected, _ = formula(reference.one_hot(y.ravel(), N), s, t)
    assert_close(traced(y, s, t), expected.mean())


@pytest.mark.parametrize("objective", ALL)
def test_teacher_gets_no_gradient(objective):
    y, s, t = map(tf.constant, batch())
    with tf.GradientTape() as tape:
        tape.watch(t)
        loss = objective()(y, s, t)
    assert tape.gradient(loss, t) is None


@pytest.mark.parametrize("temperature", [1, 5])
def test_kd_with_alpha_1_is_labels(temperature):
    y, s, t = batch()
    kd = objectives.KD(alpha=1, temperature=temperature)
    assert_close(kd(y, s, t), objectives.Labels()(y, s, t), 1e-7)


def test_kd_with_alpha_0_at_temperature_1_is_ban():
    y, s, t = batch()
    kd = objectives.KD(alpha=0, temperature=1)
    assert_close(kd(y, s, t), objectives.BAN()(y, s, t), 1e-7)


@pytest.mark.parametrize(
    "objective", [objectives.BAN(), objectives.KD(alpha=0.3, temperature=5)]
)
def test_row_constants_change_nothing(objective):
    y, s, t = batch(dtype="float64")
    shift = np.arange(B)[:, None] * 10.0
    expected = objective(y, s, t)
    assert_close(objective(y, s + shift, t), expected, 1e-12)
    assert_close(objective(y, s, t - shift), expected, 1e-12)


@pytest.mark.parametrize(
    "objective",
    [
        objectives.BAN(),
        objectives.DKPP(seed=0),
        objectives.KD(alpha=0),
        objectives.LogitRegression(),
    ],
)
def test_labels_not_needed(objective):
    y, s, t = batch()
    assert not objective.needs_labels
    without, with_labels = objective.fresh(), objective.fresh()
    np.testing.assert_array_equal(without(None, s, t), with_labels(y, s, t))


@pytest.mark.parametrize(
    "objective",
    [
        objectives.Labels,
        objectives.BANWithLabels,
        objectives.CWTM,
        objectives.KD,
        functools.partial(objectives.KD, alpha=0.1),
    ],
)
def test_labels_needed(objective):
    assert objective().needs_labels


def test_labels_need_no_teacher():
    y, s, _ = batch()
    expected = reference.labels(reference.one_hot(y, N), s)[0].mean()
    assert not objectives.Labels.needs_teacher
    assert_close(objectives.Labels()(y, s), expected)


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

COMPILERS = [
    pytest.param(lambda f: f, id="eager"),
    pytest.param(tf.function, id="graph"),
    pytest.param(functools.partial(tf.function, jit_compile=True), id="jit"),
]


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("n", [3, 10, 1000])
@pytest.mark.parametrize("shape", [(B,), (B, T)])
def test_permute_keeps_argmax_and_values(compiler, n, shape):
    p = distributions(shape, n)
    permuted = np.asarray(compiler(objectives.DKPP().permute)(p))
    top = p.argmax(-1)[..., None]
    np.testing.assert_array_equal(permuted.argmax(-1), p.argmax(-1))
    np.testing.assert_array_equal(
        np.take_along_axis(permuted, top, -1), np.take_along_axis(p, top, -1)
    )
    np.testing.assert_array_equal(np.sort(permuted), np.sort(p))


@pytest.mark.parametrize("compiler", COMPILERS)
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


# --- Axes, weights, masks, reductions


@each_objective
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


@each_objective
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


@each_objective
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


@each_objective
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


@each_objective
@pytest.mark.parametrize("shape", [(B,), (B, T)])
def test_reduction_sum(objective, formula, shape):
    y, s, t = batch(shape)
    flat = reference.one_hot(y.ravel(), N), s.reshape(-1, N), t.reshape(-1, N)
    values, gradient = formula(*flat)
    actual = loss_and_gradient(objective(reduction="sum"), y, s, t)
    assert_close(actual[0], values.sum())
    assert_close(actual[1], len(values) * gradient.reshape(s.shape))


@each_objective
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


# --- Labels


def column(y):
    return y[..., None]


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
    "objective, formula", [p for p in PLAIN if p.id != "logits"]
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


@pytest.mark.parametrize(
    "objective",
    [
        objectives.Labels,
        objectives.BANWithLabels,
        objectives.CWTM,
        objectives.KD,
    ],
)
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


# --- Names, configurations, errors


@keras.saving.register_keras_serializable(package="keras_ban_tests")
class Halfway(objectives.Objective):
    def __init__(self, share=0.5, **arguments):
        super().__init__(**arguments)
        self.share = share

    def call(self, y_true, student_logits, teacher_logits):
        label = self.label_loss(y_true, student_logits)
        teacher = self.teacher_loss(student_logits, teacher_logits)
        return self.share * label + (1 - self.share) * teacher

    def get_config(self):
        return {**super().get_config(), "share": self.share}


@keras.saving.register_keras_serializable(package="keras_ban_tests")
def first_logit(y_true, student_logits, teacher_logits):
    return student_logits[..., 0]


NAMES = {
    "labels": objectives.Labels,
    "ban": objectives.BAN,
    "ban+l": objectives.BANWithLabels,
    "cwtm": objectives.CWTM,
    "dkpp": objectives.DKPP,
    "kd": objectives.KD,
    "logits": objectives.LogitRegression,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_get_name(name, spell):
    objective = objectives.get(spell(name))
    assert type(objective) is NAMES[name]
    assert objective.name == name


def test_get_name_gives_a_new_one_each_time():
    assert objectives.get("dkpp") is not objectives.get("dkpp")


@pytest.mark.parametrize("objective", [*ALL, Halfway])
def test_get_instance_and_class(objective):
    instance = objective()
    assert objectives.get(instance) is instance
    assert type(objectives.get(objective)) is objective


@pytest.mark.parametrize(
    "objective, arguments",
    [(cls, {}) for cls in ALL if cls not in (objectives.DKPP, objectives.KD)]
    + [
        (objectives.DKPP, {"seed": 11}),
        (objectives.KD, {"alpha": 0.25, "temperature": 4.0}),
        (Halfway, {"share": 0.25}),
        (objectives.FunctionObjective, {"function": first_logit}),
    ],
)
def test_get_configuration(objective, arguments):
    y, s, t = batch()
    original = objective(**arguments, name="mine", reduction="sum")
    config = keras.saving.serialize_keras_object(original)
    again = objectives.get(config)
    assert type(again) is objective
    assert (again.name, again.reduction) == ("mine", "sum")
    for name, value in arguments.items():
        assert getattr(again, name) == value
    np.testing.assert_array_equal(again(y, s, t), original(y, s, t))


def test_get_function():
    y, s, t = batch()
    objective = objectives.get(first_logit)
    assert objective.name == "first_logit"
    assert_close(objective(y, s, t), float64(s[:, 0]).mean())
    assert_close(
        objective(y, s, t, sample_weight=np.arange(B)),
        (np.arange(B) * float64(s[:, 0])).mean(),
    )


def test_get_function_without_a_name():
    y, s, t = batch()
    objective = objectives.get(lambda y, s, t: t[..., 0])
    assert_close(objective(y, s, t), float64(t[:, 0]).mean())


def test_fresh_function_need_not_be_registered():
    def last_logit(y_true, student_logits, teacher_logits):
        return student_logits[..., -1]

    fresh = objectives.get(last_logit).fresh()
    assert fresh.function is last_logit
    assert fresh.name == "last_logit"


def test_fresh_subclass_need_not_be_registered():
    class Scaled(objectives.BAN):
        def __init__(self, scale):
            super().__init__()
            self.scale = scale

        def call(self, y_true, student_logits, teacher_logits):
            return self.scale * super().call(
                y_true, student_logits, teacher_logits
            )

    y, s, t = batch()
    original = Scaled(3.0)
    fresh = original.fresh()
    assert type(fresh) is Scaled
    np.testing.assert_array_equal(fresh(y, s, t), original(y, s, t))


def test_get_configuration_of_a_function():
    config = keras.saving.serialize_keras_object(first_logit)
    assert objectives.get(config).function is first_logit


@pytest.mark.parametrize(
    "identifier",
    [
        "ban-l",
        "",
        None,
        3,
        0.5,
        keras.losses.MeanSquaredError(),
        keras.losses.MeanSquaredError,
        int,
        {},
        {"alpha": 0.5},
    ],
)
def test_get_of_anything_else(identifier):
    with pytest.raises(ValueError) as raised:
        objectives.get(identifier)
    for name in NAMES:
        assert repr(name) in str(raised.value)
    assert f"Received: {identifier!r}" in str(raised.value)


@pytest.mark.parametrize(
    "name, value",
    [("alpha", value) for value in (-0.1, 1.1, float("nan"), "x", None, True)]
    + [
        ("temperature", value)
        for value in (0, -1, float("inf"), float("nan"), "x", None, True)
    ],
)
def test_kd_argument_out_of_range(name, value):
    with pytest.raises(
        ValueError, match=f"`{name}`.*Received: {re.escape(repr(value))}"
    ):
        objectives.KD(**{name: value})


@pytest.mark.parametrize("number", [int, np.int64, np.float32])
def test_kd_takes_any_real_number(number):
    kd = objectives.KD(alpha=number(1), temperature=number(4))
    assert type(kd.alpha) is type(kd.temperature) is float
    assert (kd.alpha, kd.temperature) == (1.0, 4.0)


def test_kd_defaults():
    assert (objectives.KD().alpha, objectives.KD().temperature) == (0.5, 2.0)


def test_base_class_has_no_call():
    y, s, t = batch()
    with pytest.raises(NotImplementedError):
        objectives.Objective().call(y, s, t)
    with pytest.raises(NotImplementedError):
        objectives.Objective()(y, s, t)


def test_subclass():
    y, s, t = batch()
    loss, gradient = loss_and_gradient(Halfway(0.3), y, s, t)
    y = reference.one_hot(y, N)
    values, expected = reference.kd(y, s, t, alpha=0.3, temperature=1)
    assert_close(loss, values.mean())
    assert_close(gradient, expected)
    assert Halfway().name == "halfway"


@pytest.mark.parametrize(
    "objective",
    [
        objectives.Labels(),
        objectives.CWTM(),
        objectives.KD(alpha=1),
        Halfway(share=1),
    ],
)
def test_label_loss_of_the_instance(objective):
    y, s, t = batch()
    objective = objective.fresh()
    objective.label_loss = lambda y, z: 0 * z[:, 0] + 3
    assert_close(objective(y, s, t), 3)
    assert type(objective).label_loss is losses.cross_entropy


def test_label_loss_of_the_instance_beside_the_teacher():
    y, s, t = batch()
    objective = objectives.BANWithLabels()
    objective.label_loss = lambda y, z: 0 * z[:, 0] + 3
    assert_close(objective(y, s, t), 3 + reference.ban(y, s, t)[0].mean())
