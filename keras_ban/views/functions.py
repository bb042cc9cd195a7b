"""Functions of one example and its seed, as users write views."""

import keras
import tensorflow as tf

from keras_ban import checks
from keras_ban.views.base import View


class Function(View):
    """A function of an example and its seed, row by row.

    Args:
        function: Function from an example and a seed, two integers, to a view
            of it, or from an example, its label and a seed to a view and its
            label.
    """

    def __init__(self, function):
        name = getattr(function, "__qualname__", type(function).__name__)
        super().__init__(name)
        self.changes_labels = checks.arity(function) == 3
        self._function = function

    def __call__(self, batch, seeds, others):
        given = (batch.inputs,)
        if self.changes_labels:
            given = (batch.inputs, batch.labels)
        found = tf.map_fn(
            lambda row: self._function(*row),
            (*given, seeds),
            fn_output_signature=self._signature(given),
        )
        if self.changes_labels:
            return batch._replace(inputs=found[0], labels=found[1])
        return batch._replace(inputs=found)

    def check(self, batch, positions=False):
        """Checks that there are labels, where it changes them."""
        if batch.labels is None and self.changes_labels:
            raise ValueError(
                f"The view {self!r} changes labels, and the data has none. "
                "Expected (inputs, labels). Give labels, or a function of an "
                "example and its seed."
            )

    def describe(self):
        """The function, which the run knows by its name."""
        return self._function

    def _signature(self, given):
        rows = keras.tree.map_structure(
            lambda a: tf.TensorSpec(a.shape[1:], a.dtype), given
        )
        traced = tf.function(self._function).get_concrete_function(
            *rows, tf.TensorSpec([2], "int64")
        )
        return keras.tree.map_structure(
            lambda a: tf.TensorSpec(a.shape, a.dtype),
            traced.structured_outputs,
        )
