"""Labels of a class that the loss ignores: their positions count nowhere."""

import numpy as np
from keras import ops

from keras_ban.distribution.parts import Mixed
from keras_ban.distribution.parts import Partly
from keras_ban.tasks.losses import keras_mask


def counting(y_true, scores, ignored):
    """Labels and scores of which those that the loss ignores do not count.

    A mixed example counts where both of its labels do.

    Args:
        y_true: Class numbers of shape `(...)` or `(..., 1)`, `Partly` known
            ones, `Mixed` ones of either, or `None`.
        scores: Scores of shape `(..., n)`.
        ignored: The class that is ignored, or `None`.

    Returns:
        The labels, with a class of the model in place of the ignored one, and
        the scores, whose Keras mask leaves out what does not count.
    """
    if ignored is None or y_true is None:
        return y_true, scores
    if isinstance(y_true, Mixed):
        first, scores = counting(y_true.first, scores, ignored)
        second, scores = counting(y_true.second, scores, ignored)
        return y_true._replace(first=first, second=second), scores
    if isinstance(y_true, Partly):
        labels, counted = counting(y_true.labels, scores, ignored)
        counts = keras_mask(counted)
        known = ops.reshape(y_true.known, (-1, *[1] * (len(counts.shape) - 1)))
        mask = keras_mask(scores)
        # What has no label has none that is ignored.
        others = ~known if mask is None else mask & ~known
        counted._keras_mask = counts | others
        return y_true._replace(labels=labels), counted
    # As floats, as Keras compares them.
    y_true = ops.cast(y_true, scores.dtype)
    counts = ops.not_equal(y_true, ops.cast(ignored, scores.dtype))
    y_true = ops.where(counts, y_true, 0.0)
    counts = ops.reshape(counts, ops.shape(scores)[:-1])
    mask = keras_mask(scores)
    # The caller's tensor keeps its own mask.
    scores = ops.copy(scores)
    scores._keras_mask = counts if mask is None else counts & mask
    return y_true, scores


def counted(y, shape, ignored):
    """The same of NumPy arrays, to measure.

    Args:
        y: Class numbers of shape `(...)` or `(..., 1)`.
        shape: Shape `(..., n)` of the model's output.
        ignored: The class that is ignored, or `None`.

    Returns:
        The labels, and which positions count: booleans of shape `(...)`, or
        `None` if all do.
    """
    if ignored is None:
        return y, None
    counts = y != ignored
    return np.where(counts, y, 0), counts.reshape(shape[:-1])
