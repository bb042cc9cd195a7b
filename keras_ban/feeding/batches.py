"""Batches as they are read, in parts, and with their examples' numbers."""

import keras
import numpy as np

from keras_ban.rows import count_rows
from keras_ban.rows import map_arrays
from keras_ban.rows import tensor


def unpacked(batches):
    """Yields inputs, labels and weights, the last two as NumPy arrays."""
    for batch in batches:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        yield x, _numpy(y), _numpy(weight)


def _numpy(x):
    def convert(array):
        return np.asarray(keras.ops.convert_to_numpy(array))

    return map_arrays(convert, x)


def numbered(batches):
    """Yields the numbers of the examples, inputs as tensors, and labels.

    Args:
        batches: Batches `(x, y, sample_weight)`.
    """
    start = 0
    for inputs, labels, _ in batches:
        inputs = keras.tree.map_structure(tensor, inputs)
        stop = start + count_rows(inputs)
        yield np.arange(start, stop), inputs, labels
        start = stop
