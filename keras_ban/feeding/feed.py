"""What `fit` is given: made once, at its beginning."""

import copy
import dataclasses
import difflib
import inspect
import numbers

import keras

from keras_ban import checks
from keras_ban.feeding import class_weights
from keras_ban.feeding.door import given
from keras_ban.feeding.examples import TRAINING
from keras_ban.feeding.examples import UNSAID
from keras_ban.feeding.examples import VALIDATION
from keras_ban.feeding.examples import Examples
from keras_ban.feeding.examples import Reading
from keras_ban.feeding.unlabelled import NAME
from keras_ban.feeding.unlabelled import beside

_COUNTS = (
    "batch_size",
    "epochs",
    "steps_per_epoch",
    "validation_batch_size",
    "validation_steps",
)
# Those of `BornAgain.fit` alone, of which one may be meant.
OWN = (
    "augment",
    "generations",
    "learn_from",
    "phases",
    "shard",
    "teacher",
    "teacher_augment",
    "teacher_outputs",
    "teachers",
    "unlabelled",
    "views",
)
# What makes a training another one.
_TELLING = (
    "batch_size",
    "class_weight",
    "epochs",
    "initial_epoch",
    "shuffle",
    "steps_per_epoch",
    "validation_freq",
    "validation_steps",
)


@dataclasses.dataclass(frozen=True)
class Feed:
    """The data of a training, and its schedule.

    Attributes:
        train: The `Examples` to train on.
        validation: The `Examples` to validate on, or `None`.
        schedule: The other arguments of `keras.Model.fit`, a dict.
        lengths: The number of epochs of each generation, a tuple, where each
            has its own. Defaults to `()`.
        students: The `Examples` that students are trained on, if there are
            more of them, and those of them that have no label. Defaults to
            `None`: those of `train`.
    """

    train: Examples
    validation: Examples | None
    schedule: dict
    lengths: tuple = ()
    students: tuple | None = None

    @property
    def taught(self):
        """The `Examples` that students are trained on."""
        return self.students[0] if self.students else self.train

    @property
    def epochs(self):
        """The number of epochs."""
        return self.schedule.get("epochs", 1)

    @property
    def initial_epoch(self):
        """The epoch to begin with, counted from 0."""
        return self.schedule.get("initial_epoch", 0)

    def check_initial_epoch(self):
        """Checks that there is an epoch to train.

        Raises:
            ValueError: If there is not.
        """
        first = checks.integer("initial_epoch", self.initial_epoch, 0)
        epochs = min(self.lengths or [self.epochs])
        if first >= epochs:
            raise ValueError(
                "`initial_epoch` leaves no epoch to train. Expected less than "
                f"epochs={epochs}. Received: {first}. Raise `epochs`, the "
                "number at which training ends, or lower `initial_epoch`."
            )

    @property
    def verbose(self):
        """As `fit` takes it."""
        return self.schedule.get("verbose", "auto")

    def as_given(self):
        """The arguments of `keras.Model.fit`, its validation data split off."""
        return self._with(self.train.as_given())

    def for_generation(self, number):
        """The `Feed` of a generation, by its number."""
        found = self.until(self.lengths[number]) if self.lengths else self
        return found.for_student() if number else found.for_first()

    def for_first(self):
        """The `Feed` of what learns from labels alone."""
        return dataclasses.replace(self, students=None)

    def for_student(self):
        """The `Feed` of what learns from a teacher."""
        return dataclasses.replace(self, train=self.taught, students=None)

    def until(self, epoch):
        """The `Feed` of a training that ends with an epoch."""
        schedule = self.schedule | {"epochs": epoch}
        return dataclasses.replace(self, schedule=schedule, lengths=())

    def since(self, epoch):
        """The `Feed` of a training that begins with an epoch, or later.

        Args:
            epoch: Its number. The data begins anew there, as in a call of
                `keras.Model.fit`.
        """
        first = max(epoch, self.initial_epoch)
        if first == self.initial_epoch:
            return self
        schedule = self.schedule | {"initial_epoch": first}
        train = copy.copy(self.train)
        train.how = train.how._replace(initial_epoch=first)
        return dataclasses.replace(self, schedule=schedule, train=train)

    def generation(self, number, seed, first, views=None, size=1):
        """The arguments of `keras.Model.fit` for a generation.

        Args:
            number: The number of the generation.
            seed: Its seed.
            first: The first epoch to train, counted from 0.
            views: What each batch passes through, as `Examples.epochs` takes
                it. Defaults to `None`.
            size: Steps in an execution. Defaults to `1`.

        Returns:
            A dict. `initial_epoch` is `first`, or an earlier one
            as `Examples.epochs` has it. To the `callbacks` of `fit` those are
            added that the data needs.
        """
        data = self.train.epochs(number, seed, first, views, size)
        if self.train.how.is_part:
            data["x"] = self.train.owned(data["x"])
        needed = data.pop("callbacks", [])
        if first >= self.epochs:
            data.pop("initial_epoch", None)
        given = self.schedule.get("callbacks")
        if needed:
            given = [*needed, *keras.tree.flatten(given or [])]
        begin = {"initial_epoch": first, "callbacks": given}
        return self._with(begin | data)

    def _with(self, data):
        validation = self.validation and self.validation.as_validation()
        return self.schedule | {"validation_data": validation} | data

    @property
    def weighs_classes(self):
        """Whether samples or positions are weighted by their classes."""
        return self.schedule.get("class_weight") is not None

    def weigh_classes(self, task, output_shape):
        """Learns how labels are read, whose classes are weighted.

        Args:
            task: The `Task` of the models.
            output_shape: Shape `(rows, ..., n)` of the models' output.

        Raises:
            ValueError: If the models predict no classes.
        """
        class_weights.check_task(self.schedule.get("class_weight"), task)
        axes = len(output_shape) - 1
        for examples in (self.train, self.taught):
            examples.how = examples.how._replace(label_axes=axes)

    def check_unlabelled(self, objective, teacher, cluster=None):
        """Checks the examples without labels, if there are any.

        Args:
            objective: The `Objective` of the students.
            teacher: The first `Teacher`, or `None`.
            cluster: As `Scan.check` takes it. Defaults to `None`.

        Raises:
            ValueError: If it learns nothing from them, or if their inputs are
                not finite.
        """
        if self.students:
            if teacher is not None and not teacher.takes_inputs:
                raise ValueError(
                    f"The teacher is {teacher.words}, which belong to examples "
                    f"of `x`. Expected no `{NAME}` beside them. Leave it out, "
                    "or give the teacher itself, a model or a function."
                )
            objective.check_unlabelled()
            self.students[1].scan().check_alone(cluster)

    def describe(self):
        """What of it a run must have in common with another, a dict."""
        schedule = {k: self.schedule.get(k) for k in _TELLING}
        if self.lengths:
            schedule["epochs"] = self.lengths[0]
        more = {NAME: self.students[1].describe()} if self.students else {}
        if self.train.how.is_part:
            more["shard"] = True
        return more | {
            "data": self.train.describe(),
            "validation data": self.validation and self.validation.describe(),
            "schedule": schedule | {"steps_per_epoch": self.train.steps},
        }

    def samples(self):
        """What tells its values from those of other data, a dict."""
        return {
            name: examples and examples.telling()
            for name, examples in self._named().items()
        }

    def sample_anew(self, name):
        """What a second reading gives in place of one of `samples`."""
        return self._named()[name].sample(anew=True)

    def _named(self):
        found = {"data": self.train, "validation data": self.validation}
        return found | ({NAME: self.students[1]} if self.students else {})


def feed(
    arguments,
    viewed=False,
    generation=None,
    once=False,
    epoch_seed=None,
    lengths=(),
    share=None,
    shard=False,
):
    """The `Feed` of a call of `fit`.

    Args:
        arguments: The arguments of `keras.Model.fit`, a dict.
        viewed: Whether batches will pass through views. Defaults to `False`.
        generation: As `door.given` takes it, for the training data.
        once: As `door.given` takes it; validation data may be a generator
            beside one alone.
        epoch_seed: As `Reading` has it. Defaults to `None`.
        lengths: The number of epochs of each generation, a tuple, in place
            of that of the arguments. Defaults to `()`: there is one for all.
        share: The `Share` of a worker in each batch, or `None` for all of it.
            Defaults to `None`.
        shard: Whether it is given its own part alone. Defaults to `False`.

    Raises:
        ValueError: If there is an argument that `keras.Model.fit` does not
            know, or a count below 1; or as `door.given` raises it.
    """
    schedule = dict(arguments)
    if lengths:
        schedule["epochs"] = max(lengths)
    unlabelled = schedule.pop(NAME, None)
    check_arguments(schedule)
    x, y, sample_weight, held_out = (
        schedule.pop(k, None)
        for k in ("x", "y", "sample_weight", "validation_data")
    )
    fraction = schedule.pop("validation_split", 0.0)
    how = Reading(
        TRAINING,
        schedule.get("batch_size"),
        schedule.get("steps_per_epoch"),
        schedule.get("epochs", 1),
        schedule.get("initial_epoch", 0),
        schedule.get("shuffle", UNSAID),
        viewed,
        epoch_seed,
        schedule.get("class_weight"),
        share=None if shard else share,
        is_part=bool(shard and share),
    )
    train = given(x, y, sample_weight, how, generation, once)
    if shard:
        _check_parts(train, fraction)
    # What replaces a batch's size in training leaves that of validation.
    size = schedule.get("validation_batch_size") or how.batch_size
    schedule["validation_batch_size"] = size
    how = Reading(VALIDATION, size, schedule.get("validation_steps"))
    validation = None
    if held_out is not None:
        held_out = keras.utils.unpack_x_y_sample_weight(held_out)
        validation = given(*held_out, how, once=train.reads_once)
    elif fraction:
        train, validation = train.split(fraction, how)
    students = None if unlabelled is None else beside(train, unlabelled)
    return Feed(train, validation, schedule, lengths, students)


def _check_parts(train, fraction):
    """Checks that each worker may have a part of the examples alone."""
    if not train.takes_parts:
        raise ValueError(
            "`shard=True` says that each worker is given its own part of the "
            "examples. Expected arrays, a `tf.data.Dataset`, a "
            f"`keras.utils.PyDataset` or a function. Received: {train!r}. Give "
            "one of these."
        )
    if fraction:
        raise ValueError(
            "`validation_split` would hold other examples on each worker, of "
            "which `shard=True` says that each has a part. Expected validation "
            "data that is the same on all. Pass `validation_data`."
        )


def check_names(arguments):
    """Refuses arguments that `fit` does not know.

    Args:
        arguments: Those of `keras.Model.fit`, by name.

    Raises:
        ValueError: If there is another one.
    """
    known = set(inspect.signature(keras.Model.fit).parameters) - {"self"}
    for name in sorted(set(arguments) - known):
        alike = difflib.get_close_matches(name, sorted({*known, *OWN}), 1)
        hint = f" Did you mean `{alike[0]}`?" if alike else ""
        if name in OWN:
            hint = " `BornAgain.fit` takes it."
        raise ValueError(
            f"Unknown argument of `fit`: {name}.{hint} Expected an argument "
            f"of `BornAgain.fit`, {', '.join(OWN)}, or of `keras.Model.fit`, "
            f"{', '.join(sorted(known))}. What an objective takes is given to "
            "it, as `objectives.KD(alpha=0.3)`, and what a run is made with, "
            "as its seed, to `BornAgain(model_fn, seed=0)`."
        )


def check_arguments(arguments):
    """Refuses what `keras.Model.fit` does not know, and counts below 1."""
    check_names(arguments)
    for name in _COUNTS:
        if arguments.get(name) is not None:
            checks.integer(name, arguments[name], 1)
    class_weight = arguments.get("class_weight")
    if class_weight is not None:
        class_weights.check(class_weight)
        if arguments.get("sample_weight") is not None:
            raise ValueError(
                "`class_weight` and `sample_weight` are given. Expected one of "
                "them. Multiply the sample weights by those of the classes."
            )
    _check_validation_freq(arguments.get("validation_freq", 1))
    _check_fraction(arguments.get("validation_split"))


def _check_validation_freq(value):
    """Checks that Keras knows after which epochs to validate."""
    is_list = isinstance(value, list)
    for epochs in value if is_list else [value]:
        if not isinstance(epochs, int) or epochs < 1:
            raise ValueError(
                "Invalid value for argument `validation_freq`. Expected an "
                "integer of at least 1, or a list of such, the epochs after "
                f"which to validate. Received: {value!r}"
            )


def _check_fraction(value):
    if value is not None and not isinstance(value, numbers.Real):
        raise ValueError(
            "Invalid value for argument `validation_split`. Expected a number "
            f"between 0 and 1. Received: {value!r}"
        )
