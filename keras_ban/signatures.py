"""How many arguments a user's function wants."""

import inspect

_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


def required(function):
    """The number of positional arguments that a function cannot do without."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None  # what is built in may have no signature
    return sum(
        p.default is p.empty and p.kind in _POSITIONAL for p in parameters
    )
