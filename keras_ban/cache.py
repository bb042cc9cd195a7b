"""The teacher's outputs, computed once and kept in memory or on disk."""

import functools
import hashlib
import io
import itertools
import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from keras_ban import batches
from keras_ban import checks
from keras_ban import fingerprint
from keras_ban import stream
from keras_ban import topk
from keras_ban.cluster import Cluster
from keras_ban.data_checks import SCANNED_BATCHES
from keras_ban.objectives import LogitRegression
from keras_ban.store import Store
from keras_ban.views import Views
from keras_ban.views import check_augment
from keras_ban.views import row_fingerprints

_DTYPES = ("float32", "float16")


class TeacherCache:
    """How the outputs of a teacher are kept.

    Memory or disk: `rows * views * classes` numbers of `dtype`, for sequences
    times their length; with `top_k`, `rows * views * k` numbers of `dtype` and
    as many of 4 bytes, and `rows * views * 4` bytes. Beside it, 8 bytes for
    each row.

    With `top_k`, the other classes share the remaining probability `r`
    equally. Against the teacher's own probabilities, the gradient of the
    teacher's term at temperature 1 is off by `2 r` at most, in the sum of
    absolute values over a sample's logits.

    Args:
        directory: A folder for the outputs, in memory-mapped files. Defaults
            to `None`: memory.
        dtype: "float32" or "float16", which keeps 3 digits of each logit.
            Defaults to `"float32"`.
        top_k: How many of the largest probabilities are kept of each row, a
            positive integer. Defaults to `None`, all logits.

    Raises:
        ValueError: If an argument is not of these kinds.

    Example:
    >>> cache = keras_ban.TeacherCache("cache", dtype="float16")
    >>> distiller.fit(x, y, teacher_outputs=cache)
    """

    def __init__(self, directory=None, dtype="float32", top_k=None):
        if directory is not None:
            checks.directory(directory, "all", None, False)
            directory = pathlib.Path(directory).expanduser().absolute()
        if dtype not in _DTYPES:
            raise ValueError(
                "Invalid value for argument `dtype`. Expected one of "
                f"{_DTYPES}. Received: {dtype!r}"
            )
        if top_k is not None:
            top_k = checks.integer("top_k", top_k, 1)
        self.directory = directory
        self.dtype = dtype
        self.top_k = top_k

    def check(self, objective, classes=None):
        """Checks that an objective can be computed from what is kept.

        Args:
            objective: The `Objective`.
            classes: Their number, if it is known. Defaults to `None`.

        Raises:
            ValueError: If it cannot.
        """
        if not objective.needs_teacher:
            raise ValueError(
                f"The objective {objective.name!r} learns from no teacher. "
                "Received: `teacher_outputs`. Leave it out, or choose another "
                "objective."
            )
        if self.top_k and isinstance(objective, LogitRegression):
            raise ValueError(
                "`top_k` keeps probabilities, and the objective 'logits' "
                "compares logits. Expected an objective of probabilities, or "
                "all logits. Leave `top_k` out, or choose another objective."
            )
        if classes:
            self._check_classes(classes)

    def _check_classes(self, classes):
        if self.top_k and self.top_k >= classes:
            raise ValueError(
                f"`top_k` must be less than the {classes} classes. Received: "
                f"{self.top_k}. Leave it out to keep all logits."
            )

    def fill(self, teacher, arguments, views, folder=".", cluster=None):
        """The outputs of a teacher for all examples, and all their views.

        Several workers compute their shares side by side. The chief has them
        in the directory, the others in a temporary one.

        Args:
            teacher: A `Teacher`.
            arguments: The arguments of `fit`, as `stream.prepare` gave them.
            views: The `Views` that the teacher is shown.
            folder: Where in the directory they are kept. Defaults to `"."`.
            cluster: The `Cluster` of workers. Defaults to `None`: there is
                one.

        Returns:
            `Outputs`.

        Raises:
            ValueError: If the data differs from one pass to the next, or if
                the directory holds the outputs of another teacher or of other
                data.
        """
        rows, starts = _pass(arguments)
        made_of = {
            "teacher": fingerprint.weights(teacher.model),
            "data": _digest([rows]),
            "dtype": self.dtype,
            "top_k": self.top_k,
            "views": views.count,
            "augment": views.augment and _digest_of_view(views, arguments),
        }
        cluster = cluster or Cluster()
        directory = self.directory and self.directory / folder
        store = Store(directory, made_of, is_own=cluster.number == 0)
        # Arrays cannot change behind our back.
        known = None if batches.is_arrays(arguments["x"]) else rows
        outputs = Outputs(store, starts, known)
        with store.open(cluster) as is_complete:
            if not is_complete:

                def give(view, numbers, x, y):
                    outputs.check(x, numbers)
                    shown = views.shown(x, y, numbers, view)
                    return self._encoded(teacher.function(shown))

                for view in range(views.count):
                    examples = stream.examples(arguments)
                    for numbers, encoded in _computed(
                        examples, functools.partial(give, view), cluster
                    ):
                        if not view and not numbers[0]:
                            store.create(encoded, len(rows), views.count)
                        store.write(view, numbers, encoded)
                store.close()
        return outputs

    def _encoded(self, logits):
        if self.top_k is None:
            return (np.asarray(logits, self.dtype),)
        self._check_classes(logits.shape[-1])
        found = topk.encode(logits, self.top_k, self.dtype)
        return tuple(np.asarray(part) for part in found)


def get(identifier):
    """Returns the `TeacherCache` that an argument stands for, or `None`.

    Args:
        identifier: "online", "cached", the path of a folder, or a
            `TeacherCache`.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(identifier, TeacherCache):
        return identifier
    if identifier == "online":
        return None
    if identifier == "cached":
        return TeacherCache()
    if isinstance(identifier, (str, os.PathLike)) and os.fspath(identifier):
        return TeacherCache(identifier)
    raise ValueError(
        "Invalid value for argument `teacher_outputs`. Expected 'online', "
        "'cached', the path of a folder or a `keras_ban.TeacherCache`. "
        f"Received: {identifier!r}"
    )


class Plan:
    """How the examples of a training are shown, as `fit` was told.

    Args:
        teacher_outputs: As `get` takes it.
        augment: As `fit` takes it, or `None`.
        views: How many views each example has, or `None`.

    Raises:
        ValueError: If these do not fit each other.
    """

    def __init__(self, teacher_outputs="online", augment=None, views=None):
        self._cache = get(teacher_outputs)
        self._augment = augment
        self._count = views
        if views is not None:
            checks.integer("views", views, 1)
        if augment is None and views is not None:
            raise ValueError(
                "`views` counts what `augment` makes. Expected `augment=` "
                f"beside it. Received: views={views} alone. Give a function, "
                "or leave `views` out."
            )
        if augment and self._cache and views is None:
            raise ValueError(
                "The teacher's outputs can be kept for a number of views. "
                "Expected `views=`. Received: `augment` alone, which makes a "
                "new view in each epoch. Pass `views=`, or "
                "`teacher_outputs='online'`."
            )

    def __bool__(self):
        return bool(self._cache or self._augment)

    def check(self, arguments, objective, classes=None):
        """Checks that data and objective allow it.

        Args:
            arguments: The arguments of `fit`, as `stream.prepare` gave them.
            objective: The `Objective`.
            classes: Their number, if it is known. Defaults to `None`.

        Raises:
            ValueError: If they do not, or if the data differs between two
                passes over its first batches.
        """
        x, kept = arguments["x"], self._cache
        if not self:
            return
        if kept:
            kept.check(objective, classes)
        known = batches.is_arrays(x) or isinstance(x, tf.data.Dataset)
        if not known and (
            self._augment or not isinstance(x, keras.utils.PyDataset)
        ):
            name = "augment" if self._augment else "teacher_outputs"
            raise ValueError(
                f"`{name}` needs to know each example by its place in the "
                "data. Expected arrays or a `tf.data.Dataset`. Received: "
                f"{x!r}. Give one of these, with `shuffle=` as an argument of "
                "`fit`."
            )
        if batches.size(x) == float("inf"):
            raise ValueError(
                "`x` is infinite. Expected a data set with an end, as each "
                "example has its place in it. Leave out `.repeat()`; "
                "`steps_per_epoch` may still be any number."
            )
        if kept and not batches.is_arrays(x):
            passes = [_pass(arguments, SCANNED_BATCHES)[0] for _ in range(2)]
            if not np.array_equal(*passes):
                raise ValueError(stream.DIFFERS)
        if self._augment:
            _, *rows = next(stream.examples(arguments))
            rows = batches.first_rows(rows, checks.PROBE_ROWS)
            check_augment(self._augment, *rows)

    def views(self, arguments, seed=0, teacher=None, folder=".", cluster=None):
        """What each batch of a training passes through.

        Args:
            arguments: The arguments of `fit`, as `stream.prepare` gave them.
            seed: The seed of the views. Defaults to `0`.
            teacher: The `Teacher`, if there is one. Defaults to `None`.
            folder: Where in the cache's folder its outputs are kept. Defaults
                to `"."`.
            cluster: The `Cluster` of workers. Defaults to `None`: there is
                one.

        Returns:
            `Views`, or `None` if nothing is to be done.
        """
        views = Views(self._augment, self._count, seed)
        if self._cache and teacher:
            views.outputs = self._cache.fill(
                teacher, arguments, views, folder, cluster
            )
        return views if views.outputs or self._augment else None

    def describe(self):
        """What of it a run must have in common with another, a dict."""
        kept = self._cache
        return {
            "teacher_outputs": kept
            and {"dtype": kept.dtype, "top_k": kept.top_k},
            "augment": self._augment,
            "views": self._count,
        }


def _computed(examples, function, cluster):
    """Yields numbers and outputs of each batch; workers compute one in turn."""
    if not cluster.several:
        for numbers, *rows in examples:
            yield numbers, function(numbers, *rows)
        return
    examples = iter(examples)
    while group := list(itertools.islice(examples, cluster.size)):
        content = b""
        if cluster.number < len(group):
            content = _packed(function(*group[cluster.number]))
        for source, (numbers, *_) in enumerate(group):
            yield numbers, _unpacked(cluster.share(content, source))


def _packed(arrays):
    file = io.BytesIO()
    np.savez(file, *arrays)
    return file.getvalue()


def _unpacked(content):
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return [file[name] for name in file.files]


def _pass(arguments, limit=None):
    """Fingerprints of all examples, and the number of each batch's first."""
    found, starts = [], []
    for numbers, x, _ in itertools.islice(stream.examples(arguments), limit):
        found.append(row_fingerprints(x))
        starts.append(int(numbers[0]))
    return np.concatenate(found), starts


def _digest_of_view(views, arguments):
    numbers, x, y = next(stream.examples(arguments))
    return _digest(keras.tree.flatten(views.shown(x, y, numbers, 0)))


def _digest(arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.asarray(array).tobytes())
    return digest.hexdigest()


class Outputs:
    """The outputs of one teacher for one data set.

    Args:
        store: The `Store` that holds them.
        starts: The number of each batch's first example, in an unshuffled
            pass.
        rows: The fingerprints of the examples, of shape `(rows,)`, or `None`
            if nothing needs to be compared.

    Attributes:
        store: As given.
        starts: As given.
    """

    def __init__(self, store, starts, rows=None):
        self.store = store
        self.starts = starts
        self._rows = rows

    def of(self, x, numbers, view):
        """The outputs for a batch, in a graph of `tf.data`.

        Args:
            x: Inputs, before they are augmented.
            numbers: The numbers of the examples, of shape `(batch,)`.
            view: The number of the view, an integer tensor.
        """
        specs = self.store.specs()
        inputs = [numbers, view]
        if self._rows is not None:
            inputs.append(row_fingerprints(x))
        found = tf.numpy_function(
            self._find, inputs, [dtype for dtype, _ in specs], stateful=False
        )
        # A single one is no list outside of a graph.
        found = tf.nest.flatten(found)
        return tuple(
            tf.ensure_shape(tensor, [None, *shape])
            for tensor, (_, shape) in zip(found, specs, strict=True)
        )

    def check(self, x, numbers):
        """Checks that these are the examples that the outputs are for.

        Args:
            x: Inputs, before they are augmented.
            numbers: The numbers of the examples, of shape `(batch,)`.

        Raises:
            ValueError: If they are not.
        """
        if self._rows is not None:
            self._check(row_fingerprints(x), numbers)

    def _check(self, rows, numbers):
        if not np.array_equal(rows, self._rows[numbers]):
            raise ValueError(stream.DIFFERS)

    def _find(self, numbers, view, rows=None):
        if rows is not None:
            self._check(rows, numbers)
        return self.store.read(view, numbers)
