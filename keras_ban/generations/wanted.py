"""What `BornAgain.fit` is asked for, taken apart."""

import dataclasses
from typing import Any

from keras_ban.generations.ancestry import Ancestry
from keras_ban.generations.phases import Phases
from keras_ban.teaching import family
from keras_ban.teaching.plans import Plans

_VIEWS = "teacher_outputs", "augment", "views", "teacher_augment"
_ORIGIN = "teachers", "learn_from"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a run is to be.

    Attributes:
        generations: As `fit` takes it.
        teacher: The `Teacher` that was given, or `None`.
        callbacks: As `fit` takes it.
        plans: The `Plans`.
        ancestry: The `Ancestry`.
        phases: The `Phases`.
        shard: As `fit` takes it.
        rest: The arguments of `keras.Model.fit` but `callbacks`, a dict.
    """

    generations: Any
    teacher: Any
    callbacks: Any
    plans: Plans
    ancestry: Ancestry
    phases: Phases
    shard: bool
    rest: dict


def wanted(arguments, said):
    """The `Wanted` of the arguments of `fit`.

    Args:
        arguments: A dict; what it leaves out is as `fit` has it.
        said: What the owner of the models says of them.

    Raises:
        ValueError: If an argument is not of its kind.
    """
    rest = dict(arguments)
    teacher = rest.pop("teacher", None)

    def taken(*names):
        return {name: rest.pop(name) for name in names if name in rest}

    return Wanted(
        generations=rest.pop("generations"),
        teacher=None if teacher is None else family.get(teacher, said),
        callbacks=rest.pop("callbacks", None),
        plans=Plans.told(**taken(*_VIEWS)),
        ancestry=Ancestry(said=said, **taken(*_ORIGIN)),
        phases=Phases(rest.pop("phases", None)),
        shard=_flag("shard", rest.pop("shard", False)),
        rest=rest,
    )


def _flag(name, value):
    if not isinstance(value, bool):
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected `True` or `False`. "
            f"Received: {value!r}"
        )
    return value
