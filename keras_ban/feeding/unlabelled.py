"""Examples that have no label, in the batches of those that have one.

An epoch has as many batches as before: each holds its share of the examples
without labels besides, so that all are seen once.
"""

import functools

import keras
import tensorflow as tf

from keras_ban.distribution.parts import Partly
from keras_ban.feeding.arrays import Arrays
from keras_ban.feeding.datasets import Dataset
from keras_ban.feeding.door import given
from keras_ban.feeding.examples import UNSAID
from keras_ban.feeding.examples import Role
from keras_ban.feeding.functions import Function
from keras_ban.feeding.py_datasets import Pairs
from keras_ban.feeding.py_datasets import PyBatches
from keras_ban.rows import count_rows
from keras_ban.rows import joined
from keras_ban.rows import map_arrays

NAME = "unlabelled"


def beside(labelled, x):
    """The examples with labels and those without, as `Examples`.

    Args:
        labelled: The `Examples` that have labels.
        x: The inputs of those that have none.

    Returns:
        `Examples`, whose labels are `Partly` ones, and the `Examples` without
        labels alone.

    Raises:
        ValueError: If they cannot be read side by side.
    """
    labelled.check_labelled()
    how = labelled.how._replace(role=Role(NAME), shuffle=UNSAID)
    how = how._replace(steps=None, class_weight=None)
    generation = getattr(labelled, "generation", None)
    more = given(x, how=how, generation=generation)
    if type(more) is not type(labelled) or type(more) not in _PAIRS:
        raise ValueError(
            f"`{NAME}` cannot be read beside `x`. Expected arrays beside "
            "arrays, or inputs alone as a `tf.data.Dataset`, a "
            "`keras.utils.PyDataset` or a function beside the same. Received: "
            f"{more!r} beside {labelled!r}. Give both as one of these."
        )
    if type(more) is not Arrays:
        _check_sizes(labelled.size(), more.size())
    return _PAIRS[type(more)](labelled, more), more


def _zipped(one, other):
    """A `tf.data.Dataset` of pairs, and one of inputs, batch by batch."""
    parts = keras.utils.unpack_x_y_sample_weight(other.element_spec)
    check_alone(parts)
    x, _, _ = keras.utils.unpack_x_y_sample_weight(one.element_spec)
    _check_alike(x, parts[0])

    def join(*batches):
        pair = map(keras.utils.unpack_x_y_sample_weight, batches)
        return keras.utils.pack_x_y_sample_weight(*_join(*pair))

    return tf.data.Dataset.zip(one, other).map(join)


def _datasets(labelled, more):
    data = _zipped(labelled.as_dataset(), more.as_dataset())
    return Dataset(data, labelled.how)


def _functions(labelled, more):
    def function(generation, epoch):
        return _zipped(*(f.at(generation, epoch) for f in (labelled, more)))

    return Function(function, labelled.how, labelled.generation)


def _py_datasets(labelled, more):
    (x, _, _), (other, *rest) = (next(a.read(1)) for a in (labelled, more))
    check_alone((other, *rest))
    _check_alike(x, other)
    return Pairs(labelled, more, _join)


class _Arrays(Arrays):
    """Arrays with labels, and more without them.

    Args:
        labelled: The `Arrays` with labels.
        more: The `Arrays` without.
    """

    # A state that is carried from row to row would go to others.
    reorders = True

    def __init__(self, labelled, more):
        super().__init__(*labelled._data, labelled.how)
        self._pair = labelled, more
        _check_alike(self._x, more._x)

    @functools.cached_property
    def _tensors(self):
        one, (x, *_) = (examples._tensors for examples in self._pair)
        return _joined(*one, x, count_rows(x))

    def _order(self, seed):
        batches, steps = super()._order(seed), self.size()
        rows, more = (count_rows(examples._x) for examples in self._pair)
        shuffles = self._shuffle and self._shuffle != "batch"

        def make(number):
            order = tf.range(more, dtype="int64")
            if shuffles:
                # Those with labels have the numbers from 0 on.
                pair = tf.stack([tf.constant(seed, "int64"), -1 - number])
                order = tf.random.experimental.stateless_shuffle(order, pair)

            def share(step, numbers):
                start, stop = step * more // steps, (step + 1) * more // steps
                return tf.concat([numbers, rows + order[start:stop]], axis=0)

            return batches(number).enumerate().map(share)

        return make


def _join(batch, more):
    """A batch `(x, y, sample_weight)`, and the inputs of another one."""
    x, _, _ = more
    return _joined(*batch, x, tf.shape(keras.tree.flatten(x)[0])[0])


def _joined(inputs, labels, weight, x, count):
    """Examples with labels, and `count` inputs without, as one batch."""
    rows = tf.shape(keras.tree.flatten(labels)[0])[:1]
    known = tf.concat([tf.fill(rows, True), tf.fill([count], False)], axis=0)

    def more(array):
        # A label that every loss knows stands where there is none.
        other = tf.repeat(array[:1], count, axis=0)
        return tf.concat([array, other], axis=0)

    def weighed(array):
        shape = tf.concat([[count], tf.shape(array)[1:]], axis=0)
        return tf.concat([array, tf.ones(shape, array.dtype)], axis=0)

    labels = Partly(map_arrays(more, labels), known)
    weight = map_arrays(weighed, weight)
    return keras.tree.map_structure(joined, inputs, x), labels, weight


_PAIRS = {
    Arrays: _Arrays,
    Dataset: _datasets,
    Function: _functions,
    PyBatches: _py_datasets,
}


def check_alone(parts):
    """Checks that examples have neither labels nor weights.

    Args:
        parts: Inputs, labels and weights.

    Raises:
        ValueError: If they have.
    """
    if parts[1] is not None or parts[2] is not None:
        raise ValueError(
            f"`{NAME}` brings labels or weights. Expected inputs alone. Leave "
            "the labels out, `ds.map(lambda x, y: x)`, or give the examples "
            "beside those that have labels, as `x`."
        )


def _check_alike(x, other):
    """Checks that inputs have the structure, shape and type of others."""
    one, two = keras.tree.flatten(x), keras.tree.flatten(other)
    if not _same_structure(x, other) or not all(map(_alike, one, two)):
        raise ValueError(
            f"`{NAME}` holds other inputs than `x`. Expected "
            f"{_described(x)}. Received: {_described(other)}. Give them as "
            "those that have labels."
        )


def _same_structure(x, other):
    try:
        keras.tree.assert_same_structure(x, other)
    except (TypeError, ValueError):
        return False
    return True


def _alike(one, other):
    types = [_type(a) for a in (one, other)]
    are_floats = all("float" in name for name in types)
    shapes = [tf.TensorShape(a.shape[1:]) for a in (one, other)]
    is_same = types[0] == types[1] or are_floats
    return is_same and shapes[0].is_compatible_with(shapes[1])


def _type(array):
    """The name of an array's type, which is one for all kinds of text."""
    is_text = getattr(array.dtype, "kind", "-") in "OSU" or (
        array.dtype == tf.string
    )
    return "text" if is_text else keras.backend.standardize_dtype(array.dtype)


def _described(x):
    return keras.tree.map_structure(
        lambda a: f"{getattr(a.dtype, 'name', a.dtype)}{list(a.shape[1:])}", x
    )


def _check_sizes(size, other):
    if None in (size, other) or size != other:
        raise ValueError(
            f"`{NAME}` has another number of batches than `x`, or one of them "
            "is unknown. Expected as many, as one is joined to each. Received: "
            f"{other} beside {size}. Choose a batch size by the number of "
            "examples, `more.unbatch().batch(size)` of a `tf.data.Dataset`, or "
            "apply `tf.data.experimental.assert_cardinality`."
        )
