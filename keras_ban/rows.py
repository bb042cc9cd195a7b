"""Rows of arrays, dense and sparse, and of structures that share them."""

import functools

import keras
import numpy as np
import tensorflow as tf

# So many rows of a batch show what a model makes of it.
PROBE_ROWS = 8


# --- Of one array, by its type


@functools.singledispatch
def count(array):
    """The number of rows of an array."""
    return len(array)


@functools.singledispatch
def between(array, start, stop):
    """The rows of an array from `start` to before `stop`."""
    return array[start:stop]


@functools.singledispatch
def reader(array):
    """A function from `start` and `stop` to rows, for one pass over all."""
    return functools.partial(between, array)


@functools.singledispatch
def gatherer(array):
    """A function from the numbers of rows to these, in a graph of `tf.data`."""
    return functools.partial(tf.gather, array)


@functools.singledispatch
def tensor(array):
    """The array as a tensor."""
    return tf.convert_to_tensor(array)


@functools.singledispatch
def dense(array):
    """The array as a tensor that holds every number."""
    return tf.convert_to_tensor(array)


@functools.singledispatch
def values(array):
    """The numbers that an array holds, a NumPy array."""
    return np.asarray(keras.ops.convert_to_numpy(array))


@functools.singledispatch
def parts(array):
    """The dense arrays that an array consists of, a tuple."""
    return (array,)


@functools.singledispatch
def floats(array, dtype):
    """The array as a tensor; real numbers that are no integers as `dtype`."""
    found = tf.convert_to_tensor(keras.ops.convert_to_numpy(array))
    return tf.cast(found, dtype) if found.dtype.is_floating else found


@functools.singledispatch
def joined(array, other):
    """The rows of two arrays, one after another, as a tensor."""
    return tf.concat([array, tf.cast(other, array.dtype)], axis=0)


@count.register
def _(array: tf.SparseTensor):
    return array.shape[0]


@between.register
def _(array: tf.SparseTensor, start, stop):
    start, stop = (tf.cast(at, "int64") for at in (start, stop))
    rest = array.dense_shape[1:]
    stop = tf.minimum(stop, array.dense_shape[0])
    return tf.sparse.slice(
        array,
        tf.concat([[start], tf.zeros_like(rest)], axis=0),
        tf.concat([[stop - start], rest], axis=0),
    )


@reader.register
def _(array: tf.SparseTensor):
    splits = _splits(array)
    last = len(splits) - 1

    def read(start, stop):
        start, stop = min(start, last), min(stop, last)
        held = slice(splits[start], splits[stop])
        first = tf.constant([start] + [0] * (len(array.shape) - 1), "int64")
        return tf.SparseTensor(
            array.indices[held] - first,
            array.values[held],
            (stop - start, *array.shape[1:]),
        )

    return read


@gatherer.register
def _(array: tf.SparseTensor):
    held = tf.RaggedTensor.from_row_splits(
        tf.range(tf.size(array.values, tf.int64)), _splits(array)
    )
    rest = array.indices[:, 1:]

    def gather(numbers):
        found = tf.gather(held, numbers)
        rows = tf.expand_dims(found.value_rowids(), -1)
        places = found.flat_values
        return tf.SparseTensor(
            tf.concat([rows, tf.gather(rest, places)], axis=1),
            tf.gather(array.values, places),
            tf.stack([tf.size(numbers, tf.int64), *array.shape[1:]]),
        )

    return gather


@tensor.register
def _(array: tf.SparseTensor):
    return array


@dense.register
def _(array: tf.SparseTensor):
    return tf.sparse.to_dense(array)


@values.register
def _(array: tf.SparseTensor):
    return array.values.numpy()


@parts.register
def _(array: tf.SparseTensor):
    return array.indices, array.values


@joined.register
def _(array: tf.SparseTensor, other):
    return tf.sparse.concat(0, [array, tf.cast(other, array.dtype)])


@floats.register
def _(array: tf.SparseTensor, dtype):
    if not array.dtype.is_floating:
        return array
    return tf.cast(array, tf.as_dtype(dtype))


@count.register
def _(array: tf.RaggedTensor):
    return int(array.nrows())


@tensor.register
def _(array: tf.RaggedTensor):
    return array


@dense.register
def _(array: tf.RaggedTensor):
    return array.to_tensor()


@values.register
def _(array: tf.RaggedTensor):
    return array.flat_values.numpy()


@parts.register
def _(array: tf.RaggedTensor):
    return (*array.nested_row_splits, array.flat_values)


@floats.register
def _(array: tf.RaggedTensor, dtype):
    if not array.dtype.is_floating:
        return array
    return tf.cast(array, tf.as_dtype(dtype))


def _splits(array):
    """Where the numbers of each row begin, and the last ones end."""
    rows = array.indices[:, 0].numpy()
    return np.searchsorted(rows, np.arange(array.shape[0] + 1))


# --- Of structures of arrays


def count_rows(arrays):
    """The number of rows of the arrays in a structure."""
    return count(keras.tree.flatten(arrays)[0])


def map_arrays(function, structure):
    """Applies a function to each array, and leaves `None` as it is."""
    return keras.tree.map_structure(
        lambda a: None if a is None else function(a), structure
    )


def first_rows(arrays, count=PROBE_ROWS):
    """The first rows of a batch, where there are any."""
    return map_arrays(lambda a: between(a, 0, count), arrays)


def slice_rows(arrays, size, start=0, stop=None):
    """Yields so many rows at a time, of all arrays.

    Args:
        arrays: A structure of arrays, of which some may be `None`.
        size: How many rows.
        start: The first of them. Defaults to `0`.
        stop: The row after the last one. Defaults to `None`: all are read.
    """
    # A function is no leaf that is mapped again: read flat.
    readers = [
        None if a is None else reader(a) for a in keras.tree.flatten(arrays)
    ]
    stop = count_rows(arrays) if stop is None else stop
    for first in range(start, stop, size):
        last = min(first + size, stop)
        yield keras.tree.pack_sequence_as(
            arrays, [r and r(first, last) for r in readers]
        )
