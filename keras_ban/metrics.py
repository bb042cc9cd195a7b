"""What is reported of a classifier, computed in float64 with NumPy.

And the perplexity of a language model, while it trains.
"""

import keras
import numpy as np
from keras import ops

from keras_ban.tasks.labels import is_sparse
from keras_ban.tasks.losses import keras_mask

BINS = 15
# Of a normal distribution, 95 % lie within so many standard deviations.
_Z = 1.959964


class Scores:
    """Collects a model's predictions batch by batch, then sums them up.

    Only four numbers a sample are kept, whatever the number of classes.
    """

    def __init__(self):
        self._rows = []
        self._has_positions = False

    def update(self, y_true, probabilities, sample_weight=None, reference=None):
        """Adds a batch.

        Args:
            y_true: Class numbers of shape `(...)` or `(..., 1)`, or
                distributions of shape `(..., n)`.
            probabilities: Predictions of shape `(..., n)`, or `(..., 1)`,
                the probability of class 1.
            sample_weight: Weights of shape `(...)` or of its first axes.
                Defaults to `None`.
            reference: Predictions of another model, of shape `(..., n)`, to
                measure the agreement with. Defaults to `None`.
        """
        p = two_columns(probabilities)
        nll, true = _likelihood(np.asarray(y_true), p)
        top = p.argmax(-1)
        self._has_positions = top.ndim > 1
        agrees = np.full(top.shape, np.nan)
        if reference is not None:
            agrees = top == two_columns(reference).argmax(-1)
        weight = np.ones(top.shape)
        if sample_weight is not None:
            w = np.asarray(sample_weight, "float64")
            weight = weight * w.reshape(leading(w.shape, top.shape))
        columns = (nll, p.max(-1), top == true, agrees, weight)
        self._rows.append(np.stack([c.reshape(-1) for c in columns], axis=-1))

    def _columns(self):
        return np.concatenate(self._rows).astype("float64").T

    def result(self):
        """Returns a dict of floats: means over the samples, by weight.

        `accuracy`, `error` and `agreement` (with the reference, NaN without
        one) are fractions, `nll` is in nats, `ece` a fraction. Where each
        sample has several positions, `perplexity` is the exponential of
        `nll`.

        Raises:
            ValueError: If nothing was added, or nothing of any weight.
        """
        if not self._rows or self._columns()[-1].sum() == 0:
            raise ValueError(
                "Nothing to measure. Expected a batch at least, with a sample "
                "weight that is not 0. Received: none."
            )
        nll, _, correct, agrees, weight = self._columns()
        accuracy = float(np.average(correct, weights=weight))
        _, _, share, gap = self.reliability()
        nll = float(np.average(nll, weights=weight))
        perplexity = {"perplexity": float(np.exp(nll))}
        return {
            "accuracy": accuracy,
            "error": 1.0 - accuracy,
            "nll": nll,
            **(perplexity if self._has_positions else {}),
            "ece": float(np.sum(share * np.abs(gap))),
            "agreement": float(np.average(agrees, weights=weight)),
        }

    def intervals(self):
        """What other samples of as many could have given: 95 % intervals.

        Sources: of the error Wilson, "Probable Inference, the Law of
        Succession, and Statistical Inference", 1927; of the NLL the normal
        distribution of a mean. Positions of a sample count as samples, which
        makes intervals of sequences too narrow.

        Returns:
            A dict of pairs, lower and upper end, of `error` and `nll`.
        """
        nll, _, correct, _, weight = self._columns()
        count = weight.sum() ** 2 / np.sum(weight**2)
        error = 1 - np.average(correct, weights=weight)
        middle = (error + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
        spread = error * (1 - error) / count + _Z**2 / (4 * count**2)
        half = _Z * np.sqrt(spread) / (1 + _Z**2 / count)
        mean = np.average(nll, weights=weight)
        variance = np.average((nll - mean) ** 2, weights=weight)
        reach = _Z * np.sqrt(variance / max(count - 1, 1))
        return {
            "error": (float(middle - half), float(middle + half)),
            "nll": (float(mean - reach), float(mean + reach)),
        }

    def reliability(self, bins=BINS):
        """Bins the samples by confidence, the largest probability.

        Source: Guo et al., "On Calibration of Modern Neural Networks", 2017,
        Section 2.

        Args:
            bins: Number of bins of equal width. Defaults to `15`.

        Returns:
            Four arrays of shape `(bins,)`: mean confidence, accuracy, share
            of the samples, and accuracy minus confidence. An empty bin has
            zeros.
        """
        _, confidence, correct, _, weight = self._columns()
        edges = np.linspace(0, 1, bins + 1)
        index = np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)
        total = np.bincount(index, weight, bins)
        safe = np.where(total > 0, total, 1)
        mean = np.bincount(index, weight * confidence, bins) / safe
        accuracy = np.bincount(index, weight * correct, bins) / safe
        return mean, accuracy, total / total.sum(), accuracy - mean


def two_columns(p):
    """Probabilities in float64, `[1 - p, p]` if `p` is of class 1 alone."""
    p = np.asarray(p, "float64")
    return p if p.shape[-1] > 1 else np.concatenate([1 - p, p], axis=-1)


def _likelihood(y, p):
    """-Σ y log p and the true class of each sample, both of shape `(...)`."""
    log_p = np.log(np.maximum(p, np.finfo("float64").tiny))
    if is_sparse(y.shape, p.shape):
        y = y.reshape(p.shape[:-1])
        if p.shape[-1] > 2:
            index = y.astype("int64")[..., None]
            return -np.take_along_axis(log_p, index, -1)[..., 0], y
        # Of a sigmoid, the label may be the probability of class 1.
        y = np.stack([1.0 - y, y], axis=-1)
    return -np.sum(y * log_p, axis=-1), y.argmax(-1)


def leading(weight_shape, shape):
    """The weights' shape with an axis of 1 for each that they lack."""
    while len(weight_shape) > len(shape) and weight_shape[-1] == 1:
        weight_shape = weight_shape[:-1]
    return (*weight_shape, *(1,) * (len(shape) - len(weight_shape)))


def negative_log_likelihood(y_true, probabilities, sample_weight=None):
    """Mean of -log p of the true class, in nats.

    Args:
        y_true: Class numbers of shape `(...)` or distributions `(..., n)`.
        probabilities: Predictions of shape `(..., n)`.
        sample_weight: Weights of shape `(...)`. Defaults to `None`.

    Returns:
        A float.
    """
    return _score("nll", y_true, probabilities, sample_weight)


def expected_calibration_error(
    y_true, probabilities, bins=BINS, sample_weight=None
):
    """Mean distance between confidence and accuracy over confidence bins.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated
    Probabilities Using Bayesian Binning", 2015; Guo et al., "On Calibration
    of Modern Neural Networks", 2017, Section 2.

    Args:
        y_true: Class numbers of shape `(...)` or distributions `(..., n)`.
        probabilities: Predictions of shape `(..., n)`.
        bins: Number of bins of equal width. Defaults to `15`.
        sample_weight: Weights of shape `(...)`. Defaults to `None`.

    Returns:
        A float from 0 to 1.
    """
    scores = Scores()
    scores.update(y_true, probabilities, sample_weight)
    _, _, share, gap = scores.reliability(bins)
    return float(np.sum(share * np.abs(gap)))


def agreement(probabilities, reference, sample_weight=None):
    """Share of the samples for which two models name the same class.

    Args:
        probabilities: Predictions of shape `(..., n)`.
        reference: Predictions of the other model, of shape `(..., n)`.
        sample_weight: Weights of shape `(...)`. Defaults to `None`.

    Returns:
        A float from 0 to 1.
    """
    scores = Scores()
    scores.update(reference, probabilities, sample_weight, reference)
    return scores.result()["agreement"]


def _score(name, y_true, probabilities, sample_weight):
    scores = Scores()
    scores.update(y_true, probabilities, sample_weight)
    return scores.result()[name]


@keras.saving.register_keras_serializable("keras_ban")
class Perplexity(keras.metrics.Metric):
    """The perplexity of a language model: the exponential of its mean NLL.

    The mean is over all positions of all batches that are not masked, by
    their weights, added up in float64: batches and segments may have any
    size. Where positions have weights, as those of `data.text.evaluation`, it
    belongs into `weighted_metrics`.

    Args:
        from_logits: Whether the model gives logits, else probabilities.
            Defaults to `True`, as the language models of `keras_ban.models`.
        name: As in Keras. Defaults to `"perplexity"`.
        **kwargs: As in `keras.metrics.Metric`.

    Example:
    >>> model.compile("sgd", loss,
    ...     weighted_metrics=[keras_ban.metrics.Perplexity()])
    """

    def __init__(self, from_logits=True, name="perplexity", **kwargs):
        super().__init__(name=name, **kwargs)
        self._direction = "down"
        self.from_logits = from_logits
        self._sum, self._weight = (
            self.add_variable((), "zeros", dtype="float64", name=part)
            for part in ("nll", "weight")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: Numbers of words, shape `(...)`.
            y_pred: Logits or probabilities, shape `(..., words)`.
            sample_weight: Weights of shape `(...)` or of its first axes.
                Defaults to `None`.
        """
        nll = keras.losses.sparse_categorical_crossentropy(
            y_true, ops.cast(y_pred, "float32"), self.from_logits
        )
        nll = ops.cast(nll, "float64")
        weight = ops.ones_like(nll)
        if sample_weight is not None:
            w = ops.cast(sample_weight, "float64")
            weight *= ops.reshape(w, leading(ops.shape(w), nll.shape))
        mask = keras_mask(y_pred)
        if mask is not None:
            weight *= ops.cast(mask, "float64")
        self._sum.assign_add(ops.sum(weight * nll))
        self._weight.assign_add(ops.sum(weight))

    def result(self):
        """The perplexity so far, a scalar; that of nothing is 1."""
        weight = ops.where(self._weight > 0, self._weight, 1.0)
        return ops.cast(ops.exp(self._sum / weight), "float32")

    def get_config(self):
        """What the metric is made by."""
        return {**super().get_config(), "from_logits": self.from_logits}
