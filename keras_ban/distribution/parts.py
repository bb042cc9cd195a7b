"""What stands in the place of a batch, of its inputs or of its labels."""

from typing import Any
from typing import NamedTuple

import keras


class Joined(NamedTuple):
    """Inputs, and what the teacher gives for them.

    Attributes:
        inputs: A batch of inputs.
        outputs: What `topk.decode` takes.
    """

    inputs: Any
    outputs: Any


class Mixed(NamedTuple):
    """Labels of examples that are mixed of two each.

    Attributes:
        first: The labels of the first examples, of shape `(batch, ...)`.
        second: Those of the second ones, alike.
        share: The share of the first example in the inputs, from 0 to 1, of
            shape `(batch,)`.
        part: The part that the first label has in the loss, from 0 to 1:
            `share`, but where the two have other sample weights. Of the shape
            of these.
    """

    first: Any
    second: Any
    share: Any
    part: Any


class Partly(NamedTuple):
    """Labels of a batch in which some examples have none.

    Attributes:
        labels: Labels of shape `(batch, ...)`, any where there is none.
        known: Which there are, booleans of shape `(batch,)`.
    """

    labels: Any
    known: Any


class Own(NamedTuple):
    """Inputs of examples that a worker has for itself.

    Attributes:
        inputs: Its part of a global batch.
    """

    inputs: Any


class Part(NamedTuple):
    """A replica's part of a global batch.

    Attributes:
        batch: What `fit` reads, at least a row of it.
        rows: How many of its rows count, an integer tensor: all, or none if
            the global batch has fewer rows than there are replicas.
        place: The number of the first of them in the global batch, and how many
            rows that has; `()` where each worker has data for itself.
    """

    batch: Any
    rows: Any
    place: Any


def opened(data):
    """A batch, and a function to leave out the rows that do not count.

    Args:
        data: A batch as the steps of a model are given it, or a `Part`.

    Returns:
        The batch, and a function from structures of tensors, with the axis of
        the batch, to a tuple of these.
    """
    if not isinstance(data, Part):
        return data, lambda *given: given

    def cut(*given):
        return keras.tree.map_structure(
            lambda a: None if a is None else _cut(a, data.rows), given
        )

    return data.batch, cut


def _cut(tensor, rows):
    found = tensor[:rows]
    # What Keras and its layers know of a tensor besides.
    for name in ("_keras_mask", "_keras_logits"):
        known = getattr(tensor, name, None)
        if known is not None:
            setattr(found, name, known[:rows])
    return found
