"""What the numbers that objectives are given may be."""

from keras_ban import checks


def shares(name, value):
    """Returns a number from 0 to 1 as a float, or a pair of such."""
    is_pair = isinstance(value, (list, tuple)) and len(value) == 2
    found = [_share(name, v, value) for v in (value if is_pair else [value])]
    return tuple(found) if is_pair else found[0]


def _share(name, value, given):
    try:
        return checks.number(name, value, lambda v: 0 <= v <= 1, "")
    except ValueError:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected a number from 0 to "
            "1, or a pair of these, of the first epoch and of the last. "
            f"Received: {given!r}"
        ) from None


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
