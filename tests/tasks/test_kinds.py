"""What kind of task a model has, and which are refused."""

import keras
import numpy as np
import pytest
from builders import LOGITS
from builders import Silent
from builders import compiled
from builders import data_set
from builders import linear
from builders import mlp
from forests import classifier
from refusals import X
from refusals import Y
from refusals import refused

import keras_ban
from keras_ban.tasks import kinds

VALUE = X[:, :1] + 10
MARKS = (X[:, :4] > 0).astype("float32")
ONE_HOT = np.eye(4, dtype="float32")[Y]
VALUES, SEVERAL = r"values \(regression\)", "several labels at once"
GAUSSIAN = keras_ban.tasks.GaussianNLL()


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


class OwnLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return own_loss(y_true, y_pred)


BCE = keras.losses.BinaryCrossentropy(from_logits=True)
# Outputs, last activation, loss; the task.
TASKS = [
    ((4, None, LOGITS), "classes"),
    ((4, "softmax", "categorical_crossentropy"), "classes"),
    ((4, "softmax", "mse"), "classes"),
    ((4, "softmax", "binary_crossentropy"), "classes"),
    ((4, "softmax", None), "classes"),
    ((4, None, None), "classes"),
    ((4, None, own_loss), "classes"),
    ((4, None, OwnLoss()), "classes"),
    ((4, None, "categorical_hinge"), "classes"),
    ((4, None, "hinge"), "classes"),
    ((4, "softmax", keras.losses.CategoricalFocalCrossentropy()), "classes"),
    ((1, None, BCE), "binary"),
    ((1, "sigmoid", "binary_crossentropy"), "binary"),
    ((1, "sigmoid", "mse"), "binary"),
    ((1, "sigmoid", keras.losses.BinaryFocalCrossentropy()), "binary"),
    ((1, None, own_loss), "binary"),
    ((1, None, "hinge"), "binary"),
    ((4, None, BCE), "multilabel"),
    ((4, "sigmoid", "binary_crossentropy"), "multilabel"),
    ((4, "sigmoid", "binary_focal_crossentropy"), "multilabel"),
    ((4, "sigmoid", None), "multilabel"),
    ((1, None, "mse"), "values"),
    ((3, None, "mse"), "values"),
    ((1, "relu", keras.losses.MeanAbsoluteError()), "values"),
    ((1, None, keras.losses.mean_squared_error), "values"),
    ((1, "exponential", "poisson"), "values"),
    ((1, None, keras.losses.Huber()), "values"),
    ((1, None, "log_cosh"), "values"),
    ((1, None, "mape"), "values"),
    ((1, None, "msle"), "values"),
    ((4, "sigmoid", "mae"), "values"),
    ((4, None, keras.losses.CosineSimilarity()), "values"),
    ((4, None, keras.losses.CTC()), "sequences"),
    ((4, None, keras.losses.Circle()), "embeddings"),
    ((4, None, GAUSSIAN), "gaussian"),
]


@pytest.mark.parametrize(("arguments", "task"), TASKS)
def test_the_task_follows_from_loss_and_outputs(arguments, task):
    assert kinds.named(linear(*arguments)) == task


@pytest.mark.parametrize(
    ("y", "task"), [(Y % 2, "binary"), (X[:, 0] / 9, "values")]
)
def test_labels_tell_a_brier_score_from_a_regression(y, task):
    assert kinds.named(linear(1, "sigmoid", "mse"), y=y) == task


def test_sequences_have_a_task_at_each_position():
    def model(outputs, loss):
        layers = [keras.Input((5, 6)), keras.layers.Dense(outputs)]
        return compiled(keras.Sequential(layers), loss=loss)

    assert kinds.named(model(4, LOGITS)) == "classes"
    assert kinds.named(model(1, BCE)) == "binary"
    assert kinds.named(model(1, "mse")) == "values"
    assert kinds.named(model(3, BCE)) == "multilabel"


def test_an_ensemble_is_a_classifier():
    bane = keras_ban.ensemble([linear(), linear()])
    assert kinds.named(bane) == "classes"
    binary = [linear(1, None, BCE), linear(1, "sigmoid", None)]
    assert kinds.named(keras_ban.ensemble(binary)) == "binary"


NO_CLASSIFIERS = {
    "regressor": ((1, None, "mse"), VALUES),
    "several values": ((4, None, "huber"), VALUES),
    "counts": ((1, "exponential", "poisson"), VALUES),
    "several labels": ((4, None, BCE), SEVERAL),
    "sigmoids": ((4, "sigmoid", "binary_crossentropy"), SEVERAL),
}
each = pytest.mark.parametrize(
    ("arguments", "words"), NO_CLASSIFIERS.values(), ids=NO_CLASSIFIERS
)
LABELS = {
    (1, None, "mse"): VALUE,
    (1, None, "mae"): X[:, 0] % 1,
    (4, None, "huber"): X[:, :4],
    (1, "sigmoid", "mse"): X[:, 0] % 1,
    (1, "exponential", "poisson"): Y,
    (4, None, BCE): MARKS,
    (4, "sigmoid", "binary_crossentropy"): MARKS,
}


FORMULAS = {
    "mse": lambda z, t: np.square(z - t),
    "mae": lambda z, t: np.abs(z - t),
    "huber": lambda z, t: np.where(
        np.abs(z - t) < 1, np.square(z - t) / 2, np.abs(z - t) - 0.5
    ),
    "poisson": lambda z, t: z - t * np.log(z + 1e-7),
}


@pytest.mark.parametrize("arguments", LABELS)
def test_a_distiller_by_formulas(arguments):
    student, teacher = linear(*arguments), linear(*arguments)
    task = kinds.task_of(student, y=LABELS[arguments])
    z, t = (
        m.predict(X, verbose=0).astype("float64") for m in (student, teacher)
    )
    if task.name == "multilabel":
        q, p = (
            1 / (1 + np.exp(-one)) if arguments[1] is None else one
            for one in (z, t)
        )
        expected = -p * np.log(q) - (1 - p) * np.log(1 - q)
    else:
        expected = FORMULAS[arguments[2]](z, t)
    distiller = keras_ban.Distiller(student, teacher)
    fit = {"batch_size": len(X), "verbose": 0}
    history = distiller.fit(X, LABELS[arguments], **fit).history
    assert history["loss"][0] == pytest.approx(expected.mean(), rel=1e-5)


@pytest.mark.parametrize("loss", ["mse", "mae", "poisson"])
def test_a_student_of_no_classes_that_is_not_built_yet(loss):
    student = keras.Sequential([keras.layers.Dense(4)])
    student.compile("sgd", loss)
    distiller = keras_ban.Distiller(student, linear())
    with pytest.raises(ValueError, match=VALUES):
        distiller.fit(data_set(X, ONE_HOT, size=32), verbose=0)


def test_several_labels_of_a_student_that_is_not_built_yet():
    student = keras.Sequential([keras.layers.Dense(4)])
    student.compile("sgd", BCE)
    distiller = keras_ban.Distiller(student, linear())
    with pytest.raises(ValueError, match=SEVERAL):
        distiller.fit(data_set(X, MARKS, size=32), verbose=0)


def test_several_labels_of_a_class_of_its_own():
    model = Silent()
    model(X)
    model.compile("sgd", BCE)
    p = keras_ban.ensemble([model]).predict(X, verbose=0)
    expected = 1 / (1 + np.exp(-model.predict(X, verbose=0)))
    np.testing.assert_allclose(p, expected, atol=1e-6)


def test_members_of_two_tasks():
    with pytest.raises(ValueError, match="Expected the same kind of task"):
        keras_ban.ensemble([linear(4, None, BCE), linear(4, None, "mse")])


def test_logits_that_were_matched_are_averaged_beside_a_softmax():
    matched, teacher = linear(4, None, "mse"), linear(4, "softmax", None)
    p = keras_ban.ensemble([matched, teacher]).predict(X, verbose=0)
    expected = keras.ops.softmax(matched(X)) + teacher(X)
    np.testing.assert_allclose(p, expected / 2, atol=1e-6)


@each
def test_trees_of_no_classifiers(arguments, words):
    with pytest.raises(ValueError, match=words) as info:
        classifier(linear(*arguments)).fit(X)
    if words == VALUES:
        assert "BornAgainTreeRegressor" in str(info.value)


def test_values_for_a_loss_that_says_nothing():
    refused(
        "task='values'",
        model_fn=lambda: linear(1, None, own_loss),
        y=VALUE,
    )
    refused(
        "task='values'",
        model_fn=lambda: linear(4, None, own_loss),
        y=X[:, :4],
    )


@pytest.mark.parametrize("last", [None, "softmax"])
def test_a_loss_of_its_own_is_a_classifier(last):
    ban = keras_ban.BornAgain(lambda: linear(4, last, own_loss))
    lineage = ban.fit(X, ONE_HOT, 1, verbose=0)
    assert 0 <= lineage.evaluate(X, ONE_HOT)[1]["accuracy"] <= 1


def test_the_brier_score_trains_as_in_keras():
    def model_fn():
        return compiled(mlp(last="softmax"), loss="mse")

    fit = {"epochs": 2, "shuffle": False, "verbose": 0}
    lineage = keras_ban.BornAgain(model_fn).fit(X, ONE_HOT, 1, **fit)
    keras.utils.set_random_seed(lineage[0].seed)
    plain = model_fn()
    plain.fit(X, ONE_HOT, **fit)
    for one, other in zip(
        plain.get_weights(), lineage[0].model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
