"""What a file says that callbacks remember: checked before it is believed.

What may be set is what may be saved: plain data of a callback's own. A file
never configures a callback, and least of all says where it writes.
"""

import os

import numpy as np

from keras_ban import checks
from keras_ban.state import plain

# NumPy's, and what TensorFlow adds to them.
DTYPES = frozenset(
    ["bool", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"]
    + [f"float{bits}" for bits in (16, 32, 64)]
    + [f"complex{bits}" for bits in (64, 128)]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
_OTHER_FORMS = (TypeError, ValueError, OverflowError)
_NUMBERS = (bool, int, float, np.generic)
_GROUPS = (list, tuple, dict, np.ndarray)
# By these, those callbacks of Keras are configured that write.
_PLACES = ("backup_dir", "filename", "filepath", "log_dir", "path", "root")


def check(states, arrays=None):
    """Checks the form of what `CallbackStates.get` returned.

    Args:
        states: What a file holds in its place.
        arrays: The number of arrays beside it. Defaults to `None`: none were
            kept, and they are not looked at.

    Raises:
        ValueError: If it has another form.
    """
    if not isinstance(states, list):
        raise ValueError("`callbacks` is no list")
    for held in states:
        try:
            _check_callback(held, arrays)
        except (*_OTHER_FORMS, KeyError, AttributeError) as error:
            raise ValueError(
                f"`callbacks` says what none remembers: {ascii(held)[:200]}"
            ) from error


def check_arrays(held):
    """Checks the form of what `plain.to_lists` returned.

    Args:
        held: What a file holds in its place.

    Returns:
        The number of arrays, or `None` if none were kept.

    Raises:
        ValueError: If it has another form.
    """
    if held is None:
        return None
    try:
        for name, values in held:
            if name not in DTYPES or not plain.are_numbers(values):
                raise ValueError
        return len(plain.from_lists(held))
    except _OTHER_FORMS as error:
        raise ValueError(
            f"`arrays` is {ascii(held)[:80]}. Expected types and numbers"
        ) from error


def _check_callback(held, arrays):
    name = held["class"]
    # It is shown where a run is resumed.
    if not isinstance(name, str) or len(name) > 999 or not name.isprintable():
        raise TypeError
    for value, start in held["state"].values():
        if type(start) is not int or start < 0:
            raise TypeError
        _check_value(value, None if arrays is None else arrays - start)


def _check_value(held, arrays, is_key=False):
    if type(held) is int:
        # What is larger than any float would end a training late.
        float(held)
    if held is None or type(held) in (bool, int, float, str):
        return
    ((kind, content),) = held.items()
    if kind != "array" and not isinstance(content, list):
        raise TypeError
    if kind == "array" and not is_key:
        last = float("inf") if arrays is None else arrays - 1
        if type(content) is not int or not 0 <= content <= last:
            raise ValueError
    elif kind == "scalar":
        name, value = content
        if name not in DTYPES or type(value) not in (bool, int, float):
            raise ValueError
        plain.decode(held, None)
    elif kind == "dict" and not is_key:
        for key, value in content:
            _check_value(key, arrays, is_key=True)
            _check_value(value, arrays)
    elif kind == "tuple" or (kind == "list" and not is_key):
        for value in content:
            _check_value(value, arrays, is_key)
    else:
        raise ValueError


def is_own(callback, name, value, left_out):
    """Whether an attribute is what a callback remembers, and not what it is.

    Args:
        callback: The callback.
        name: The name of an attribute.
        value: What it has, or is to have.
        left_out: Names that it is configured by, a set.
    """
    return (
        name not in left_out
        and name.isidentifier()
        and not name.startswith("__")
        and not _is_of_class(type(callback), name)
        and not (isinstance(value, str) and _is_place(value, left_out))
    )


def restore(callback, name, value, left_out):
    """Sets an attribute to what a file says, if it may be what it says.

    Args:
        callback: The callback.
        name: The name of an attribute.
        value: What it is to have.
        left_out: Names that it is configured by, a set.

    Returns:
        Whether it was set.
    """
    now = vars(callback).get(name)
    if is_own(callback, name, value, left_out) and _fits(now, value):
        setattr(callback, name, value)
        return True
    if not isinstance(value, str):
        checks.warn(
            f"What was saved of `{type(callback).__name__}.{ascii(name)[1:-1]}`"
            " is left aside: it is not what such a callback remembers."
        )
    return False


def _fits(now, value):
    """Whether a value can take the place of another: of one kind, or new."""
    if now is None or value is None:
        return True
    kinds = (_NUMBERS, str, _GROUPS)
    kind = next((k for k in kinds if isinstance(now, k)), ())
    return isinstance(value, kind)


def _is_of_class(cls, name):
    """Whether it is a method, say, or a property, which are the class' own."""
    held = getattr(cls, name, None)
    return not isinstance(held, (type(None), str, *_NUMBERS, *_GROUPS))


def _is_place(text, left_out):
    """Whether a text may say where a callback writes."""
    separators = {os.sep, os.altsep or os.sep, "\\", "\0"}
    return (
        not left_out.isdisjoint(_PLACES)
        or ".." in text
        or any(separator in text for separator in separators)
    )
