"""Whom a born-again tree learns from: rows in, probabilities or values out."""

import keras
import numpy as np
from sklearn.base import clone
from sklearn.base import is_classifier
from sklearn.base import is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from keras_ban.tasks import kinds

_PROBED = 8


def fitted(teacher, default, X, y):
    """The teacher, fitted on `(X, y)` if it is an estimator that is not.

    Args:
        teacher: What the user gave, or `None`.
        default: The estimator to fit in place of `None`.
        X: Rows, as the user gave them.
        y: Labels or values, or `None`.

    Raises:
        TypeError: If it is neither an estimator, nor a model, nor a function.
        ValueError: If it has to be fitted, and `y` is `None`.
    """
    if isinstance(teacher, type):
        raise TypeError(
            "Invalid value for argument `teacher`. Expected an object. "
            f"Received: the class {teacher.__name__}. Make one of it: "
            f"`{teacher.__name__}()`."
        )
    if not (teacher is None or _is_estimator(teacher) or callable(teacher)):
        raise TypeError(
            "Invalid value for argument `teacher`. Expected a scikit-learn "
            "estimator, a Keras model, a function from rows to probabilities "
            f"or values, or None. Received: {teacher!r}"
        )
    if not needs_fit(teacher):
        return teacher
    estimator = default if teacher is None else clone(teacher)
    if y is None:
        raise ValueError(
            f"The teacher {type(estimator).__name__} is not fitted, which "
            "requires y to be passed, but the target y is None. Give "
            "`fit(X, y)`, or a teacher that is fitted."
        )
    return estimator.fit(X, y)


def needs_fit(teacher):
    """Whether a teacher is `None`, or an estimator that is not fitted."""
    if not _is_estimator(teacher):
        return teacher is None
    try:
        check_is_fitted(teacher)
    except NotFittedError:
        return True
    return False


def name(teacher):
    """What to call a teacher: a function, a model or an estimator."""
    kind = type(teacher).__name__
    own = "name" if isinstance(teacher, keras.Model) else "__name__"
    return getattr(teacher, own, kind)


def _is_estimator(teacher):
    is_model = isinstance(teacher, (keras.Model, type))
    return (
        not is_model and hasattr(teacher, "fit") and hasattr(teacher, "predict")
    )


class Teacher:
    """A fitted teacher as a function of rows.

    Args:
        teacher: What `fitted` returns.
        X: Real rows, on some of which it is tried.

    Raises:
        ValueError: If it does not take these rows, or gives anything else
            than finite numbers, one row for each.
    """

    kind = "values"

    def __init__(self, teacher, X):
        self._teacher, self._name = teacher, name(teacher)
        self._check_columns(X)
        if isinstance(teacher, keras.Model) and _missing(X).any():
            raise ValueError(
                f"The network {self._name} cannot take missing values. "
                "Expected `X` without NaN. Fill them, or give a function that "
                "does."
            )
        self.outputs = self(_probe(X)).shape[1]

    def __call__(self, rows):
        """Predicts.

        Args:
            rows: Rows of the type of `X`.

        Returns:
            A float64 array of shape `(rows, outputs)`.
        """
        try:
            found = np.asarray(self._predict(rows), "float64")
        except Exception as error:
            missing = ", with missing values" if _missing(rows).any() else ""
            raise ValueError(
                f"The teacher {self._name} cannot predict on `X`. Expected a "
                f"teacher of rows of {rows.shape[1]} columns{missing}. "
                f"Received: {error}"
            ) from error
        if found.ndim == 1:
            found = found[:, None]
        if found.ndim != 2 or len(found) != len(rows) or not found.size:
            raise ValueError(
                f"The teacher {self._name} must give one row of {self.kind} "
                f"for each row. Received: shape {found.shape} for {len(rows)}"
            )
        bad = ~np.isfinite(found).all(1)
        if bad.any():
            raise ValueError(
                f"The teacher {self._name} must give finite {self.kind}. "
                "Received: NaN or infinity, for rows such as "
                f"{np.asarray(rows)[bad][0].tolist()}"
            )
        return found

    def _predict(self, rows):
        if isinstance(self._teacher, keras.Model):
            x = np.asarray(rows, "float32")
            return self._teacher.predict(x, batch_size=1024, verbose=0)
        if hasattr(self._teacher, "predict"):
            return self._teacher.predict(rows)
        return self._teacher(rows)

    def _check_columns(self, X):
        known = getattr(self._teacher, "n_features_in_", X.shape[1])
        names = getattr(self._teacher, "feature_names_in_", None)
        columns = getattr(X, "columns", None)
        both = names is not None and columns is not None
        if known != X.shape[1] or (both and list(names) != list(columns)):
            raise ValueError(
                f"The teacher {self._name} does not fit the columns of `X`. "
                f"Expected {known} columns"
                + (f", {list(names)}" if names is not None else "")
                + f". Received: {X.shape[1]}"
                + (f", {list(columns)}" if columns is not None else "")
                + ". Give the rows as the teacher was fitted on them."
            )


class ValuesTeacher(Teacher):
    """A teacher of values, for regression."""

    def __init__(self, teacher, X):
        if _is_estimator(teacher) and is_classifier(teacher):
            raise ValueError(
                f"The teacher {type(teacher).__name__} is a classifier. "
                "Expected a regressor. Use `BornAgainTreeClassifier`."
            )
        super().__init__(teacher, X)


class ClassesTeacher(Teacher):
    """A teacher of probabilities, for classification.

    Args:
        teacher: What `fitted` returns.
        X: Real rows, on some of which it is tried.
        y: Labels that it must know, or `None`.

    Attributes:
        classes: The classes of its columns.

    Raises:
        ValueError: If it gives no probabilities, or not of these classes.
    """

    kind = "probabilities"

    def __init__(self, teacher, X, y=None):
        if _is_estimator(teacher) and is_regressor(teacher):
            raise ValueError(
                f"The teacher {type(teacher).__name__} is a regressor. "
                "Expected a classifier. Use `BornAgainTreeRegressor`."
            )
        self._logits = _gives_logits(teacher)
        super().__init__(teacher, X)
        self.classes = self._classes(y)

    def __call__(self, rows):
        """Predicts.

        Args:
            rows: Rows of the type of `X`.

        Returns:
            Probabilities of shape `(rows, classes)`, float64.
        """
        found = super().__call__(rows)
        if (
            found.shape[1] == 1
            and len(getattr(self._teacher, "classes_", "..")) > 1
        ):
            found = np.concatenate([1 - found, found], axis=1)
        sums = found.sum(1, keepdims=True)
        if found.min() < -1e-6 or np.abs(sums - 1).max() > 1e-3:
            raise ValueError(
                f"The teacher {self._name} must give probabilities that sum "
                f"to 1 in each row. Received: {found[0].tolist()}. If these "
                "are logits, give a function that applies the softmax."
            )
        return np.maximum(found, 0) / sums

    def _predict(self, rows):
        if hasattr(self._teacher, "predict_proba"):
            return self._teacher.predict_proba(rows)
        if not hasattr(self._teacher, "classes_"):
            found = super()._predict(rows)
            return _probabilities(found) if self._logits else found
        # Such as support vector machines: their votes are all there is.
        votes = super()._predict(rows)
        return np.asarray(votes)[:, None] == self._teacher.classes_

    def _classes(self, y):
        classes = getattr(self._teacher, "classes_", None)
        count = self.outputs
        given = None if y is None else np.unique(y)
        if classes is None:
            classes = np.arange(count)
            if given is not None and len(given) == count:
                classes = given
        classes = np.asarray(classes)
        if given is not None and not np.isin(given, classes).all():
            raise ValueError(
                f"The teacher {self._name} does not know all classes of `y`. "
                f"Expected some of {classes.tolist()}. Received: "
                f"{given.tolist()}. Leave `y` out, or fit the teacher on it."
            )
        return classes


def _gives_logits(teacher):
    if not isinstance(teacher, keras.Model):
        return False
    try:
        return kinds.classifier(teacher)
    except ValueError as error:
        if kinds.named(teacher) == kinds.VALUES:
            raise ValueError(
                f"{error} To grow a tree of values, use "
                "`BornAgainTreeRegressor`."
            ) from error
        raise ValueError(
            f"{error} To grow a tree, you may also give a function that "
            "returns the model's probabilities."
        ) from error


def _probabilities(logits):
    if logits.shape[-1] == 1:
        return keras.ops.convert_to_numpy(keras.ops.sigmoid(logits))
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits, axis=-1))


def _missing(X):
    """Which values are missing, an array of the shape of `X`."""
    return X.isna().to_numpy() if hasattr(X, "iloc") else X != X


def _probe(X):
    """A few rows, some of them with missing values if there are any."""
    gaps = np.flatnonzero(_missing(X).any(1))[:_PROBED]
    rows = np.unique(np.concatenate([np.arange(min(_PROBED, len(X))), gaps]))
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]
