"""Inputs, masks, labels and losses of every form."""

import itertools

import keras
import numpy as np
import pytest
import reference
from builders import LOGITS
from builders import SparseCE
from builders import data_set
from builders import mlp
from builders import split_features
from builders import tagger
from builders import two_inputs
from distilling import FORMULAS
from distilling import Counted
from distilling import N
from distilling import batch_logs
from distilling import change
from distilling import copy
from distilling import distiller
from distilling import dyadic
from distilling import error
from distilling import fit
from distilling import flat
from distilling import logs
from distilling import numpy
from distilling import squared_distance
from distilling import step
from distilling import update
from matrices import pairs

from keras_ban import objectives


@pytest.mark.parametrize("structure", [dict, list])
@pytest.mark.parametrize("as_dataset", [False, True])
def test_several_inputs(data, structure, as_dataset):
    x, y = data
    joined, teacher = mlp(), mlp()
    expected = step(copy(joined), teacher, "kd", x, y)
    student, other = two_inputs(structure), two_inputs(structure)
    student.set_weights(joined.get_weights())
    other.set_weights(teacher.get_weights())
    parts = split_features(x)
    if structure is list:
        parts = tuple(parts.values()) if as_dataset else list(parts.values())
    given = (data_set(parts, y, size=96), None) if as_dataset else (parts, y)
    actual = update(
        distiller(student, other, "kd"),
        *given,
        batch_size=None if as_dataset else 96,
    )
    assert error(actual, expected) <= 1e-6


@pytest.mark.parametrize(
    "as_dataset, run_eagerly", pairs([False, True], [True, False])
)
def test_unbuilt_subclassed_student(data, as_dataset, run_eagerly):
    x, y = data
    student = Counted()
    model = distiller(
        student,
        mlp(),
        "kd",
        metrics=["accuracy"],
        rate=0.1,
        run_eagerly=run_eagerly,
    )
    given = (data_set(x, y, size=96),) if as_dataset else (x, y)
    history = fit(model, *given, batch_size=None, epochs=6)
    assert history["loss"][-1] < history["loss"][0]
    assert set(history) == {"loss", "accuracy", "label_loss", "teacher_loss"}


UNLABELLED = {
    "ban": lambda: "ban",
    "dkpp": lambda: objectives.DKPP(seed=1),
    "logits": lambda: "logits",
    "kd": lambda: objectives.KD(alpha=0, temperature=3),
}


@pytest.mark.parametrize(
    "objective, as_dataset", pairs(UNLABELLED, [True, False])
)
def test_unlabelled_data(data, objective, as_dataset):
    x, y = data
    objective = UNLABELLED[objective]
    start, teacher = mlp(), mlp()
    expected = step(copy(start), teacher, objective(), x, y)
    student, history = copy(start), {}
    model = distiller(
        student,
        teacher,
        objective(),
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
        run_eagerly=as_dataset,
    )
    given = data_set(x, size=96) if as_dataset else x
    size = None if as_dataset else 96
    actual = change(
        student,
        lambda: history.update(fit(model, given, batch_size=size)),
    )
    assert set(history) == {"loss", "teacher_loss"}
    assert error(actual, expected) <= 1e-6
    assert set(student.evaluate(x, y, verbose=0, return_dict=True)) >= {
        "loss",
        "accuracy",
    }


@pytest.mark.parametrize("loss", [None, LOGITS], ids=["no loss", "loss"])
def test_unlabelled_data_with_labelled_validation(data, loss):
    x, y = data
    student = mlp()
    model = distiller(student, mlp(), loss=loss, metrics=["accuracy"])
    actual = logs(model, x, epochs=2, validation_data=(x, y))
    assert set(actual) == {"loss", "teacher_loss", "val_loss", "val_accuracy"}
    z = numpy(student(x))
    expected = reference.labels(reference.one_hot(y, N), z)[0].mean()
    assert actual["val_loss"] == pytest.approx(expected, rel=1e-5)


def sequences():
    rng = np.random.default_rng(1)
    x = rng.integers(1, 7, size=(16, 5))
    x[np.arange(5) >= rng.integers(2, 6, size=(16, 1))] = 0
    return x, rng.integers(N, size=(16, 5))


@pytest.mark.parametrize("objective, last", pairs(FORMULAS, [None, "softmax"]))
def test_masked_positions_do_not_count(objective, last):
    x, y = sequences()
    student, teacher = tagger(last), tagger()
    kept = x > 0
    z, t = numpy(student(x))[kept], numpy(teacher(x))[kept]
    if last:
        z, t = np.log(z), reference.log_softmax(t)
    one_hot = reference.one_hot(y[kept], N)
    actual = batch_logs(
        distiller(
            student,
            teacher,
            objective,
            loss=SparseCE(from_logits=last is None),
            rate=0.0,
        ),
        x,
        y,
    )
    label = reference.labels(one_hot, z)[0].mean()
    loss = reference.FORMULAS[objective](one_hot, z, t)[0].mean()
    assert actual["label_loss"] == pytest.approx(label, rel=1e-6)
    assert actual["loss"] == pytest.approx(loss, rel=1e-6)


def test_one_weight_for_each_sequence_or_position():
    x, y = sequences()
    start, teacher = tagger(), tagger()
    updates = []
    for weight in (dyadic(16), np.repeat(dyadic(16)[:, None], 5, axis=1)):
        student = tagger()
        student.set_weights(start.get_weights())
        updates.append(step(student, teacher, "kd", x, y, weight))
    assert error(*updates) <= 1e-6


@pytest.mark.parametrize("last", [None, "softmax"])
def test_time_distributed_head(last):
    x, y = sequences()
    student = tagger(last, time_distributed=True, mask_zero=False)
    plain, teacher = (tagger(last, mask_zero=False) for _ in range(2))
    plain.set_weights(student.get_weights())
    loss = SparseCE(from_logits=last is None)
    actual = step(student, teacher, "kd", x, y, loss=loss)
    expected = step(plain, teacher, "kd", x, y, loss=loss)
    assert error(actual, expected) <= 1e-6


BINARY = {
    "ban": lambda label, soft: soft,
    "ban+l": lambda label, soft: label + soft,
    "kd": lambda label, soft: 0.5 * label + 0.5 * soft,
}


KINDS = [*itertools.product((None, "sigmoid"), repeat=2)]


@pytest.mark.parametrize("objective, kinds", pairs(BINARY, KINDS), ids=str)
def test_binary(data, objective, kinds):
    last, teacher_last = kinds
    x, y = data[0], (data[1] > 1).astype("float32")
    start, teacher = (
        mlp(outputs=1),
        mlp(last=teacher_last, outputs=1, scale=2.0),
    )
    z = numpy(start(x))[:, 0]
    t = numpy(copy(teacher, outputs=1)(x))[:, 0]
    scale = 2.0 if objective == "kd" else 1.0
    soft = scale**2 * reference.binary_cross_entropy(
        1 / (1 + np.exp(-t / scale)), z / scale
    )
    label = reference.binary_cross_entropy(y, z).mean()
    model = distiller(
        copy(start, last=last, outputs=1),
        teacher,
        objective,
        loss=keras.losses.BinaryCrossentropy(from_logits=last is None),
        rate=0.0,
        metrics=["accuracy"],
    )
    plain = copy(start, last=last, outputs=1)
    plain.compile(loss=model.student.loss, metrics=["accuracy"])
    actual = batch_logs(model, x, y)
    assert actual == pytest.approx(
        {
            "accuracy": plain.evaluate(x, y, verbose=0)[1],
            "loss": BINARY[objective](label, soft.mean()),
            "label_loss": label,
            "teacher_loss": soft.mean(),
        },
        rel=1e-5,
    )


@pytest.mark.parametrize("objective", ["ban", "cwtm", "kd", "logits"])
def test_binary_updates_do_not_depend_on_the_output(data, objective):
    x, y = data[0], data[1] > 1
    start, teacher = mlp(outputs=1), mlp(outputs=1, scale=2.0)
    updates = [
        step(
            copy(start, last=a, outputs=1),
            copy(teacher, last=b, outputs=1),
            objective,
            x,
            y,
            loss=keras.losses.BinaryCrossentropy(from_logits=a is None),
        )
        for a in (None, "sigmoid")
        for b in (None, "sigmoid")
    ]
    for other in updates[1:]:
        assert error(other, updates[0]) <= 1e-5


def test_two_logits_and_one_agree(data):
    x, y = data[0], (data[1] > 1).astype(int)
    one, teacher = mlp(outputs=1), mlp(outputs=1, scale=2.0)

    def doubled(model):
        w1, b1, w2, b2 = model.get_weights()
        two = mlp(outputs=2)
        two.set_weights(
            [w1, b1, np.hstack([0 * w2, w2]), np.append(0 * b2, b2)]
        )
        return two

    single = distiller(
        one,
        teacher,
        "kd",
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        rate=0.0,
    )
    double = distiller(doubled(one), doubled(teacher), "kd", rate=0.0)
    assert not flat(change(one, lambda: batch_logs(single, x, y))).any()
    found, expected = (
        {name: float(value) for name, value in batch_logs(m, x, y).items()}
        for m in (single, double)
    )
    assert found == pytest.approx(expected, rel=1e-6)


LABELS = {
    "one-hot": lambda y: np.eye(N)[y],
    "column": lambda y: y[:, None],
    "float": lambda y: y.astype(float),
}


@pytest.mark.parametrize(
    "objective, form", pairs(["ban+l", "cwtm", "kd"], LABELS)
)
def test_form_of_the_labels_changes_nothing(data, objective, form):
    labels = LABELS[form]
    x, y = data
    start, teacher = mlp(), mlp()
    expected = step(copy(start), teacher, objective, x, y)
    y = labels(y)
    loss = LOGITS
    if y.shape == (96, N):
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    actual = step(copy(start), teacher, objective, x, y, loss=loss)
    assert error(actual, expected) <= 1e-6


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("last", [None, "softmax"])
def test_soft_and_smoothed_labels(data, last, smoothing):
    x, y = data
    soft = 0.7 * np.eye(N)[y] + 0.3 / N
    student = mlp(last=last)
    z = numpy(copy(student)(x))
    label = reference.cross_entropy(
        (1 - smoothing) * soft + smoothing / N, z
    ).mean()
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=last is None, label_smoothing=smoothing
    )
    model = distiller(student, mlp(), "ban+l", loss=loss, rate=0.0)
    actual = batch_logs(model, x, soft)
    assert actual["label_loss"] == pytest.approx(label, rel=1e-6)
    assert actual["loss"] == pytest.approx(
        label + actual["teacher_loss"], rel=1e-6
    )


@pytest.mark.parametrize("last", [None, "sigmoid"])
def test_smoothed_binary_labels(data, last):
    x, y = data[0], (data[1] > 1).astype("float32")
    student = mlp(last=last, outputs=1)
    z = numpy(copy(student, outputs=1)(x))[:, 0]
    label = reference.binary_cross_entropy(0.8 * y + 0.1, z).mean()
    loss = keras.losses.BinaryCrossentropy(
        from_logits=last is None, label_smoothing=0.2
    )
    model = distiller(student, mlp(outputs=1), loss=loss, rate=0.0)
    actual = batch_logs(model, x, y)["label_loss"]
    assert actual == pytest.approx(label, rel=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        "crossentropy",
        keras.losses.sparse_categorical_crossentropy,
        SparseCE(),
        SparseCE(reduction="mean_with_sample_weight"),
        [SparseCE()],
        squared_distance,
    ],
)
def test_label_term_is_the_compiled_loss(data, loss):
    x, y = data
    student = mlp(last="softmax")
    plain = copy(student, last="softmax")
    plain.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    model = distiller(student, mlp(), objectives.KD(1.0), loss=loss)
    expected, actual = {}, {}
    by_keras = change(
        plain, lambda: expected.update(batch_logs(plain, x, y, dyadic(96)))
    )
    by_distiller = change(
        student, lambda: actual.update(batch_logs(model, x, y, dyadic(96)))
    )
    assert error(by_distiller, by_keras) <= 1e-6
    for name in ("loss", "label_loss"):
        assert actual[name] == pytest.approx(expected["loss"], rel=1e-6)
