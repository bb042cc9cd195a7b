"""What callbacks remember, read off their attributes."""

import inspect
import json

import numpy as np
import tensorflow as tf

from keras_ban.state import remembered


class CallbackStates:
    """What the callbacks of a training remember.

    Attributes that are numbers, texts, lists, dicts or arrays are kept, if
    they changed since this object was made. What Keras' own callbacks are
    configured with is left to the script.

    Args:
        callbacks: A list of `keras.callbacks.Callback`s.
    """

    def __init__(self, callbacks):
        self._callbacks = [
            (c, {"params", "_model", *keras_arguments(c)}) for c in callbacks
        ]
        self._initial = [
            {name: json.dumps(held) for name, held, _ in _attributes(*pair)}
            for pair in self._callbacks
        ]

    def get(self):
        """Returns a list of dicts for JSON, and a list of arrays."""
        arrays, states = [], []
        pairs = zip(self._callbacks, self._initial, strict=True)
        for (callback, left_out), initial in pairs:
            state = {}
            for name, held, own in _attributes(callback, left_out):
                if own or initial.get(name) != json.dumps(held):
                    state[name] = [held, len(arrays)]
                    arrays += own
            states.append({"class": type(callback).__name__, "state": state})
        return states, arrays

    def set(self, states, arrays=None):
        """Restores what `get` returned, for callbacks still in their place.

        Args:
            states: The list of dicts.
            arrays: The list of arrays. Defaults to `None`: what holds arrays
                is left as it is.

        What `get` would not have returned is left aside with a warning.
        """
        pairs = zip(self._callbacks, states, strict=False)
        for (callback, left_out), held in pairs:
            if held["class"] != type(callback).__name__:
                continue
            for name, (value, start) in held["state"].items():
                if arrays is None and _holds_array(value):
                    continue
                found = _decode(value, arrays and arrays[start:])
                remembered.restore(callback, name, found, left_out)


def keras_arguments(callback):
    """Names that Keras' own classes among its bases are configured by."""
    names = set()
    for base in type(callback).__mro__:
        if base.__module__.startswith("keras."):
            names |= set(inspect.signature(base.__init__).parameters)
    return names - {"self", "args", "kwargs"}


def _attributes(callback, left_out):
    """Yields name, content for JSON and arrays of what is plain data."""
    for name, value in list(vars(callback).items()):
        arrays = []
        if remembered.is_own(callback, name, value, left_out):
            try:
                yield name, _encode(value, arrays), arrays
            except TypeError:
                pass  # a model, a file, a function


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
