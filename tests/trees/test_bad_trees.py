"""Teachers, rows and options that born-again trees refuse."""

import importlib
import json
import sys

import numpy as np
import pandas
import pytest
from builders import Silent
from builders import mlp
from forests import FOREST
from forests import HOLES
from forests import LABELS
from forests import VALUE_FOREST
from forests import VALUES
from forests import X
from forests import classifier
from forests import regressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

import keras_ban


def test_a_fit_that_fails_leaves_no_tree_of_other_columns():
    found = classifier(FOREST).fit(X)
    with pytest.raises(ValueError, match="does not fit the columns"):
        found.fit(X[:, :3])
    with pytest.raises(NotFittedError):
        found.predict(X[:, :3])


def test_a_teacher_that_changes_its_mind_is_refused():
    widths = iter([2, 2, 3, 3, 3])
    with pytest.raises(ValueError, match=r"always.*Expected 2 values.*: 3"):
        regressor(lambda rows: np.ones((len(rows), next(widths)))).fit(X)


def test_a_report_needs_rows_and_labels():
    found = regressor(lambda rows: rows[:, 0]).fit(X)
    with pytest.raises(ValueError, match=r"both `X` and `y`, or none"):
        found.report(X)
    assert json.dumps(found.report())


def test_networks_take_no_missing_values():
    model = mlp(outputs=3)
    with pytest.raises(ValueError, match=r"network.*missing values.*Fill"):
        classifier(model).fit(HOLES)


class Numb(LogisticRegression):
    def predict_proba(self, X):
        return np.full((len(X), 3), np.nan)


@pytest.mark.parametrize(
    ("teacher", "fit", "error", "words"),
    [
        (
            RandomForestClassifier(),
            {},
            ValueError,
            r"RandomForestClassifier is not fitted.*y.*Give `fit\(X, y\)`",
        ),
        (None, {}, ValueError, "RandomForestClassifier is not fitted"),
        (RandomForestClassifier, {}, TypeError, "Received: the class Random"),
        (3, {}, TypeError, "`teacher`.*estimator, a Keras model.*Received: 3"),
        (VALUE_FOREST, {}, ValueError, "is a regressor.*Expected a classifier"),
        (
            FOREST,
            {"X": X[:, :4]},
            ValueError,
            "Expected 6 columns.*Received: 4",
        ),
        (
            FOREST,
            {"y": np.where(LABELS == "mid", "odd", LABELS)},
            ValueError,
            r"all classes of `y`.*\['low', 'mid', 'top'\].*'odd'",
        ),
        (
            lambda rows: np.full((len(rows), 2), 0.5),
            {"y": np.arange(400) % 3},
            ValueError,
            r"all classes of `y`.*\[0, 1\].*\[0, 1, 2\]",
        ),
        (FOREST, {"X": X[:1]}, ValueError, "minimum of 2 is required"),
        (
            LogisticRegression(max_iter=1000).fit(X, LABELS),
            {"X": HOLES},
            ValueError,
            "cannot predict on `X`.*6 columns, with missing.*contains NaN",
        ),
        (
            Numb(max_iter=1000).fit(X, LABELS),
            {},
            ValueError,
            "finite probabilities.*NaN or infinity",
        ),
        (
            lambda rows: rows[:, :3],
            {},
            ValueError,
            "sum to 1 in each row.*logits, give a function",
        ),
        (
            lambda rows: np.ones(3),
            {},
            ValueError,
            r"one row of probabilities for each row.*\(3, 1\) for 8",
        ),
        (
            lambda: 1,
            {},
            ValueError,
            "cannot predict on `X`.*takes 0 positional",
        ),
        (Silent(), {"X": X}, ValueError, "Cannot tell for certain"),
        (FOREST, {"X": np.where(X > 0.9, np.inf, X)}, ValueError, "infinity"),
        (
            RandomForestClassifier(),
            {"y": VALUES},
            ValueError,
            "Unknown label type: continuous",
        ),
        (
            RandomForestClassifier(),
            {"y": LABELS[:9]},
            ValueError,
            "inconsistent",
        ),
    ],
)
def test_bad_teachers_and_rows(teacher, fit, error, words):
    with pytest.raises(error, match=words):
        classifier(teacher).fit(**{"X": X} | fit)


def test_a_classifier_teaches_no_values():
    with pytest.raises(ValueError, match=r"is a classifier.*regressor"):
        regressor(FOREST).fit(X)
    with pytest.raises(ValueError, match="finite values"):
        regressor(lambda rows: np.full(len(rows), np.inf)).fit(X)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"p_alter": 0}, "`p_alter`.*above 0, 1 at most.*Received: 0"),
        ({"p_alter": 1.5}, "`p_alter`.*Received: 1.5"),
        ({"p_alter": "some"}, "`p_alter`.*Received: 'some'"),
        ({"max_samples": 10}, "`max_samples`.*at least 100.*Received: 10"),
        ({"max_samples": 1e6}, "`max_samples`.*Received: 1000000.0"),
        ({"max_leaf_nodes": 1}, "`max_leaf_nodes`.*at least 2"),
        ({"min_samples_leaf": 0}, "`min_samples_leaf`.*at least 1"),
        ({"tol": -1}, "`tol`.*not negative"),
    ],
    ids=str,
)
def test_bad_options(options, words):
    def never(rows):
        raise AssertionError("The teacher was asked.")

    with pytest.raises(ValueError, match=words):
        classifier(never, **options).fit(X)


def test_without_scikit_learn_the_extra_is_named(monkeypatch, uninstall):
    for name in [n for n in sys.modules if n.startswith("keras_ban.trees")]:
        monkeypatch.delitem(sys.modules, name)
    uninstall("sklearn")
    with pytest.raises(ImportError, match=r"\.\[trees\]"):
        importlib.import_module("keras_ban.trees")
    with pytest.raises(AttributeError, match="no attribute 'forests'"):
        _ = keras_ban.forests


@pytest.mark.parametrize("method", ["predict", "predict_proba", "apply"])
def test_columns_of_another_frame(method):
    frame = pandas.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    frame["job"] = np.where(X[:, 2] > 0.5, "cook", "clerk")

    def teacher(rows):
        return (rows["job"] == "cook").to_numpy() * 0.8 + 0.1

    tree = classifier(teacher, max_samples=500).fit(frame)
    call = getattr(tree, method)
    assert len(call(frame)) == len(frame)
    for given, words in (
        (frame[["a"]], r"without \['b', 'job'\]"),
        (frame[["job", "a", "b"]], r"in this order. Received: \['job'"),
        (frame.rename(columns={"b": "z"}), r"without \['b'\]"),
        (frame.to_numpy(), "an array, without names"),
    ):
        with pytest.raises(ValueError, match=words):
            call(given)
