"""Losses and metrics on labels of examples that are mixed of two each."""

import keras
from keras import ops

from keras_ban.distribution.parts import Mixed


def losses(function, y_true):
    """The loss of each sample; of mixed labels `λ L(y₁) + (1 - λ) L(y₂)`.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018,
    whose loss of the mixed label is the same, as the cross-entropy is linear
    in it.

    Args:
        function: Function from labels to losses of shape `(...)`.
        y_true: Labels, or `Mixed` ones.
    """
    if not isinstance(y_true, Mixed):
        return function(y_true)
    first, second = function(y_true.first), function(y_true.second)
    part = ops.cast(_aligned(y_true.part, len(first.shape)), first.dtype)
    return part * first + (1 - part) * second


def larger(y_true):
    """The labels that have the larger share, for metrics.

    Args:
        y_true: Labels, `Mixed` ones, or `None`.
    """
    if not isinstance(y_true, Mixed):
        return y_true

    def chosen(first, second):
        share = _aligned(y_true.share, len(first.shape))
        return ops.where(share >= 0.5, first, second)

    return keras.tree.map_structure(chosen, y_true.first, y_true.second)


def _aligned(column, rank):
    """Adds axes at the end, or takes an axis of one away, as for weights."""
    if len(column.shape) > rank:
        return ops.squeeze(column, -1)
    while len(column.shape) < rank:
        column = ops.expand_dims(column, -1)
    return column
