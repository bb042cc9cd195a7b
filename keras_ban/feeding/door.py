"""What kind of data it is: asked here, and nowhere else."""

import functools

import keras
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
        _check_arrays(y, sample_weight, how.role)
        found = Arrays(x, y, sample_weight, how)
    else:
        found = _batches(x, how, generation, once)
        _check_alone(y, sample_weight, how.role)
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


def _check_arrays(y, sample_weight, role):
    """Refuses labels or weights that are no arrays, beside arrays."""
    if not all(p is None or _is_arrays(p) for p in (y, sample_weight)):
        raise ValueError(
            f"The labels or weights of `{role.data}` are no arrays. Expected "
            "NumPy arrays or tensors, as the inputs. Received: "
            f"{type(y).__name__} and {type(sample_weight).__name__}. Convert "
            "them by `numpy.asarray`."
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
