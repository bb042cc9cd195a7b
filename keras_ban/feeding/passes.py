"""Passes over the data of a generation, endless and from any step on.

A generation that is interrupted reads on where it stood, in another process
too: batch b of epoch e of generation k is the same whenever it is read.
"""

import contextlib
import re

import tensorflow as tf

DIFFERS = (
    "The data differs from one pass to the next, so the teacher's outputs "
    "cannot be cached. Expected the same examples in the same order each time "
    "it is read. Give a `tf.data.Dataset` that is not shuffled, with "
    "`fit(..., shuffle=buffer)`, and its augmentation as a function of a seed, "
    "`fit(..., augment=function, views=K)`; or let the teacher run in each "
    "step, `teacher_outputs='online'`."
)
_LENGTHS = re.compile("[^\n]*was expected to contain[^\n]*")


def endless(make, done, count):
    """Passes over the data, one after another, without those that are done.

    Args:
        make: Function from the number of a pass to its `tf.data.Dataset`.
        done: How many batches to leave out.
        count: Batches in a pass, or `None` if that is unknown.
    """
    first, rest = divmod(done, count) if count else (0, done)
    return tf.data.Dataset.counter(first).flat_map(make).skip(rest)


def viewed(data, views, first, steps):
    """Passes numbered batches through views.

    Args:
        data: A `tf.data.Dataset` of the numbers of the examples and a batch.
        views: Function of inputs, labels, numbers and epoch.
        first: The epoch that the data begins with.
        steps: Batches in an epoch.
    """

    def view(position, numbered):
        numbers, batch = numbered
        batch = batch if isinstance(batch, tuple) else (batch,)
        x, y, *rest = (*batch, None)[: max(len(batch), 2)]
        x, y = views(x, y, numbers, position // steps)
        return (x, y, *rest)[: len(batch)]

    data = data.enumerate(first * steps)
    return data.map(view, num_parallel_calls=tf.data.AUTOTUNE)


def arguments(data, steps):
    """Endless passes as arguments of `keras.Model.fit`, a dict.

    Args:
        data: A `tf.data.Dataset` of batches, in their order.
        steps: Batches in an epoch.
    """
    return {
        "x": data,
        "y": None,
        "sample_weight": None,
        "batch_size": None,
        "steps_per_epoch": steps,
        "shuffle": False,
        "class_weight": None,
    }


@contextlib.contextmanager
def clear_errors(name):
    """Says in plain words what TensorFlow says of an epoch that is too short.

    Args:
        name: The name of the generation.
    """
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnknownError) as error:
        if DIFFERS not in str(error):
            raise
        raise ValueError(DIFFERS) from error
    except tf.errors.FailedPreconditionError as error:
        if "was expected to contain" not in str(error):
            raise
        raise ValueError(
            f"The data of {name} ends before the epoch does. Expected as many "
            "batches in each epoch as in the first. Received: "
            f"{_LENGTHS.search(error.message)[0]} Make all data sets equally "
            "long, or pass a `steps_per_epoch` that each of them has."
        ) from error
