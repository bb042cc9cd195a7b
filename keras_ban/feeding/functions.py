"""A data set of its own for each epoch of each generation."""

import tensorflow as tf

from keras_ban.feeding import passes
from keras_ban.feeding.class_weights import weighted
from keras_ban.feeding.datasets import Dataset
from keras_ban.feeding.datasets import check_steps
from keras_ban.feeding.examples import Examples


class Function(Examples):
    """A function from generation and epoch, from 0, to a `tf.data.Dataset`.

    Args:
        function: The function.
        how: How its data sets are read.
        generation: The first generation that is trained, whose first epoch
            stands for all.
    """

    def __init__(self, function, how, generation):
        # Each epoch has a data set of its own.
        super().__init__(function, how._replace(epochs=1, shuffle=None))
        self._first = self._dataset(generation)

    @property
    def steps(self):
        return self.how.steps or self.size()

    def size(self):
        return self._first.size()

    def read(self, limit=None):
        return self._first.read(limit)

    def check_labelled(self):
        self._first.check_labelled()

    def check_size(self):
        super().check_size()
        check_steps(self)

    def epochs(self, generation, seed, first, views=None):
        make = _each(self._x, generation, self.steps)
        data = passes.endless(make, first * self.steps, self.steps)
        if self.how.class_weight is not None:
            data = weighted(data, self.how.class_weight)
        return passes.arguments(data.prefetch(tf.data.AUTOTUNE), self.steps)

    def describe(self):
        # Generation 0 may be a teacher that was given.
        return self._dataset(1).describe()

    def _dataset(self, generation):
        return Dataset(self._x(generation, 0), self.how)


def _each(function, number, steps):
    """What the user's function gives for each epoch of a generation."""
    spec = function(number, 0).element_spec

    def call(epoch):
        data = function(number, int(epoch)).take(steps)
        return tf.data.experimental.to_variant(data)

    def make(epoch):
        variant = tf.py_function(call, [epoch], tf.variant)
        variant = tf.ensure_shape(variant, [])
        data = tf.data.experimental.from_variant(variant, spec)
        # An epoch that is too short would go on with the next one's data.
        return data.apply(tf.data.experimental.assert_cardinality(steps))

    return make
