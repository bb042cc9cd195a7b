"""Labels that the loss ignores: they count in no term and in no measure."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from builders import LOGITS
from builders import SparseCE
from builders import compiled
from builders import data_set
from builders import mlp
from builders import tagger
from distilling import FORMULAS
from distilling import batch_logs
from distilling import bits
from distilling import copy
from distilling import distiller
from distilling import error
from distilling import step
from distilling import update
from replicas import mirrored

import keras_ban
from keras_ban.distribution.parts import Mixed

MARK = -1
KEPT = np.arange(96) % 3 > 0


def ignoring(mark=MARK, **arguments):
    return SparseCE(from_logits=True, ignore_class=mark, **arguments)


def marked(y, mark=MARK):
    return np.where(KEPT, y, mark)


OBJECTIVES = [*FORMULAS, "labels"]


@pytest.mark.parametrize(
    "objective, is_weighted",
    [*((o, True) for o in OBJECTIVES), ("cwtm", False)],
)
def test_a_step_is_that_without_the_ignored_samples(
    data, objective, is_weighted
):
    weight = np.linspace(0, 2, 96) if is_weighted else None
    x, y = data
    student, teacher = mlp(), mlp(scale=2.0)
    arguments = {"loss": ignoring()}
    found = step(
        copy(student), teacher, objective, x, marked(y), weight, **arguments
    )
    weight = None if weight is None else weight[KEPT]
    kept = step(copy(student), teacher, objective, x[KEPT], y[KEPT], weight)
    assert error(found, kept) <= 1e-6


@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_other_reductions(data, reduction):
    x, y = data
    weight = np.linspace(0, 2, 96)
    losses = [f(reduction=reduction) for f in (ignoring, logits_loss)]
    found, kept = (
        batch_logs(distiller(mlp(), mlp(), "ban+l", loss, 0.0), *data)
        for loss, data in zip(
            losses,
            [(x, marked(y), weight), (x[KEPT], y[KEPT], weight[KEPT])],
            strict=True,
        )
        if not keras.utils.set_random_seed(0)
    )
    assert found == pytest.approx(kept, rel=1e-6)


def logits_loss(**arguments):
    return SparseCE(from_logits=True, **arguments)


@pytest.mark.parametrize(
    "objective, mark", [("ban+l", 0), ("cwtm", -1), ("dkd", 255), ("dist", 0)]
)
def test_positions_of_masked_sequences(objective, mark):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 7, (16, 5)), rng.integers(0, 4, (16, 5))
    y = np.where(rng.random((16, 5)) < 0.3, mark, y)
    kept = (x > 0) & (y != mark)
    student, teacher = tagger(), tagger()
    z, t = (m.predict(x, verbose=0)[kept] for m in (student, teacher))
    labels = reference.one_hot(y[kept], 4)
    losses, _ = reference.FORMULAS[objective](labels, z, t)
    model = distiller(student, teacher, objective, ignoring(mark), 0.0)
    found = batch_logs(model, x, y[..., None])
    assert found["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    expected = reference.labels(labels, z)[0].mean()
    assert found["label_loss"] == pytest.approx(expected, rel=1e-5)
    if objective != "dist":
        expected = reference.ban(labels, z, t)[0].mean()
        assert found["teacher_loss"] == pytest.approx(expected, rel=1e-5)


def test_labels_alone_are_plain_keras(data):
    x, y = data
    start, found = mlp(), []
    for make in (lambda m: keras_ban.Distiller(m, None, "labels"), lambda m: m):
        model = compiled(copy(start), eager=False, loss=ignoring())
        keras.utils.set_random_seed(1)
        fit = make(model).fit(
            x, marked(y), epochs=2, verbose=0, validation_data=(x, marked(y))
        )
        found.append((bits(model.get_weights()), fit.history))
    assert found[0] == found[1]


def test_validation_and_metrics_are_those_of_keras(data):
    x, y = data[0], marked(data[1])
    student = mlp()
    model = distiller(student, mlp(), "kd", ignoring(), 0.0, metrics=["acc"])
    found = model.fit(x, y, verbose=0, validation_data=(x, y)).history
    expected = student.evaluate(x, y, verbose=0, return_dict=True)
    for name, value in expected.items():
        assert found[f"val_{name}"] == pytest.approx([value], rel=1e-6)
    assert found["acc"] == pytest.approx([expected["acc"]])


def test_mixed_labels_count_where_both_do(data):
    x, y = data
    student, teacher = mlp(), mlp()
    other, share = np.roll(marked(y), 7), np.linspace(0.1, 0.9, 96)
    kept = KEPT & np.roll(KEPT, 7)
    z, t = (m.predict(x, verbose=0)[kept] for m in (student, teacher))
    soft = share[kept, None] * reference.one_hot(y[kept], 4)
    soft += (1 - share[kept, None]) * reference.one_hot(other[kept], 4)
    losses, _ = reference.ban_with_labels(soft, z, t)
    share = tf.constant(share, "float32")
    labels = Mixed(*map(tf.constant, (marked(y), other)), share, share)
    model = distiller(student, teacher, "ban+l", ignoring())
    found = model.compute_loss(x, labels, student(x))
    assert float(found) == pytest.approx(losses.mean(), rel=1e-6)


def test_an_objective_of_ones_own_is_given_classes_alone(data):
    x, y = data

    def label_loss(y_true, student, teacher):
        y_true = keras.ops.squeeze(keras.ops.one_hot(y_true, 4))
        assert float(keras.ops.min(keras.ops.sum(y_true, -1))) == 1
        return keras.ops.categorical_crossentropy(y_true, student, True)

    student, teacher = mlp(), mlp()
    found = step(
        copy(student),
        teacher,
        label_loss,
        x,
        marked(y, 255),
        loss=ignoring(255),
    )
    kept = step(copy(student), None, "labels", x[KEPT], y[KEPT])
    assert error(found, kept) <= 1e-6


def test_half_precision(data):
    x, y = data[0], marked(data[1])
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    student, teacher = mlp(), mlp()
    z, t = (m.predict(x, verbose=0)[KEPT] for m in (student, teacher))
    losses, _ = reference.ban_with_labels(reference.one_hot(y[KEPT], 4), z, t)
    found = batch_logs(
        distiller(student, teacher, "ban+l", ignoring(), 0.0), x, y
    )
    assert found["loss"] == pytest.approx(losses.mean(), rel=1e-3)


def test_replicas_have_one_mean(data):
    x, y = data[0], marked(data[1])
    # The second half has hardly any labels.
    y[60:] = MARK
    kept = y != MARK
    start, teacher = mlp(), mlp()
    with mirrored(2).scope():
        student, aim = mlp(), mlp()
        student.set_weights(start.get_weights())
        aim.set_weights(teacher.get_weights())
        model = distiller(student, aim, "cwtm", ignoring(), run_eagerly=False)
    found = update(model, x, y)
    assert error(found, step(start, teacher, "cwtm", x[kept], y[kept])) <= 1e-6


def fitted(x, y=None, make=lambda: compiled(mlp(), loss=ignoring()), **how):
    how = {"generations": 1, "verbose": 0} | how
    return keras_ban.BornAgain(make, "dkd").fit(x, y, **how)


def test_a_lineage_measures_what_counts(data):
    x, y = data[0], marked(data[1])
    lineage = fitted(
        data_set(x, y, size=32),
        validation_data=(x, y),
        teacher_outputs="cached",
    )
    found, kept = lineage.evaluate(x, y), lineage.evaluate(x[KEPT], y[KEPT])
    assert len(found) == 3
    for row, other in zip(found, kept, strict=True):
        np.testing.assert_equal(row, other)
    metrics = lineage[1].metrics
    assert metrics["nll"] == pytest.approx(found[1]["nll"])
    plain = lineage[1].model.evaluate(x, y, 96, 0, return_dict=True)
    assert plain["loss"] == pytest.approx(found[1]["nll"], rel=1e-6)
    ensemble = lineage.ensemble().evaluate(x, y, 96, 0, return_dict=True)
    assert ensemble["loss"] == pytest.approx(found[2]["nll"], rel=1e-5)


def test_a_given_teacher_may_have_another_loss(data):
    x, y = data[0], marked(data[1])
    teacher = compiled(mlp(), loss=LOGITS)
    lineage = fitted(x, y, teacher=teacher, augment="mixup")
    row = lineage.evaluate(x, y)[0]
    kept = teacher.evaluate(x[KEPT], y[KEPT], verbose=0, return_dict=True)
    assert row["nll"] == pytest.approx(kept["loss"], rel=1e-6)


def test_what_is_refused(data):
    x, y = data
    with pytest.raises(ValueError, match="Every label of `x` is -1, which"):
        fitted(x, np.full_like(y, MARK))
    with pytest.raises(ValueError, match="one class only"):
        fitted(x, np.where(KEPT, 2, MARK))
    with pytest.raises(ValueError, match="labels from -2 to 3"):
        fitted(x, np.where(KEPT, marked(y), -2))
    pair = [
        lambda m=mark: compiled(mlp(), loss=ignoring(m)) for mark in (-1, None)
    ]
    with pytest.raises(ValueError, match=r"different classes.*-1 and None"):
        fitted(x, marked(y), pair)
    words = np.ones((96, 5), "int32"), np.full((96, 5), MARK)
    words[1][:, :2] = np.arange(192).reshape(96, 2) % 4
    with pytest.raises(ValueError, match="Give each position its weight"):
        keras_ban.BornAgain(lambda: compiled(tagger(), loss=ignoring())).fit(
            *words, sample_weight=np.ones(96), verbose=0
        )
