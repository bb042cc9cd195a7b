"""What is reported of a classifier, computed in float64 with NumPy.

And the perplexity of a language model, while it trains.
"""

import keras
import numpy as np
from keras import ops

from keras_ban.tasks.losses import keras_mask
from keras_ban.tasks.scores import BINS
from keras_ban.tasks.scores import Scores
from keras_ban.tasks.scores import leading


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
