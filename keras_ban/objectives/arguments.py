"""What the numbers that objectives are given may be."""

from keras_ban import checks


def share(name, value):
    """Returns a number from 0 to 1 as a float."""
    return checks.number(
        name, value, lambda v: 0 <= v <= 1, "a number from 0 to 1"
    )


def weight(name, value):
    """Returns a finite number of at least 0 as a float."""
    return checks.number(
        name, value, lambda v: 0 <= v < float("inf"), "a number of at least 0"
    )


def positive(name, value):
    """Returns a positive, finite number as a float."""
    return checks.number(
        name, value, lambda v: 0 < v < float("inf"), "a positive number"
    )


def flag(name, value):
    """Returns `value` if it is `True` or `False`."""
    if isinstance(value, bool):
        return value
    raise ValueError(
        f"Invalid value for argument `{name}`. Expected `True` or `False`. "
        f"Received: {value!r}"
    )
