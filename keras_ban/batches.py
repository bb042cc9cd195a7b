"""Reading what a Keras user gives `fit`: arrays, tf.data, PyDataset."""

import itertools
import math

import keras
import numpy as np
import tensorflow as tf


def is_generator(x):
    """Whether `x` can be read only once."""
    return hasattr(x, "__next__")


def is_arrays(x):
    """Whether `x` is an array or a structure of arrays."""
    leaves = keras.tree.flatten(x)
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)


def size(x, batch_size=None):
    """The number of batches in one pass.

    Returns:
        An integer, infinity if there is no end, or `None` if it shows only by
        reading.
    """
    if isinstance(x, tf.data.Dataset):
        count = int(x.cardinality())
        if count == tf.data.INFINITE_CARDINALITY:
            return float("inf")
        return None if count == tf.data.UNKNOWN_CARDINALITY else count
    if isinstance(x, keras.utils.PyDataset):
        return float("inf") if x.num_batches is None else x.num_batches
    if is_arrays(x):
        return -(-rows(x) // (batch_size or 32))
    return None


def read(x, y=None, sample_weight=None, batch_size=None, steps=None):
    """Yields batches `(x, y, sample_weight)`, the labels as NumPy arrays.

    Args:
        x: Arrays, a `tf.data.Dataset`, a `keras.utils.PyDataset`, or any
            iterable of batches.
        y: Labels, if `x` is arrays. Defaults to `None`.
        sample_weight: Weights, if `x` is arrays. Defaults to `None`.
        batch_size: Size of a batch of arrays. Defaults to 32, as in Keras.
        steps: Optional number of batches after which to stop. Defaults to
            `None`, one whole pass.
    """
    if is_arrays(x):
        batches = _slices((x, y, sample_weight), batch_size or 32)
    elif isinstance(x, keras.utils.PyDataset):
        indices = itertools.count() if x.num_batches is None else range(len(x))
        batches = (x[i] for i in indices)
    else:
        batches = iter(x)
    for batch in itertools.islice(batches, steps):
        batch_x, batch_y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        yield batch_x, _numpy(batch_y), _numpy(weight)


def first_rows(x, count):
    """The first rows of a batch, where there are any."""
    return keras.tree.map_structure(
        lambda a: None if a is None else a[:count], x
    )


def split(arrays, fraction):
    """Splits the last rows off, as Keras does for `validation_split`.

    Args:
        arrays: A sequence of arrays, structures of them, or `None`.
        fraction: Share of the rows to split off, between 0 and 1.

    Returns:
        Two lists: the first rows of each, and the last rows.
    """
    if not is_arrays(arrays[0]) or not 0 < fraction < 1:
        raise ValueError(
            "`validation_split` needs arrays and a number between 0 and 1. "
            f"Received: {fraction!r} for a {type(arrays[0]).__name__}. Pass "
            "`validation_data` instead."
        )
    at = math.floor(rows(arrays[0]) * (1 - fraction))

    def cut(part):
        return [
            keras.tree.map_structure(
                lambda a: None if a is None else a[part], array
            )
            for array in arrays
        ]

    return cut(slice(None, at)), tuple(cut(slice(at, None)))


def with_validation(arguments):
    """The arguments of `fit`, the validation data split off if it should be.

    Args:
        arguments: The arguments of `keras.Model.fit`, a dict.

    Returns:
        A dict that has `validation_data`, or `None` for it.
    """
    arguments = {"validation_data": None, **arguments}
    fraction = arguments.pop("validation_split", 0.0)
    if fraction and arguments["validation_data"] is None:
        names = ("x", "y", "sample_weight")
        train, held_out = split([arguments.get(k) for k in names], fraction)
        arguments |= dict(zip(names, train, strict=True))
        arguments["validation_data"] = held_out
    return arguments


def rows(x):
    """The number of rows of the arrays in `x`."""
    return len(keras.tree.flatten(x)[0])


def _slices(data, batch_size):
    for start in range(0, rows(data[0]), batch_size):
        yield keras.tree.map_structure(
            lambda a, s=start: None if a is None else a[s : s + batch_size],
            data,
        )


def _numpy(x):
    return None if x is None else np.asarray(keras.ops.convert_to_numpy(x))


def labelled(stream):
    """Passes batches on, or raises `ValueError` if they have no labels."""
    for x, y, sample_weight in stream:
        if y is None:
            raise ValueError(
                "Cannot evaluate without labels. Expected (inputs, labels). "
                "Received: inputs alone."
            )
        yield x, y, sample_weight


def validation(arguments):
    """The validation data as the arguments of `Lineage.evaluate`."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(
        arguments["validation_data"]
    )
    batch_size = arguments.get("validation_batch_size")
    return {
        "x": x,
        "y": y,
        "sample_weight": sample_weight,
        "batch_size": batch_size or arguments.get("batch_size"),
        "steps": arguments.get("validation_steps"),
    }
