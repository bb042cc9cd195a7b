"""What a view is: something that is done to batches of examples."""

from typing import Any
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_ban import rows


class Batch(NamedTuple):
    """Examples.

    Attributes:
        inputs: A structure of tensors of shape `(batch, ...)`.
        labels: Their labels, or `None`.
        weight: Their sample weights, or `None`.
    """

    inputs: Any
    labels: Any = None
    weight: Any = None


class View:
    """What is done to batches of examples, made by `keras_ban.views`.

    Args:
        name: Its name.
        **arguments: What it was made with, which tells it from others.

    Attributes:
        name: As given.
        mixes: Whether an example and its label are mixed with another's.
        changes_labels: Whether labels are others afterwards.
        draws_others: Whether it looks at other examples.
        sees_batch: Whether a view hangs on the batch that it is made in.
    """

    mixes = False
    changes_labels = False
    draws_others = False
    sees_batch = False

    def __init__(self, name, **arguments):
        self.name = name
        self._arguments = arguments

    def __call__(self, batch, seeds, others):
        """Returns the batch as it is shown.

        Args:
            batch: A `Batch`.
            seeds: A seed for each example, of shape `(batch, 2)`.
            others: The examples that may be drawn, with their number
                `count`, their `inputs` as they were given, and `take`, a
                function from numbers of examples and seeds to a `Batch`.
        """
        raise NotImplementedError

    def check(self, batch, positions=False):
        """Checks that it can be applied.

        Args:
            batch: A few examples, a `Batch`.
            positions: Whether labels are those of the positions of a
                sequence. Defaults to `False`.

        Raises:
            ValueError: If it cannot.
        """

    def repeated(self):
        """The view where the same is shown again in a later epoch."""
        return self

    @property
    def brief(self):
        """What it is called in tables."""
        return repr(self)

    def describe(self):
        """What tells it from other views: a text, or a function."""
        return repr(self)

    def __repr__(self):
        given = (f"{k}={v!r}" for k, v in self._arguments.items())
        return f"{self.name}({', '.join(given)})"


@tf.autograph.experimental.do_not_convert
def is_dense(array):
    """Whether an array holds every number."""
    return len(rows.parts(array)) == 1


def is_image(array):
    """Whether these are images, of shape `(batch, height, width, channels)`."""
    return is_dense(array) and len(array.shape) == 4 and is_number(array)


def is_signal(array):
    """Whether these are signals, of shape `(batch, time, channels)`."""
    return is_dense(array) and len(array.shape) == 3 and is_number(array)


def is_number(array):
    """Whether these are floats, or pixels: bytes with axes of their own."""
    is_pixel = array.dtype == "uint8" and len(array.shape) > 2
    return is_dense(array) and (array.dtype.is_floating or is_pixel)


def floats(array):
    """Pixels as floats; what are floats stays what it is."""
    if array.dtype.is_floating:
        return array
    return keras.ops.cast(array, keras.config.floatx())


def received(inputs):
    """Inputs in words, for errors."""
    return ", ".join(
        f"{a.dtype.name} of shape {('rows', *a.shape[1:])}"
        for a in keras.tree.flatten(inputs)
    )
