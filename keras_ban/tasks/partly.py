"""Losses and metrics of batches in which some examples have no label."""

import tensorflow as tf
from keras import ops

from keras_ban.distribution.parts import Mixed
from keras_ban.distribution.parts import Partly
from keras_ban.distribution.replicas import once
from keras_ban.distribution.replicas import total
from keras_ban.rows import map_arrays
from keras_ban.tasks.losses import keras_mask
from keras_ban.tasks.mixed import larger


def weighed(y_true, scores, reduction, sample_weight):
    """Labels whose `known` makes the mean over a batch that over labels.

    What divides the losses of a batch counts all examples: those that have a
    label weigh so much more in the term of the labels.

    Args:
        y_true: Labels, `Partly` ones, `Mixed` ones of either, or `None`.
        scores: Scores of shape `(..., n)`, with their Keras mask.
        reduction: As in `keras.losses.Loss`.
        sample_weight: Weights, or `None`.

    Returns:
        Labels of the same kind; of `Partly` ones, `known` is a factor of
        shape `(...)`.
    """
    if isinstance(y_true, Mixed):
        first, second = (
            weighed(y, scores, reduction, sample_weight) for y in y_true[:2]
        )
        return y_true._replace(first=first, second=second)
    if not isinstance(y_true, Partly):
        return y_true
    counted = ops.stop_gradient(ops.ones_like(scores[..., 0]))
    known = _along(y_true.known, counted) * counted
    if reduction == "sum":
        return y_true._replace(known=known)
    mask = keras_mask(scores)
    if mask is not None:
        counted *= ops.cast(mask, counted.dtype)
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        counted *= _along(sample_weight, counted)
    whole, part = once(
        lambda: total([ops.sum(counted), ops.sum(counted * known)]),
        ("labels", len(counted.shape), reduction),
        (y_true.known, mask, sample_weight),
    )
    return y_true._replace(known=known * ops.divide_no_nan(whole, part))


def losses(task, loss, y_true, scores):
    """The loss of each sample on its label, 0 where it has none.

    Args:
        task: The `Task`.
        loss: As `Task.label_losses` takes it.
        y_true: Labels, or `Partly` ones as `weighed` gives them.
        scores: Scores of shape `(..., n)`.

    Returns:
        Loss of shape `(...)`.
    """
    if not isinstance(y_true, Partly):
        return task.label_losses(loss, y_true, scores)
    found = task.label_losses(loss, y_true.labels, scores)
    return found * ops.cast(y_true.known, found.dtype)


def labelled(y_true, y_pred, sample_weight):
    """The rows of a batch that have a label, for metrics.

    Args:
        y_true: Labels, `Partly` ones, `Mixed` ones of either, or `None`.
        y_pred: Output of the model, of shape `(rows, ...)`.
        sample_weight: Weights, or `None`.

    Returns:
        Labels, output and weights.
    """
    y_true = larger(y_true)
    if not isinstance(y_true, Partly):
        return y_true, y_pred, sample_weight

    def kept(x):
        found = tf.boolean_mask(x, y_true.known)
        mask = keras_mask(x)
        if mask is not None:
            found._keras_mask = tf.boolean_mask(mask, y_true.known)
        return found

    given = y_true.labels, y_pred, sample_weight
    return tuple(map_arrays(kept, one) for one in given)


def _along(column, like):
    """Numbers of the first axes, with as many axes as another tensor has."""
    column = ops.cast(column, like.dtype)
    if len(column.shape) > len(like.shape):
        return ops.squeeze(column, -1)
    while len(column.shape) < len(like.shape):
        column = ops.expand_dims(column, -1)
    return column
