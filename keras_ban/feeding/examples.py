"""The examples of one data set, whatever holds them."""

import itertools
import numbers
from typing import Any
from typing import NamedTuple

import numpy as np

from keras_ban.distribution.parts import Own
from keras_ban.feeding.batches import numbered
from keras_ban.feeding.batches import unpacked
from keras_ban.feeding.passes import Course
from keras_ban.feeding.passes import from_pass
from keras_ban.feeding.samples import sample
from keras_ban.feeding.scan import SCANNED_BATCHES
from keras_ban.feeding.scan import Scan
from keras_ban.feeding.scan import empty
from keras_ban.feeding.scan import finite
from keras_ban.feeding.scan import same_rows
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

# As a value of `shuffle`: nothing was said.
UNSAID = object()


class Reading(NamedTuple):
    """How a data set is read, as `fit` or `evaluate` was told.

    Attributes:
        role: What it is read for.
        batch_size: Rows of a batch of arrays, or `None`.
        steps: Batches in an epoch, or `None` for a pass.
        epochs: As `fit` takes it.
        initial_epoch: As `fit` takes it.
        shuffle: As `fit` takes it, or `UNSAID`.
        viewed: Whether its batches will pass through views.
        epoch_seed: Function from generation and epoch to the seed of that
            epoch, or `None` if epochs have none.
        class_weight: As `fit` takes it, or `None`.
        label_axes: How many axes labels have that are numbers of classes:
            those of the model's output but the last one.
        share: The `Share` of a worker in each batch, or `None` if there is
            one worker.
        is_part: Whether it holds a worker's own part of the examples alone.
    """

    role: Role = EVALUATION
    batch_size: int | None = None
    steps: int | None = None
    epochs: int = 1
    initial_epoch: int = 0
    shuffle: Any = UNSAID
    viewed: bool = False
    epoch_seed: Any = None
    class_weight: dict | None = None
    label_axes: int = 1
    share: Any = None
    is_part: bool = False


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
        keeps_batches: Whether a batch holds the same examples in each epoch.
        orders_itself: Whether the order of an epoch is its own.
        reads_freely: Whether one reading leaves the next one as it is.
        reorders: Whether rows come in another order than they are given in,
            as far as that is known.
        reads_once: Whether there is one reading only.
        shuffles: What `shuffle` may be.
        takes_parts: Whether each worker may be given a part of its own.
        joins_passes: Whether an epoch goes on in the next pass where Keras
            would end it with the data.
    """

    has_places = False
    takes_views = False
    is_fixed = False
    keeps_batches = False
    orders_itself = False
    reorders = False
    reads_freely = True
    reads_once = False
    takes_parts = False
    joins_passes = False
    shuffles = "`True` or `False`"

    def __init__(self, x, how):
        self.how = how
        self._x = x
        self._scanned = None

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

    def count(self):
        """The number of examples in a pass, which may have to be read.

        Of arrays of which rows were split off, these count too.
        """
        return sum(len(numbers) for numbers, *_ in self.numbered())

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
                    "labels). Received: inputs alone. Give two arrays, "
                    f"`evaluate(x, y)`, or pairs of both.{way_to_pairs(x)}"
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
        found = Scan(self, self.read(SCANNED_BATCHES), SCANNED_BATCHES)
        self._scanned = found.first
        return found

    def pool(self):
        """All examples, to draw others from, or `None` if each batch is.

        Returns:
            A `Batch`, its weights those of classes too.
        """
        return None

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

    def check_steps(self):
        """Checks that the length of an epoch is known, where it has to be.

        Raises:
            ValueError: If it is not.
        """

    def check_shuffle(self):
        """Checks that it can be shuffled as `fit` was told.

        Raises:
            ValueError: If it cannot.
        """
        shuffle = self.how.shuffle
        is_said = shuffle is not None and shuffle is not UNSAID
        if not is_said or self._can_shuffle(shuffle):
            return
        raise ValueError(
            "Invalid value for argument `shuffle`. Expected "
            f"{self.shuffles} for data given as {type(self._x).__name__}. "
            f"Received: {shuffle!r}. Pass one of these, or leave it out."
        )

    def _can_shuffle(self, shuffle):
        is_number = isinstance(shuffle, numbers.Integral)
        return isinstance(shuffle, np.bool_) or (
            is_number and shuffle in (0, 1)
        )

    def check_epochs(self, size):
        """Checks that the last epoch does not end in the middle.

        Args:
            size: The number of batches in a pass, or `None`.

        Raises:
            ValueError: If it does.
        """
        steps, role = self.how.steps, self.how.role
        epochs = self.how.epochs - self.how.initial_epoch
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

    def epochs(self, generation, seed, first, views=None, size=1):
        """What Keras reads in a generation, from an epoch on.

        Args:
            generation: The number of the generation.
            seed: Its seed, which fixes the order of arrays and of data sets
                that are shuffled here.
            first: The first epoch to train, counted from 0.
            views: What each batch passes through: a function of inputs,
                labels, numbers of the examples, epoch and weights. Defaults
                to `None`.
            size: Steps in an execution. Defaults to `1`.

        Returns:
            Arguments of `keras.Model.fit`, a dict. `callbacks` are those that
            the data needs; `initial_epoch` is an earlier epoch to begin with,
            whose batches are to be read and left aside.
        """
        return self.as_given() | from_pass(self.course(size), first)

    def course(self, size):
        """The `Course` of its epochs, or `None` if each is all that is there.

        Args:
            size: Steps in an execution.
        """
        count = self.size()
        count = None if count == float("inf") else count
        steps = None if self.steps == count else self.steps
        if not (steps or count):
            return None
        repeats = bool(steps and count and count % steps) and (
            self.joins_passes or steps % size == 0
        )
        return Course(steps, count, size, self.how.initial_epoch, repeats)

    def as_given(self):
        """The data set as arguments of `keras.Model.fit`, a dict."""
        return {"x": self._x}

    def as_validation(self):
        """The data set as Keras takes `validation_data`."""
        return self._x

    def is_steady(self):
        """Whether any number of readings at a time find the same batches.

        And whether Keras reads them as a `tf.data.Dataset` of which it is
        known, by TensorFlow too, how many batches an epoch has.
        """
        return False

    def as_dataset(self):
        """A `tf.data.Dataset` of the batches of a pass, if it is steady."""
        return self._x

    def __repr__(self):
        """What the user gave, for the words of an error."""
        return repr(getattr(self._x, "__wrapped__", self._x))

    def describe(self):
        """What of it a run must have in common with another, a dict."""
        return {"kind": type(self._x).__name__, "batches": self.size()}

    def sample(self, anew=False):
        """What tells its values from those of another data set.

        Args:
            anew: Whether to read the first batch again, rather than to take
                the one that was scanned. Defaults to `False`.

        Returns:
            What `samples.sample` gives, or `None` where each reading is known
            to give another order.
        """
        return sample(*(next(self.read(1)) if anew else self._scanned))

    def telling(self):
        """What `sample` gives, where all workers have the same."""
        return None if self.how.is_part else self.sample()

    def owned(self, x):
        """What Keras reads, as a worker's own part of each batch.

        Args:
            x: What `epochs` gives as `x`.
        """
        return x.map(lambda x, *more: (Own(x), *more))

    def _batches(self):
        return iter(self._x)
