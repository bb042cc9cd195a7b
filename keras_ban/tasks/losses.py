"""Losses as pure functions of logits, and how they are reduced.

Written with `keras.ops` alone and computed in float32 at least.
"""

import math

import keras
from keras import ops

from keras_ban.distribution.replicas import once
from keras_ban.distribution.replicas import place
from keras_ban.distribution.replicas import replicas
from keras_ban.distribution.replicas import total
from keras_ban.tasks.labels import is_sparse


def at_least_float32(x):
    """Casts half precision up to float32 and leaves float64 as it is."""
    x = ops.convert_to_tensor(x)
    dtype = keras.backend.standardize_dtype(x.dtype)
    return x if dtype == "float64" else ops.cast(x, "float32")


def class_logits(x):
    """Logits in float32 at least, one for each class.

    Args:
        x: Logits of shape `(..., n)`, or `(..., 1)` for a binary classifier.

    Returns:
        Shape `(..., n)`, or `(..., 2)`: a single logit `z` is the difference
        between two, so it stands for `[0, z]`.
    """
    x = at_least_float32(x)
    if x.shape[-1] != 1:
        return x
    return ops.concatenate([ops.zeros_like(x), x], axis=-1)


def cross_entropy(y_true, logits):
    """Cross-entropy with the labels, -Σ y log q.

    Args:
        y_true: Integer labels of shape `(...)` or `(..., 1)`, or one-hot or
            soft labels of shape `(..., n)`. With two classes, the first form
            may also be the probability of class 1.
        logits: Logits of shape `(..., n)`, or `(..., 1)` if binary.

    Returns:
        Loss of shape `(...)`, in nats.
    """
    logits = class_logits(logits)
    y_true = ops.convert_to_tensor(y_true)
    if is_sparse(y_true.shape, logits.shape):
        if len(y_true.shape) == len(logits.shape):
            y_true = ops.squeeze(y_true, -1)
        if logits.shape[-1] > 2:
            return ops.sparse_categorical_crossentropy(
                ops.cast(y_true, "int32"), logits, from_logits=True
            )
        y_true = ops.cast(y_true, logits.dtype)
        y_true = ops.stack([1 - y_true, y_true], axis=-1)
    y_true = ops.cast(y_true, logits.dtype)
    return ops.categorical_crossentropy(y_true, logits, from_logits=True)


def true_class(y_true, logits):
    """The class that each label names; of a distribution the likeliest.

    Args:
        y_true: As `cross_entropy` takes them.
        logits: Logits of shape `(..., n)`, as `class_logits` gives them.

    Returns:
        Class numbers of shape `(...)`, int32.
    """
    y_true = ops.convert_to_tensor(y_true)
    if not is_sparse(y_true.shape, logits.shape):
        return ops.cast(ops.argmax(y_true, axis=-1), "int32")
    if len(y_true.shape) == len(logits.shape):
        y_true = ops.squeeze(y_true, -1)
    if logits.shape[-1] == 2:
        # It may be the probability of class 1.
        y_true = ops.cast(y_true, logits.dtype) > 0.5
    return ops.cast(y_true, "int32")


def soft_cross_entropy(p, logits):
    """Cross-entropy with a distribution, -Σ p log q, and its exact gradient.

    The gradient with respect to `logits` is `q - p`, taken as one difference:
    it is exactly zero where student and teacher agree. Differentiating
    `log_softmax` gives `q Σp - p`, where the rounding of `Σp` stays behind.
    There is no second derivative.

    Args:
        p: Distribution of shape `(..., n)`; it gets no gradient.
        logits: Logits of shape `(..., n)`.

    Returns:
        Loss of shape `(...)`, in nats.
    """
    p = ops.stop_gradient(ops.cast(p, logits.dtype))
    value = -ops.sum(p * ops.log_softmax(logits), axis=-1)
    return _with_gradient(value, ops.softmax(logits) - p, logits)


def divergence(targets, logits):
    """Kullback-Leibler divergence Σ p log(p / q), and its exact gradient.

    The gradient with respect to `logits` is `q - p`, as of
    `soft_cross_entropy`.

    Args:
        targets: Logits of `p` of shape `(..., n)`; they get no gradient.
        logits: Logits of `q` of shape `(..., n)`.

    Returns:
        Loss of shape `(...)`, in nats.
    """
    targets = ops.cast(targets, logits.dtype)
    p, q = ops.softmax(targets), ops.softmax(logits)
    ratio = ops.log_softmax(logits) - ops.log_softmax(targets)
    # Each summand with `q - p`, which add up to 0: of alike distributions,
    # what is left of the logarithms would be their rounding.
    near = p * (ops.expm1(ops.minimum(ratio, 1.0)) - ratio)
    terms = ops.where(ratio < 1.0, near, q - p - p * ratio)
    return _with_gradient(ops.sum(terms, axis=-1), q - p, logits)


@ops.custom_gradient
def _with_gradient(value, gradient, logits):
    """A loss of shape `(...)` whose gradient, `(..., n)`, is given."""

    def back(upstream):
        return None, None, gradient * ops.expand_dims(upstream, -1)

    return value, back


class _Reduction(keras.losses.Loss):
    """Keras' own reduction (weights, mask, replicas) of per-sample losses."""

    def call(self, y_true, y_pred):
        return y_pred


def reduce(losses, sample_weight, reduction, mask):
    """Reduces per-sample losses exactly as a Keras loss would.

    Args:
        losses: Losses of shape `(...)`.
        sample_weight: Weights of shape `(...)`, or of its first axes, or
            `None`.
        reduction: As in `keras.losses.Loss`.
        mask: Keras mask of shape `(...)`, or `None`.

    Returns:
        A scalar. Under a strategy, a replica's summand of it.
    """
    if mask is not None:
        # The caller's tensor keeps its own mask.
        losses = ops.copy(losses)
        losses._keras_mask = mask
    if sample_weight is not None:
        sample_weight = ops.convert_to_tensor(sample_weight)
    dtype = keras.backend.standardize_dtype(losses.dtype)
    given = losses, losses, _along(sample_weight, losses)
    if replicas() == 1:
        return _Reduction("objective", reduction, dtype)(*given)
    # Keras averages the means of the replicas, which differs where one has
    # fewer samples than another, or more of them masked.
    found = _Reduction("objective", "sum", dtype)(*given)
    if reduction == "sum":
        return found
    if reduction != "mean_with_sample_weight":
        sample_weight = None
    return ops.divide_no_nan(found, total_count(losses, mask, sample_weight))


def total_count(losses, mask, weight=None):
    """How many losses of the global batch count, a scalar without a gradient.

    Args:
        losses: Losses of shape `(rows, ...)`, of a replica.
        mask: Keras mask of that shape, or `None`.
        weight: What each counts for, as `reduce` takes it. Defaults to `None`:
            all count for 1.
    """
    dtype = keras.backend.standardize_dtype(losses.dtype)
    if mask is None and weight is None:
        rows, *others = ops.shape(losses)
        _, all_rows = place(rows)
        return math.prod([ops.cast(n, dtype) for n in (all_rows, *others)])

    def count():
        counted = ops.ones_like(losses)
        if weight is not None:
            counted = ops.cast(_along(weight, losses), dtype)
        if mask is not None:
            counted = counted * ops.cast(mask, dtype)
        return total(ops.stop_gradient(ops.sum(counted)))

    return once(count, ("count", dtype, len(losses.shape)), (mask, weight))


def _along(weight, losses):
    """Weights with as many axes as the losses have, or `None`.

    One weight per sample covers all positions of its sequence.
    """
    while weight is not None and len(weight.shape) < len(losses.shape):
        weight = ops.expand_dims(weight, -1)
    return weight


def keras_mask(x):
    """The mask that Keras attached to a tensor, or `None`."""
    return getattr(x, "_keras_mask", None)


def with_mask_of(source, x):
    """Gives `x` the Keras mask of the tensor it was made from, if any."""
    mask = keras_mask(source)
    if mask is not None:
        x._keras_mask = mask
    return x
