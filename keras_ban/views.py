"""What a batch brings along: seeded views, and the teacher's outputs.

Every example has a number, its place in one pass over the unshuffled data. It
travels with the example through shuffling and batching, and seeds its views
and finds its outputs when the batch is complete.
"""

from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_ban import batches


class Joined(NamedTuple):
    """Inputs, and what the teacher gives for them.

    Attributes:
        inputs: A batch of inputs.
        outputs: What `topk.decode` takes.
    """

    inputs: Any
    outputs: Any


class Views:
    """What is done to each batch of a generation.

    Args:
        augment: Function from an example and a seed, two integers, to a view
            of it; or `None`.
        count: How many views each example has; `None` for a new one in each
            epoch.
        seed: The seed of the generation.

    Attributes:
        augment: As given.
        count: As given; 1 without `augment`.
        outputs: The `cache.Outputs` to join, or `None`.
    """

    def __init__(self, augment=None, count=None, seed=0):
        self.augment = augment
        self.count = count if augment else 1
        self.outputs = None
        self._seed = seed
        self._function = tf.function(self._shown, reduce_retracing=True)

    def __call__(self, x, numbers, epoch):
        """Returns the inputs of a batch as its epoch shows them.

        Args:
            x: Inputs, as the data gives them.
            numbers: The numbers of its examples, of shape `(batch,)`.
            epoch: The epoch, an integer tensor.
        """
        view = epoch % self.count if self.count else epoch
        outputs = self.outputs and self.outputs.of(x, numbers, view)
        x = self._shown(x, numbers, view)
        return Joined(x, outputs) if self.outputs else x

    def shown(self, x, numbers, view):
        """Returns one view of a batch, outside of a graph.

        Args:
            x: Inputs, as the data gives them.
            numbers: The numbers of its examples, of shape `(batch,)`.
            view: The number of the view, an integer.
        """
        view = tf.constant(view, "int64")
        return self._function(x, numbers, view) if self.augment else x

    def _shown(self, x, numbers, view):
        if not self.augment:
            return x
        return augmented(self.augment, x, numbers, view, self._seed)


def augmented(augment, x, numbers, view, seed):
    """A view of each example of a batch.

    Args:
        augment: Function from an example and a seed to a view of it.
        x: Inputs.
        numbers: The numbers of the examples, of shape `(batch,)`.
        view: The number of the view.
        seed: The seed of the generation, an integer of 32 bits.
    """
    numbers = tf.cast(numbers, "int64")
    # No two views of a run share both halves.
    second = tf.constant(seed << 24, "int64") + tf.cast(view, "int64")
    seeds = tf.stack([numbers, tf.fill(tf.shape(numbers), second)], axis=1)
    return tf.map_fn(
        lambda pair: augment(*pair),
        (x, seeds),
        fn_output_signature=_view_signature(augment, x),
    )


def _view_signature(augment, x):
    example = keras.tree.map_structure(
        lambda a: tf.TensorSpec(a.shape[1:], a.dtype), x
    )
    traced = tf.function(augment).get_concrete_function(
        example, tf.TensorSpec([2], "int64")
    )
    return keras.tree.map_structure(
        lambda a: tf.TensorSpec(a.shape, a.dtype), traced.structured_outputs
    )


def row_fingerprints(x):
    """64 bits of each example, of shape `(batch,)`.

    Args:
        x: Inputs, a structure of tensors of shape `(batch, ...)`.
    """
    leaves = [_bytes(tf.convert_to_tensor(a)) for a in keras.tree.flatten(x)]
    found = tf.fingerprint(tf.concat(leaves, axis=1))
    return tf.bitcast(found, tf.int64)


def _bytes(tensor):
    if tensor.dtype == tf.string:
        tensor = tf.strings.to_hash_bucket_fast(tensor, 2**62)
    elif tensor.dtype == tf.bool:
        tensor = tf.cast(tensor, tf.uint8)
    rows = tf.shape(tensor)[0]
    return tf.reshape(tf.bitcast(tensor, tf.uint8), (rows, -1))


def check_augment(augment, x):
    """Checks on a few examples that a view follows from its seed.

    Args:
        augment: What `fit` was given.
        x: A few rows of inputs.

    Raises:
        ValueError: If it does not, or if the views have another shape.
    """
    if not callable(augment):
        raise ValueError(
            "Invalid value for argument `augment`. Expected a function from "
            "an example and its seed, two integers, to a view of the example. "
            f"Received: {augment!r}"
        )
    numbers = np.arange(batches.rows(x))
    try:
        pair = [augmented(augment, x, numbers, 0, 1) for _ in range(2)]
    except Exception as error:
        raise ValueError(
            "`augment` cannot be applied. Expected a function from an example "
            "without the axis of the batch, and a seed of shape (2,), as "
            "`tf.image.stateless_random_flip_left_right` takes, to a view of "
            f"the example. Received: {error}"
        ) from error
    leaves = [keras.tree.flatten(found) for found in pair]
    if not all(map(np.array_equal, *leaves)):
        raise ValueError(
            "`augment` gives another view each time it is called with one "
            "example and one seed. Expected a function of these two alone. "
            "Use the operations of TensorFlow whose names begin with "
            "`stateless_`, and give them the seed."
        )
