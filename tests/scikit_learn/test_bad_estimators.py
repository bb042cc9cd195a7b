"""What the estimators of scikit-learn refuse, before anything is trained."""

import functools
import importlib
import pathlib
import re
import sys

import keras
import numpy as np
import pytest
from scipy import sparse
from tables import NAMES
from tables import VALUES
from tables import X
from tables import classifier
from tables import regressor
from tables import softmax_fn

import keras_ban


@pytest.fixture(autouse=True)
def never(monkeypatch):
    """No network is trained."""

    # What its arguments are is asked.
    @functools.wraps(keras.Model.fit)
    def fit(*args, **kwargs):
        raise AssertionError("A network was trained.")

    monkeypatch.setattr(keras.Model, "fit", fit)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "`epochs`.*at least 1. Received: 0"),
        ({"batch_size": None}, "`batch_size`.*Received: None"),
        ({"teachers": 0}, "`teachers`.*at least 1"),
        ({"generations": 0}, "`generations`.*at least 1"),
        ({"objective": "bann"}, "Unknown objective.*Received: 'bann'"),
        ({"learning_rate": 0}, "`learning_rate`.*positive number"),
        ({"validation_fraction": 1}, "`validation_fraction`.*below 1.*: 1"),
        ({"hidden_units": 10}, r"`hidden_units`.*as \(100,\). Received: 10"),
        ({"hidden_units": (10, 0)}, "`hidden_units`.*at least 1. Received: 0"),
        ({"ensemble": 3}, "`ensemble`.*True or False. Received: 3"),
        ({"augment": "blur"}, "blur"),
        (
            {"fit_kwargs": {"validation_split": 0.1}},
            "'validation_split'. Say it by `validation_fraction`",
        ),
        ({"fit_kwargs": {"epoch": 1}}, "Unknown argument of `fit`: epoch"),
        ({"model": 3}, r"`model`.*function `\(X, y.*Received: 3"),
        ({"model": lambda X: None}, "`model`.*unexpected keyword argument 'y'"),
        (
            {"model": softmax_fn, "model_kwargs": {"depth": 2}},
            "`model`.*unexpected keyword argument 'depth'",
        ),
        ({"model_kwargs": {"units": 3}}, "for a function.*model=None"),
        ({"model": lambda X, y: None}, "must return a `keras.Model`"),
        (
            {
                "model": softmax_fn,
                "model_kwargs": {"loss": "sparse_categorical_crossentropy"},
            },
            "a categorical one for one-hot labels",
        ),
        ({"class_weight": {"yew": 2.0}}, "not in class_weight"),
        ({"class_weight": dict.fromkeys(NAMES, -1.0)}, "not negative"),
    ],
    ids=lambda value: re.sub(" at 0x.*", "", str(value)),
)
def test_options(options, words):
    with pytest.raises(ValueError, match=words):
        classifier(**options).fit(X, NAMES)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ((X, NAMES[:-1]), ValueError, "inconsistent numbers of samples"),
        ((sparse.csr_array(X), NAMES), TypeError, r"Use '.toarray\(\)'"),
        ((np.where(X > 2, np.nan, X), NAMES), ValueError, "contains NaN"),
        ((X, VALUES[:, 0]), ValueError, "Unknown label type: continuous"),
        ((X, np.stack([NAMES, NAMES], 1)), ValueError, "1d array"),
        (
            (X, NAMES, -np.ones(len(X))),
            ValueError,
            "[Nn]egative.*sample_weight",
        ),
        ((X, NAMES, np.ones((len(X), 2))), ValueError, r"shape \(160, 2\)"),
        ((X, NAMES, np.ones(3)), ValueError, "inconsistent numbers"),
        ((X, NAMES, [np.nan] * len(X)), ValueError, "sample_weight.*NaN"),
    ],
    ids=range(9),
)
def test_data(data, error, words):
    with pytest.raises(error, match=words):
        classifier().fit(*data)


def test_a_class_that_is_kept_out_whole():
    with pytest.raises(ValueError, match="keeps out 1 of 2 rows, and all that"):
        classifier().fit(X[:2], ["elm", "oak"])


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_values_that_single_precision_does_not_hold():
    with pytest.raises(ValueError, match=r"y contains.*float32"):
        regressor().fit(X, np.abs(VALUES).astype("float64") * 1e300)


def test_without_scikit_learn_the_extra_is_named(monkeypatch, uninstall):
    for name in [n for n in sys.modules if n.startswith("keras_ban.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    uninstall("sklearn")
    with pytest.raises(ImportError, match=r"\.\[sklearn\]"):
        importlib.import_module("keras_ban.sklearn")


def test_the_package_itself_needs_no_scikit_learn():
    package = pathlib.Path(keras_ban.__file__).parent
    asking = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*.py")
        if re.search(
            r"(?m)^(import|from) (sklearn|keras_ban\.sklearn)\b",
            path.read_text(),
        )
    }
    assert asking == {"sklearn", "trees"}
