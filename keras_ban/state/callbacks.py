"""What callbacks remember, read off their attributes."""

import dis
import functools
import inspect
import json

from keras_ban.state import remembered
from keras_ban.state.plain import decode
from keras_ban.state.plain import encode
from keras_ban.state.plain import holds_array


class CallbackStates:
    """What the callbacks of a training remember.

    Attributes that are numbers, texts, lists, dicts or arrays are kept, if
    they have ever changed since the callback was first seen. What Keras' own
    callbacks are configured with is left to the script.

    Args:
        callbacks: A list of `keras.callbacks.Callback`s.
        seen: A dict, for all objects of this class that may share callbacks.
            Defaults to `None`: they are seen here first.
    """

    def __init__(self, callbacks, seen=None):
        seen = {} if seen is None else seen
        for callback in callbacks:
            if id(callback) not in seen:
                seen[id(callback)] = _Memory(callback)
        self._memories = [seen[id(callback)] for callback in callbacks]

    def begin(self):
        """Puts what Keras' own code remembers back to how it was first seen.

        What a class of the user's remembers beside it goes on.
        """
        for memory in self._memories:
            memory.begin()

    def get(self):
        """Returns a list of dicts for JSON, and a list of arrays."""
        arrays = []
        states = [memory.get(arrays) for memory in self._memories]
        return states, arrays

    def set(self, states, arrays=None):
        """Restores what `get` returned.

        The n-th state of a class belongs to the n-th callback of that class,
        whatever else is in the lists.

        Args:
            states: The list of dicts.
            arrays: The list of arrays. Defaults to `None`: what holds arrays
                is left as it is.

        What `get` would not have returned is left aside with a warning.
        """
        for memory, held in self._matched(states)[0]:
            if held is not None:
                memory.set(held["state"], arrays)

    def unmatched(self, states):
        """What `set` would find no counterpart of.

        Args:
            states: The list of dicts.

        Returns:
            The names of callbacks without a state, and those of states, with
            anything in them, without a callback: two lists.
        """
        pairs, left = self._matched(states)
        new = [memory.name for memory, held in pairs if held is None]
        return new, [held["class"] for held in left if held["state"]]

    def _matched(self, states):
        """Pairs of callbacks and their states or `None`; and states left."""
        pairs, left = [], list(states)
        for memory in self._memories:
            found = next((s for s in left if s["class"] == memory.name), None)
            if found is not None:
                left.remove(found)
            pairs.append((memory, found))
        return pairs, left


class _Memory:
    """What one callback remembers.

    Args:
        callback: A `keras.callbacks.Callback`.
    """

    def __init__(self, callback):
        self.name = type(callback).__name__
        self._callback = callback
        self._left_out = {"params", "_model", *keras_arguments(callback)}
        assigned = _assigned_by_keras(type(callback))
        self._of_keras = assigned - self._left_out
        self._initial = {name: held for name, *held in self._attributes()}
        self._changed = set()

    def begin(self):
        # A function, once found, stays: what it is compared with was changed
        # as it was found.
        for name in [name for name, *_ in self._attributes()]:
            if name in self._initial and name in self._of_keras:
                setattr(self._callback, name, decode(*self._initial[name]))
            elif name in self._of_keras:
                delattr(self._callback, name)
        self._changed -= self._of_keras

    def get(self, arrays):
        state = {}
        for name, value, own in self._attributes():
            first = self._initial.get(name, ...)
            if own or first is ... or json.dumps(first[0]) != json.dumps(value):
                self._changed.add(name)
            # What changed once, and is now as at first, has to be told too.
            if name in self._changed:
                state[name] = [value, len(arrays)]
                arrays += own
        return {"class": self.name, "state": state}

    def set(self, state, arrays):
        for name, (value, start) in state.items():
            if arrays is None and holds_array(value):
                continue
            found = decode(value, arrays and arrays[start:])
            if self._is_text_of_keras(name, found):
                continue
            if remembered.restore(self._callback, name, found, self._left_out):
                self._changed.add(name)

    def _attributes(self):
        """Yields name, content for JSON and arrays of what is plain data."""
        for name, value in list(vars(self._callback).items()):
            arrays = []
            if self._is_state(name, value):
                try:
                    yield name, encode(value, arrays), arrays
                except TypeError:
                    pass  # a model, a file, a function

    def _is_state(self, name, value):
        return not self._is_text_of_keras(name, value) and remembered.is_own(
            self._callback, name, value, self._left_out
        )

    def _is_text_of_keras(self, name, value):
        # They say where it writes, which the script decides.
        return type(value) is str and name in self._of_keras


def is_of_keras(kind):
    """Whether a class is one of Keras' own."""
    return kind.__module__.startswith("keras.")


def keras_arguments(callback):
    """Names that Keras' own classes among its bases are configured by."""
    names = set()
    for base in type(callback).__mro__:
        if is_of_keras(base):
            names |= set(inspect.signature(base.__init__).parameters)
    return names - {"self", "args", "kwargs"}


@functools.cache
def _assigned_by_keras(kind):
    """Names of attributes that Keras' own classes among its bases assign."""
    return {
        step.argval
        for base in kind.__mro__
        if is_of_keras(base)
        for method in vars(base).values()
        if hasattr(method, "__code__")
        for step in dis.get_instructions(method)
        if step.opname == "STORE_ATTR"
    }
