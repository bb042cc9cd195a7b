"""Phases of a training: what is frozen at first, and trained later."""

import dataclasses
from collections.abc import Callable
from typing import Any

from keras_ban import checks


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of the epochs of a training.

    Attributes:
        number: Its number, from 0.
        start: Its first epoch, counted from 0.
        end: The epoch after its last one.
        change: What is done to the model before it, or `None`.
    """

    number: int
    start: int
    end: int
    change: Callable[[Any], Any] | None

    @property
    def is_first(self):
        """Whether a training begins with it."""
        return self.number == 0

    def begin(self, model):
        """Changes the model for it.

        Raises:
            ValueError: If it was not compiled anew.
        """
        if self.change is not None:
            changed(model, self.change)

    def holds(self, epoch, step):
        """Whether a training that has come so far is in it, or at its end."""
        begun = epoch > self.start or (epoch == self.start and step > 0)
        is_within = epoch < self.end or (epoch == self.end and not step)
        return is_within and (begun or self.is_first)


class Phases:
    """The phases that every network of a run is trained in.

    Args:
        given: As `BornAgain.fit` takes it, or `None` for a single phase.

    Raises:
        ValueError: If it is no such dict.
    """

    def __init__(self, given):
        if given is None:
            given = {}
        if not isinstance(given, dict) or not all(
            map(callable, given.values())
        ):
            raise ValueError(
                "Invalid value for argument `phases`. Expected a dict from "
                "the epoch before which the model changes to a function that "
                "changes it, as {5: unfreeze}. Received: " + repr(given)
            )
        self._changes = [
            (checks.integer("an epoch of `phases`", epoch, 1), given[epoch])
            for epoch in sorted(given)
        ]

    def __bool__(self):
        return bool(self._changes)

    def check(self, epochs):
        """Checks that every phase has an epoch.

        Args:
            epochs: The numbers of epochs of all networks.

        Raises:
            ValueError: If one has none.
        """
        last = max([0, *(epoch for epoch, _ in self._changes)])
        if last >= min(epochs):
            raise ValueError(
                f"The last of `phases` begins after {last} epochs, and "
                f"networks are trained for {min(epochs)}. Expected fewer. "
                "Raise `epochs`, the number of all phases together."
            )

    def parts(self, epochs):
        """The `Phase`s of a training of so many epochs, a list."""
        starts = [0, *(epoch for epoch, _ in self._changes)]
        ends = [*starts[1:], epochs]
        changes = [None, *(change for _, change in self._changes)]
        return [
            Phase(number, *parts)
            for number, parts in enumerate(
                zip(starts, ends, changes, strict=True)
            )
        ]

    def described(self, model, describe):
        """What the phases make of a model, for what a run is told by.

        Args:
            model: A fresh, compiled model, which is changed.
            describe: Function from a model to what tells it from others.

        Returns:
            A list of lists, the epoch and the description.

        Raises:
            ValueError: If a phase does not compile the model anew.
        """
        found = []
        for epoch, change in self._changes:
            changed(model, change)
            found.append([epoch, describe(model)])
        return found


def changed(model, change):
    """Changes a model for a phase.

    Args:
        model: The model.
        change: The user's function.

    Raises:
        ValueError: If it was not compiled anew.
    """
    before = model.optimizer
    with model.distribute_strategy.scope():
        returned = change(model)
    if returned not in (None, model) or model.optimizer is before:
        what = "the same optimizer" if returned is None else repr(returned)
        raise ValueError(
            f"A function of `phases` must change the model {model.name!r} that "
            "it is given, and compile it anew: Keras does not notice before "
            "that what is trained has changed, and an optimizer keeps to the "
            f"weights that it began with. Received: {what}. End it in "
            "`model.compile(keras.optimizers.Adam(1e-5), loss, metrics)`."
        )
    if not model.trainable_variables:
        raise ValueError(
            f"A function of `phases` leaves the model {model.name!r} with "
            "nothing to train. Expected at least one weight. Set `trainable "
            "= True` of the layers that are to learn, before `compile`."
        )
