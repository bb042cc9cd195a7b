"""Methods: what is compared, by name, and how long each trains."""

import contextlib
import dataclasses
import re
from typing import Any

from keras_ban import checks
from keras_ban import objectives
from keras_ban import views
from keras_ban.teaching.plans import SAME
from keras_ban.teaching.plans import is_same

# They suit any floats, and served labels and students better than uniform
# mixtures: see `docs/when.md`.
VIEWS = views.mixup(0.3)
# As long as all teachers of "one from five" together.
_TEACHERS = 5
_MULTIPLE = re.compile(r"([1-9][0-9]{0,3})x")
_LONGEST_NAME = 40
_ARGUMENTS = re.compile(r"\([^)]*\)")


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to train a network, for `compare`.

    The network that is measured is that of the last generation.

    Args:
        objective: As `BornAgain` takes it; "labels" for a method without
            teachers. Defaults to `"ban"`.
        augment: As `BornAgain.fit` takes it, for students, teachers and
            twin. Defaults to `None`.
        teachers: Number of networks on the labels that teach the first
            generation as their mean. Defaults to `1`.
        generations: Number of students, one after the other. Defaults to `1`.
        epochs: How long each network is trained: a number, a multiple of the
            comparison's `epochs` as `"5x"`, or a function from a generation's
            number, 0 for the teachers, to a number. Defaults to `None`: as
            the comparison says.
        learn_from: As `BornAgain.fit` takes it. Defaults to `"parent"`.
        name: What tables call it, at most 40 characters. Defaults to `None`:
            a name that says what it is.
        teacher_augment: As `BornAgain.fit` takes it: what teachers are
            trained on, if they see other views than students and twin.
            Defaults to `"same"`: those of `augment`.

    Attributes:
        teacher_views: The views of the teachers, as `augment` takes them.

    Raises:
        ValueError: If an argument is not of these kinds.

    Example:
    >>> keras_ban.Method("kd", augment="mixup", teachers=3, epochs="2x")
    """

    objective: Any = "ban"
    augment: Any = None
    teachers: int = 1
    generations: int = 1
    epochs: Any = None
    learn_from: str = "parent"
    name: str | None = None
    teacher_augment: Any = SAME

    def __post_init__(self):
        has_teachers = objectives.get(self.objective).needs_teacher
        for name in ("teachers", "generations"):
            count = checks.integer(name, getattr(self, name), 1)
            if count > 1 and not has_teachers:
                raise ValueError(
                    "A method on the labels trains one network. Expected "
                    f"{name}=1. Received: {name}={count}. Leave it out: where "
                    "another method trains several such networks, their "
                    "ensemble is measured too."
                )
        if self.learn_from not in ("parent", "all"):
            raise ValueError(
                "Invalid value for argument `learn_from`. Expected 'parent' "
                f"or 'all'. Received: {self.learn_from!r}"
            )
        if self.has_own_views and not has_teachers:
            raise ValueError(
                "A method on the labels has no teachers that could see other "
                "views. Expected teacher_augment='same'. Received: "
                f"teacher_augment={self.teacher_augment!r}. Leave it out, and "
                "give the views as `augment=`."
            )
        self._check_epochs()
        name = self.name if self.name is not None else self._described()
        object.__setattr__(self, "name", checked_name(name))

    @property
    def has_teachers(self):
        """Whether its networks learn from others."""
        return objectives.get(self.objective).needs_teacher

    @property
    def has_own_views(self):
        """Whether its teachers see other views than its students."""
        return told(self.teacher_views) != told(self.augment)

    @property
    def teacher_views(self):
        """The views of its teachers, as `augment` takes them."""
        shared = is_same(self.teacher_augment)
        return self.augment if shared else self.teacher_augment

    def lengths(self, epochs):
        """How long each generation is trained.

        Args:
            epochs: The comparison's number of epochs.

        Returns:
            Numbers of epochs, of the teachers first, a tuple; of a method on
            the labels, that of its one network.

        Raises:
            ValueError: If a function gives no such number.
        """
        count = self.generations + 1 if self.has_teachers else 1
        if self.epochs is None:
            return (epochs,) * count
        if isinstance(self.epochs, str):
            return (int(self.epochs[:-1]) * epochs,) * count
        if callable(self.epochs):
            return tuple(
                checks.integer(f"epochs({k})", self.epochs(k), 1)
                for k in range(count)
            )
        return (self.epochs,) * count

    def _check_epochs(self):
        epochs = self.epochs
        if isinstance(epochs, str):
            if _MULTIPLE.fullmatch(epochs):
                return
        elif epochs is None or callable(epochs):
            return
        elif isinstance(epochs, int) and not isinstance(epochs, bool):
            if epochs > 0:
                return
        raise ValueError(
            "Invalid value for argument `epochs`. Expected a positive "
            "integer, a multiple of the comparison's as '5x', a function of "
            f"the generation's number, or None. Received: {epochs!r}"
        )

    def _described(self):
        parts = [objectives.get(self.objective).name]
        if self.augment is not None:
            parts.append(f"+{named(self.augment)}")
        if self.teachers > 1 or self.has_own_views:
            parts.append(f" from {self.teachers}")
        if self.has_own_views:
            parts.append(f" of {_kinds(self.teacher_views)}")
        if self.generations > 1:
            parts.append(f" {self.generations} generations")
        if self.learn_from != "parent":
            parts.append(" from all")
        if self.epochs is not None:
            parts.append(f" {length_named(self.epochs)}")
        text = "".join(parts)
        if len(text) <= _LONGEST_NAME:
            return text
        return f"{text[: _LONGEST_NAME - 3]}..."


def checked_name(name):
    """Returns a name that a table can print.

    Raises:
        ValueError: If it is none.
    """
    is_text = isinstance(name, str) and name.strip() == name and name
    if is_text and name.isprintable() and len(name) <= _LONGEST_NAME:
        return name
    raise ValueError(
        "Invalid name of a method. Expected a text of 1 to "
        f"{_LONGEST_NAME} printable characters, without spaces at its ends. "
        f"Received: {name!r}"
    )


def named(value):
    """What was given as a view, an objective or a length, as a short text."""
    if isinstance(value, (list, tuple)):
        return "+".join(map(named, value))
    value = getattr(value, "brief", told(value))
    if isinstance(value, str):
        return value
    return getattr(value, "__name__", None) or type(value).__name__


def _kinds(augment):
    """Views without what they were made with, for names that hold two."""
    if augment is None:
        return "no views"
    return _ARGUMENTS.sub("", named(augment))


def told(augment):
    """What tells views from others: texts, functions, or lists of these.

    Args:
        augment: As `BornAgain.fit` takes it, or `None`.
    """
    if isinstance(augment, (list, tuple)):
        return [told(view) for view in augment]
    describe = getattr(augment, "describe", None)
    return augment if describe is None else describe()


def length_named(epochs):
    """What was given as a number of epochs, as a short text."""
    return f"{epochs} epochs" if isinstance(epochs, int) else named(epochs)


def ladder(augment=VIEWS):
    """The methods that are known by name, from the cheapest on.

    | name | what it is |
    |---|---|
    | `"labels"` | the labels alone |
    | `"labels+views"` | with views |
    | `"labels+views long"` | five times as long, as all five teachers below |
    | `"ban"` | the paper's BAN-1 |
    | `"ban+l"` | the paper's BAN+L, one generation |
    | `"ban+views"` | BAN-1 on views that student and teacher share |
    | `"ban+l+views"` | so, with labels mixed in the same way |
    | `"one from five"` | one network taught by the mean of five, with views |

    Sources: Furlanello et al., "Born-Again Neural Networks", 2018; Beyer et
    al., "Knowledge distillation: A good teacher is patient and consistent",
    2022; Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.

    Args:
        augment: The views. Defaults to `views.mixup(0.3)`.

    Returns:
        A dict of `Method`s by name.
    """
    long = f"{_TEACHERS}x"
    methods = (
        Method("labels", name="labels"),
        Method("labels", augment, name="labels+views"),
        Method("labels", augment, epochs=long, name="labels+views long"),
        Method("ban", name="ban"),
        Method("ban+l", name="ban+l"),
        Method("ban", augment, name="ban+views"),
        Method("ban+l", augment, name="ban+l+views"),
        Method("ban", augment, _TEACHERS, name="one from five"),
    )
    return {method.name: method for method in methods}


def chosen(methods, augment=VIEWS):
    """The methods that `compare` was told, as a list of `Method`s.

    Args:
        methods: `None` for the whole ladder, a list of names of it, of
            objectives and of `Method`s, or a dict of these by the name that
            they are to have.
        augment: The views of the ladder. Defaults to `views.mixup(0.3)`.

    Raises:
        ValueError: If one is unknown, or two have one name, or there is none.
    """
    known = ladder(augment)
    if methods is None:
        return list(known.values())
    if isinstance(methods, dict):
        found = [
            dataclasses.replace(_method(one, known), name=checked_name(name))
            for name, one in methods.items()
        ]
    elif isinstance(methods, (list, tuple)):
        found = [_method(one, known) for one in methods]
    else:
        found = [_method(methods, known)]
    if not found:
        raise ValueError(
            "There is nothing to compare. Expected at least one method in "
            f"`methods`. Received: {methods!r}. Leave it out for the ladder: "
            f"{_listed(known)}."
        )
    names = [method.name for method in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"Two methods have the name {name!r}. Expected a name for "
                "each. Give them as a dict, or name them by "
                "`Method(..., name=...)`."
            )
    return found


def _method(one, known):
    if isinstance(one, Method):
        return one
    if isinstance(one, str) and one in known:
        return known[one]
    with contextlib.suppress(ValueError):
        return Method(objectives.get(one))
    raise ValueError(
        f"Unknown method. Expected one of {_listed(known)}, an objective, or "
        f"a `keras_ban.Method`. Received: {one!r}"
    )


def _listed(known):
    return ", ".join(map(repr, known))
