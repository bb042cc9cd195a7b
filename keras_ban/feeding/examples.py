"""The examples of one data set, whatever holds them."""

import itertools
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_ban.feeding.scan import SCANNED_BATCHES
from keras_ban.feeding.scan import Scan
from keras_ban.feeding.scan import empty
from keras_ban.feeding.scan import finite
from keras_ban.feeding.scan import same_rows
from keras_ban.rows import count_rows
from keras_ban.rows import dense
from keras_ban.rows import tensor
from keras_ban.tasks.checks import way_to_pairs


class Role(NamedTuple):
    """What errors call a data set, and what it must have.

    Attributes:
        data: The argument's name.
        labels: What its labels are called.
        steps: The argument that counts its batches.
        trains: Whether networks are trained on it.
    """

    data: str = "x"
    labels: str = "y"
    steps: str = "steps"
    trains: bool = False


TRAINING = Role("x", "y", "steps_per_epoch", trains=True)
VALIDATION = Role("validation_data", "validation_data", "validation_steps")
EVALUATION = Role()


class Reading(NamedTuple):
    """How a data set is read, as `fit` or `evaluate` was told.

    Attributes:
        role: What it is read for.
        batch_size: Rows of a batch of arrays, or `None`.
        steps: Batches in an epoch, or `None` for a pass.
        epochs: How often it is read.
        shuffle: As `fit` takes it; `None` if nothing was said.
        viewed: Whether its batches will pass through views.
        class_weight: As `fit` takes it, or `None`.
    """

    role: Role = EVALUATION
    batch_size: int | None = None
    steps: int | None = None
    epochs: int = 1
    shuffle: Any = None
    viewed: bool = False
    class_weight: dict | None = None


class Examples:
    """The examples of one data set; a subclass for each kind of data.

    Args:
        x: The data set.
        how: How it is read.

    Attributes:
        how: As given.
        has_places: Whether an example is known by its place in a pass.
        takes_views: Whether each example can be shown otherwise.
        is_fixed: Whether each pass is sure to hold the same examples.
        orders_itself: Whether the order of an epoch is its own.
        reads_freely: Whether one reading leaves the next one as it is.
        reads_once: Whether there is one reading only.
    """

    has_places = False
    takes_views = False
    is_fixed = False
    orders_itself = False
    reads_freely = True
    reads_once = False

    def __init__(self, x, how):
        self.how = how
        self._x = x

    @property
    def steps(self):
        """Batches in an epoch, as given or fixed; else `None`, for a pass."""
        return self.how.steps

    def size(self):
        """The number of batches in one pass.

        Returns:
            An integer, infinity if there is no end, or `None` if it shows
            only by reading.
        """
        return None

    def epoch_steps(self):
        """The number of batches in an epoch, or `None` if nobody knows."""
        return self.how.steps or self.size()

    def read(self, limit=None):
        """Yields batches `(x, y, sample_weight)`, the labels as NumPy arrays.

        Args:
            limit: Number of batches after which to stop. Defaults to `None`,
                one whole pass.
        """
        return unpacked(itertools.islice(self._batches(), limit))

    def labelled(self):
        """Yields the batches of an epoch.

        Raises:
            ValueError: If they have no labels, if inputs or weights are not
                finite, or if their rows are not as many.
        """
        for x, y, sample_weight in self.read(self.how.steps):
            if y is None:
                raise ValueError(
                    "Cannot evaluate without labels. Expected (inputs, "
                    "labels). Received: inputs alone."
                    f"{way_to_pairs(x)}"
                )
            same_rows((x, y, sample_weight), self.how.role.data)
            finite(x, self.how.role.data)
            finite(sample_weight, "sample_weight")
            yield x, y, sample_weight

    def numbered(self, limit=None):
        """Yields the batches of one pass: examples' numbers, inputs, labels.

        Args:
            limit: Number of batches after which to stop. Defaults to `None`,
                one whole pass.
        """
        return numbered(self.read(limit))

    def scan(self):
        """Begins a `Scan`: reads the first batch."""
        return Scan(self, self.read(SCANNED_BATCHES), SCANNED_BATCHES)

    def check_labelled(self):
        """Checks that there are labels, where that shows without reading.

        Raises:
            ValueError: If there are none.
        """

    def check_shape(self, model):
        """Checks the shape of inputs, where it shows without reading.

        Args:
            model: The `keras.Model` that they are for.

        Raises:
            ValueError: If the model takes no such inputs.
        """

    def check_size(self):
        """Checks that there is something to read, and that it has an end.

        Raises:
            ValueError: If there is not.
        """
        size, steps, role = self.size(), self.how.steps, self.how.role
        if size == 0:
            empty(role.data)
        if size == float("inf") and steps is None:
            raise ValueError(
                f"`{role.data}` is infinite. Expected a data set with an end, "
                f"or `{role.steps}`. Pass `{role.steps}`, or leave out "
                "`.repeat()`."
            )
        if steps is not None and size is not None and steps > size:
            raise ValueError(
                f"`{role.data}` is exhausted before the epoch ends. Expected "
                f"at least {role.steps}={steps} batches. Received: {size}. "
                f"Lower `{role.steps}`, leave it out, or add `.repeat()`."
            )

    def check_epochs(self, size):
        """Checks that the last epoch does not end in the middle.

        Args:
            size: The number of batches in a pass, or `None`.

        Raises:
            ValueError: If it does.
        """
        steps, epochs, role = self.how.steps, self.how.epochs, self.how.role
        if not steps or not size:
            return
        interrupted = size % steps and steps * epochs > size
        if steps > size or interrupted:
            raise ValueError(
                f"`{role.data}` is exhausted before the last epoch ends. "
                f"Expected {role.steps}={steps} batches in each of {epochs} "
                f"epochs. Received: {size} batches. Lower `{role.steps}`, "
                "leave it out, or add `.repeat()`."
            )

    def split(self, fraction, how):
        """Splits the last rows off, as Keras does for `validation_split`.

        Args:
            fraction: Share of the rows to split off, between 0 and 1.
            how: How these are read.

        Returns:
            The first rows and the last rows, two `Examples`.

        Raises:
            ValueError: If these are no arrays, or no such fraction.
        """
        raise ValueError(
            "`validation_split` needs arrays and a number between 0 and 1. "
            f"Received: {fraction!r} for a {type(self._x).__name__}. Pass "
            "`validation_data` instead."
        )

    def epochs(self, generation, seed, first, views=None):
        """What Keras reads in a generation, from an epoch on.

        Args:
            generation: The number of the generation.
            seed: Its seed, which fixes the order of arrays and of data sets
                that are shuffled here.
            first: The first epoch that is read, counted from 0.
            views: What each batch passes through: a function of inputs,
                labels, numbers of the examples and epoch. Defaults to `None`.

        Returns:
            Arguments of `keras.Model.fit`, a dict.
        """
        return self.as_given()

    def as_given(self):
        """The data set as arguments of `keras.Model.fit`, a dict."""
        return {"x": self._x}

    def as_validation(self):
        """The data set as Keras takes `validation_data`."""
        return self._x

    def describe(self):
        """What of it a run must have in common with another, a dict."""
        return {"kind": type(self._x).__name__, "batches": self.size()}

    def _batches(self):
        return iter(self._x)


def unpacked(batches):
    """Yields inputs, labels and weights, the last two as NumPy arrays."""
    for batch in batches:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        check_single(y, weight)
        yield x, _numpy(y), _numpy(weight)


def check_single(y, sample_weight):
    """Checks that labels and weights are one array each, no structure.

    Raises:
        ValueError: If they are dicts, tuples or lists.
    """
    for name, part in (("labels", y), ("sample weights", sample_weight)):
        if keras.tree.is_nested(part):
            held = ", ".join(map(repr, part)) if isinstance(part, dict) else ""
            held = f"a {type(part).__name__} of {held or len(part)}"
            raise ValueError(
                f"The {name} are no array. Expected one array of {name}, as "
                f"models have one output. Received: {held}. Give the array in "
                "it alone, as `y['label']`; of a data set, by `map`."
            )


def _numpy(x):
    return None if x is None else np.asarray(keras.ops.convert_to_numpy(x))


def numbered(batches):
    """Yields the numbers of the examples, inputs as tensors, and labels.

    Args:
        batches: Batches `(x, y, sample_weight)`.
    """
    start = 0
    for inputs, labels, _ in batches:
        inputs = keras.tree.map_structure(tensor, inputs)
        stop = start + count_rows(inputs)
        yield np.arange(start, stop), inputs, labels
        start = stop


@tf.autograph.experimental.do_not_convert
def row_fingerprints(x):
    """64 bits of each example, of shape `(batch,)`.

    Args:
        x: Inputs, a structure of tensors of shape `(batch, ...)`.
    """
    leaves = [_bytes(dense(a)) for a in keras.tree.flatten(x)]
    found = tf.fingerprint(tf.concat(leaves, axis=1))
    return tf.bitcast(found, tf.int64)


def _bytes(x):
    if x.dtype == tf.string:
        x = tf.strings.to_hash_bucket_fast(x, 2**62)
    elif x.dtype == tf.bool:
        x = tf.cast(x, tf.uint8)
    rows = tf.shape(x)[0]
    return tf.reshape(tf.bitcast(x, tf.uint8), (rows, -1))
