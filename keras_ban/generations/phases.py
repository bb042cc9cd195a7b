"""Phases of a training: what is frozen at first, and trained later."""

import dataclasses
from collections.abc import Callable
from typing import Any

from keras_ban import checks
from keras_ban.state import seeds


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

    def begin(self, model, seed, names):
        """Changes the model for it.

        Args:
            model: The model.
            seed: The seed of its training, from which what the change draws
                follows.
            names: The `Names` that every model is made with.

        Raises:
            ValueError: If it was not compiled anew.
        """
        if self.change is not None:
            seeds.set_seed(seeds.derive(seed, self.number))
            with names.again():
                changed(model, self.change)

    def holds(self, epoch, step, is_saved):
        """Whether a training that has come so far goes on in it.

        Args:
            epoch: How many epochs were trained.
            step: How many steps of the next one.
            is_saved: Whether its state was saved there. At the end of a phase
                that is the state of the model before it changes.
        """
        if not is_saved:
            return self.start <= epoch < self.end
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
    is_other = returned is not None and returned is not model
    if is_other or model.optimizer is before:
        what = (
            f"a {type(returned).__name__}" if is_other else "no new compilation"
        )
        raise ValueError(
            f"A function of `phases` must change the model {model.name!r} that "
            "it is given, and compile it anew: Keras does not notice before "
            "that what is trained has changed, and an optimizer keeps to the "
            f"weights that it began with. Received: {what}. End it in "
            "`model.compile(keras.optimizers.Adam(1e-5), loss, metrics)`."
        )
    if model.built and not model.trainable_variables:
        raise ValueError(
            f"A function of `phases` leaves the model {model.name!r} with "
            "nothing to train. Expected at least one weight. Set `trainable "
            "= True` of the layers that are to learn, before `compile`."
        )
