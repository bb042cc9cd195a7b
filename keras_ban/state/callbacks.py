"""What callbacks remember, read off their attributes."""

import dis
import inspect
import json

import numpy as np
import tensorflow as tf

# So many numbers in arrays go into a record; a backup holds any number.
_LISTED = 2**16


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
        self._of_keras = _assigned_by_keras(callback) - self._left_out
        self._initial = {name: held for name, *held in self._attributes()}
        self._changed = set()

    def begin(self):
        # A function, once found, stays: what it is compared with was changed
        # as it was found.
        for name in [name for name, *_ in self._attributes()]:
            if name in self._initial and name in self._of_keras:
                setattr(self._callback, name, _decode(*self._initial[name]))
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
            if not self._is_state(name, value):
                continue
            self._changed.add(name)
            if arrays is not None:
                held = _decode(value, arrays[start:])
                setattr(self._callback, name, held)
            elif not _holds_array(value):
                setattr(self._callback, name, _decode(value, []))

    def _attributes(self):
        """Yields name, content for JSON and arrays of what is plain data."""
        for name, value in list(vars(self._callback).items()):
            arrays = []
            if self._is_state(name, value):
                try:
                    yield name, _encode(value, arrays), arrays
                except TypeError:
                    pass  # a model, a file, a function

    def _is_state(self, name, value):
        # Keras' own texts say where it writes, which the script decides.
        is_text = type(value) is str and name in self._of_keras
        return name not in self._left_out and not is_text


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


def _assigned_by_keras(callback):
    """Names of attributes that Keras' own classes among its bases assign."""
    return {
        step.argval
        for base in type(callback).__mro__
        if is_of_keras(base)
        for method in vars(base).values()
        if hasattr(method, "__code__")
        for step in dis.get_instructions(method)
        if step.opname == "STORE_ATTR"
    }


def _encode(value, arrays):
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind not in "biuf" and value.dtype.name != "bfloat16":
            raise TypeError
        if isinstance(value, np.generic):
            return {"scalar": [value.dtype.name, value.item()]}
        arrays.append(np.array(value))
        return {"array": len(arrays) - 1}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_encode(v, arrays) for v in value]}
    if type(value) is dict:
        pairs = [[k, v] for k, v in value.items()]
        return {"dict": [[_encode(x, arrays) for x in p] for p in pairs]}
    raise TypeError


def _decode(held, arrays):
    if not isinstance(held, dict):
        return held
    ((kind, content),) = held.items()
    if kind == "array":
        return np.array(arrays[content])
    if kind == "scalar":
        name, value = content
        return tf.as_dtype(name).as_numpy_dtype(value)
    if kind == "dict":
        return {_decode(k, arrays): _decode(v, arrays) for k, v in content}
    values = [_decode(v, arrays) for v in content]
    return tuple(values) if kind == "tuple" else values


def _holds_array(held):
    if isinstance(held, dict):
        ((kind, content),) = held.items()
        return kind == "array" or _holds_array(content)
    return isinstance(held, list) and any(map(_holds_array, held))


def to_lists(arrays):
    """Arrays as JSON holds them, or `None` where they are too large for it."""
    if sum(array.size for array in arrays) > _LISTED:
        return None
    return [[array.dtype.name, array.tolist()] for array in arrays]


def from_lists(held):
    """What `to_lists` was given, or `None`."""
    if held is None:
        return None
    return [
        np.array(values, tf.as_dtype(name).as_numpy_dtype)
        for name, values in held
    ]
