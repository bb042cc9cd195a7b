"""Plain data as JSON and arrays."""

import contextlib
import warnings

import keras
import numpy as np
import tensorflow as tf

# So many numbers in arrays go into a record; a backup holds any number.
_LISTED = 2**16


def encode(value, arrays):
    """Plain data as JSON holds it.

    Args:
        value: Numbers, texts, arrays, and lists, tuples and dicts of these.
        arrays: A list, to which its arrays are appended.

    Raises:
        TypeError: If it is anything else.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind not in "biuf" and value.dtype.name != "bfloat16":
            raise TypeError
        if isinstance(value, np.generic):
            return {"scalar": [value.dtype.name, value.item()]}
        arrays.append(np.array(value))
        return {"array": len(arrays) - 1}
    if type(value) in (list, tuple):
        return {type(value).__name__: [encode(v, arrays) for v in value]}
    if type(value) is dict:
        pairs = [[k, v] for k, v in value.items()]
        return {"dict": [[encode(x, arrays) for x in p] for p in pairs]}
    raise TypeError


def decode(held, arrays):
    """What `encode` was given, from what it returned and the arrays."""
    if not isinstance(held, dict):
        return held
    ((kind, content),) = held.items()
    if kind == "array":
        return np.array(arrays[content])
    if kind == "scalar":
        name, value = content
        with _exact():
            return tf.as_dtype(name).as_numpy_dtype(value)
    if kind == "dict":
        return {decode(k, arrays): decode(v, arrays) for k, v in content}
    values = [decode(v, arrays) for v in content]
    return tuple(values) if kind == "tuple" else values


def holds_array(held):
    """Whether there are arrays in what `encode` was given."""
    if isinstance(held, dict):
        ((kind, content),) = held.items()
        return kind == "array" or holds_array(content)
    return isinstance(held, list) and any(map(holds_array, held))


def to_lists(arrays):
    """Arrays as JSON holds them, or `None` where they are too large for it."""
    if sum(array.size for array in arrays) > _LISTED:
        return None
    return [[array.dtype.name, array.tolist()] for array in arrays]


def from_lists(held):
    """What `to_lists` was given, or `None`."""
    if held is None:
        return None
    with _exact():
        return [
            np.array(values, tf.as_dtype(name).as_numpy_dtype)
            for name, values in held
        ]


@contextlib.contextmanager
def _exact():
    """Refuses numbers that their type does not hold, as NumPy 2 does."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            yield
        except DeprecationWarning as error:
            raise OverflowError(str(error)) from error


def metric(value):
    """The value of a metric, as it is kept.

    Args:
        value: What Keras logs: a number or a tensor.

    Returns:
        A float, or an array if it has several.
    """
    found = np.asarray(keras.ops.convert_to_numpy(value))
    return found if found.ndim else float(found)


def metric_of_json(held):
    """What `metric` gave, from what JSON has kept of it."""
    if type(held) is not list or not are_numbers(held):
        return held
    try:
        found = np.array(held)
    except ValueError:  # Whatever it says, it is no array.
        return held
    with np.errstate(over="ignore"):
        single = found.astype("float32")
    is_single = found.dtype.kind == "f" and np.array_equal(
        found, single, equal_nan=True
    )
    return single if is_single else found


def are_numbers(held):
    """Whether there is nothing but numbers in lists in lists.

    What NumPy makes of texts may need far more memory than they do.
    """
    left = [held]
    while left:
        value = left.pop()
        if type(value) is list:
            left += value
        elif type(value) not in (bool, int, float):
            return False
    return True
