"""How the examples of a training are shown, and their outputs kept."""

import copy
import itertools
import os

import numpy as np

from keras_ban import checks
from keras_ban.distribution.cluster import Cluster
from keras_ban.distribution.parts import Partly
from keras_ban.feeding.passes import DIFFERS
from keras_ban.feeding.scan import SCANNED_BATCHES
from keras_ban.feeding.views import Views
from keras_ban.feeding.views import check_augment
from keras_ban.objectives import LogitRegression
from keras_ban.rows import first_rows
from keras_ban.state import seeds
from keras_ban.tasks import heads
from keras_ban.teaching.cache import TeacherCache
from keras_ban.teaching.filling import check_classes
from keras_ban.teaching.filling import check_kept
from keras_ban.teaching.filling import encode
from keras_ban.teaching.filling import fill
from keras_ban.teaching.filling import fingerprints
from keras_ban.teaching.outputs import Joining
from keras_ban.teaching.store import check_room
from keras_ban.teaching.store import size_of
from keras_ban.views import names


class Plan:
    """How the examples of a training are shown, as `fit` was told.

    Args:
        teacher_outputs: "online", "cached", the path of a folder, or a
            `TeacherCache`.
        augment: As `fit` takes it, or `None`.
        views: How many views each example has, or `None`.
        argument: What errors call `augment`. Defaults to `"augment"`.

    Raises:
        ValueError: If an argument is none of these, or if they do not fit
            each other.
    """

    def __init__(
        self,
        teacher_outputs="online",
        augment=None,
        views=None,
        argument="augment",
    ):
        self._cache = _cache(teacher_outputs)
        self._augment = names.get(augment, argument)
        self._argument = argument
        self._count = views
        # A teacher of which there are predictions alone.
        self._predictions = None
        if views is not None:
            checks.integer("views", views, 1)
        if augment is None and views is not None:
            raise ValueError(
                "`views` counts what `augment` makes. Expected `augment=` "
                f"beside it. Received: views={views} alone. Give a view, "
                "or leave `views` out."
            )
        if self._augment and self._cache and views is None:
            raise ValueError(
                "The teacher's outputs can be kept for a number of views. "
                "Expected `views=`. Received: `augment` alone, which makes a "
                "new view in each epoch. Pass `views=`, or "
                "`teacher_outputs='online'`."
            )

    def __bool__(self):
        return bool(self._cache or self._augment or self._predictions)

    def taught_by(self, teacher):
        """The plan of a training whose first teacher was given.

        Args:
            teacher: The `Teacher`, or `None`.

        Raises:
            ValueError: If examples are shown in views that it does not know.
        """
        if teacher is None or teacher.takes_inputs:
            return self
        if self._augment:
            raise ValueError(
                f"The teacher is {teacher.words}, which it gave for the "
                "examples as they are. Expected no views of them. Received: "
                f"`{self._argument}`. Leave it out, or give the teacher "
                "itself, a model or a function, which is shown each view."
            )
        found = copy.copy(self)
        found._predictions = teacher
        return found

    @property
    def mixes(self):
        """Whether labels are mixed."""
        return any(view.mixes for view in self._augment)

    def check(self, examples, objective, shape=None, outputs=(), task=None):
        """Checks that data and objective allow it.

        Args:
            examples: The `Examples` to train on.
            objective: The `Objective`.
            shape: Shape `(rows, ..., n)` of the models' output, if it is
                known. Defaults to `None`.
            outputs: What those that will teach give for a few examples while
                they are fresh, arrays of shape `(rows, ..., n)`. Defaults to
                `()`: nothing is known.
            task: The `Task` of the students. Defaults to `None`: it is not
                known.

        Raises:
            ValueError: If they do not, or if the data differs between two
                passes over its first batches.
        """
        if not self:
            return
        if examples.how.is_part and (self._cache or self._predictions):
            raise ValueError(
                "With `shard=True` no worker knows the examples of another, "
                "nor their numbers. Expected a teacher that runs in each step. "
                "Received: outputs that are found by the number of an example. "
                "Leave `teacher_outputs` out, or give a model as `teacher`."
            )
        if self._cache:
            _check_objective(self._cache, objective, task)
            if shape and self._cache.top_k:
                check_classes(self._cache, shape[-1])
            for output in itertools.chain(*map(heads.leaves, outputs)):
                check_kept(output, encode(output, self._cache), self._cache)
        if self._augment and not examples.takes_views:
            _unknown_places(self._argument, examples)
        if self._cache and not examples.has_places:
            _unknown_places("teacher_outputs", examples)
        if self._predictions and not examples.has_places:
            _unknown_places("teacher", examples)
        if examples.size() == float("inf"):
            raise ValueError(
                "`x` is infinite. Expected a data set with an end, as each "
                "example has its place in it. Leave out `.repeat()`; "
                "`steps_per_epoch` may still be any number."
            )
        if self._predictions:
            self._predictions.check_examples(examples)
        if self._cache and not examples.is_fixed:
            passes = [fingerprints(examples, SCANNED_BATCHES) for _ in range(2)]
            if not np.array_equal(*(rows for rows, _ in passes)):
                raise ValueError(DIFFERS)
        if self._augment:
            _, *rows = next(examples.numbered())
            known = () if shape is None else heads.leaves(shape)
            positions = any(len(one) > 2 for one in known)
            x, y = first_rows(rows)
            if isinstance(y, Partly):
                self._check_partly()
                y = y.labels
            check_augment(self._augment, x, y, positions, self._argument)
            self._check_batches(examples)

    def _check_partly(self):
        """Checks that views know what to do where there is no label."""
        for view in self._augment:
            if view.changes_labels and not view.mixes:
                raise ValueError(
                    f"The view {view!r} changes labels, and `unlabelled` has "
                    "none. Expected views of inputs, or those that mix. Give a "
                    "function of an example and its seed."
                )

    def _check_batches(self, examples):
        """Checks that a cached view draws from the same examples each time."""
        drawing = [view for view in self._augment if view.draws_others]
        is_fixed = examples.pool() is not None or examples.keeps_batches
        if self._cache and drawing and not is_fixed:
            raise ValueError(
                f"The view {drawing[0]!r} draws from the batch of a data set, "
                "and `shuffle=` makes other batches in each epoch, so the "
                "teacher's outputs cannot be cached. Expected arrays, which "
                "are drawn from as a whole, or batches that stay the same. "
                "Give arrays, leave out `shuffle=`, or let the teacher run in "
                "each step, `teacher_outputs='online'`."
            )

    def check_room(self, examples, shape, folders, cluster):
        """Checks that a disk has room for the outputs of teachers to come.

        Args:
            examples: The `Examples` to train on.
            shape: Shape `(..., n)` of what a teacher gives for one of them.
            folders: Where in the cache's folder the outputs of each teacher
                will be kept, a list.
            cluster: The `Cluster` of workers.

        Raises:
            OSError: If it has not, as far as the number of examples is known.
        """
        size = examples.size()
        if not size or not self._cache or not self._cache.directory:
            return
        numbers, *_ = next(examples.numbered(1))
        # The last batch may hold less.
        rows = (size - 1) * len(numbers) + 1
        needed = sum(
            size_of(
                encode(np.zeros((1, *one), "float32"), self._cache),
                rows,
                self._count or 1,
            )
            for one in heads.leaves(shape)
        )
        cluster.on_chief(
            lambda: check_room(self._cache.directory, folders, needed)
        )

    def views(
        self,
        examples,
        seed=0,
        teacher=None,
        folder=".",
        cluster=None,
        watch=lambda: None,
    ):
        """What each batch of a training passes through.

        Args:
            examples: The `Examples` to train on.
            seed: The seed of the views. Defaults to `0`.
            teacher: The `Teacher`, if there is one. Defaults to `None`.
            folder: Where in the cache's folder its outputs are kept. Defaults
                to `"."`.
            cluster: The `Cluster` of workers. Defaults to `None`: there is
                one.
            watch: Called between the batches that the teacher is shown, what
                it raises ends it. Defaults to a function that does nothing.

        Returns:
            A function of inputs, labels, numbers of the examples and epoch,
            or `None` if nothing is to be done.
        """
        pool = examples.pool() if self._augment else None
        if examples.how.is_part:
            # Each counts its examples from 0.
            seed = seeds.derive(seed, cluster.number)
        views = Views(self._augment, self._count, seed, pool)
        cache = self._cache
        if teacher and not teacher.takes_inputs:
            cache = cache or TeacherCache()
        if cache and teacher:
            cluster = cluster or Cluster()
            return Joining(
                views,
                fill(cache, teacher, examples, views, folder, cluster, watch),
            )
        return views if self._augment else None

    def describe(self):
        """What of it a run must have in common with another, a dict."""
        kept = self._cache
        return {
            "teacher_outputs": kept
            and {"dtype": kept.dtype, "top_k": kept.top_k},
            "augment": self._described(),
            "views": self._count,
        }

    def shown(self):
        """What tells its views from others, a list of texts and functions."""
        return [view.describe() for view in self._augment]

    def _described(self):
        found = self.shown()
        return found if found[1:] else next(iter(found), None)


def _cache(identifier):
    """The `TeacherCache` that an argument stands for, or `None`."""
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


def _check_objective(cache, objective, task):
    if not objective.needs_teacher:
        raise ValueError(
            f"The objective {objective.name!r} learns from no teacher. "
            "Received: `teacher_outputs`. Leave it out, or choose another "
            "objective."
        )
    if cache.top_k and task is not None and not task.has_classes:
        raise ValueError(
            "`top_k` keeps the largest probabilities of classes. Received: "
            f"models that predict {task.words}. Leave `top_k` out."
        )
    if cache.top_k and isinstance(objective, LogitRegression):
        raise ValueError(
            "`top_k` keeps probabilities, and the objective 'logits' "
            "compares logits. Expected an objective of probabilities, or "
            "all logits. Leave `top_k` out, or choose another objective."
        )


def _unknown_places(argument, examples):
    raise ValueError(
        f"`{argument}` needs to know each example by its place in the data. "
        "Expected arrays or a `tf.data.Dataset`. Received: "
        f"{examples!r}. Give one of these, with `shuffle=` as "
        "an argument of `fit`."
    )
