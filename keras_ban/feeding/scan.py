"""The first batches of a data set, read once and checked.

Each check raises one `ValueError` that says what was received, what was
expected and the way out.
"""

import itertools

import keras
import numpy as np

from keras_ban.rows import count
from keras_ban.rows import values
from keras_ban.tasks.checks import way_to_pairs

VALIDATION = "validation_data"
_PARTS = "inputs", "labels", "weights"
# Of a data set that is no array, so many batches are read to check them.
SCANNED_BATCHES = 100


class Scan:
    """One reading of a data set, to check it.

    Args:
        examples: The `Examples`.
        batches: Their batches, an iterator.
        limit: How many there are at most, or `None` if these are all.

    Attributes:
        first: The first batch `(x, y, sample_weight)`.

    Raises:
        ValueError: If there is no batch.
    """

    def __init__(self, examples, batches, limit=None):
        self._examples = examples
        self._role = examples.how.role
        self._limit = limit
        self.first = next(batches, None)
        if self.first is None:
            empty(self._role.data)
        self._batches = itertools.chain([self.first], batches)
        self._is_share = False

    def share(self, batches):
        """Goes on with a worker's share, in place of all that was given."""
        self._batches, self._is_share = batches, True

    def check(self, task, output_shape, needs_labels, cluster=None):
        """Reads on, and checks all that is read.

        Args:
            task: The `Task` of the models.
            output_shape: Shape `(rows, ..., n)` of their output.
            needs_labels: Whether labels may not be missing.
            cluster: The `Cluster` of workers, of which each has read its
                share. Defaults to `None`: all was read here.

        Raises:
            ValueError: If numbers are not finite, if labels are missing or do
                not fit the models, if there is one class only, if nothing has
                any weight or all labels are ignored, or if the data ends too
                early.
        """

        def look():
            return self._seen(task, output_shape, needs_labels)

        found = cluster.on_each(look) if cluster else [look()]
        own = cluster.number if cluster else 0
        seen = _together(found) if self._is_share else found[own]
        count, labels = seen["batches"], set(seen["labels"])
        if seen["weight"] == 0:
            raise ValueError(
                f"Every sample weight of `{self._role.data}` is 0. Expected "
                "one at least that is not. Check how the weights are made."
            )
        is_whole = count != self._limit
        if is_whole and seen["labelled"] and not labels:
            raise ValueError(
                f"Every label of `{self._role.data}` is {task.ignored}, which "
                "the loss ignores. Expected others too. Check how the labels "
                "are read, and the loss's `ignore_class`."
            )
        is_all = is_whole and not self._examples.how.is_part
        if self._role.trains and is_all and len(labels) == 1:
            raise ValueError(
                f"The labels of `{self._role.data}` hold one {task.noun} only. "
                f"Expected two {task.nouns} or more. Received: the "
                f"{task.noun} {labels.pop()} everywhere. Check how the "
                "labels are read."
            )
        self._check_length(count if is_whole else None)

    def _seen(self, task, output_shape, needs_labels):
        """What there is in all batches, each of which is checked, a dict."""
        count, labels, weight, has_labels = 0, set(), 0.0, False
        for x, y, sample_weight in self._batches:
            same_rows((x, y, sample_weight), self._role.data)
            finite(x, self._role.data)
            task.check_weight(sample_weight, output_shape)
            finite(sample_weight, "sample_weight")
            if y is not None:
                task.check_labels(y, output_shape, self._role.labels)
                labels |= task.seen(y, output_shape)
                has_labels = True
            elif needs_labels:
                unlabelled(self._role.data, x)
            weight += 1.0 if sample_weight is None else _total(sample_weight)
            count += 1
        return {
            "batches": count,
            "labels": sorted(map(repr, labels)),
            "weight": float(weight),
            "labelled": has_labels,
        }

    def check_alone(self, cluster=None):
        """Reads on, and checks inputs that are to have no labels.

        Args:
            cluster: As `check` takes it. Defaults to `None`.

        Raises:
            ValueError: If numbers are not finite.
        """

        def look():
            for x, _, _ in self._batches:
                finite(x, self._role.data)

        cluster.on_each(look) if cluster else look()

    def check_labelled(self):
        """Checks that the first batch has labels.

        Raises:
            ValueError: If it has none.
        """
        if self.first[1] is None:
            unlabelled(self._role.data, self.first[0])

    def _check_length(self, count):
        size = self._examples.size()
        # Only reading shows that a data set of unknown length ends for good.
        if size is None and not list(self._examples.read(1)):
            raise ValueError(
                f"`{self._role.data}` is exhausted after one pass. Expected a "
                "data set that starts anew each time it is read, as every "
                "epoch of every generation reads it again. Create the "
                "generator inside the function that `from_generator` is given."
            )
        self._examples.check_epochs(count if size is None else size)


def _together(seen):
    """What several workers have seen, each of its share."""
    return {
        "batches": sum(one["batches"] for one in seen),
        "labels": list(itertools.chain(*(one["labels"] for one in seen))),
        "weight": sum(one["weight"] for one in seen),
        "labelled": any(one["labelled"] for one in seen),
    }


def unlabelled(name, x=None):
    """Raises the error for data without labels.

    Args:
        name: What the error calls the data.
        x: Its inputs, if they are known. Defaults to `None`.
    """
    if name == VALIDATION:
        raise ValueError(
            f"`{name}` has no labels. Expected (inputs, labels), as networks "
            "are measured by them. Give both, `validation_data=(x, y)`, or "
            f"leave it out.{way_to_pairs(x)}"
        )
    raise ValueError(
        f"`{name}` has no labels. Expected (inputs, labels), as the objective "
        "or generation 0 learns from labels. Give the labels, or a trained "
        "`teacher=` and an objective that needs none ('ban', 'dkpp', "
        f"'logits').{way_to_pairs(x)}"
    )


def same_rows(parts, name):
    """Checks that inputs, labels and weights have as many rows each.

    Args:
        parts: A structure of arrays, of which some may be `None`.
        name: What the error calls the data.

    Raises:
        ValueError: If they have not.
    """
    lengths = [
        [count(a) for a in keras.tree.flatten(part) if a is not None]
        for part in parts
    ]
    if len(set(itertools.chain(*lengths))) > 1:
        found = ", ".join(
            f"{part} of {' and '.join(map(str, rows))}"
            for part, rows in zip(_PARTS, lengths, strict=False)
            if rows
        )
        raise ValueError(
            f"The arrays of `{name}` have different lengths. Expected the "
            f"same number of inputs, labels and weights. Received: {found} "
            "rows. Leave out the rows that lack one."
        )


def empty(name):
    """Raises the error for data without a batch."""
    raise ValueError(
        f"`{name}` is empty. Expected at least one batch. Check the files it "
        "is read from, its filters, and `drop_remainder`."
    )


def finite(x, name="x"):
    """Checks that arrays hold numbers or text, neither NaN nor infinity."""
    for leaf in keras.tree.flatten(x):
        if leaf is None:
            continue
        held = values(leaf)
        if held.dtype.kind in "cmMO" and not _is_text(held):
            raise ValueError(
                f"`{name}` holds {held.dtype} of shape {held.shape}. Expected "
                "real numbers or text. Convert it by `astype('float32')`, "
                "after you have made numbers of what is none."
            )
        if held.dtype.kind == "f" and not np.isfinite(held).all():
            where = np.argwhere(~np.isfinite(held))[0].tolist()
            raise ValueError(
                f"NaN or infinity in `{name}`. Expected finite numbers. "
                f"Received: {held[tuple(where)]} at index {where}. Clean "
                "the data, or check how it was scaled."
            )


def _is_text(array):
    return array.dtype.kind == "O" and all(
        isinstance(value, (bytes, str)) for value in array.flat
    )


def _total(sample_weight):
    held = keras.tree.flatten(sample_weight)
    return sum(np.abs(one).sum() for one in held if one is not None)
