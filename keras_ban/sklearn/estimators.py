"""Born-again networks that classify and predict, as scikit-learn has them."""

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.base import MultiOutputMixin
from sklearn.base import RegressorMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_array
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.multiclass import type_of_target

from keras_ban.sklearn.base import _BornAgainEstimator
from keras_ban.tasks import kinds

_MULTILABEL = "multilabel-indicator"


class BornAgainClassifier(ClassifierMixin, _BornAgainEstimator):
    """A classifier of tables: born-again networks, of which the best is kept.

    A network is trained on the labels, then fresh copies of it from it, one
    after another; the one that does best on rows that were kept out predicts.
    It takes any labels, of two classes or many, and indicator matrices of
    several labels.

    Source: Furlanello et al., "Born-Again Neural Networks", 2018.

    Args:
        model: A function `(X, y, **model_kwargs)`, as
            `keras.wrappers.SKLearnClassifier` takes it, that returns a fresh
            `keras.Model` each time, compiled or not, or a `keras.Model`,
            which is cloned. `X` are the rows that are trained on, `y` their
            labels as one-hot rows of shape `(rows, classes)` in the order of
            `classes_`, or marks of shape `(rows, labels)`: the loss is to be
            "categorical_crossentropy" or "binary_crossentropy", and there is
            one output for each. Defaults to `None`: a perceptron of
            `hidden_units`, which standardises its inputs itself, with Adam.
        objective: As `keras_ban.BornAgain` takes it. Defaults to `"ban"`.
        generations: Number of students, one after the other; of the objective
            "labels" it may be 0. Defaults to `3`.
        teachers: Number of networks on the labels that teach the first student
            as their mean. Defaults to `1`.
        augment: Views of the rows, as `BornAgain.fit` takes them: "mixup", or
            `keras_ban.views.smear(...)`. Defaults to `None`.
        ensemble: Whether the mean of all generations predicts, in place of
            the best. Defaults to `False`.
        hidden_units: Units of each hidden layer, a tuple, if `model` is
            `None`. Defaults to `(100,)`.
        learning_rate: Of Adam, if `model` is `None`. Defaults to `1e-3`.
        epochs: Epochs of each network. Defaults to `100`.
        batch_size: Rows of a batch. Defaults to `32`.
        validation_fraction: Share of the rows that are kept out, to choose the
            best generation by. Defaults to `0.1`; with `0` the last generation
            is taken.
        class_weight: Weights of the classes: a dict, "balanced", or `None`, as
            in scikit-learn. Defaults to `None`.
        model_kwargs: Other arguments of a function as `model`, a dict.
            Defaults to `None`.
        fit_kwargs: Other arguments of `BornAgain.fit`, a dict, as `callbacks`
            or `learn_from`. Defaults to `None`.
        verbose: As `BornAgain.fit` takes it. Defaults to `0`.
        random_state: Seed, as of any scikit-learn estimator: with an integer
            two fits on CPU give the same bits. Defaults to `None`.

    Attributes:
        model_: The network that predicts, an ordinary `keras.Model`: the best
            of those that were trained here on rows kept out (of several
            teachers, one of their students), or the ensemble.
        lineage_: The `keras_ban.Lineage` of all generations.
        classes_: The classes, or the numbers of the labels.
        n_features_in_: Number of columns.
        feature_names_in_: Their names, if `X` was a data frame.

    Example:
    >>> pipeline = make_pipeline(SimpleImputer(), BornAgainClassifier())
    >>> search = GridSearchCV(pipeline, {"bornagainclassifier__objective":
    ...     ["labels", keras_ban.objectives.KD(0.5, temperature=2)]}, cv=2)
    >>> score = search.fit(X, y).score(X_test, y_test)
    """

    def __init__(
        self,
        model=None,
        *,
        objective="ban",
        generations=3,
        teachers=1,
        augment=None,
        ensemble=False,
        hidden_units=(100,),
        learning_rate=1e-3,
        epochs=100,
        batch_size=32,
        validation_fraction=0.1,
        class_weight=None,
        model_kwargs=None,
        fit_kwargs=None,
        verbose=0,
        random_state=None,
    ):
        super().__init__(
            model,
            objective=objective,
            generations=generations,
            teachers=teachers,
            augment=augment,
            ensemble=ensemble,
            hidden_units=hidden_units,
            learning_rate=learning_rate,
            epochs=epochs,
            batch_size=batch_size,
            validation_fraction=validation_fraction,
            model_kwargs=model_kwargs,
            fit_kwargs=fit_kwargs,
            verbose=verbose,
            random_state=random_state,
        )
        self.class_weight = class_weight

    def predict(self, X):
        """The most probable class of each row.

        Args:
            X: Rows of shape `(rows, columns)`.

        Returns:
            Classes of shape `(rows,)`; of several labels, a 1 for each that is
            more probable than not, of shape `(rows, labels)`.
        """
        found = self.predict_proba(X)
        if self._has_several:
            return (found > 0.5).astype(int)
        return self.classes_[found.argmax(axis=1)]

    def predict_proba(self, X):
        """The probabilities of the classes.

        Args:
            X: Rows of shape `(rows, columns)`.

        Returns:
            Probabilities of shape `(rows, classes)`, in the order
            of `classes_`; of several labels, that of each, of shape `(rows,
            labels)`.
        """
        return self._predictions(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _task(self):
        return kinds.MULTILABEL if self._has_several else kinds.CLASSES

    def _targets(self, y, weight):
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        self._has_several = kind == _MULTILABEL
        if sparse.issparse(y):
            y = y.toarray()
        if not self._has_several:
            y = column_or_1d(y, warn=True)
        if self.class_weight is not None:
            balance = compute_sample_weight(self.class_weight, y)
            balance = balance.astype("float32")
            if (balance < 0).any():
                raise ValueError(
                    "Invalid value for argument `class_weight`. Expected "
                    "numbers that are not negative. Received: "
                    f"{self.class_weight!r}"
                )
            weight = balance if weight is None else balance * weight
        if self._has_several:
            self.classes_ = np.arange(y.shape[1])
            return np.asarray(y, "float32"), weight, None
        encoder = LabelEncoder()
        numbers = encoder.fit_transform(y)
        self.classes_ = encoder.classes_
        if len(self.classes_) < 2:
            raise ValueError(
                "There is one class only, which leaves nothing to learn. "
                f"Expected two or more classes in `y`. Received: "
                f"{self.classes_.tolist()}"
            )
        marks = np.eye(len(self.classes_), dtype="float32")[numbers]
        return marks, weight, numbers


class BornAgainRegressor(RegressorMixin, MultiOutputMixin, _BornAgainEstimator):
    """A regressor of tables: born-again networks, of which the best is kept.

    As `BornAgainClassifier`, for values, one or many for each row.

    Args:
        model: A function `(X, y, **model_kwargs)`, as
            `keras.wrappers.SKLearnRegressor` takes it, that returns a fresh
            `keras.Model` each time, compiled or not, or a `keras.Model`,
            which is cloned. `X` are the rows that are trained on, `y` their
            values, of shape `(rows, outputs)`. Defaults to `None`: a
            perceptron of `hidden_units`, which standardises its inputs and
            scales its outputs itself, on the squared difference, with Adam.
        objective: As in `BornAgainClassifier`. Defaults to `"ban"`.
        generations: As in `BornAgainClassifier`. Defaults to `3`.
        teachers: As in `BornAgainClassifier`. Defaults to `1`.
        augment: As in `BornAgainClassifier`. Defaults to `None`.
        ensemble: As in `BornAgainClassifier`. Defaults to `False`.
        hidden_units: As in `BornAgainClassifier`. Defaults to `(100,)`.
        learning_rate: As in `BornAgainClassifier`. Defaults to `1e-3`.
        epochs: As in `BornAgainClassifier`. Defaults to `100`.
        batch_size: As in `BornAgainClassifier`. Defaults to `32`.
        validation_fraction: As in `BornAgainClassifier`. Defaults to `0.1`.
        model_kwargs: As in `BornAgainClassifier`. Defaults to `None`.
        fit_kwargs: As in `BornAgainClassifier`. Defaults to `None`.
        verbose: As in `BornAgainClassifier`. Defaults to `0`.
        random_state: As in `BornAgainClassifier`. Defaults to `None`.

    Attributes:
        model_: As in `BornAgainClassifier`.
        lineage_: As in `BornAgainClassifier`.
        n_features_in_: Number of columns.
        feature_names_in_: Their names, if `X` was a data frame.

    Example:
    >>> found = BornAgainRegressor(random_state=0).fit(X, y)
    >>> score = found.score(X_test, y_test)
    >>> found.model_.save("best.keras")
    """

    _values_are_numbers = True

    def predict(self, X):
        """The values of each row.

        Args:
            X: Rows of shape `(rows, columns)`.

        Returns:
            Values of shape `(rows,)`, or `(rows, outputs)` if those
            of `fit` had several columns.
        """
        found = self._predictions(X)
        return found[:, 0] if self._is_flat else found

    def _task(self):
        return kinds.VALUES

    def _targets(self, y, weight):
        y = check_array(y, ensure_2d=False, dtype="float32", input_name="y")
        self._is_flat = y.ndim == 1
        return y.reshape(len(y), -1), weight, None
