"""Passes over the data of a generation, from any epoch on.

A generation that is interrupted reads on where it stood, in another process
too: batch b of epoch e of generation k is the same whenever it is read.
"""

import contextlib
import re
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

DIFFERS = (
    "The data differs from one pass to the next, so the teacher's outputs "
    "cannot be cached. Expected the same examples in the same order each time "
    "it is read. Give a `tf.data.Dataset` that is not shuffled, with "
    "`fit(..., shuffle=buffer)`, and its augmentation as a function of a seed, "
    "`fit(..., augment=function, views=K)`; or let the teacher run in each "
    "step, `teacher_outputs='online'`."
)
NO_DATASET = (
    "Invalid value for argument `x`. Expected a function from generation and "
    "epoch to a `tf.data.Dataset`."
)
# What is raised inside of a graph, up to the end of its line.
_RAISED = re.compile(f"({re.escape(DIFFERS)}|{re.escape(NO_DATASET)})[^\n]*")
_LENGTHS = re.compile("[^\n]*was expected to contain[^\n]*")


# Batches that wait for a step. TensorFlow's own choice grows for as long as it
# is read, to thousands of batches.
AHEAD = 2


class Course(NamedTuple):
    """Where epochs begin and end in the passes over data, as Keras has it.

    Keras trains in executions of several steps. One ends early where the
    data does, and not where the epoch does.

    Attributes:
        steps: Batches in an epoch, or `None` for a pass.
        count: Batches in a pass, or `None` if that is unknown or endless.
        size: Steps in an execution.
        initial: The first epoch of the training.
        repeats: Whether an epoch goes on where a pass ends.
    """

    steps: int | None
    count: int | None
    size: int = 1
    initial: int = 0
    repeats: bool = False

    @property
    def whole(self):
        """The batches of an epoch in which no pass ends."""
        return -(-(self.steps or self.count) // self.size) * self.size

    @property
    def is_even(self):
        """Whether all epochs are whole, so that passes follow each other."""
        return self.repeats or not self.count or self.count % self.whole == 0

    def place(self, epoch):
        """Where an epoch begins.

        Args:
            epoch: Its number.

        Returns:
            The number of the pass, and how many of its batches were read.
        """
        done = epoch - self.initial
        if self.is_even:
            done *= self.whole
            number, rest = divmod(done, self.count) if self.count else (0, done)
        else:
            number, rest = divmod(done, -(-self.count // self.whole))
            rest *= self.whole
        return self.initial + number, rest

    def begin(self, epoch):
        """The epoch that began the pass in which an epoch begins."""
        return epoch - self.place(epoch)[1] // self.whole


class Needed(keras.callbacks.Callback):
    """A callback that data needs, in epochs that are only read too."""

    def close(self):
        """Leaves the data as it was found, when training has ended."""


class Clock(Needed):
    """Knows the epoch, for data that is read anew in each."""

    def __init__(self):
        super().__init__()
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def stream(make, course, first, views=None, gather=None, share=None):
    """Passes over data, one after another or each by itself.

    Args:
        make: Function from the number of a pass to its `tf.data.Dataset`.
        course: The `Course`.
        first: The epoch that is read first.
        views: What each batch passes through, as `Examples.epochs` takes it;
            `make` then gives the numbers of the examples and a batch.
            Defaults to `None`.
        gather: Function from numbers to a batch, where `make` gives numbers
            alone. Defaults to `None`.
        share: The `Share` of the numbers of each batch that is gathered.
            Defaults to `None`, all.

    Returns:
        A `tf.data.Dataset` of batches, and the callbacks that it needs.
    """

    def shown(data, position):
        if not views and not gather:
            return data
        return viewed(data, views, position, course.whole, gather, share)

    if course.is_even:
        number, rest = course.place(first)
        data = tf.data.Dataset.counter(number).flat_map(make).skip(rest)
        return shown(data, first * course.whole), []
    clock = Clock()

    def now():
        epoch = np.int64(clock.epoch)
        return np.int64(course.place(epoch)[0]), epoch * course.whole

    def current(_):
        number, position = (
            tf.ensure_shape(found, [])
            for found in tf.numpy_function(now, [], ["int64", "int64"])
        )
        return shown(make(number), position)

    # An execution ends early at the end of its data alone: Keras reads this
    # data set anew where a pass begins.
    data = tf.data.Dataset.range(1).flat_map(current)
    length = tf.data.experimental.assert_cardinality(course.count)
    return data.apply(length), [clock]


def viewed(data, views, first, whole, gather=None, share=None):
    """Passes numbered batches through views.

    Args:
        data: A `tf.data.Dataset` of the numbers of the examples and a batch.
        views: Function of inputs, labels, numbers, epoch and weights, or
            `None`.
        first: The position of the first batch: `whole` times its epoch.
        whole: Positions in an epoch.
        gather: As `stream` takes it. Defaults to `None`.
        share: As `stream` takes it. Defaults to `None`.
    """

    def view(position, numbered):
        # In one function: what is done to a batch has a cost for each.
        rows = tf.shape(numbered, out_type="int64")[0] if share else None
        numbered = share.own(numbered) if share else numbered
        numbers, batch = (numbered, gather(numbered)) if gather else numbered
        batch = batch if isinstance(batch, tuple) else (batch,)
        found = keras.utils.unpack_x_y_sample_weight(batch)
        if views:
            x, y, weight = found
            found = views(x, y, numbers, position // whole, weight)
        found = tuple(found)[: len(batch)]
        return share.parts(found, rows) if share else found

    data = data.enumerate(first)
    return data.map(view, num_parallel_calls=tf.data.AUTOTUNE)


def arguments(data, callbacks, course, first):
    """What `stream` gives as arguments of `keras.Model.fit`, a dict.

    Args:
        data: A `tf.data.Dataset` of batches, in their order.
        callbacks: The callbacks that it needs.
        course: The `Course`.
        first: The epoch that is read first.
    """
    steps = course.steps
    if course.is_even:
        steps = steps or course.count
    return {
        "x": data,
        "y": None,
        "sample_weight": None,
        "batch_size": None,
        "steps_per_epoch": steps,
        "shuffle": False,
        "class_weight": None,
        "callbacks": callbacks,
        **({} if course.is_even else from_pass(course, first)),
    }


def from_pass(course, first):
    """The argument `initial_epoch` that begins with the pass, a dict.

    Args:
        course: The `Course`, or `None`.
        first: The first epoch to train.

    Returns:
        Nothing, if the pass begins with that epoch.
    """
    begin = course.begin(first) if course else first
    return {} if begin == first else {"initial_epoch": begin}


@contextlib.contextmanager
def clear_errors(name):
    """Says in plain words what TensorFlow says of an epoch that is too short.

    Args:
        name: The name of the generation.
    """
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnknownError) as error:
        raised = _RAISED.search(str(error))
        if not raised:
            raise
        raise ValueError(raised[0]) from error
    except tf.errors.FailedPreconditionError as error:
        if "was expected to contain" not in str(error):
            raise
        raise ValueError(
            f"The data of {name} ends before the epoch does. Expected as many "
            "batches in each epoch as in the first. Received: "
            f"{_LENGTHS.search(error.message)[0]} Make all data sets equally "
            "long, or pass a `steps_per_epoch` that each of them has."
        ) from error
