"""What kind of data it is: asked here, and nowhere else."""

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_ban.feeding.arrays import Arrays
from keras_ban.feeding.datasets import Dataset
from keras_ban.feeding.examples import Examples
from keras_ban.feeding.examples import Reading
from keras_ban.feeding.functions import Function
from keras_ban.feeding.iterables import Iterable
from keras_ban.feeding.iterables import Once
from keras_ban.feeding.passes import NO_DATASET
from keras_ban.feeding.py_datasets import PyBatches
from keras_ban.feeding.scan import empty
from keras_ban.rows import count
from keras_ban.rows import map_arrays

# What holds arrays, and is no data set itself.
_STRUCTURES = (bytes, dict, list, set, str, tuple)
_SPARSE_OR_RAGGED = (tf.RaggedTensor, tf.SparseTensor)


def given(x, y=None, sample_weight=None, how=None, generation=None, once=False):
    """What a user gave, as `Examples`.

    Args:
        x: Arrays, a `tf.data.Dataset`, a `keras.utils.PyDataset`, another
            iterable of batches, or `Examples`, which are returned as they
            are.
        y: Labels, if `x` is arrays. Defaults to `None`.
        sample_weight: Weights, if `x` is arrays. Defaults to `None`.
        how: The `Reading`. Defaults to `None`: one pass, to evaluate.
        generation: The first generation that is trained, if `x` may also be a
            function of generation and epoch. Defaults to `None`.
        once: Whether it may be a generator. Defaults to `False`.

    Raises:
        ValueError: If it is none of these, or if it is sure to have no
            batches, no end, or too few batches for an epoch.
    """
    if isinstance(x, Examples):
        return x
    how = how or Reading()
    if _is_arrays(x):
        sample_weight = _of_all_outputs(sample_weight, y)
        _check_arrays(y, sample_weight, how.role)
        y, sample_weight = _alone(y), _alone(sample_weight)
        found = Arrays(
            _standard(x, how.role.data, is_input=True),
            _standard(y, how.role.labels),
            _standard(sample_weight, "sample_weight"),
            how,
        )
    elif isinstance(x, _STRUCTURES):
        _refuse_structure(x, how.role)
    else:
        found = _batches(x, how, generation, once)
        _check_alone(y, sample_weight, how.role)
    found.check_shuffle()
    found.check_size()
    return found


def _batches(x, how, generation, once):
    if isinstance(x, tf.data.Dataset):
        return Dataset(x, how)
    if isinstance(x, keras.utils.PyDataset):
        return PyBatches(x, how)
    if callable(x) and generation is not None:
        return Function(_giving_datasets(x), how, generation)
    if hasattr(x, "__next__"):
        if once:
            return Once(x, how)
        raise ValueError(
            f"`{how.role.data}` is exhausted after one pass: a generator can "
            "be read only once, and every epoch of every generation reads it "
            f"again. Received: {x!r}. Give arrays, a `tf.data.Dataset` (see "
            "`from_generator`) or a `keras.utils.PyDataset`."
        )
    if hasattr(x, "__iter__"):
        return Iterable(x, how)
    raise ValueError(
        f"Invalid value for argument `{how.role.data}`. Expected arrays, a "
        "`tf.data.Dataset` or a `keras.utils.PyDataset`. Received: "
        f"{x!r}"
    )


def _is_arrays(x):
    """Whether `x` is an array or a structure of arrays."""
    leaves = keras.tree.flatten(x)
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)


def _of_all_outputs(weights, y):
    """Weights of several outputs; those of one that has none are 1."""
    if isinstance(weights, dict) and isinstance(y, dict):
        is_known = set(weights) <= set(y)
        weights = dict.fromkeys(y) | weights if is_known else weights
    held = [a for a in keras.tree.flatten(weights) if getattr(a, "shape", ())]
    if not held or not keras.tree.is_nested(weights):
        return weights
    ones = np.ones(count(held[0]), keras.config.floatx())
    return keras.tree.map_structure(lambda a: ones if a is None else a, weights)


def _check_arrays(y, sample_weight, role):
    """Refuses labels or weights that are no arrays, beside arrays."""
    if not all(p is None or _is_arrays(p) for p in (y, sample_weight)):
        held = f"{type(y).__name__} and {type(sample_weight).__name__}"
        way = "Convert them by `numpy.asarray`."
        if y is not None and any(a is None for a in keras.tree.flatten(y)):
            held = f"`None` in a {type(y).__name__}"
            way = "Labels are left out of a dict where an output has no loss."
        raise ValueError(
            f"The labels or weights of `{role.data}` are no arrays. Expected "
            f"NumPy arrays or tensors, as the inputs. Received: {held}. {way}"
        )


def _alone(part):
    """The array of a list or tuple that holds one, as Keras takes it."""
    is_list = isinstance(part, (list, tuple))
    return part[0] if is_list and len(part) == 1 else part


def _standard(structure, name, is_input=False):
    """Arrays of other libraries as NumPy arrays or tensors, as Keras has them.

    Args:
        structure: Arrays, or `None`.
        name: What errors call them.
        is_input: Whether these are inputs, of which one column may not lose
            its axis. Defaults to `False`.

    Raises:
        ValueError: If one has no rows.
    """

    def convert(array):
        if hasattr(array, "tocoo"):
            array = _sparse_tensor(array)
        elif hasattr(array, "iloc"):
            array = _of_frame(array, is_input)
        elif isinstance(array, tf.SparseTensor):
            array = tf.sparse.reorder(array)
        if len(array.shape) == 0:
            raise ValueError(
                f"`{name}` holds an array without an axis. Expected "
                "arrays whose first axis is that of the samples. Received: "
                f"shape (), {array!r}. Make an array of all samples, by "
                "`numpy.stack` or `[None]`."
            )
        if not is_input and isinstance(array, _SPARSE_OR_RAGGED):
            raise ValueError(
                f"Labels or weights in `{name}` are sparse or ragged. Expected "
                f"dense arrays. Received: {type(array).__name__}. Convert "
                "them by `toarray`, `tf.sparse.to_dense` or `to_tensor`."
            )
        return array

    return map_arrays(convert, structure)


def _sparse_tensor(matrix):
    """A matrix of SciPy, its numbers in the order that Keras gives them."""
    found = matrix.tocsr().tocoo()
    places = np.stack([found.row, found.col], axis=1)
    data = found.data
    if data.dtype.kind == "f":
        data = data.astype(keras.config.floatx())
    return tf.SparseTensor(places.astype("int64"), data, found.shape)


def _of_frame(frame, is_input):
    """What pandas holds as an array; a mixed frame as Keras has floats."""
    types = getattr(frame, "dtypes", None)
    is_frame = hasattr(frame, "columns")
    if is_frame and any(getattr(t, "kind", "O") == "f" for t in types):
        try:
            frame = frame.astype(keras.config.floatx())
        except ValueError:  # text among the numbers: named where it is read
            pass
    found = frame.to_numpy()
    return found[:, None] if is_input and not is_frame else found


def _refuse_structure(x, role):
    leaves = keras.tree.flatten(x)
    if not leaves:
        empty(role.data)
    raise ValueError(
        f"Invalid value for argument `{role.data}`. Expected arrays, a "
        "`tf.data.Dataset` or a `keras.utils.PyDataset`. Received: a "
        f"{type(x).__name__} that holds a {type(leaves[0]).__name__}, no "
        "arrays. Convert it by `numpy.asarray`."
    )


def _check_alone(y, sample_weight, role):
    """Refuses labels or weights beside what brings its own."""
    if y is not None or sample_weight is not None:
        raise ValueError(
            f"`{role.data}` brings its own labels and weights. Expected "
            f"neither beside it. Received: y of type {type(y).__name__} and "
            f"sample_weight of type {type(sample_weight).__name__}. Put them "
            "into its batches, (x, y, sample_weight)."
        )


def _giving_datasets(function):
    """The function of generation and epoch, what it gives checked."""

    @functools.wraps(function)
    def data(generation, epoch):
        found = function(generation, epoch)
        if isinstance(found, tf.data.Dataset):
            return found
        raise ValueError(
            f"{NO_DATASET} Received: one that returns a "
            f"{type(found).__name__}, x({generation}, {epoch}). Build a data "
            "set in it, or give arrays."
        )

    return data
