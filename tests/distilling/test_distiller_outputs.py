"""Logits, probabilities, own objectives and teachers."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from builders import LOGITS
from builders import SparseCE
from builders import data_set
from builders import mlp
from distilling import RATE
from distilling import N
from distilling import batch_logs
from distilling import copy
from distilling import distiller
from distilling import dyadic
from distilling import each_objective
from distilling import error
from distilling import fit
from distilling import kd
from distilling import logit_regression
from distilling import logs
from distilling import numpy
from distilling import squared_distance
from distilling import step
from distilling import step_by_hand
from distilling import targets_of
from distilling import update
from matrices import pairs
from objective_cases import Halfway

import keras_ban
from keras_ban import objectives


@each_objective
def test_sums_instead_of_means(data, objective):
    x, y = data
    start, teacher = mlp(), mlp()
    loss = SparseCE(from_logits=True, reduction="sum")
    mean = step(copy(start), teacher, objective, x, y)
    total = step(copy(start), teacher, objective, x, y, loss=loss)
    assert error(total, [96 * u for u in mean]) <= 1e-6


@pytest.mark.parametrize("loss", [LOGITS, squared_distance])
def test_compiling_again_forgets_the_first_loss(data, loss):
    x, y = data
    start, teacher = mlp(), mlp()
    student = copy(start)
    model = distiller(
        student,
        teacher,
        "ban+l",
        loss=SparseCE(from_logits=True, reduction="sum"),
    )
    model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    actual = update(model, x, y)
    expected = step(copy(start), teacher, "ban+l", x, y, loss=loss)
    assert error(actual, expected) <= 1e-6


KINDS = (None, "softmax"), ("softmax", None), ("softmax", "softmax")


@pytest.mark.parametrize(
    "objective, kinds", pairs(["ban", "ban+l", "cwtm", "kd"], KINDS), ids=str
)
def test_update_does_not_depend_on_the_kind_of_output(data, objective, kinds):
    last, teacher_last = kinds
    x, y = data
    start, teacher = mlp(), mlp(scale=2.0)
    expected = step(copy(start), teacher, objective, x, y, dyadic(96))
    actual = step(
        copy(start, last=last),
        copy(teacher, last=teacher_last),
        objective,
        x,
        y,
        dyadic(96),
        loss=SparseCE(from_logits=last is None),
    )
    assert error(actual, expected) <= 1e-5


@pytest.mark.parametrize("last, teacher_last", KINDS)
def test_logit_regression_on_probabilities(data, last, teacher_last):
    x, y = data
    start, teacher = mlp(), mlp(scale=2.0)

    def log_regression(y, z, t):
        return logit_regression(y, tf.nn.log_softmax(z), tf.nn.log_softmax(t))

    expected = step_by_hand(
        log_regression,
        start.get_weights(),
        targets_of(teacher),
        x,
        y,
        np.ones(96),
    )
    actual = step(
        copy(start, last=last),
        copy(teacher, last=teacher_last),
        "logits",
        x,
        y,
        loss=SparseCE(from_logits=last is None),
        rate=RATE,
    )
    assert error(actual, expected) <= 1e-5


def reshaped(model, last, n):
    """The model with an output that Keras knows no logits of."""
    inputs = keras.Input((6,))
    outputs = keras.layers.Reshape((n,))(
        copy(model, last=last, outputs=n)(inputs)
    )
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("objective, n", pairs(["ban+l", "cwtm", "kd"], [1, N]))
def test_probabilities_without_known_logits(data, objective, n):
    x, y = data[0], data[1] % max(n, 2)
    loss, last = SparseCE, "softmax"
    if n == 1:
        loss, last = keras.losses.BinaryCrossentropy, "sigmoid"
    start, teacher = mlp(outputs=n), mlp(outputs=n, scale=2.0)
    given = objective, x, y, dyadic(96)
    expected = step(
        copy(start, outputs=n), teacher, *given, loss=loss(from_logits=True)
    )
    actual = step(
        reshaped(start, last, n),
        reshaped(teacher, last, n),
        *given,
        loss=loss(from_logits=False),
    )
    assert error(actual, expected) <= 1e-5


def test_function_as_objective(data):
    x, y = data

    def objective(y_true, student_logits, teacher_logits):
        difference = student_logits - teacher_logits
        return keras.ops.mean(keras.ops.square(difference), axis=-1)

    start, teacher = mlp(), mlp()
    actual = step(copy(start), teacher, objective, x, y, dyadic(96))
    expected = step(copy(start), teacher, "logits", x, y, dyadic(96))
    assert error(actual, expected) <= 1e-6


def test_subclass_as_objective(data):
    x, y = data
    start, teacher = mlp(), mlp()
    same = objectives.KD(0.5, temperature=1)
    actual = step(copy(start), teacher, Halfway(), x, y, dyadic(96))
    expected = step(copy(start), teacher, same, x, y, dyadic(96))
    assert error(actual, expected) <= 1e-6


@pytest.mark.parametrize("kinds", [(None, None), (None, "softmax", None)])
def test_list_of_teachers_stands_for_their_mean(data, kinds):
    x, y = data
    start = mlp()
    teachers = [mlp(last=last, scale=2.0) for last in kinds]
    p = np.mean(
        [reference.softmax(numpy(copy(t)(x))) for t in teachers], axis=0
    )
    expected = reference.cross_entropy(p, numpy(start(x))).mean()
    model = distiller(copy(start), teachers, "kd", rate=0.0)
    by_hand = step_by_hand(
        kd,
        start.get_weights(),
        lambda _: np.log(p),
        x,
        y,
        np.ones(96),
    )
    model = distiller(copy(start), teachers, "kd", rate=RATE)
    assert error(update(model, x, y), by_hand) <= 1e-5
    for teacher in (teachers, tuple(teachers), keras_ban.ensemble(teachers)):
        actual = batch_logs(distiller(copy(start), teacher, rate=0.0), x, y)
        assert actual["teacher_loss"] == pytest.approx(expected, rel=1e-6)


def test_list_of_binary_teachers(data):
    x = data[0]
    student = mlp(outputs=1)
    teachers = [mlp(outputs=1, scale=2.0), mlp(last="sigmoid", outputs=1)]
    z, t, s = (numpy(copy(m, outputs=1)(x)) for m in (student, *teachers))
    p = (1 / (1 + np.exp(-t)) + 1 / (1 + np.exp(-s))) / 2
    expected = reference.binary_cross_entropy(p, z).mean()
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model = distiller(student, teachers, loss=loss, rate=0.0)
    actual = batch_logs(model, x)["teacher_loss"]
    assert actual == pytest.approx(expected, rel=1e-6)


CHOSEN = {
    "sparse": (N, lambda y: y, SparseCE),
    "column": (N, lambda y: y[:, None], SparseCE),
    "one-hot": (
        N,
        lambda y: np.eye(N)[y],
        keras.losses.CategoricalCrossentropy,
    ),
    "binary": (1, lambda y: y > 1, keras.losses.BinaryCrossentropy),
    "binary column": (
        1,
        lambda y: y[:, None] > 1,
        keras.losses.BinaryCrossentropy,
    ),
}


@pytest.mark.parametrize(
    "form, kind", pairs(CHOSEN, ["logits", "probabilities"])
)
def test_loss_chosen_for_the_labels(data, form, kind):
    n, labels, expected = CHOSEN[form]
    x, y = data[0], labels(data[1]).astype("float32")
    last = None
    if kind == "probabilities":
        last = "softmax" if n > 1 else "sigmoid"
    student = mlp(last=last, outputs=n)
    arguments = {"loss": None, "rate": 0.0, "metrics": ["accuracy"]}
    model = distiller(student, mlp(outputs=n), "ban+l", **arguments)
    actual = logs(model, x, y)
    assert type(student.loss) is expected
    assert student.loss.from_logits is (last is None)
    value = student.evaluate(x, y, verbose=0, return_dict=True)
    assert actual["label_loss"] == pytest.approx(value["loss"], rel=1e-6)
    assert actual["accuracy"] == pytest.approx(value["accuracy"])


def test_loss_chosen_for_the_labels_of_a_dataset(data):
    x, y = data
    student = mlp(last="softmax")
    model = distiller(student, mlp(), loss=None)
    fit(model, data_set(x, np.eye(N)[y], size=96), batch_size=None)
    assert type(student.loss) is keras.losses.CategoricalCrossentropy
    assert student.loss.from_logits is False


def test_compile_keeps_the_loss_of_the_student(data):
    student = mlp()
    student.compile("adam", squared_distance)
    model = keras_ban.Distiller(student, mlp())
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    fit(model, *data)
    assert student.loss is squared_distance
    assert type(student.optimizer) is keras.optimizers.SGD


def test_compile_without_loss_adapts_to_half_precision(data):
    keras.config.set_dtype_policy("mixed_float16")
    model = distiller(mlp(), mlp(), loss=None)
    assert np.isfinite(logs(model, *data)["loss"])
    assert isinstance(model.optimizer.inner_optimizer, keras.optimizers.SGD)
