"""One step of the distiller against the same step by hand."""

import itertools

import keras
import numpy as np
import pytest
import reference
from builders import mlp
from distilling import FORMULAS
from distilling import L2
from distilling import RATE
from distilling import N
from distilling import ban
from distilling import change
from distilling import distiller
from distilling import dyadic
from distilling import each_objective
from distilling import error
from distilling import fit
from distilling import kd
from distilling import step
from distilling import step_by_hand
from distilling import targets_of
from matrices import names
from matrices import pairs

from keras_ban import objectives


def use(dtype):
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


def step_and_hand(data, objective, weighted, l2, parts, train, **arguments):
    """The change that `train` makes, and the one worked out by hand."""
    x, y = data
    student, teacher = mlp(l2=l2), mlp(scale=2.0)
    expected = step_by_hand(
        FORMULAS[objective],
        student.get_weights(),
        targets_of(teacher),
        x,
        y,
        dyadic(96) if weighted else np.ones(96),
        l2,
        parts,
    )
    optimizer = keras.optimizers.SGD(
        RATE, gradient_accumulation_steps=parts if parts > 1 else None
    )
    arguments["optimizer"] = optimizer
    model = distiller(student, teacher, objective, **arguments)
    return change(student, lambda: train(model)), expected


TOLERANCES = {"float32": 1e-6, "float64": 1e-12}
# Weighted, penalty, parts.
WAYS = (False, 0.0, 1), (True, 0.0, 1), (False, L2, 1), (True, L2, 3)


@each_objective
@pytest.mark.parametrize("dtype, way", pairs(TOLERANCES, WAYS), ids=str)
def test_step_equals_the_step_by_hand(data, objective, dtype, way):
    weighted, l2, parts = way
    use(dtype)
    x, y = data
    weight = dyadic(96) if weighted else None

    def train(model):
        for rows in np.split(np.arange(96), parts):
            part = weight[rows] if weighted else None
            model.train_on_batch(x[rows], y[rows], part)

    actual, expected = step_and_hand(
        data, objective, weighted, l2, parts, train
    )
    assert error(actual, expected) <= TOLERANCES[dtype]


@pytest.mark.parametrize(
    "objective", names(FORMULAS, "cwtm", "kd", "dkd", "dist")
)
def test_fit_in_a_graph_equals_the_step_by_hand(data, objective):
    x, y = data

    def train(model):
        fit(model, x, y, batch_size=48, sample_weight=dyadic(96))

    actual, expected = step_and_hand(
        data, objective, True, L2, 2, train, run_eagerly=False
    )
    assert error(actual, expected) <= 1e-6


def test_float64_layers_under_float32_keras(data):
    x, y = data
    models = [
        keras.Sequential(
            [
                keras.Input((6,), dtype="float64"),
                keras.layers.Dense(8, activation="tanh", dtype="float64"),
                keras.layers.Dense(N, dtype="float64"),
            ],
        )
        for _ in range(2)
    ]
    start, targets = models[0].get_weights(), targets_of(models[1])
    expected = step_by_hand(kd, start, targets, x, y, dyadic(96))
    actual = step(*models, "kd", x, y, dyadic(96), rate=RATE)
    assert error(actual, expected) <= 1e-12


def permuted_targets(teacher, x, order):
    """Log-probabilities of one row, the non-argmax ones in another order."""
    log_p = reference.log_softmax(targets_of(teacher)(x))[0]
    others = np.delete(np.arange(N), log_p.argmax())
    log_p[others] = log_p[others[list(order)]]
    return log_p[None]


def test_dkpp_step_is_that_of_a_permutation_of_classes(data):
    x, y = data
    x = x[:1]
    teacher, seen = mlp(scale=2.0), set()
    for seed in range(8):
        student = mlp()
        expected = [
            step_by_hand(
                ban,
                student.get_weights(),
                lambda _, o=order: permuted_targets(teacher, x, o),
                x,
                y,
                np.ones(1),
            )
            for order in itertools.permutations(range(N - 1))
        ]
        actual = step(student, teacher, objectives.DKPP(seed), x, rate=RATE)
        errors = [error(actual, e) for e in expected]
        assert min(errors) <= 1e-6
        seen.add(int(np.argmin(errors)))
    assert len(seen) > 1
