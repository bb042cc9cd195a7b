"""What is reported of predicted values, computed in float64 with NumPy."""

import numpy as np

from keras_ban.tasks.scores import NOTHING
from keras_ban.tasks.scores import Z
from keras_ban.tasks.scores import leading


class ValueScores:
    """Collects predicted values batch by batch, then sums them up.

    Attributes:
        kept: The scores that are recorded of each generation.
        judged: The scores that networks are judged by, the first most.
    """

    kept = ("rmse", "mae")
    judged = ("rmse", "mae")

    def __init__(self):
        self._labels, self._values, self._weights = [], [], []
        self._references = []

    def update(self, y_true, values, sample_weight=None, reference=None):
        """Adds a batch.

        Args:
            y_true: Values of shape `(..., n)`, or `(...)` if `n` is 1.
            values: Predictions of shape `(..., n)`.
            sample_weight: Weights of shape `(...)` or of its first axes.
                Defaults to `None`.
            reference: Predictions of another model, of the same shape, to
                measure the distance from. Defaults to `None`.
        """
        values = np.asarray(values, "float64")
        weight = np.ones(values.shape[:-1])
        if sample_weight is not None:
            w = np.asarray(sample_weight, "float64")
            weight = weight * w.reshape(leading(w.shape, weight.shape))
        if reference is None:
            reference = np.full(values.shape, np.nan)
        columns = values.shape[-1]
        self._values.append(values.reshape(-1, columns))
        self._references.append(np.reshape(reference, (-1, columns)))
        self._labels.append(
            np.asarray(y_true, "float64").reshape(weight.size, -1)
        )
        self._weights.append(weight.reshape(-1))

    def _held(self):
        """Labels, predictions, the other model's and weights, of all rows."""
        found = [
            np.concatenate(held or [np.zeros(0)])
            for held in (
                self._labels,
                self._values,
                self._references,
                self._weights,
            )
        ]
        if found[-1].sum() == 0:
            raise ValueError(NOTHING)
        return found

    def result(self):
        """Returns a dict of floats: means over samples and values, by weight.

        `rmse` and `mae` are in the unit of the labels; `r2` is one minus the
        squared errors over those of the labels' mean, the mean over the
        values (NaN where no label varies); `distance` is the root of the mean
        squared difference to the reference (NaN without one).

        Raises:
            ValueError: If nothing was added, or nothing of any weight.
        """
        y, values, reference, weight = self._held()
        mean = _mean_of(weight)
        return {
            **_errors(y, values, mean),
            "r2": _determination(y, values, mean),
            "distance": _root(mean(np.square(values - reference)).mean()),
        }

    def intervals(self):
        """What other samples of as many could have given: 95 % intervals.

        Those of the mean squared and the mean absolute error of a sample, by
        the normal distribution of a mean.

        Returns:
            A dict of pairs, lower and upper end, of `rmse` and `mae`.
        """
        y, values, _, weight = self._held()
        squares = np.square(y - values).mean(axis=-1)
        low, high = interval(squares, weight)
        return {
            "rmse": (_root(max(low, 0)), _root(high)),
            "mae": interval(np.abs(y - values).mean(axis=-1), weight),
        }

    def reliability(self):
        """Values have no confidence: `None`."""
        return None


class GaussianScores(ValueScores):
    """The same of means, and how well their variances are calibrated."""

    kept = (*ValueScores.kept, "nll", "coverage")
    judged = ("rmse", "nll")

    def __init__(self):
        super().__init__()
        self._variances = []

    def update(self, y_true, values, sample_weight=None, reference=None):
        """Adds a batch.

        Args:
            y_true: Values of shape `(..., m)`, or `(...)` if `m` is 1.
            values: Means and variances of shape `(..., 2 m)`.
            sample_weight: As in `ValueScores`. Defaults to `None`.
            reference: Means and variances of another model. Defaults to
                `None`.
        """
        mean, variance = np.split(np.asarray(values, "float64"), 2, axis=-1)
        self._variances.append(variance.reshape(-1, variance.shape[-1]))
        if reference is not None:
            reference = np.split(reference, 2, axis=-1)[0]
        super().update(y_true, mean, sample_weight, reference)

    def _losses(self):
        """NLL of each sample, and whether 95 % intervals hold its values."""
        y, values, _, weight = self._held()
        variance = np.concatenate(self._variances)
        squares = np.square(y - values) / variance
        nll = (np.log(2 * np.pi * variance) + squares) / 2
        return nll.mean(axis=-1), (squares <= Z**2).mean(axis=-1), weight

    def result(self):
        """As of `ValueScores`; `nll` in nats, the mean over the values.

        `coverage` is the share of the values in the 95 % intervals
        `mean ± 1.96 σ`.
        """
        found = super().result()
        nll, is_in, weight = self._losses()
        mean = _mean_of(weight)
        nll, coverage = float(mean(nll)), float(mean(is_in))
        return found | {"nll": nll, "coverage": coverage}

    def intervals(self):
        """As of `ValueScores`, and of `nll`."""
        nll, _, weight = self._losses()
        return super().intervals() | {"nll": interval(nll, weight)}


def interval(losses, weight):
    """The 95 % interval of a weighted mean, a pair."""
    mean = np.average(losses, weights=weight)
    variance = np.average((losses - mean) ** 2, weights=weight)
    count = weight.sum() ** 2 / np.sum(weight**2)
    reach = Z * np.sqrt(variance / max(count - 1, 1))
    return float(mean - reach), float(mean + reach)


def _mean_of(weight):
    return lambda held: np.average(held, axis=0, weights=weight)


def _errors(y, values, mean):
    return {
        "rmse": _root(mean(np.square(y - values)).mean()),
        "mae": float(mean(np.abs(y - values)).mean()),
    }


def _determination(y, values, mean):
    total = mean(np.square(y - mean(y)))
    varies = total > 0
    left = mean(np.square(y - values))[varies] / total[varies]
    return float(np.mean(1 - left)) if varies.any() else float("nan")


def _root(square):
    return float(np.sqrt(square))
