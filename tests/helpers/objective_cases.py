"""Objectives, their formulas and random logits for the tests."""

import functools

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

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
    case(
        "kd-standardized",
        objectives.KD,
        reference.kd_standardized,
        alpha=0.3,
        temperature=2,
        standardize=True,
    ),
]


# Of these a mixed label's loss is not that of the mixed distribution, or a
# sample's gradient not its own.
DECOUPLED = case("dkd", objectives.DKD, reference.dkd)
RELATIONAL = case("dist", objectives.DIST, reference.dist)


ALL = [
    objectives.Labels,
    objectives.BAN,
    objectives.BANWithLabels,
    objectives.CWTM,
    objectives.DKPP,
    objectives.KD,
    objectives.DKD,
    objectives.DIST,
    objectives.LogitRegression,
]


NEED_LABELS = [
    objectives.Labels,
    objectives.BANWithLabels,
    objectives.CWTM,
    objectives.KD,
    objectives.DKD,
    objectives.DIST,
]


each_objective = pytest.mark.parametrize("objective, formula", PLAIN)
every_objective = pytest.mark.parametrize(
    "objective, formula", [*PLAIN, DECOUPLED, RELATIONAL]
)


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


def float64(x):
    return np.asarray(x).astype("float64")


def error(a, b):
    return np.linalg.norm(float64(a) - b) / np.linalg.norm(b)


def assert_close(actual, expected, tolerance=1e-5):
    assert np.shape(actual) == np.shape(expected)
    assert error(actual, expected) <= tolerance


def column(y):
    return y[..., None]


@keras.saving.register_keras_serializable(package="keras_ban_tests")
class Halfway(objectives.Objective):
    """An objective of one's own: `KD` at temperature 1."""

    def __init__(self, share=0.5, **arguments):
        super().__init__(**arguments)
        self.share = share

    def call(self, y_true, student_logits, teacher_logits):
        label = self.label_loss(y_true, student_logits)
        teacher = self.teacher_loss(student_logits, teacher_logits)
        return self.share * label + (1 - self.share) * teacher

    def get_config(self):
        return {**super().get_config(), "share": self.share}
