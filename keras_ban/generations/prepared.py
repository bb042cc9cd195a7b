"""What a generation is trained with: seeds, callbacks, networks, data."""

import collections.abc
import contextlib
import dataclasses
import time

import keras

from keras_ban.feeding.passes import clear_errors
from keras_ban.generations.guards import Finite
from keras_ban.generations.guards import Seeded
from keras_ban.generations.phases import Phase
from keras_ban.generations.workshop import Workshop
from keras_ban.reporting.generation import Generation
from keras_ban.state import seeds
from keras_ban.state.callbacks import CallbackStates
from keras_ban.state.callbacks import is_of_keras


class Watch:
    """The seed of a generation, its callbacks, and what these remember.

    Args:
        place: The number of its network, in the order in which all are
            trained.
        number: The number of the generation.
        name: Its name.
        run_seed: The seed of the run.
        given: The user's callbacks, a list.
        seen: The dict that `CallbackStates` of all generations share.

    Attributes:
        place: As given.
        number: As given.
        name: As given.
        seed: The seed of the generation, an integer.
        given: As given.
        seeded: What seeds each epoch.
        callbacks: All callbacks of its training.
        states: `CallbackStates` of these.
        remembered: `CallbackStates` of those that go on to the next
            generation: what is Keras' own begins anew.
    """

    def __init__(self, place, number, name, run_seed, given, seen):
        self.place = place
        self.number = number
        self.name = name
        self.seed = seeds.derive(run_seed, place)
        self.given = given
        self.seeded = Seeded(run_seed, place)
        first, *last = (
            self.seeded,
            Finite(name),
            keras.callbacks.History(),
        )
        self.callbacks = [first, *given, *last]
        # The history that counts takes its state before one of the user's;
        # what seeds an epoch remembers nothing.
        self.states = CallbackStates([*last, *given], seen)
        self.remembered = CallbackStates(
            [c for c in given if not is_of_keras(type(c))], seen
        )


@dataclasses.dataclass
class Training:
    """What a generation is trained with.

    Attributes:
        watch: Its `Watch`.
        before: The `Generation` before it, or `None`.
        teacher: The `Generation` that it learns from, or `None`.
        model: Its fresh model.
        phase: The `Phase`.
        student: The network that is trained in its place, or itself.
        trained: What is trained, the student or a `Distiller`.
        fit: The method that trains it.
        workshop: The `Workshop` that lent the student.
        arguments: Those of `fit`, but for the callbacks, a dict.
        callbacks: All callbacks.
        needed: Those that the data needs.
        views: What its examples bring along, in all phases.
    """

    watch: Watch
    before: Generation | None
    teacher: Generation | None
    model: keras.Model
    phase: Phase
    student: keras.Model
    trained: keras.Model
    fit: collections.abc.Callable
    workshop: Workshop
    arguments: dict = dataclasses.field(default_factory=dict)
    callbacks: list = dataclasses.field(default_factory=list)
    needed: list = dataclasses.field(default_factory=list)
    views: collections.abc.Callable | None = None

    def begin(self, before=0.0, beside=1):
        """Begins to count the time.

        Args:
            before: Seconds that were trained before. Defaults to `0.0`.
            beside: How many share the time. Defaults to `1`.
        """
        self._before, self._beside = before, beside
        self._start = time.perf_counter()

    def seconds(self):
        """Its share of the seconds since it began, and those before."""
        passed = time.perf_counter() - self._start
        return self._before + passed / self._beside

    @contextlib.contextmanager
    def reading(self):
        """Leaves the data as it was found; says clearly what is wrong in it."""
        with clear_errors(self.watch.name), contextlib.ExitStack() as stack:
            for one in self.needed:
                stack.callback(one.close)
            yield


def given_callbacks(given, number):
    """The callbacks of a generation, as a list.

    Args:
        given: A callback, a list of them, a function from the generation's
            number to one of these, or `None`.
        number: Number of the generation.

    Raises:
        ValueError: If one is no Keras callback.
    """
    if callable(given):
        given = given(number)
    found = [c for c in keras.tree.flatten(given) if c is not None]
    held = keras.callbacks.CallbackList
    if any(type(c) is held for c in found):
        # Each begins anew and is looked at by itself, as in a plain list.
        found = [c.callbacks if type(c) is held else c for c in found]
        return given_callbacks(found, number)
    for one in found:
        if not isinstance(one, keras.callbacks.Callback):
            raise ValueError(
                "Invalid value for argument `callbacks`. Expected a list of "
                "`keras.callbacks.Callback`s, or a function from the "
                f"generation's number to one. Received: {one!r}"
            )
    return found
