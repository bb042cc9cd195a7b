"""Seeded views of the examples of a batch.

Every example has a number, its place in one pass over the unshuffled data. It
travels with the example through shuffling and batching, and seeds its views
(and finds the teacher's outputs) when the batch is complete.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_ban import checks
from keras_ban.rows import count_rows


class Views:
    """What is done to each batch of a generation.

    Args:
        augment: Function from an example and a seed, two integers, to a view
            of it, or from an example, its label and a seed to a view and its
            label; or `None`.
        count: How many views each example has; `None` for a new one in each
            epoch.
        seed: The seed of the generation.

    Attributes:
        augment: As given.
        count: As given; 1 without `augment`.
    """

    def __init__(self, augment=None, count=None, seed=0):
        self.augment = augment
        self.count = count if augment else 1
        self._seed = seed
        self._function = tf.function(self._shown, reduce_retracing=True)

    def __call__(self, x, y, numbers, epoch):
        """Returns inputs and labels of a batch as its epoch shows them.

        Args:
            x: Inputs, as the data gives them.
            y: Labels, or `None`.
            numbers: The numbers of its examples, of shape `(batch,)`.
            epoch: The epoch, an integer tensor.
        """
        return self._shown(x, y, numbers, self.number(epoch))

    def number(self, epoch):
        """The number of the view that an epoch shows."""
        return epoch % self.count if self.count else epoch

    def shown(self, x, y, numbers, view):
        """Returns one view of the inputs of a batch, outside of a graph.

        Args:
            x: Inputs, as the data gives them.
            y: Labels, or `None`.
            numbers: The numbers of its examples, of shape `(batch,)`.
            view: The number of the view, an integer.
        """
        view = tf.constant(view, "int64")
        if not self.augment:
            return x
        return self._function(x, y, numbers, view)[0]

    def _shown(self, x, y, numbers, view):
        if not self.augment:
            return x, y
        return augmented(self.augment, x, y, numbers, view, self._seed)


def augmented(augment, x, y, numbers, view, seed):
    """A view of each example of a batch, and its label.

    Args:
        augment: As `Views` takes it.
        x: Inputs.
        y: Labels, or `None`.
        numbers: The numbers of the examples, of shape `(batch,)`.
        view: The number of the view.
        seed: The seed of the generation, an integer of 32 bits.
    """
    numbers = tf.cast(numbers, "int64")
    # No two views of a run share both halves.
    second = tf.constant(seed << 24, "int64") + tf.cast(view, "int64")
    seeds = tf.stack([numbers, tf.fill(tf.shape(numbers), second)], axis=1)
    given = (x, y) if _changes_labels(augment) else (x,)
    found = tf.map_fn(
        lambda row: augment(*row),
        (*given, seeds),
        fn_output_signature=_view_signature(augment, given),
    )
    return found if len(given) == 2 else (found, y)


def _changes_labels(augment):
    """Whether it takes an example, its label and a seed."""
    return checks.arity(augment) == 3


def _view_signature(augment, given):
    rows = keras.tree.map_structure(
        lambda a: tf.TensorSpec(a.shape[1:], a.dtype), given
    )
    traced = tf.function(augment).get_concrete_function(
        *rows, tf.TensorSpec([2], "int64")
    )
    return keras.tree.map_structure(
        lambda a: tf.TensorSpec(a.shape, a.dtype), traced.structured_outputs
    )


def check_augment(augment, x, y=None):
    """Checks on a few examples that a view follows from its seed.

    Args:
        augment: What `fit` was given.
        x: A few rows of inputs.
        y: Their labels, or `None`.

    Raises:
        ValueError: If it does not, or if the views have another shape.
    """
    if not callable(augment):
        raise ValueError(
            "Invalid value for argument `augment`. Expected a function from "
            "an example and its seed, two integers, to a view of the example. "
            f"Received: {augment!r}"
        )
    numbers = np.arange(count_rows(x))
    if y is None and _changes_labels(augment):
        raise ValueError(
            "`augment` changes labels, and the data has none. Expected "
            "(inputs, labels). Give labels, or a function of an example and "
            "its seed."
        )
    try:
        pair = [augmented(augment, x, y, numbers, 0, 1) for _ in range(2)]
    except Exception as error:
        raise ValueError(
            "`augment` cannot be applied. Expected a function from an example "
            "without the axis of the batch, and a seed of shape (2,), as "
            "`tf.image.stateless_random_flip_left_right` takes, to a view of "
            "the example; or one from an example, its label and a seed to a "
            f"view and its label. Received: {error}"
        ) from error
    leaves = [keras.tree.flatten(found) for found in pair]
    if not all(map(np.array_equal, *leaves)):
        raise ValueError(
            "`augment` gives another view each time it is called with one "
            "example and one seed. Expected a function of these two alone. "
            "Use the operations of TensorFlow whose names begin with "
            "`stateless_`, and give them the seed."
        )
    shown = pair[0][1]
    if y is not None and tuple(shown.shape) != tuple(np.shape(y)):
        raise ValueError(
            "`augment` gives labels of another shape. Expected "
            f"{tuple(np.shape(y))}, as given. Received: {tuple(shown.shape)}. "
            "Give labels as rows of one number for each class, by "
            "`keras.utils.to_categorical`, if it mixes them."
        )
