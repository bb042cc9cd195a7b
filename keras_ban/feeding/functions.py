"""A data set of its own for each epoch of each generation."""

import tensorflow as tf

from keras_ban.feeding import passes
from keras_ban.feeding.class_weights import weighted
from keras_ban.feeding.datasets import Dataset
from keras_ban.feeding.datasets import check_known
from keras_ban.feeding.examples import UNSAID
from keras_ban.feeding.examples import Examples
from keras_ban.feeding.passes import Course


class Function(Examples):
    """A function from generation and epoch, from 0, to a `tf.data.Dataset`.

    Args:
        function: The function.
        how: How its data sets are read.
        generation: The first generation that is trained, whose first epoch
            stands for all.

    Attributes:
        generation: As given.
    """

    takes_parts = True

    def __init__(self, function, how, generation):
        # Each epoch has a data set of its own.
        super().__init__(function, how._replace(epochs=1, initial_epoch=0))
        self.generation = generation
        self._first = self._dataset(generation)

    def at(self, generation, epoch):
        """The `tf.data.Dataset` of an epoch."""
        return self._x(generation, epoch)

    @property
    def steps(self):
        return self.epoch_steps()

    def size(self):
        return self._first.size()

    def read(self, limit=None):
        return self._first.read(limit)

    def check_labelled(self):
        self._first.check_labelled()

    def check_steps(self):
        check_known(self.steps)

    def epochs(self, generation, seed, first, views=None, size=1):
        course = self.course(size)
        make = _each(self._x, generation, course.count)
        data, callbacks = passes.stream(make, course, first)
        if self.how.class_weight is not None:
            data = weighted(data, self.how.class_weight, self.how.label_axes)
        data = data.prefetch(passes.AHEAD)
        return passes.arguments(data, callbacks, course, first)

    def course(self, size):
        # Each epoch is a pass over a data set of its own.
        return Course(None, self.steps, size)

    def describe(self):
        # Generation 0 may be a teacher that was given.
        return self._dataset(1).describe()

    def sample(self, anew=False):
        # Its shuffling may follow from the numbers; a second call shows it.
        if anew:
            self._scanned = next(self._dataset(self.generation).read(1))
        return None if self._first.is_random() else super().sample()

    def _dataset(self, generation):
        how = self.how._replace(shuffle=UNSAID)
        return Dataset(self._x(generation, 0), how)


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
