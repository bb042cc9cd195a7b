"""What both estimators do: a table in, the best network out."""

import functools
import inspect
import math

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array
from sklearn.utils import check_consistent_length
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from sklearn.utils.validation import validate_data

from keras_ban import checks
from keras_ban.born_again import BornAgain
from keras_ban.sklearn.network import perceptron
from keras_ban.state import seeds
from keras_ban.tasks import kinds

_SEEDS = 2**31 - 1
_ROWS_AT_ONCE = 1024
# What the estimator says of `BornAgain.fit` by arguments of its own.
_OWN = {
    "x": "`fit(X, y)`",
    "y": "`fit(X, y)`",
    "sample_weight": "`fit(X, y, sample_weight)`",
    "class_weight": "`class_weight`, or `fit(X, y, sample_weight)`",
    "validation_data": "`validation_fraction`",
    "validation_split": "`validation_fraction`",
    **{
        name: f"`{name}`"
        for name in (
            "generations",
            "teachers",
            "augment",
            "epochs",
            "batch_size",
            "verbose",
        )
    },
}


class _BornAgainEstimator(BaseEstimator):
    """An estimator that trains generations of networks on a table.

    It stands on scikit-learn's own base classes. Keras' wrappers train by one
    `Model.fit`, have neither `random_state` nor `predict_proba`, and lose
    their `fit_kwargs` where they are cloned; what is shared with them is how
    `model` is called, `model_kwargs` and `fit_kwargs`.

    A class of it says by `_targets` what the network learns.
    """

    _values_are_numbers = False

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
        model_kwargs=None,
        fit_kwargs=None,
        verbose=0,
        random_state=None,
    ):
        self.model = model
        self.objective = objective
        self.generations = generations
        self.teachers = teachers
        self.augment = augment
        self.ensemble = ensemble
        self.hidden_units = hidden_units
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        """Trains all generations, and keeps the best network.

        Args:
            X: Rows of numbers of shape `(rows, columns)`, two at least, an
                array or a pandas `DataFrame`.
            y: Labels or values of shape `(rows,)`, or `(rows, outputs)`.
            sample_weight: Weights of shape `(rows,)`, none negative. A row of
                weight 0 is as good as left out. Defaults to `None`.

        Returns:
            The estimator.

        Raises:
            ValueError: Before training, if an argument, the data or the model
                do not fit each other.
            FloatingPointError: If a loss turns NaN or infinite.
        """
        self._check_parameters()
        # A fit that fails leaves no network of other columns.
        self.__dict__.pop("model_", None)
        X, y = validate_data(
            self,
            X,
            y,
            dtype="float32",
            multi_output=True,
            y_numeric=self._values_are_numbers,
            ensure_min_samples=2,
        )
        X, y, weight = _weighted(X, y, sample_weight)
        y, weight, strata = self._targets(y, weight)
        seed = check_random_state(self.random_state).randint(_SEEDS)
        with seeds.undisturbed():
            self.lineage_ = self._trained(X, y, weight, strata, seed)
        self.model_ = self._chosen()
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "model_")

    def _targets(self, y, weight):
        """What the network learns.

        Args:
            y: As the user gave it, checked.
            weight: The weight of each row, or `None`.

        Returns:
            An array of shape `(rows, outputs)`, the weights, and the number of
            each row's class, or `None` where rows have none.
        """
        raise NotImplementedError

    def _task(self):
        """The name of the task that the network has."""
        raise NotImplementedError

    def _trained(self, X, y, weight, strata, seed):
        """The `Lineage` of networks trained on these rows."""
        known = [a for a in (X, y, weight) if a is not None]
        train, other = self._split(len(X), strata, seed)
        x, y, *weight = (a[train] for a in known)
        arguments = {
            "x": x,
            "y": y,
            "sample_weight": weight[0] if weight else None,
            "validation_data": other and tuple(a[other] for a in known),
            "generations": self.generations,
            "teachers": self.teachers,
            "augment": self.augment,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "verbose": self.verbose,
            **(self.fit_kwargs or {}),
        }
        if "callbacks" not in arguments:
            # Each network is measured once it is trained. To measure it after
            # each epoch takes most of the time on small tables.
            arguments.setdefault("validation_freq", self.epochs)
        made = self._model_fn(x, y)
        ban = BornAgain(made, self.objective, seed=seed, task=self._task())
        return ban.fit(**arguments)

    def _split(self, count, strata, seed):
        """The numbers of rows to train on, and of others, or `None`."""
        if not self.validation_fraction:
            return list(range(count)), None
        classes = strata
        if strata is not None:
            others = math.ceil(count * self.validation_fraction)
            sizes = np.bincount(strata)
            # Where a class is too small, it falls as it may.
            if sizes.min() < 2 or len(sizes) > min(others, count - others):
                strata = None
        train, other = train_test_split(
            list(range(count)),
            test_size=self.validation_fraction,
            random_state=seed,
            stratify=strata,
        )
        if classes is not None and len(set(classes[train])) < 2:
            raise ValueError(
                f"`validation_fraction` keeps out {len(other)} of {count} "
                "rows, and all that are left are of one class. Expected two "
                "classes or more to train on. Received: "
                f"{self.validation_fraction}. Set it to 0, and the last "
                "generation is taken."
            )
        return train, other

    def _model_fn(self, x, y):
        """What `BornAgain` makes its networks of."""
        if isinstance(self.model, keras.Model):
            return self.model
        if self.model is not None:
            known = {"X": x, "y": y, **(self.model_kwargs or {})}
            return functools.partial(self.model, **known)
        return functools.partial(
            perceptron,
            x,
            y,
            self._task(),
            self.hidden_units,
            self.learning_rate,
        )

    def _chosen(self):
        if self.ensemble:
            return self.lineage_.ensemble()
        # Generation 0 of several teachers, or of given ones, is no network
        # that was trained here.
        is_other = self.teachers > 1 or "teacher" in (self.fit_kwargs or {})
        trained = self.lineage_[int(is_other) :]
        best = trained.best if self.validation_fraction else trained[-1]
        return best.model

    def _predictions(self, X):
        """What the network says of rows, `(rows, n)` in float64."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype="float32", reset=False)
        rows = X
        if len(X) % _ROWS_AT_ONCE == 1:
            # A batch of one row is multiplied by another kernel, of other last
            # bits: what is said of a row would depend on the rows beside it.
            rows = np.concatenate([X, X[-1:]])
        found = self.model_.predict(rows, batch_size=_ROWS_AT_ONCE, verbose=0)
        task = kinds.task_of(self.model_, kinds.Said(self._task()))
        return task.predictions(found[: len(X)])

    def _check_parameters(self):
        _check_model(self.model, self.model_kwargs)
        _check_hidden(self.hidden_units)
        checks.number(
            "learning_rate",
            self.learning_rate,
            lambda v: 0 < v < math.inf,
            "a positive number",
        )
        checks.number(
            "validation_fraction",
            self.validation_fraction,
            lambda v: 0 <= v < 1,
            "a number from 0, which keeps no rows out, to below 1",
        )
        for name in ("epochs", "batch_size", "teachers"):
            checks.integer(name, getattr(self, name), 1)
        if not isinstance(self.ensemble, (bool, np.bool_)):
            raise ValueError(
                "Invalid value for argument `ensemble`. Expected True or "
                f"False. Received: {self.ensemble!r}"
            )
        for name in _OWN.keys() & (self.fit_kwargs or {}).keys():
            raise ValueError(
                "Invalid value for argument `fit_kwargs`. Expected arguments "
                "of `BornAgain.fit` that the estimator does not give itself. "
                f"Received: {name!r}. Say it by {_OWN[name]}."
            )


def _check_model(model, model_kwargs):
    """Refuses a model that is neither a network nor a function that fits."""
    if model is None or isinstance(model, keras.Model):
        if model_kwargs:
            raise ValueError(
                "`model_kwargs` are for a function as `model`. Received: "
                f"{model_kwargs!r}, and model={model!r}. Leave them out, or "
                "give a function `(X, y, **model_kwargs)`."
            )
        return
    try:
        signature = inspect.signature(model)
        signature.bind(X=None, y=None, **(model_kwargs or {}))
    except TypeError as error:
        raise ValueError(
            "Invalid value for argument `model`. Expected a function `(X, y, "
            "**model_kwargs)` that returns a `keras.Model`, a `keras.Model` "
            f"to clone, or None. Received: {model!r}, {error}."
        ) from error


def _check_hidden(units):
    is_list = isinstance(units, (list, tuple))
    if not is_list:
        raise ValueError(
            "Invalid value for argument `hidden_units`. Expected a tuple of "
            "integers, the units of each hidden layer, as (100,). Received: "
            f"{units!r}"
        )
    for one in units:
        checks.integer("hidden_units", one, 1)


def _weighted(X, y, weight):
    """The rows that have a weight, and their weights."""
    if weight is None:
        return X, y, None
    weight = check_array(
        weight,
        ensure_2d=False,
        dtype="float32",
        ensure_non_negative=True,
        input_name="sample_weight",
    )
    if weight.ndim != 1:
        raise ValueError(
            "Invalid value for argument `sample_weight`. Expected one number "
            f"for each row. Received: shape {weight.shape}"
        )
    check_consistent_length(X, weight)
    counted = weight > 0
    if counted.sum() < 2:
        raise ValueError(
            "Invalid value for argument `sample_weight`. Expected two rows or "
            "more whose weight is not zero. Received: "
            f"{counted.sum()} of {len(counted)} rows"
        )
    return X[counted], y[counted], weight[counted]
