"""Seeds: of generations and epochs, and what draws from the global ones."""

import collections
import contextlib
import random
import re

import numpy as np
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import global_seed_generator

# Keras has no public name for what its layers draw from without a seed of
# their own, and a constant for this one only since 3.13.
_GLOBAL_SEEDS = "global_seed_generator"
# Nor for how often it has given a name.
_NAMES = "object_name_uids"


def set_seed(value):
    """Seeds Keras, Python and NumPy, and leaves TensorFlow's global seed.

    To set that one drops every compiled function.

    Args:
        value: An integer of 32 bits.
    """
    random.seed(value)
    np.random.seed(value)
    # Made anew from Python's generator by what draws from it first.
    global_state.set_global_attribute(_GLOBAL_SEEDS, None)


def derive(run_seed, *key):
    """The seed for a generation, or for an epoch of one.

    Generations, epochs and runs share no stream.

    Args:
        run_seed: The seed of the run.
        *key: The number of the generation, and that of the epoch.

    Returns:
        An integer of 32 bits.
    """
    sequence = np.random.SeedSequence(run_seed, spawn_key=key)
    return int(sequence.generate_state(1)[0])


def draws_globally():
    """Whether something has drawn from Keras' global seed since `set_seed`."""
    return global_generator() is not None


def global_generator(create=False):
    """What draws from Keras' global seed, or `None` if nothing has drawn yet.

    Args:
        create: Whether to make it. Defaults to `False`.
    """
    if create:
        global_seed_generator()
    return global_state.get_global_attribute(_GLOBAL_SEEDS)


@contextlib.contextmanager
def undisturbed():
    """Puts the seeds of Keras, Python and NumPy back where they were."""
    before = _state()
    try:
        yield
    finally:
        _restore(before)


def _state():
    return global_generator(), random.getstate(), np.random.get_state()


def _restore(state):
    global_state.set_global_attribute(_GLOBAL_SEEDS, state[0])
    random.setstate(state[1])
    np.random.set_state(state[2])


class Own:
    """The seeds of Keras, Python and NumPy of one of several trainings.

    They begin as they are.
    """

    def __init__(self):
        self._held = _state()

    @contextlib.contextmanager
    def used(self):
        """Draws from them, and leaves those of all others as they were."""
        with undisturbed():
            _restore(self._held)
            try:
                yield
            finally:
                self._held = _state()


class Names:
    """Gives what each generation is made of the same automatic names.

    As long as the process lives, TensorFlow keeps a kernel of every name that
    a variable was made with: 35 KB for each variable of each generation.
    """

    def __init__(self):
        self._first = _names()

    @contextlib.contextmanager
    def again(self):
        """Begins to count where it began before; what is newer stays taken."""
        before = _names()
        _set_names(self._first)
        try:
            yield
        finally:
            after = _names()
            for name, count in before.items():
                after[name] = max(count, after[name])
            _set_names(after)

    def number(self, model, generation):
        """Tells models apart that were not named by the user."""
        if re.sub(r"_\d+$", "", model.name) in _names():
            model.name = f"{model.name}_{generation}"


def _names():
    counts = global_state.get_global_attribute(_NAMES)
    return collections.defaultdict(int, counts or {})


def _set_names(counts):
    global_state.set_global_attribute(_NAMES, counts.copy())
