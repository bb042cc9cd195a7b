"""Batches as they are read, in parts, and with their examples' numbers."""

import keras
import numpy as np

from keras_ban.rows import count_rows
from keras_ban.rows import tensor


def unpacked(batches):
    """Yields inputs, labels and weights, the last two as NumPy arrays."""
    for batch in batches:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        check_single(y, weight)
        yield x, _numpy(y), _numpy(weight)


def check_single(y, sample_weight):
    """Checks that labels and weights are one array each, no structure.

    Raises:
        ValueError: If they are dicts, tuples or lists.
    """
    for name, part in (("labels", y), ("sample weights", sample_weight)):
        if keras.tree.is_nested(part):
            held = ", ".join(map(repr, part)) if isinstance(part, dict) else ""
            held = f"a {type(part).__name__} of {held or len(part)}"
            raise ValueError(
                f"The {name} are no array. Expected one array of {name}, as "
                "models have one output; several outputs are not supported. "
                f"Received: {held}. Give the array of one output, as "
                "`y['label']`, and a model that ends in it; of a data set, by "
                "`map`."
            )


def _numpy(x):
    return None if x is None else np.asarray(keras.ops.convert_to_numpy(x))


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
