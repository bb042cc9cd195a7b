"""Values as standard deviations from their mean."""

import keras
import numpy as np
from keras import ops

# A spread of so many roundings is that of equal values.
_ROUNDINGS = 8


def z_scores(x, mean):
    """`(x - μ) / σ`, with the standard deviation of all values, `1/n Σ`.

    Where the values do not vary beyond their rounding, the scores are 0, and
    so is their gradient.

    Args:
        x: Values, of any shape, in float32 at least.
        mean: Function of a tensor of this shape to its means, with an axis of
            1 in place of each axis that is averaged.

    Returns:
        Scores of the shape of `x`.
    """
    centred = x - mean(x)
    size = ops.stop_gradient(mean(ops.abs(centred)))
    precision = np.finfo(keras.backend.standardize_dtype(x.dtype)).eps
    is_flat = size <= _ROUNDINGS * float(precision) * mean(ops.abs(x))
    # The scores do not depend on the scale; squares of a small one would be 0.
    unit = centred / ops.where(is_flat, 1.0, size)
    variance = ops.where(is_flat, 1.0, mean(ops.square(unit)))
    return ops.where(is_flat, 0.0, unit / ops.sqrt(variance))
