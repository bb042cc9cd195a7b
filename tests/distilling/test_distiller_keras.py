"""The distiller behaves as a Keras model."""

import zipfile

import keras
import numpy as np
import pytest
import reference
from builders import LOGITS
from builders import SparseCE
from builders import mlp
from distilling import FORMULAS
from distilling import L2
from distilling import N
from distilling import batch_logs
from distilling import bits
from distilling import busy
from distilling import copy
from distilling import distiller
from distilling import dyadic
from distilling import each_objective
from distilling import error
from distilling import fit
from distilling import logs
from distilling import numpy
from distilling import step
from distilling import update
from distilling import variables
from matrices import pairs

import keras_ban


@pytest.mark.parametrize(
    "last", [None, pytest.param("softmax", marks=pytest.mark.slow)]
)
def test_labels_objective_is_plain_keras_bit_for_bit(data, last):
    x, y = data
    teacher, results = mlp(), []
    for distilled in (False, True):
        keras.utils.set_random_seed(1)
        student = busy(last)
        student.compile(
            keras.optimizers.Adam(0.01),
            SparseCE(from_logits=last is None),
            metrics=["accuracy"],
            weighted_metrics=["accuracy"],
        )
        model = student
        if distilled:
            model = keras_ban.Distiller(student, teacher, "labels")
        history = model.fit(
            x,
            y,
            sample_weight=dyadic(96),
            validation_data=(x[:20], y[:20]),
            epochs=3,
            verbose=0,
        )
        results.append((bits(variables(student)), history.history))
    assert results[0] == results[1]


def compiled_teacher(data):
    teacher = busy()
    teacher.compile("adam", LOGITS, metrics=["accuracy"])
    fit(teacher, *data)
    teacher.layers[0].trainable = False
    teacher.layers[1].trainable = False
    return teacher


def flags(model):
    return [layer.trainable for layer in model.layers] + [
        v.trainable for v in model.variables
    ]


def test_teacher_is_left_as_it_was(data):
    x, y = data
    teacher = compiled_teacher(data)
    scores = teacher.evaluate(x, y, verbose=0)
    before = bits(variables(teacher)), flags(teacher), teacher.optimizer
    steps = int(teacher.optimizer.iterations)
    model = distiller(busy(), teacher, "ban+l", run_eagerly=False)
    fit(model, x, y, batch_size=32, epochs=2, validation_data=(x, y))
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    after = bits(variables(teacher)), flags(teacher), teacher.optimizer
    assert before == after
    assert int(teacher.optimizer.iterations) == steps
    assert teacher.evaluate(x, y, verbose=0) == scores
    fit(teacher, x, y)
    assert int(teacher.optimizer.iterations) == steps + 1


def test_teacher_is_no_part_of_the_distiller():
    student, teacher = busy(), busy()
    model = distiller(student, teacher)

    def ids(variables):
        return [id(v) for v in variables]

    assert ids(model.weights) == ids(student.weights)
    assert ids(model.trainable_weights) == ids(student.trainable_weights)
    held = {id(v) for v in model.variables}
    assert not held & {id(v) for v in teacher.variables}
    assert teacher not in model._flatten_layers()


def test_student_ends_as_a_plain_compiled_model(data, tmp_path):
    x, y = data
    student = busy()
    student.compile("adam", LOGITS, metrics=["accuracy"])
    model = keras_ban.Distiller(student, mlp(), "kd")
    history = fit(model, x, y, epochs=2)
    assert "teacher_loss" in history
    assert set(student.evaluate(x, y, verbose=0, return_dict=True)) == {
        "loss",
        "accuracy",
    }
    for name, saver in (("a.keras", student), ("b.keras", model)):
        path = tmp_path / name
        saver.save(path)
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json").decode()
        assert "keras_ban" not in config
        assert "istiller" not in config
        loaded = keras.saving.load_model(path)
        assert bits(loaded.get_weights()) == bits(student.get_weights())
        assert int(loaded.optimizer.iterations) == 2
        assert loaded.evaluate(x, y, verbose=0) == student.evaluate(
            x, y, verbose=0
        )
    assert set(fit(student, x, y)) == {"loss", "accuracy"}
    assert int(student.optimizer.iterations) == 3


def expected_terms(objective, student, teacher, x, y, weight):
    """Label and teacher term of one batch, and the loss they combine to."""
    z, t = numpy(student(x)), numpy(teacher(x))
    y = reference.one_hot(y, N)
    temperature = 2.0 if objective == "kd" else 1.0
    teacher_losses = reference.kd(y, z, t, 0.0, temperature)[0]
    if objective == "logits":
        teacher_losses = reference.logit_regression(y, z, t)[0]
    if objective == "dist":
        relations = reference.dist(y, z, t)[0]
        teacher_losses = relations - reference.labels(y, z)[0]
    label = np.mean(weight * reference.labels(y, z)[0])
    teacher = np.mean(weight * teacher_losses)
    loss = {
        "ban": teacher,
        "ban+l": label + teacher,
        "cwtm": np.mean(weight * reference.cwtm(y, z, t)[0]),
        "kd": 0.5 * label + 0.5 * teacher,
        "dkd": np.mean(weight * reference.dkd(y, z, t)[0]),
        "dist": label + teacher,
        "logits": teacher,
    }[objective]
    return {"label_loss": label, "teacher_loss": teacher, "loss": loss}


@pytest.mark.parametrize("objective, weighted", pairs(FORMULAS, [False, True]))
def test_logged_terms(data, objective, weighted):
    x, y = data
    weight = dyadic(96) if weighted else np.ones(96)
    student, teacher = mlp(l2=L2), mlp(scale=2.0)
    penalty = L2 * sum((w**2).sum() for w in student.get_weights()[::2])
    expected = expected_terms(objective, student, teacher, x, y, weight)
    expected["loss"] += penalty
    actual = logs(
        distiller(student, teacher, objective, rate=0.0),
        x,
        y,
        sample_weight=weight if weighted else None,
    )
    assert actual == pytest.approx(expected, rel=1e-6)


def test_logged_terms_are_means_over_the_samples_of_an_epoch(data):
    x, y = data
    student, teacher = mlp(), mlp(scale=2.0)
    expected = expected_terms("kd", student, teacher, x, y, np.ones(96))
    actual = logs(
        distiller(student, teacher, "kd", rate=0.0), x, y, batch_size=36
    )
    assert actual == pytest.approx(expected, rel=1e-6)


def test_added_losses_count_once(data):
    x, y = data
    student = mlp(8, keras.layers.ActivityRegularization(l2=0.001), l2=L2)
    actual = batch_logs(distiller(student, mlp(), rate=0.0), x, y)
    student(x, training=True)
    added = float(sum(student.losses))
    assert added > 0.1
    assert actual["loss"] == pytest.approx(
        actual["teacher_loss"] + added, rel=1e-6
    )


def test_validation_is_the_students_own(data):
    x, y = data
    student = busy()
    model = distiller(student, mlp(), "kd", metrics=["accuracy"])
    actual = logs(model, x, y, validation_data=(x[:30], y[:30]))
    expected = student.evaluate(x[:30], y[:30], verbose=0, return_dict=True)
    actual = {k: v for k, v in actual.items() if k.startswith("val_")}
    assert actual == pytest.approx(
        {f"val_{k}": v for k, v in expected.items()}, rel=1e-6
    )


@each_objective
def test_sample_weights_scale_the_update(data, objective):
    x, y = data
    student, teacher = mlp(), mlp(scale=2.0)
    once = step(copy(student), teacher, objective, x, y)
    thrice = step(copy(student), teacher, objective, x, y, np.full(96, 3.0))
    assert error(thrice, [3 * u for u in once]) <= 1e-6


@pytest.mark.parametrize("objective", ["ban", "kd"])
def test_weight_zero_leaves_a_sample_out(data, objective):
    x, y = data
    student, teacher = mlp(), mlp()
    weight = np.repeat([1.0, 0.0], 48)
    masked = step(copy(student), teacher, objective, x, y, weight)
    half = step(copy(student), teacher, objective, x[:48], y[:48])
    assert error(masked, [u / 2 for u in half]) <= 1e-6


@pytest.mark.parametrize("objective", ["ban", "cwtm"])
def test_class_weight_is_the_sample_weight_of_the_class(data, objective):
    x, y = data
    class_weight = {0: 1.0, 1: 2.0, 2: 0.5, 3: 4.0}
    student, teacher = mlp(), mlp()
    by_class = update(
        distiller(copy(student), teacher, objective),
        x,
        y,
        class_weight=class_weight,
    )
    weight = np.array([class_weight[c] for c in y])
    by_sample = step(copy(student), teacher, objective, x, y, weight)
    assert bits(by_class) == bits(by_sample)


def test_metrics_are_those_of_plain_keras(data):
    x, y = data
    arguments = {
        "metrics": ["accuracy"],
        "weighted_metrics": [
            keras.metrics.SparseCategoricalCrossentropy(
                from_logits=True, name="weighted"
            )
        ],
    }
    student = mlp()
    plain = copy(student)
    plain.compile(
        keras.optimizers.SGD(0.0), LOGITS, run_eagerly=True, **arguments
    )
    kept = {"sample_weight": dyadic(96), "batch_size": 32}
    expected = logs(plain, x, y, **kept)
    model = distiller(student, mlp(), "kd", rate=0.0, **arguments)
    actual = logs(model, x, y, **kept)
    assert list(expected) == ["accuracy", "loss", "weighted"]
    assert set(actual) == {*expected, "label_loss", "teacher_loss"}
    for name in ("accuracy", "weighted"):
        assert actual[name] == pytest.approx(expected[name], rel=1e-6)
    assert actual["label_loss"] == pytest.approx(expected["loss"], rel=1e-6)


def test_batch_statistics_of_the_student_move_as_in_plain_keras(data):
    x, y = data

    def batch_norm():
        return mlp(8, keras.layers.BatchNormalization())

    student, plain, teacher = batch_norm(), batch_norm(), batch_norm()
    plain.set_weights(student.get_weights())
    plain.compile(keras.optimizers.SGD(0.0), LOGITS)
    frozen = bits(variables(teacher))
    fit(plain, x, y, batch_size=32)
    fit(distiller(student, teacher, rate=0.0), x, y, batch_size=32)
    moved = student.layers[1]
    assert np.abs(numpy(moved.moving_mean)).max() > 1e-3
    assert error(student.get_weights(), plain.get_weights()) <= 1e-6
    assert bits(variables(teacher)) == frozen


def test_dropout_acts_in_the_student_alone(data):
    x, y = data

    def dropping():
        return mlp(8, keras.layers.Dropout(0.5), scale=2.0)

    student, teacher = mlp(), dropping()
    expected = expected_terms("ban", student, teacher, x, y, np.ones(96))
    actual = batch_logs(distiller(student, teacher, rate=0.0), x, y)
    assert actual == pytest.approx(expected, rel=1e-6)
    model = distiller(dropping(), teacher, rate=0.0)
    one, other = fit(model, x, y, epochs=2)["loss"]
    assert abs(one - other) > 1e-3


def test_terms_start_anew_whatever_was_trained_before(data):
    x, y = data
    model = distiller(mlp(), mlp(), "ban", rate=0.0, run_eagerly=False)
    first = model.fit(x, y, batch_size=96, verbose=0).history
    model.fit(x, batch_size=96, verbose=0)
    again = model.fit(x, y, batch_size=96, verbose=0).history
    assert first == again
