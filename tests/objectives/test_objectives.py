"""Values and gradients of the objectives against float64 formulas."""

import functools

import numpy as np
import pytest
import reference
import tensorflow as tf
from objective_cases import ALL
from objective_cases import DECOUPLED
from objective_cases import NEED_LABELS
from objective_cases import PLAIN
from objective_cases import RELATIONAL
from objective_cases import B
from objective_cases import N
from objective_cases import assert_close
from objective_cases import batch
from objective_cases import case
from objective_cases import every_objective
from objective_cases import float64
from objective_cases import loss_and_gradient

from keras_ban import objectives

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


CASES = [*PLAIN, DECOUPLED, RELATIONAL, *KD]


SAME_AT_TEACHER = [
    pytest.param(objectives.BAN, id="ban"),
    pytest.param(objectives.LogitRegression, id="logits"),
] + [
    pytest.param(
        functools.partial(objectives.KD, alpha=0, temperature=t), id=f"kd-{t}"
    )
    for t in (1, 2, 5, 20)
]
SAME_AT_TEACHER.append(
    pytest.param(
        functools.partial(objectives.KD, alpha=0, standardize=True),
        id="kd-standardized",
    )
)


def compiled_loss_and_gradient(objective):
    @tf.function(jit_compile=True)
    def compiled(y, s, t):
        return loss_and_gradient(objective, y, s, t)

    return compiled


def half_logits(dtype, scale=100, n=1000):
    y, s, t = batch(n=n, scale=scale)
    return y, tf.cast(s, dtype), tf.cast(t, dtype)


# --- Values and gradients


@every_objective
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


@pytest.mark.parametrize("objective, formula", CASES)
@pytest.mark.parametrize("n", [10, 1000])
@pytest.mark.parametrize("scale", [1, 10, 50, 100])
def test_value_and_gradient(objective, formula, n, scale):
    y, s, t = batch(n=n, scale=scale)
    loss, gradient = loss_and_gradient(objective(), y, s, t)
    values, expected = formula(reference.one_hot(y, n), s, t)
    assert loss.dtype == "float32"
    assert_close(loss, values.mean())
    assert_close(gradient, expected)


@pytest.mark.parametrize("objective, formula", CASES)
@pytest.mark.parametrize("scale", [1, 100])
def test_float64_stays_float64(objective, formula, scale):
    y, s, t = batch(scale=scale, dtype="float64")
    loss, gradient = loss_and_gradient(objective(), y, s, t)
    values, expected = formula(reference.one_hot(y, N), s, t)
    assert loss.dtype == "float64"
    assert_close(loss, values.mean(), 1e-12)
    assert_close(gradient, expected, 1e-12)


@every_objective
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
    loss, gradient = loss_and_gradient(objectives.DKPP(seed=7), y, s, t)
    p = float64(objectives.DKPP(seed=7).permute(reference.softmax(float64(t))))
    values, expected = reference.labels(p, float64(s))
    assert loss.dtype == "float32"
    assert_close(loss, values.mean())
    assert_close(gradient, expected, 1e-2)


@every_objective
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


@pytest.mark.parametrize(
    "objective",
    [
        *SAME_AT_TEACHER[:3],
        *(
            pytest.param(*one.values, id=one.id, marks=pytest.mark.slow)
            for one in SAME_AT_TEACHER[3:]
        ),
    ],
)
def test_no_gradient_where_student_is_teacher_compiled(objective):
    y, s, _ = batch(n=1000)
    compiled = compiled_loss_and_gradient(objective())
    _, gradient = compiled(y, s, s)
    assert np.abs(gradient).max() <= 1e-7


@every_objective
def test_compiled_equals_eager(objective, formula):
    y, s, t = batch()
    compiled = compiled_loss_and_gradient(objective())
    loss, gradient = compiled(y, s, t)
    values, expected = formula(reference.one_hot(y, N), s, t)
    assert_close(loss, values.mean())
    assert_close(gradient, expected)


@every_objective
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
    [*NEED_LABELS, functools.partial(objectives.KD, alpha=0.1)],
)
def test_labels_needed(objective):
    assert objective().needs_labels


def test_labels_need_no_teacher():
    y, s, _ = batch()
    expected = reference.labels(reference.one_hot(y, N), s)[0].mean()
    assert not objectives.Labels.needs_teacher
    assert_close(objectives.Labels()(y, s), expected)
