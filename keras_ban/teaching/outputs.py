"""The outputs of a teacher, found by the numbers of the examples."""

import numpy as np
import tensorflow as tf

from keras_ban.distribution.parts import Joined
from keras_ban.feeding.passes import DIFFERS
from keras_ban.feeding.samples import row_fingerprints


class Outputs:
    """The outputs of one teacher for one data set.

    Args:
        store: The `Store` that holds them.
        starts: The number of each batch's first example, in an unshuffled
            pass.
        rows: The fingerprints of the examples, of shape `(rows,)`, or `None`
            if nothing needs to be compared.

    Attributes:
        starts: As given.
    """

    def __init__(self, store, starts, rows=None):
        self.starts = starts
        self._store = store
        self._rows = rows

    def find(self, x, numbers, view):
        """The outputs for a batch, in a graph of `tf.data`.

        Args:
            x: Inputs, before they are augmented.
            numbers: The numbers of the examples, of shape `(batch,)`.
            view: The number of the view, an integer tensor.
        """
        specs = self._store.specs()
        inputs = [numbers, view]
        if self._rows is not None:
            inputs.append(row_fingerprints(x))
        found = tf.numpy_function(
            self._read, inputs, [dtype for dtype, _ in specs], stateful=False
        )
        # A single one is no list outside of a graph.
        found = tf.nest.flatten(found)
        return tuple(
            tf.ensure_shape(tensor, [None, *shape])
            for tensor, (_, shape) in zip(found, specs, strict=True)
        )

    def check(self, x, numbers):
        """Checks that these are the examples that the outputs are for.

        Args:
            x: Inputs, before they are augmented.
            numbers: The numbers of the examples, of shape `(batch,)`.

        Raises:
            ValueError: If they are not.
        """
        if self._rows is not None:
            self._check(row_fingerprints(x), numbers)

    def _check(self, rows, numbers):
        if not np.array_equal(rows, self._rows[numbers]):
            raise ValueError(DIFFERS)

    def _read(self, numbers, view, rows=None):
        if rows is not None:
            self._check(rows, numbers)
        return self._store.read(view, numbers)


class Joining:
    """Views of a batch, the teacher's outputs joined to them.

    Args:
        views: The `Views` that student and teacher see.
        outputs: The `Outputs` for them.

    Attributes:
        starts: The number of each batch's first example.
        mixes: Whether labels are mixed.
        sees_batch: Whether a view hangs on the batch that it is made in.
    """

    def __init__(self, views, outputs):
        self.starts = outputs.starts
        self.mixes = views.mixes
        self.sees_batch = views.sees_batch
        self._views = views
        self._outputs = outputs

    def __call__(self, x, y, numbers, epoch, weight=None):
        """Returns `Joined` inputs, labels and weights, as `Views` does."""
        view = self._views.number(epoch)
        found = self._outputs.find(x, numbers, view)
        x, y, weight = self._views(x, y, numbers, epoch, weight)
        return Joined(x, found), y, weight
