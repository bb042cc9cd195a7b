"""However it runs, the distiller takes the same steps."""

import keras
import numpy as np
import pytest
from builders import LOGITS
from builders import mlp
from distilling import FORMULAS
from distilling import L2
from distilling import batch_logs
from distilling import busy
from distilling import change
from distilling import copy
from distilling import distiller
from distilling import dyadic
from distilling import error
from distilling import fit
from distilling import step
from distilling import update
from matrices import pairs

import keras_ban


@pytest.mark.parametrize(
    "scaled",
    [
        lambda: keras.optimizers.SGD(1.0, loss_scale_factor=1024.0),
        lambda: keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(1.0), initial_scale=1024.0
        ),
    ],
    ids=["factor", "optimizer"],
)
def test_loss_scaling_cancels(data, scaled):
    x, y = data
    student, teacher = mlp(l2=L2), mlp()
    plain = step(copy(student, l2=L2), teacher, "ban+l", x, y)
    model = distiller(
        copy(student, l2=L2), teacher, "ban+l", optimizer=scaled()
    )
    terms = {}
    actual = change(
        model.student, lambda: terms.update(batch_logs(model, x, y))
    )
    assert error(actual, plain) <= 1e-6
    assert terms["loss"] < 10


# Of the gradients of DKD, 32 times as steep, the first scale is too large.
OBJECTIVES = [n for n in FORMULAS if n != "dkd"]
POLICIES = {"mixed_float16": 0.01, "mixed_bfloat16": 0.05}


@pytest.mark.parametrize("objective, policy", pairs(OBJECTIVES, POLICIES))
def test_mixed_precision_is_close_to_float32(data, objective, policy):
    x, y = data
    student, teacher = mlp(l2=L2), mlp(scale=2.0)
    full = step(copy(student, l2=L2), teacher, objective, x, y)
    keras.config.set_dtype_policy(policy)
    half = distiller(
        copy(student, l2=L2), copy(teacher), objective, auto_scale_loss=True
    )
    scaled = isinstance(half.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    actual = update(half, x, y)
    assert {a.dtype for a in actual} == {np.dtype("float32")}
    assert error(actual, full) <= POLICIES[policy]


def run(data, objective="kd", drop=0.3, **arguments):
    """Weights and history of two epochs under a way of running."""
    x, y = data
    keras.utils.set_random_seed(3)
    student = busy(drop=drop)
    model = distiller(
        student,
        mlp(scale=2.0),
        objective,
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        metrics=["accuracy"],
        **arguments,
    )
    history = fit(
        model, x, y, batch_size=16, epochs=2, sample_weight=dyadic(96)
    )
    return student.get_weights(), history


def assert_close(one, other, tolerance):
    assert error(one[0], other[0]) <= tolerance
    assert one[1].keys() == other[1].keys()
    for name, values in one[1].items():
        assert values == pytest.approx(other[1][name], rel=tolerance), name


@pytest.mark.parametrize(
    "objective", ["cwtm", pytest.param("dkpp", marks=pytest.mark.slow)]
)
def test_eager_run_equals_the_graph(data, objective):
    runs = [run(data, objective, run_eagerly=e) for e in (True, False)]
    assert_close(*runs, 1e-5)


def test_jit_compiled_run_equals_the_graph(data):
    runs = [
        run(data, drop=0.0, run_eagerly=False, jit_compile=jit)
        for jit in (True, False)
    ]
    assert_close(*runs, 1e-5)


def test_jit_compiled_dkpp_of_two_classes_is_ban(data):
    x, y = data
    start, teacher = mlp(outputs=2), mlp(outputs=2)
    expected = step(copy(start, outputs=2), teacher, "ban", x, y // 2)
    arguments = {"run_eagerly": False, "jit_compile": True}
    actual = step(
        copy(start, outputs=2), teacher, "dkpp", x, y // 2, **arguments
    )
    assert error(actual, expected) <= 1e-6


def test_several_steps_per_execution_change_nothing(data):
    runs = [
        run(data, run_eagerly=False, steps_per_execution=steps)
        for steps in (1, 3)
    ]
    assert_close(*runs, 1e-6)


def test_way_of_running_is_taken_from_the_compiled_student():
    student = mlp()
    student.compile("adam", LOGITS, steps_per_execution=3, jit_compile=True)
    model = keras_ban.Distiller(student, mlp())
    assert model.optimizer is student.optimizer
    assert model.steps_per_execution == 3
    assert model.jit_compile is True
    assert model.run_eagerly is False
