"""Bad data, found before the first training step.

Each check raises one `ValueError` that says what was received, what was
expected and the way out.
"""

import itertools

import keras
import numpy as np
import tensorflow as tf

from keras_ban import batches
from keras_ban.losses import is_sparse

# Of a data set that is no array, so many batches are read to check them.
SCANNED_BATCHES = 100
_ARRAY_ROWS = 4096


def labels(y, output_shape, name="y"):
    """Checks labels of one batch, or of a whole array, against the outputs.

    Args:
        y: NumPy array of class numbers or distributions.
        output_shape: Shape `(rows, ..., n)` of the model's output.
        name: What the error calls the labels. Defaults to `"y"`.
    """
    expected = _label_shape(y, output_shape)
    if y.dtype.kind not in "iufb":
        _bad_labels(name, f"numbers of type {y.dtype}", "numbers")
    if not np.all(np.isfinite(y)):
        _bad_labels(name, "NaN or infinity", "finite numbers")
    if is_sparse(y.shape, expected):
        _class_numbers(y, output_shape[-1], name)
        return
    if output_shape[-1] == 1:
        _bad_labels(
            name,
            f"distributions of shape {y.shape}",
            f"one label for each single output, of shape {expected[:-1]} or "
            f"{(*expected[:-1], 1)}",
        )
    y = y.astype("float64")
    bad = (y < 0).any(-1) | (np.abs(y.sum(-1) - 1) > 1e-2)
    if bad.any():
        _bad_labels(
            name,
            f"the row {y[bad][0]}",
            "rows that are distributions: none negative, with a sum of 1",
        )


def _label_shape(y, output_shape):
    """The shape of `y` if it holds distributions; a sigmoid has two classes."""
    return (len(y), *output_shape[1:-1], max(output_shape[-1], 2))


def _class_numbers(y, columns, name):
    classes = max(columns, 2)
    low, high = y.min(initial=0), y.max(initial=0)
    if low < 0 or high > classes - 1:
        _bad_labels(
            name,
            f"labels from {low} to {high}",
            f"class numbers from 0 to {classes - 1}, as the model has "
            f"{columns} outputs",
        )
    # A single sigmoid may learn a probability; class numbers are whole.
    if columns > 1 and np.any(y != np.floor(y)):
        _bad_labels(name, f"{y[y != np.floor(y)][0]}", "whole class numbers")


def _bad_labels(name, received, expected):
    raise ValueError(
        f"Invalid labels in `{name}`. Expected {expected}. Received: "
        f"{received}. Correct the labels, or give the model as many outputs "
        "as there are classes."
    )


def finite(x, name="x"):
    """Checks that floating-point arrays hold neither NaN nor infinity."""
    for leaf in keras.tree.flatten(x):
        if leaf is None:
            continue
        values = np.asarray(keras.ops.convert_to_numpy(leaf))
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            where = np.argwhere(~np.isfinite(values))[0].tolist()
            raise ValueError(
                f"NaN or infinity in `{name}`. Expected finite numbers. "
                f"Received: {values[tuple(where)]} at index {where}. Clean "
                "the data, or check how it was scaled."
            )


def fit(arguments, output_shape, needs_labels, reread=True):
    """Checks the data that `fit` is given, the validation data too.

    Args:
        arguments: The arguments of `keras.Model.fit`, a dict.
        output_shape: Function from the first batch of inputs to the shape
            `(rows, ..., n)` of the model's output.
        needs_labels: Whether labels may not be missing.
        reread: Whether a `tf.data.Dataset` may be read to check it; one that
            shuffles itself would then go on in another order. Defaults to
            `True`.

    Returns:
        The first batch `(x, y, sample_weight)` and its output shape, or
        `None` if the data was not read.
    """
    found = _fit_data(
        {k: arguments.get(k) for k in ("x", "y", "sample_weight")},
        arguments.get("batch_size"),
        arguments.get("steps_per_epoch"),
        arguments.get("epochs", 1),
        ("x", "steps_per_epoch"),
        output_shape,
        needs_labels,
        reread,
    )
    if arguments.get("validation_data") is not None:
        given = batches.validation(arguments)
        batch_size, steps = given.pop("batch_size"), given.pop("steps")
        _fit_data(
            given,
            batch_size,
            steps,
            1,
            ("validation_data", "validation_steps"),
            (lambda x: found[1]) if found else output_shape,
            True,
            reread,
        )
    return found


def _fit_data(
    given, batch_size, steps, epochs, names, output_shape, needs_labels, reread
):
    x, (name, steps_name) = given["x"], names
    size = readable(x, batch_size, name, steps, steps_name)
    if isinstance(x, tf.data.Dataset) and not reread:
        return None
    *found, count = data(
        **given, output_shape=output_shape, needs_labels=needs_labels, name=name
    )
    if size is None and count < SCANNED_BATCHES:
        size = count
    if steps and size and not batches.is_arrays(x):
        interrupted = size % steps and steps * epochs > size
        if steps > size or interrupted:
            raise ValueError(
                f"`{name}` is exhausted before the last epoch ends. Expected "
                f"{steps_name}={steps} batches in each of {epochs} epochs. "
                f"Received: {size} batches. Lower `{steps_name}`, leave it "
                "out, or add `.repeat()`."
            )
    return found


def readable(x, batch_size=None, name="x", steps=None, steps_name="steps"):
    """Checks that data can be read, again and again, and has an end.

    Args:
        x: What `fit` or `evaluate` was given as inputs.
        batch_size: Size of a batch of arrays. Defaults to `None`.
        name: What the error calls the data. Defaults to `"x"`.
        steps: Number of batches to read at a time, or `None`. Defaults to
            `None`.
        steps_name: What the error calls `steps`. Defaults to `"steps"`.

    Returns:
        The number of batches, as `batches.size` gives it.
    """
    if not batches.is_arrays(x) and not hasattr(x, "__iter__"):
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected arrays, a "
            "`tf.data.Dataset` or a `keras.utils.PyDataset`. Received: "
            f"{x!r}"
        )
    if batches.is_generator(x):
        raise ValueError(
            f"`{name}` is exhausted after one pass: a generator can be read "
            "only once, and every epoch of every generation reads it again. "
            f"Received: {x!r}. Give arrays, a `tf.data.Dataset` (see "
            "`from_generator`) or a `keras.utils.PyDataset`."
        )
    size = batches.size(x, batch_size)
    if size == 0:
        empty(name)
    if size == float("inf") and steps is None:
        raise ValueError(
            f"`{name}` is infinite. Expected a data set with an end, or "
            f"`{steps_name}`. Pass `{steps_name}`, or leave out `.repeat()`."
        )
    if steps is not None and size is not None and steps > size:
        raise ValueError(
            f"`{name}` is exhausted before the epoch ends. Expected at least "
            f"{steps_name}={steps} batches. Received: {size}. Lower "
            f"`{steps_name}`, leave it out, or add `.repeat()`."
        )
    return size


def empty(name):
    """Raises the error for data without a batch."""
    raise ValueError(
        f"`{name}` is empty. Expected at least one batch. Check the files it "
        "is read from, its filters, and `drop_remainder`."
    )


def data(
    x,
    y=None,
    sample_weight=None,
    *,
    output_shape,
    needs_labels,
    name="x",
):
    """Checks inputs and labels: arrays whole, other data as far as scanned.

    Args:
        x: Inputs, as in `batches.read`.
        y: Labels, if `x` is arrays. Defaults to `None`.
        sample_weight: Weights, if `x` is arrays. Defaults to `None`.
        output_shape: Function from the first batch of inputs to the shape
            `(rows, ..., n)` of the model's output.
        needs_labels: Whether labels may not be missing.
        name: What the error calls the data. Defaults to `"x"`.

    Returns:
        The first batch `(x, y, sample_weight)`, its output shape, and the
        number of batches that were read.
    """
    arrays = batches.is_arrays(x)
    if arrays:
        _same_length(x, y, sample_weight, name)
    limit = None if arrays else SCANNED_BATCHES
    stream = batches.read(x, y, sample_weight, _ARRAY_ROWS, limit)
    first = next(stream, None)
    if first is None:
        empty(name)
    shape = output_shape(first[0])
    count, classes, weight = 0, set(), 0.0
    for batch in itertools.chain([first], stream):
        _batch(*batch, shape, needs_labels, name)
        classes |= _classes(batch[1], shape)
        weight += 1.0 if batch[2] is None else np.abs(batch[2]).sum()
        count += 1
    if weight == 0:
        raise ValueError(
            f"Every sample weight of `{name}` is 0. Expected one at least "
            "that is not. Check how the weights are made."
        )
    if name == "x" and count != limit and len(classes) == 1:
        raise ValueError(
            f"`{name}` holds one class only. Expected labels of two classes "
            f"or more. Received: the class {classes.pop()} everywhere. Check "
            "how the labels are read."
        )
    # Only reading shows that a data set of unknown length ends for good.
    if batches.size(x) is None and not list(batches.read(x, steps=1)):
        raise ValueError(
            f"`{name}` is exhausted after one pass. Expected a data set that "
            "starts anew each time it is read, as every epoch of every "
            "generation reads it again. Create the generator inside the "
            "function that `from_generator` is given."
        )
    return first, shape, count


def _same_length(x, y, sample_weight, name):
    leaves = [
        leaf
        for leaf in keras.tree.flatten((x, y, sample_weight))
        if leaf is not None
    ]
    if not batches.is_arrays(leaves):
        raise ValueError(
            f"The labels or weights of `{name}` are no arrays. Expected NumPy "
            f"arrays or tensors, as the inputs. Received: {type(y).__name__} "
            f"and {type(sample_weight).__name__}. Convert them by "
            "`numpy.asarray`."
        )
    lengths = [len(leaf) for leaf in leaves]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"The arrays of `{name}` have different lengths. Expected the "
            "same number of inputs, labels and weights. Received: arrays of "
            f"{lengths} rows. Leave out the rows that lack one."
        )


def _batch(x, y, sample_weight, output_shape, needs_labels, name):
    finite(x, name)
    finite(sample_weight, "sample_weight")
    if y is not None:
        labels(y, output_shape, "y" if name == "x" else name)
    elif needs_labels:
        raise ValueError(
            f"`{name}` has no labels. Expected (inputs, labels), as the "
            "objective or generation 0 learns from labels. Give the labels, "
            "or a trained `teacher=` and an objective that needs none "
            "('ban', 'dkpp', 'logits')."
        )


def _classes(y, output_shape):
    """The classes among the labels of a batch, as a set."""
    if y is None:
        return set()
    if is_sparse(y.shape, _label_shape(y, output_shape)):
        return set(np.unique(y).tolist())
    if np.any(y.max(-1) < 1):
        return {"soft", "labels"}
    return set(np.unique(y.argmax(-1)).tolist())
