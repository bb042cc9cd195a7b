"""Teachers that are refused, by one clear error before the first step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import compiled
from builders import data_set
from builders import linear
from builders import mlp
from builders import noisy
from foreign import X
from foreign import Y
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

import keras_ban

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(64, 4))
P = np.full((64, 4), 0.25)
ON = {"from_logits": True}
OFF = {"from_logits": False}


def poisoned(row=60):
    rows = LOGITS.copy()
    rows[row, 1] = np.nan
    return rows


def failing(x):
    raise RuntimeError("no such tokenizer")


def random(x):
    return RNG.normal(size=(len(x), 4))


def centred(x):
    """As batch normalization in training."""
    z = np.asarray(x)[:, :4]
    return z - z.mean(0)


def classifier(y=Y, columns=6, kind=LogisticRegression):
    return kind().fit(X[:, :columns], y)


NEITHER = "Cannot tell whether the teacher.*logits or probabilities.*neither"
REFUSED = {
    "one row that is none": (
        np.concatenate([P, [[0.5, 0.5, 0.25, 0.0]]])[1:],
        OFF,
        r"sum of 1.*Received: \[0.5 +0.5 +0.25 0. +\]",
    ),
    "function that fails": (failing, ON, "'failing'.*no such tokenizer"),
    "function of nothing": (lambda: LOGITS, ON, "cannot be run on `x`"),
    "a random function": (random, ON, "in a smaller batch"),
    "a function of the batch": (centred, ON, "in a smaller batch"),
    "several outputs": (
        lambda x: {"logits": LOGITS[: len(x)]},
        ON,
        "no array of numbers.*Received: a dict",
    ),
    "texts": (lambda x: ["a"] * len(x), ON, "no array of numbers.*a list"),
    "one row too few": (
        lambda x: LOGITS[: len(x) - 1],
        ON,
        r"Expected 8 rows.*shape \(7, 4\)",
    ),
    "one row for all": (lambda x: LOGITS[0], ON, r"8 rows.*shape \(4,\)"),
    "function of NaN": (lambda x: poisoned(1)[: len(x)], ON, "gives NaN"),
    "function unsaid": (lambda x: LOGITS[: len(x)], {}, NEITHER),
    "function of other classes": (
        lambda x: LOGITS[: len(x), :3],
        ON,
        "must give the same classes",
    ),
    "function of no probabilities": (
        lambda x: LOGITS[: len(x)],
        OFF,
        "does not give probabilities.*Pass `from_logits=True`",
    ),
    "predictions unsaid": (P, {}, NEITHER),
    "no probabilities": (LOGITS, OFF, "Pass `from_logits=True`"),
    "no probabilities at the end": (
        np.concatenate([P[:63], LOGITS[:1]]),
        OFF,
        "Pass `from_logits=True`",
    ),
    "no logits": (P, ON, "Pass `from_logits=False`"),
    "predictions of NaN": (poisoned(), ON, "predictions.*gives NaN"),
    "predictions of few": (LOGITS[:63], ON, "the 64 examples.*63 rows"),
    "predictions of many": (
        np.concatenate([LOGITS, LOGITS]),
        ON,
        "the 64 examples.*128 rows",
    ),
    "no predictions": (LOGITS[:0], ON, r"shape \(0, 4\)"),
    "predictions of other classes": (
        LOGITS[:, :3],
        ON,
        "must give the same classes",
    ),
    "predicted classes": (Y, ON, "must give the same classes"),
    "predictions in texts": (np.full((64, 4), "a"), ON, "no array of numbers"),
    "an estimator's class": (LogisticRegression, {}, "`LogisticRegression"),
    "unfitted": (LogisticRegression(), {}, "NotFittedError"),
    "other columns": (classifier(columns=5), {}, "expecting 5 features"),
    "other numbers": (classifier(Y + 1), {}, r"Received: \[.*4.*\]"),
    "names": (
        classifier(np.array(list("abcd"))[Y]),
        {},
        "`classes_` from 0 to 3",
    ),
    "a class is missing": (
        classifier(np.where(Y == 1, 0, Y)),
        {},
        "`classes_` from 0 to 2",
    ),
    "several answers": (
        RandomForestClassifier(2).fit(X, np.stack([Y, Y], 1)),
        {},
        "no array of numbers|must give one row",
    ),
    "no probabilities to give": (
        classifier(kind=LinearSVC),
        {},
        "`predict_proba`.*CalibratedClassifierCV",
    ),
    "regressor": (LinearRegression().fit(X, Y), {}, "`predict_proba`"),
    "a list of functions": (
        [failing, failing],
        ON,
        "the mean of Keras models",
    ),
    "a number": (3, ON, "Invalid value for argument `teacher`.*3"),
}


# A run makes the same `Distiller`s: of these, it is tried.
IN_A_RUN = ("function that fails", "predictions unsaid", "unfitted", "a number")


def refused(teacher, said, words, model=linear, in_a_run=True, **given):
    """Neither in a `Distiller` nor in a run is there a step."""
    given = {"x": X, "y": Y, "epochs": 1, "verbose": 0, **given}
    student = model()
    before = student.get_weights()
    with pytest.raises(ValueError, match=f"(?s){words}"):
        keras_ban.Distiller(student, teacher, **said).fit(**given)
    for one, other in zip(before, student.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    if not in_a_run:
        return
    born = keras_ban.BornAgain(model, **said)
    with pytest.raises(ValueError, match=f"(?s){words}"):
        born.fit(teacher=teacher, generations=1, **given)
    assert not born.lineage


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    teacher, said, words = REFUSED[name]
    refused(teacher, said, words, in_a_run=name in IN_A_RUN)


def test_a_classifier_for_values():
    refused(classifier(), {}, "a classifier", lambda: linear(4, loss="mse"))


def test_predictions_know_no_views_and_no_other_data():
    refused(LOGITS, ON, "no views.*`augment`", augment=noisy)
    data = data_set(X, Y, size=16)
    refused(LOGITS[:60], ON, "the 64 examples.*60 rows", x=data, y=None)
    endless = {"x": data.repeat(), "y": None, "steps_per_epoch": 4}
    refused(LOGITS, ON, "`x` is infinite", **endless)
    distiller = keras_ban.Distiller(linear(), LOGITS, **ON)
    with pytest.raises(ValueError, match="`teacher` needs to know each"):
        distiller.fit(iter([(X, Y)]), verbose=0)
    distiller.check_models(X, Y)
    with pytest.raises(ValueError, match="by their place in the data"):
        distiller.train_on_batch(X, Y)


def test_a_function_is_tried_before_it_teaches():
    def batches():
        yield from [(X, Y)] * 2

    given = {"steps_per_epoch": 1, "shuffle": False, "verbose": 0}
    distiller = keras_ban.Distiller(linear(), lambda x: x[:, :4], **ON)
    with pytest.raises(ValueError, match="was not tried on the data"):
        distiller.fit(batches(), **given)
    distiller.check_models(X)
    assert np.isfinite(distiller.fit(batches(), **given).history["loss"])


def test_a_network_cannot_be_made_of_a_function():
    def from_parent(parent):
        return linear()

    born = keras_ban.BornAgain(from_parent, **ON)
    with pytest.raises(ValueError, match="takes the model of the generation"):
        born.fit(X, Y, teacher=lambda x: x[:, :4], generations=1)
    born = keras_ban.BornAgain(linear, **ON)
    with pytest.raises(ValueError, match=r"learn_from='all'.*'<lambda>'"):
        born.fit(X, Y, teacher=lambda x: x[:, :4], learn_from="all")


def test_outputs_that_change_later_end_the_training():
    def late(x):
        x = np.asarray(x)
        return x[:, :4] if len(x) < 16 else x[:, :3]

    distiller = keras_ban.Distiller(linear(), late, **ON)
    words = r"outputs of shape \(3,\) after \(4,\)"
    with pytest.raises(Exception, match=words):
        distiller.fit(X, Y, verbose=0)


def test_sparse_inputs_are_no_matter_of_python(tmp_path):
    rows = tf.sparse.from_dense(X)

    def by_python(x):
        return np.asarray(tf.sparse.to_dense(x))[:, :4]

    distiller = keras_ban.Distiller(linear(), by_python, **ON)
    with pytest.raises(ValueError, match="no sparse or ragged tensors"):
        distiller.fit(rows, Y, verbose=0)


@keras.saving.register_keras_serializable(package="tests")
class Halved(keras.layers.Layer):
    def call(self, x):
        return x / 2


def test_paths_that_are_none(tmp_path):
    (tmp_path / "model.h5").write_bytes(b"")
    (tmp_path / "torn.keras").write_bytes(b"PK")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"?")
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Lambda(lambda x: x[:, :4])]
    )
    model.save(tmp_path / "lambda.keras")
    module = tf.Module()
    module.other = tf.function(lambda x: x, input_signature=[tf.TensorSpec(())])
    tf.saved_model.save(module, str(tmp_path / "other"), module.other)
    other = {"other": module.other}
    tf.saved_model.save(module, str(tmp_path / "named"), other)
    for name, words in {
        "nothing": "nothing is there",
        "nothing.keras": "nothing is there",
        "model.h5": r"a file '.h5'.*model.save\('teacher.keras'\)",
        "torn.keras": "torn.keras in safe mode",
        "lambda.keras": "lambda.keras in safe mode.*Lambda",
        "run": r"keras_ban.load\(path\)",
        "broken": "does not load the SavedModel",
        "named": r"neither 'serve'.*\['other'\]",
        "": "a folder without one",
    }.items():
        refused(tmp_path / name, ON, words, in_a_run=name == "run")


def test_what_files_may_hold_is_looked_at(tmp_path):
    """Keras' own safe mode differs with its version."""
    exported = tmp_path / "exported"
    mlp().export(exported, verbose=False)
    inputs = keras.Input((6,))
    layer = keras.layers.TFSMLayer(str(exported), "serve")
    keras.Model(inputs, layer(inputs)).save(tmp_path / "tfsm.keras")
    refused(tmp_path / "tfsm.keras", ON, "TFSMLayer runs code")
    # The same by a path that names it is what was asked for.
    model = compiled(mlp())
    keras_ban.Distiller(model, exported, **ON).fit(X, Y, verbose=0)


def test_files_of_ones_own_classes(tmp_path):
    inputs = keras.Input((6,))
    outputs = Halved()(keras.layers.Dense(4)(inputs))
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "own.keras")
    given = {"from_logits": True}
    distiller = keras_ban.Distiller(linear(), tmp_path / "own.keras", **given)
    np.testing.assert_array_equal(distiller.teacher(X), model(X))
