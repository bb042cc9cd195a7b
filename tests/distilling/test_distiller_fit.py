"""Fitting and evaluating: data, callbacks, and when the teacher runs."""

import keras
import numpy as np
import pytest
from builders import LOGITS
from builders import Batches
from builders import data_set
from builders import mlp
from distilling import Counted
from distilling import bits
from distilling import busy
from distilling import copy
from distilling import distiller
from distilling import dyadic
from distilling import error
from distilling import fit
from distilling import logs

import keras_ban


def counted_teacher(x):
    teacher = Counted()
    teacher.compile(loss=LOGITS)
    teacher(x)
    return teacher


def test_teacher_runs_once_a_step_and_never_to_evaluate(data):
    x, y = data
    teacher = counted_teacher(x)
    model = distiller(mlp(), teacher, "kd", metrics=["accuracy"])
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
    teacher = counted_teacher(x)
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
    student.reset_metrics()
    one = model.test_on_batch(x, y)
    student.reset_metrics()
    assert one == student.test_on_batch(x, y)


@pytest.mark.parametrize("weight", [0.25, [0.25]], ids=["number", "list"])
@pytest.mark.parametrize("objective", ["labels", "ban+l"])
def test_the_weight_of_the_loss_acts_as_in_keras(weight, objective, data):
    x, y = data
    teacher, whole = mlp(), mlp()
    weighed = copy(whole)
    models = {}
    for student, rate, given in ((whole, 0.25, None), (weighed, 1.0, weight)):
        student.compile(keras.optimizers.SGD(rate), LOGITS, loss_weights=given)
        models[given is None] = keras_ban.Distiller(student, teacher, objective)
    losses = {
        is_whole: model.fit(x, y, 96, verbose=0).history
        for is_whole, model in models.items()
    }
    for ours, theirs in zip(
        weighed.get_weights(), whole.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    for name, [value] in losses[True].items():
        assert losses[False][name] == pytest.approx([0.25 * value], rel=1e-6)


def diverging(epoch, rate):
    return 0.1 if epoch < 2 else 1000.0


def test_early_stopping_restores_the_best_student(data):
    x, y = data
    student = mlp()
    model = distiller(student, mlp(), "kd")
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
    student = mlp()
    model = distiller(student, mlp(), "kd", run_eagerly=False)
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
    last = mlp()
    last.load_weights(weights)
    assert bits(last.get_weights()) == bits(student.get_weights())


def test_validation_split(data):
    x, y = data
    start, teacher = mlp(), mlp()
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
    start, teacher = mlp(), mlp()
    students = []
    for given in ("arrays", "dataset", "pydataset", "batches"):
        student = copy(start)
        students.append(student)
        model = distiller(student, teacher, "kd", metrics=["accuracy"])
        if given == "arrays":
            x, y, weight = arrays
            fit(model, x, y, sample_weight=weight, batch_size=32)
        elif given == "dataset":
            fit(model, data_set(*arrays, size=32), batch_size=None)
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
