"""Logits, probabilities, own objectives and teachers."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from distilling import LOGITS
from distilling import RATE
from distilling import Batches
from distilling import N
from distilling import SparseCE
from distilling import Subclass
from distilling import batch_logs
from distilling import bits
from distilling import busy
from distilling import copy
from distilling import distiller
from distilling import dyadic
from distilling import each_objective
from distilling import error
from distilling import fit
from distilling import kd
from distilling import logit_regression
from distilling import logs
from distilling import network
from distilling import numpy
from distilling import squared_distance
from distilling import step
from distilling import step_by_hand
from distilling import targets_of
from distilling import tfdata
from distilling import update

import keras_ban
from keras_ban import objectives


@each_objective
def test_sums_instead_of_means(data, objective):
    x, y = data
    start, teacher = network(), network()
    loss = SparseCE(from_logits=True, reduction="sum")
    mean = step(copy(start), teacher, objective, x, y)
    total = step(copy(start), teacher, objective, x, y, loss=loss)
    assert error(total, [96 * u for u in mean]) <= 1e-6


@pytest.mark.parametrize("loss", [LOGITS, squared_distance])
def test_compiling_again_forgets_the_first_loss(data, loss):
    x, y = data
    start, teacher = network(), network()
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


@pytest.mark.parametrize(
    "last, teacher_last",
    [(None, "softmax"), ("softmax", None), ("softmax", "softmax")],
)
@pytest.mark.parametrize("objective", ["ban", "ban+l", "cwtm", "kd"])
def test_update_does_not_depend_on_the_kind_of_output(
    data, objective, last, teacher_last
):
    x, y = data
    start, teacher = network(), network(scale=2.0)
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


@pytest.mark.parametrize(
    "last, teacher_last",
    [(None, "softmax"), ("softmax", None), ("softmax", "softmax")],
)
def test_logit_regression_on_probabilities(data, last, teacher_last):
    x, y = data
    start, teacher = network(), network(scale=2.0)

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
    outputs = keras.layers.Reshape((n,))(copy(model, last=last, n=n)(inputs))
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("objective", ["ban+l", "cwtm", "kd"])
@pytest.mark.parametrize("n", [1, N])
def test_probabilities_without_known_logits(data, objective, n):
    x, y = data[0], data[1] % max(n, 2)
    loss, last = SparseCE, "softmax"
    if n == 1:
        loss, last = keras.losses.BinaryCrossentropy, "sigmoid"
    start, teacher = network(n=n), network(n=n, scale=2.0)
    given = objective, x, y, dyadic(96)
    expected = step(
        copy(start, n=n), teacher, *given, loss=loss(from_logits=True)
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

    start, teacher = network(), network()
    actual = step(copy(start), teacher, objective, x, y, dyadic(96))
    expected = step(copy(start), teacher, "logits", x, y, dyadic(96))
    assert error(actual, expected) <= 1e-6


class Halfway(objectives.Objective):
    def call(self, y_true, student_logits, teacher_logits):
        label = self.label_loss(y_true, student_logits)
        soft = self.teacher_loss(student_logits, teacher_logits)
        return 0.5 * label + 0.5 * soft


def test_subclass_as_objective(data):
    x, y = data
    start, teacher = network(), network()
    same = objectives.KD(0.5, temperature=1)
    actual = step(copy(start), teacher, Halfway(), x, y, dyadic(96))
    expected = step(copy(start), teacher, same, x, y, dyadic(96))
    assert error(actual, expected) <= 1e-6


def subclass_teacher(x):
    teacher = Subclass()
    teacher.compile(loss=LOGITS)
    teacher(x)
    return teacher


def test_teacher_runs_once_a_step_and_never_to_evaluate(data):
    x, y = data
    teacher = subclass_teacher(x)
    model = distiller(network(), teacher, "kd", metrics=["accuracy"])
    counts = []
    for validation_data in (None, (x, y)):
        teacher.calls = 0
        fit(model, x, y, batch_size=32, validation_data=validation_data)
        counts.append(teacher.calls)
    assert counts[0] == counts[1]
    teacher.calls = 0
    model.train_on_batch(x, y)
    assert teacher.calls == 1


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_evaluate_and_predict_are_the_students_own(data, run_eagerly):
    x, y = data
    teacher = subclass_teacher(x)
    student = busy()
    model = distiller(
        student,
        teacher,
        "kd",
        metrics=["accuracy"],
        run_eagerly=run_eagerly,
    )
    teacher.fails = True
    arguments = {"verbose": 0, "sample_weight": dyadic(96)}
    for as_dict in (False, True):
        arguments["return_dict"] = as_dict
        assert model.evaluate(x, y, **arguments) == student.evaluate(
            x, y, **arguments
        )
    assert np.array_equal(
        model.predict(x, verbose=0), student.predict(x, verbose=0)
    )
    assert np.array_equal(model(x), student(x))
    one = model.test_on_batch(x, y)
    student.reset_metrics()
    assert one == student.test_on_batch(x, y)


def diverging(epoch, rate):
    return 0.1 if epoch < 2 else 1000.0


def test_early_stopping_restores_the_best_student(data):
    x, y = data
    student = network()
    model = distiller(student, network(), "kd")
    history = model.fit(
        x,
        y,
        epochs=9,
        validation_data=(x, y),
        callbacks=[
            keras.callbacks.LearningRateScheduler(diverging),
            keras.callbacks.EarlyStopping(
                "val_loss", patience=2, restore_best_weights=True
            ),
        ],
        verbose=0,
    )
    assert isinstance(history, keras.callbacks.History)
    losses = history.history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 9
    assert student.evaluate(x, y, verbose=0) == pytest.approx(losses[best])
    assert float(student.optimizer.learning_rate) == 1000.0


def test_checkpoints_are_plain_students(data, tmp_path):
    x, y = data
    path, weights = tmp_path / "best.keras", tmp_path / "last.weights.h5"
    student = network()
    model = distiller(student, network(), "kd", run_eagerly=False)
    history = fit(
        model,
        x,
        y,
        epochs=4,
        validation_data=(x, y),
        callbacks=[
            keras.callbacks.LearningRateScheduler(diverging),
            keras.callbacks.ModelCheckpoint(
                path, "val_loss", save_best_only=True
            ),
            keras.callbacks.ModelCheckpoint(weights, save_weights_only=True),
        ],
    )
    loaded = keras.saving.load_model(path)
    assert type(loaded) is keras.Sequential
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(
        min(history["val_loss"])
    )
    last = network()
    last.load_weights(weights)
    assert bits(last.get_weights()) == bits(student.get_weights())


def test_validation_split(data):
    x, y = data
    start, teacher = network(), network()
    student = copy(start)
    actual = logs(
        distiller(student, teacher, "ban+l"), x, y, validation_split=0.25
    )
    other = copy(start)
    fit(distiller(other, teacher, "ban+l"), x[:72], y[:72])
    assert bits(student.get_weights()) == bits(other.get_weights())
    assert actual["val_loss"] == pytest.approx(
        student.evaluate(x[72:], y[72:], verbose=0)
    )


def test_every_form_of_data_gives_the_same_student(data):
    arrays = (*data, dyadic(96).astype("float32"))
    start, teacher = network(), network()
    students = []
    for given in ("arrays", "dataset", "pydataset", "batches"):
        student = copy(start)
        students.append(student)
        model = distiller(student, teacher, "kd", metrics=["accuracy"])
        if given == "arrays":
            x, y, weight = arrays
            fit(model, x, y, sample_weight=weight, batch_size=32)
        elif given == "dataset":
            fit(model, tfdata(*arrays, batch=32), batch_size=None)
        elif given == "pydataset":
            fit(model, Batches(*arrays), batch_size=None)
        else:
            for i in range(3):
                terms = model.train_on_batch(
                    *Batches(*arrays)[i], return_dict=True
                )
            assert set(terms) == {
                "loss",
                "accuracy",
                "label_loss",
                "teacher_loss",
            }
    for student in students[1:]:
        assert error(student.get_weights(), students[0].get_weights()) <= 1e-6


@pytest.mark.parametrize("kinds", [(None, None), (None, "softmax", None)])
def test_list_of_teachers_stands_for_their_mean(data, kinds):
    x, y = data
    start = network()
    teachers = [network(last, scale=2.0) for last in kinds]
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
    student = network(n=1)
    teachers = [network(n=1, scale=2.0), network("sigmoid", n=1)]
    z, t, s = (numpy(copy(m, n=1)(x)) for m in (student, *teachers))
    p = (1 / (1 + np.exp(-t)) + 1 / (1 + np.exp(-s))) / 2
    expected = reference.binary_cross_entropy(p, z).mean()
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model = distiller(student, teachers, loss=loss, rate=0.0)
    actual = batch_logs(model, x)["teacher_loss"]
    assert actual == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize(
    "n, labels, expected",
    [
        (N, lambda y: y, SparseCE),
        (N, lambda y: y[:, None], SparseCE),
        (N, lambda y: np.eye(N)[y], keras.losses.CategoricalCrossentropy),
        (1, lambda y: y > 1, keras.losses.BinaryCrossentropy),
        (1, lambda y: y[:, None] > 1, keras.losses.BinaryCrossentropy),
    ],
    ids=["sparse", "column", "one-hot", "binary", "binary column"],
)
def test_loss_chosen_for_the_labels(data, kind, n, labels, expected):
    x, y = data[0], labels(data[1]).astype("float32")
    last = None
    if kind == "probabilities":
        last = "softmax" if n > 1 else "sigmoid"
    student = network(last, n=n)
    arguments = {"loss": None, "rate": 0.0, "metrics": ["accuracy"]}
    model = distiller(student, network(n=n), "ban+l", **arguments)
    actual = logs(model, x, y)
    assert type(student.loss) is expected
    assert student.loss.from_logits is (last is None)
    value = student.evaluate(x, y, verbose=0, return_dict=True)
    assert actual["label_loss"] == pytest.approx(value["loss"], rel=1e-6)
    assert actual["accuracy"] == pytest.approx(value["accuracy"])


def test_loss_chosen_for_the_labels_of_a_dataset(data):
    x, y = data
    student = network("softmax")
    model = distiller(student, network(), loss=None)
    fit(model, tfdata(x, np.eye(N)[y]), batch_size=None)
    assert type(student.loss) is keras.losses.CategoricalCrossentropy
    assert student.loss.from_logits is False


def test_compile_keeps_the_loss_of_the_student(data):
    student = network()
    student.compile("adam", squared_distance)
    model = keras_ban.Distiller(student, network())
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    fit(model, *data)
    assert student.loss is squared_distance
    assert type(student.optimizer) is keras.optimizers.SGD


def test_compile_without_loss_adapts_to_half_precision(data):
    keras.config.set_dtype_policy("mixed_float16")
    model = distiller(network(), network(), loss=None)
    assert np.isfinite(logs(model, *data)["loss"])
    assert isinstance(model.optimizer.inner_optimizer, keras.optimizers.SGD)
