"""Seeded views of the examples of a batch.

Every example has a number, its place in one pass over the unshuffled data. It
travels with the example through shuffling and batching, and seeds its views
(and finds the teacher's outputs) when the batch is complete.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_ban.distribution.parts import Mixed
from keras_ban.rows import count_rows
from keras_ban.rows import map_arrays
from keras_ban.views import draws
from keras_ban.views import names
from keras_ban.views.base import Batch


class Views:
    """What is done to each batch of a generation.

    Args:
        augment: As `fit` takes it, or `None`.
        count: How many views each example has; `None` for a new one in each
            epoch.
        seed: The seed of the generation.
        pool: All examples, a `Batch`, to draw others from. Defaults to `None`:
            others are drawn from the batch.

    Attributes:
        augment: As given.
        count: As given; 1 without `augment`.
        mixes: Whether labels are mixed.
        sees_batch: Whether a view hangs on the batch that it is made in.
    """

    def __init__(self, augment=None, count=None, seed=0, pool=None):
        self.augment = augment
        steps = names.get(augment)
        self.count = count if steps else 1
        self.mixes = any(step.mixes for step in steps)
        self._steps = [s.repeated() for s in steps] if count else steps
        draws = pool is None and any(s.draws_others for s in steps)
        self.sees_batch = draws or any(s.sees_batch for s in self._steps)
        self._seed = seed
        self._pool = pool
        self._function = tf.function(self._shown, reduce_retracing=True)

    def __call__(self, x, y, numbers, epoch, weight=None):
        """Returns a batch as its epoch shows it.

        Args:
            x: Inputs, as the data gives them.
            y: Labels, or `None`.
            numbers: The numbers of its examples, of shape `(batch,)`.
            epoch: The epoch, an integer tensor.
            weight: Sample weights, or `None`. Defaults to `None`.

        Returns:
            Inputs, labels (`Mixed` ones, where views mix them) and weights.
        """
        return self._shown(x, y, numbers, self.number(epoch), weight)

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
        if not self._steps:
            return x
        return self._function(x, y, numbers, view)[0]

    def _shown(self, x, y, numbers, view, weight=None):
        batch = Batch(x, y, weight)
        if not self._steps:
            return batch
        return shown(self._steps, batch, numbers, view, self._seed, self._pool)


def shown(steps, batch, numbers, view, seed, pool=None):
    """A view of each example of a batch.

    Args:
        steps: The `View`s that it passes through, a list.
        batch: A `Batch`.
        numbers: The numbers of the examples, of shape `(batch,)`.
        view: The number of the view.
        seed: The seed of the generation, an integer of 32 bits.
        pool: As `Views` takes it. Defaults to `None`.
    """
    numbers = tf.cast(numbers, "int64")
    # No two views of a run share both halves.
    second = tf.constant(seed << 24, "int64") + tf.cast(view, "int64")
    seeds = tf.stack([numbers, tf.fill(tf.shape(numbers), second)], axis=1)
    return _through(steps, batch, seeds, pool)


def _through(steps, batch, seeds, pool):
    if steps[1:]:
        own = [draws.fold(seeds, place) for place in range(len(steps))]
    else:
        own = [seeds]
    for place, step in enumerate(steps):
        others = _Others(batch if pool is None else pool)
        if pool is not None and steps[:place]:
            others = _Shown(pool, steps[:place])
        batch = step(batch, own[place], others)
    return batch


class _Others:
    """Examples that may be drawn, as they are.

    Args:
        pool: The examples, a `Batch`.

    Attributes:
        count: Their number.
        inputs: Their inputs.
    """

    def __init__(self, pool):
        self._pool = pool
        self.inputs = pool.inputs

    @property
    def count(self):
        leaf = keras.tree.flatten(self.inputs)[0]
        return tf.shape(leaf, out_type="int64")[0]

    def take(self, numbers, seeds):
        """Those of these numbers; they have no use for seeds."""
        return Batch(
            *(
                map_arrays(lambda a: tf.gather(a, numbers), part)
                for part in self._pool
            )
        )


class _Shown(_Others):
    """Examples that may be drawn, shown as those that draw them were.

    Args:
        pool: The examples, a `Batch`.
        steps: What these have passed through before.
    """

    def __init__(self, pool, steps):
        super().__init__(pool)
        self._steps = steps

    def take(self, numbers, seeds):
        """Those of these numbers, shown by these seeds."""
        return _through(
            self._steps, super().take(numbers, seeds), seeds, self._pool
        )


def check_augment(steps, x, y=None, positions=False, argument="augment"):
    """Checks on a few examples that views can be applied, and are seeded.

    Args:
        steps: The `View`s, a list.
        x: A few rows of inputs.
        y: Their labels, or `None`.
        positions: Whether these are those of the positions of a sequence.
            Defaults to `False`.
        argument: What errors call them. Defaults to `"augment"`.

    Raises:
        ValueError: If they cannot, if a view does not follow from its seed,
            or if the views have another shape.
    """
    numbers = np.arange(count_rows(x))
    batch = Batch(x, map_arrays(tf.convert_to_tensor, y))
    for step in steps:
        step.check(batch, positions)
    try:
        pair = [shown(steps, batch, numbers, 0, 1) for _ in range(2)]
    except Exception as error:
        raise ValueError(
            f"`{argument}` cannot be applied. Expected a function from an "
            "example without the axis of the batch, and a seed of shape (2,), "
            "as `tf.image.stateless_random_flip_left_right` takes, to a view "
            "of the example; or one from an example, its label and a seed to a "
            f"view and its label. Received: {error}"
        ) from error
    leaves = [keras.tree.flatten(found) for found in pair]
    if not all(map(_same, *leaves)):
        raise ValueError(
            f"`{argument}` gives another view each time it is called with one "
            "example and one seed. Expected a function of these two alone. "
            "Use the operations of TensorFlow whose names begin with "
            "`stateless_`, and give them the seed."
        )
    labels = pair[0].labels
    if y is None or isinstance(labels, Mixed):
        return
    shapes = [
        [tuple(a.shape) for a in keras.tree.flatten(held) if a is not None]
        for held in (labels, y)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"`{argument}` gives labels of another shape. Expected "
            f"{shapes[1]}, as given. Received: {shapes[0]}. "
            "Give labels as rows of one number for each class, by "
            "`keras.utils.to_categorical`, if it mixes them."
        )


def _same(one, other):
    return one is None or np.array_equal(one, other)
