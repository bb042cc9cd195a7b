"""A worker's share of a batch: the rows that its own replicas train on."""

import functools
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_ban.distribution.parts import Own
from keras_ban.distribution.parts import Part


class Share(NamedTuple):
    """Some replicas among all.

    Attributes:
        first: The number of the first of them.
        local: How many they are.
        count: How many there are in all.
        sees_all: Whether batches are global ones. Defaults to `True`.
    """

    first: int
    local: int
    count: int
    sees_all: bool = True

    def own(self, numbers):
        """The numbers of the rows that they have, of those of a global batch.

        Args:
            numbers: A tensor of shape `(batch,)`.
        """
        rows = tf.shape(numbers, out_type="int64")[0]
        start, _, _ = _bounds(self.first, self.count, rows)
        _, stop, _ = _bounds(self.first + self.local - 1, self.count, rows)
        return numbers[start:stop]

    def parts(self, batch, rows):
        """The `Part` of each, a tuple.

        Args:
            batch: The rows that they have.
            rows: How many the global batch has.
        """
        before, _, _ = _bounds(self.first, self.count, rows)
        numbers = range(self.first, self.first + self.local)
        return tuple(self._part(batch, n, rows, before) for n in numbers)

    def split(self, data):
        """The `Part`s of each batch, one after another.

        Args:
            data: A `tf.data.Dataset` of global batches; of what a worker has
                for itself, its inputs an `Own`; or of tuples of `Part`s.
        """
        spec = data.element_spec
        if isinstance(spec, tuple) and isinstance(spec[0], Part):
            # A function of a batch is given its parts one by one.
            return data.flat_map(lambda *parts: _in_turn(parts))
        if isinstance(spec, tuple) and isinstance(spec[0], Own):
            alone = Share(0, self.local, self.local, sees_all=False)
            return alone.split(data.map(lambda x, *more: (x.inputs, *more)))
        numbers = tf.data.Dataset.range(self.first, self.first + self.local)
        return data.flat_map(
            lambda *batch: numbers.map(
                lambda number: self._part(batch, number, _rows(batch))
            )
        )

    def _part(self, batch, number, rows, before=0):
        """A replica's `Part` of a batch, without some rows of its beginning."""
        at, stop, counting = _bounds(number, self.count, rows)
        cut = keras.tree.map_structure(
            lambda a: (
                a
                if isinstance(a, tf.experimental.Optional)
                else a[at - before : stop - before]
            ),
            batch,
        )
        place = ()
        if self.sees_all:
            start = number * rows // self.count
            place = tf.cast(start, "int32"), tf.cast(rows, "int32")
        return Part(cut, tf.cast(counting, "int32"), place)


def _in_turn(parts):
    held = [tf.data.Dataset.from_tensors(part) for part in parts]
    return functools.reduce(tf.data.Dataset.concatenate, held)


def _bounds(number, count, rows):
    """Where a replica's rows begin and end, and how many of them count."""
    start, stop = number * rows // count, (number + 1) * rows // count
    # A network cannot be run on nothing.
    at = tf.minimum(start, rows - 1)
    return at, tf.maximum(stop, at + 1), stop - start


def _rows(batch):
    leaf = next(
        a
        for a in keras.tree.flatten(batch)
        if not isinstance(a, tf.experimental.Optional)
    )
    return tf.shape(leaf, out_type="int64")[0]
