"""What is reported of classes and labels, in float64 with NumPy."""

import numpy as np

from keras_ban.tasks.labels import is_sparse

BINS = 15
NOTHING = (
    "Nothing to measure. Expected a batch at least, with a sample weight that "
    "is not 0. Received: none."
)
# Of a normal distribution, 95 % lie within so many standard deviations.
Z = 1.959964


def judged(names):
    """What networks are judged by, lower is better, the first most.

    Args:
        names: Names of scores.

    Returns:
        A pair of names.
    """
    if "loss" in names:
        # Of several outputs; what is first of these follows.
        first, second, *_ = names
        return first, second
    first = "error" if "error" in names else "rmse"
    return first, "nll" if "nll" in names else "mae"


class Scores:
    """Collects a model's predictions batch by batch, then sums them up.

    Only four numbers a sample are kept, whatever the number of classes.

    Attributes:
        kept: The scores that are recorded of each generation.
        judged: The scores that networks are judged by, the first most.
    """

    kept = ("accuracy", "error", "nll", "ece")
    judged = ("error", "nll")

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
            raise ValueError(NOTHING)
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
        middle = (error + Z**2 / (2 * count)) / (1 + Z**2 / count)
        spread = error * (1 - error) / count + Z**2 / (4 * count**2)
        half = Z * np.sqrt(spread) / (1 + Z**2 / count)
        mean = np.average(nll, weights=weight)
        variance = np.average((nll - mean) ** 2, weights=weight)
        reach = Z * np.sqrt(variance / max(count - 1, 1))
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


class MultiLabelScores(Scores):
    """Collects marks for several labels batch by batch, then sums them up.

    Each label of a sample counts as a prediction of two classes: `accuracy`,
    `error` (the Hamming loss), `nll`, `ece` and `agreement` are means over
    samples and labels.
    """

    kept = (*Scores.kept, "f1_micro", "f1_macro")

    def __init__(self):
        super().__init__()
        self._marks = []

    def update(self, y_true, probabilities, sample_weight=None, reference=None):
        """Adds a batch.

        Args:
            y_true: Marks from 0 to 1, of shape `(..., n)`.
            probabilities: Predictions of shape `(..., n)`.
            sample_weight: Weights of shape `(...)` or of its first axes.
                Defaults to `None`.
            reference: Predictions of another model. Defaults to `None`.
        """
        p = np.asarray(probabilities, "float64")
        y = np.asarray(y_true, "float64").reshape(p.shape)
        weight = np.ones(p.shape[:-1])
        if sample_weight is not None:
            w = np.asarray(sample_weight, "float64")
            weight = weight * w.reshape(leading(w.shape, weight.shape))
        if reference is not None:
            reference = np.asarray(reference)[..., None]
        super().update(y, p[..., None], weight, reference)
        weights = np.broadcast_to(weight[..., None], p.shape)
        columns = (y, p, weights)
        self._marks.append([c.reshape(-1, p.shape[-1]) for c in columns])

    def result(self):
        """Returns a dict of floats, means over the samples by weight.

        `f1_micro` counts the marks of all labels together, `f1_macro` is the
        mean over the labels, of which one that is neither given nor predicted
        has 0; a mark is predicted from a probability of 0.5 on.
        `average_precision` is the mean over the labels that are given, of the
        sum over the ranks of precision times the rise in recall.
        """
        found = super().result()
        found.pop("perplexity", None)
        y, p, weight = map(np.concatenate, zip(*self._marks, strict=True))
        y, said = y >= 0.5, p >= 0.5
        right, wrong = (
            np.sum(weight * marks, axis=0) for marks in (y & said, y != said)
        )
        given = np.flatnonzero(np.sum(weight * y, axis=0))
        precisions = [
            average_precision(y[:, k], p[:, k], weight[:, k]) for k in given
        ]
        return found | {
            "f1_micro": float(_f1(right.sum(), wrong.sum())),
            "f1_macro": float(np.mean(_f1(right, wrong))),
            "average_precision": (
                float(np.mean(precisions)) if precisions else float("nan")
            ),
        }


def _f1(right, wrong):
    whole = 2 * right + wrong
    return np.where(whole > 0, 2 * right / np.where(whole > 0, whole, 1), 0.0)


def average_precision(y, p, weight):
    """The sum of precision times the rise in recall, over falling `p`.

    Source: Zhu, "Recall, Precision and Average Precision", 2004.

    Args:
        y: Whether the label is given, booleans of shape `(rows,)`.
        p: Probabilities of shape `(rows,)`.
        weight: Weights of shape `(rows,)`.
    """
    order = np.argsort(-p, kind="stable")
    y, p, weight = y[order], p[order], weight[order]
    # Equal probabilities are one step.
    last = np.append(np.diff(p) != 0, True)
    right = np.cumsum(weight * y)[last]
    said = np.cumsum(weight)[last]
    precision = right / np.where(said > 0, said, 1)
    rise = np.diff(right, prepend=0) / right[-1]
    return float(np.sum(precision * rise))


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


def counted(weight, mask):
    """Sample weights of which masked positions have none.

    Args:
        weight: Weights of shape `(...)` or of its first axes, or `None`.
        mask: Booleans of shape `(...)`, or `None`.
    """
    if mask is None:
        return weight
    mask = np.asarray(mask, "float64")
    if weight is None:
        return mask
    return mask * weight.reshape(leading(weight.shape, mask.shape))
