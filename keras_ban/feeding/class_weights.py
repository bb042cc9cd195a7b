"""`class_weight`, as Keras applies it to arrays, on any data.

Labels of positions are weighted one by one. Keras takes their numbers for a
distribution over classes, and weights a whole sequence by its largest one.
"""

import math
import numbers

import keras
import numpy as np
import tensorflow as tf

from keras_ban.distribution.parts import Partly


def check(class_weight):
    """Checks the argument `class_weight` of `fit`.

    Raises:
        ValueError: If it is no dict of class numbers to finite numbers.
    """
    is_dict = isinstance(class_weight, dict)
    if is_dict and all(
        _is_number(k, numbers.Integral)
        and k >= 0
        and _is_number(v, numbers.Real)
        for k, v in class_weight.items()
    ):
        return
    raise ValueError(
        "Invalid value for argument `class_weight`. Expected a dict of class "
        "numbers, integers from 0, to finite numbers; classes that it leaves "
        f"out have the weight 1. Received: {class_weight!r}"
    )


def _is_number(value, kind):
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def check_task(class_weight, task):
    """Refuses `class_weight` where a label is no class.

    Args:
        class_weight: As `fit` takes it, or `None`.
        task: The `Task` of the model.

    Raises:
        ValueError: If it is none.
    """
    if class_weight is not None and not task.has_classes:
        raise ValueError(
            "`class_weight` weights samples by their class. Expected a model "
            f"that predicts classes. Received: one that predicts {task.words}. "
            "Give `sample_weight` instead."
        )


def weighted(data, class_weight, axes):
    """A data set whose samples are weighted by their classes.

    Classes that are left out have the weight 1, as Keras has it for arrays;
    of a data set it does not train on these, nor on labels of type bool.

    Args:
        data: A `tf.data.Dataset` of batches `(x, y)`.
        class_weight: Dict of class numbers to weights.
        axes: As `weigher` takes it.

    Raises:
        ValueError: If it has no labels, or weights already.
    """
    weigh = weigher(class_weight, data.element_spec, axes)
    return data.map(lambda x, y: (x, y, weigh(y)))


def weigher(class_weight, parts, axes):
    """A function from labels to the weights of their classes.

    Args:
        class_weight: Dict of class numbers to weights.
        parts: Inputs, labels and weights that there are, a tuple.
        axes: How many axes labels have that are numbers of classes.

    Raises:
        ValueError: If there are no labels, or weights already.
    """
    _check_parts(parts)
    size = max(class_weight, default=-1) + 1
    # The last one stands for all classes from there on, and for labels that
    # are none, which the loss ignores.
    table = [class_weight.get(number, 1.0) for number in range(size)]
    table = tf.constant([*table, 1.0], keras.config.floatx())

    def weigh(y):
        if isinstance(y, Partly):
            known = weigh(y.labels)
            shape = [-1] + [1] * (len(known.shape) - 1)
            return tf.where(tf.reshape(y.known, shape), known, 1.0)
        classes = _classes(y, axes)
        is_known = (classes >= 0) & (classes < size)
        return tf.gather(table, tf.where(is_known, classes, size))

    return weigh


def of_arrays(class_weight, parts, axes):
    """The same weights of NumPy arrays, without TensorFlow.

    Args:
        class_weight: Dict of class numbers to weights.
        parts: Inputs, labels and weights that there are, a tuple.
        axes: As `weigher` takes it.

    Returns:
        An array of the shape of the labels.

    Raises:
        ValueError: If there are no labels, or weights already.
    """
    _check_parts(parts)
    y = keras.ops.convert_to_numpy(parts[1])
    if y.ndim > axes:
        y = y.argmax(-1) if y.shape[-1] != 1 else y[..., 0]
    classes = np.round(y).astype("int32")
    found = np.ones(classes.shape, keras.config.floatx())
    for number, weight in class_weight.items():
        found[classes == number] = weight
    return found


def _check_parts(parts):
    count = len(parts) if isinstance(parts, tuple) else 1
    if count != 2:
        received = {1: "no labels", 3: "weights in the data too"}.get(count)
        raise ValueError(
            "`class_weight` needs labels, and no other weights beside it. "
            f"Expected (inputs, labels). Received: {received}. Leave one of "
            "both weights out, or multiply them."
        )


def _classes(y, axes):
    """The class of each label, an integer tensor with so many axes."""
    if len(y.shape) > axes:
        if y.shape[-1] != 1:
            return tf.argmax(y, axis=-1, output_type="int32")
        y = tf.squeeze(y, axis=-1)
    return tf.cast(y if y.dtype == tf.bool else tf.round(y), "int32")
