"""Bad arguments, found where they are given; words for the user's line.

Each check raises one `ValueError` that says what was received, what was
expected and the way out.
"""

import contextlib
import inspect
import numbers
import os
import pathlib
import sys
import warnings

import keras

_PACKAGE = os.path.dirname(__file__) + os.sep
_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


def backend():
    """Refuses every Keras backend but TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "keras_ban trains on the TensorFlow backend of Keras. Received: "
            f"KERAS_BACKEND={keras.backend.backend()!r}. Set the environment "
            "variable KERAS_BACKEND=tensorflow before importing keras."
        )


def keras_3(name, *models):
    """Refuses models of Keras 2, which are none of this package's Keras."""
    for model in models:
        bases = getattr(model, "__mro__", type(model).__mro__)
        if any(c.__module__.split(".")[0] == "tf_keras" for c in bases):
            raise ValueError(
                f"Invalid value for argument `{name}`. Expected a "
                "`keras.Model` of Keras 3. Received: a model of tf_keras, "
                f"which is Keras 2, {model!r}. Build it with `import keras`, "
                "and without TF_USE_LEGACY_KERAS=1 in the environment; weights "
                "come over by `set_weights(model.get_weights())`."
            )


def integer(name, value, minimum, maximum=float("inf")):
    """Returns `value` if it is an integer from `minimum` to `maximum`."""
    is_integer = isinstance(value, numbers.Integral)
    if is_integer and not isinstance(value, bool):
        if minimum <= value <= maximum:
            return int(value)
    expected = f"of at least {minimum}"
    if maximum < float("inf"):
        expected = f"from {minimum} to {maximum}"
    raise ValueError(
        f"Invalid value for argument `{name}`. Expected an integer "
        f"{expected}. Received: {value!r}"
    )


def number(name, value, valid, expected):
    """Returns `value` as a float if it is a number that `valid` accepts."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if is_number and valid(value):
        return float(value)
    raise ValueError(
        f"Invalid value for argument `{name}`. Expected {expected}. "
        f"Received: {value!r}"
    )


def folder(name, path):
    """Returns the absolute `pathlib.Path` of a folder, there or to be made."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected the path of a "
            f"folder. Received: {path!r}"
        )
    if "\0" in str(path):
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected the path of a "
            f"folder, without the character NUL. Received: {path!r}"
        )
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(
            f"`{name}` is a file: {path}. Expected a folder, or the path of "
            "one to make. Choose another path."
        )
    return pathlib.Path(path).expanduser().absolute()


def arity(function):
    """The number of positional arguments that a function cannot do without.

    `None` for what is built in, which may have no signature.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return sum(
        p.default is p.empty and p.kind in _POSITIONAL for p in parameters
    )


@contextlib.contextmanager
def needing(package, extra, what):
    """Says clearly that a package that is imported is not installed.

    Args:
        package: Its name, as pip has it.
        extra: The extra that brings it.
        what: What needs it, the beginning of a sentence.

    Raises:
        ImportError: If it is not.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{what} needs {package}, which is not installed. Run `pip install "
            f'{package}`, or `pip install ".[{extra}]"` in a clone of '
            "keras_ban."
        ) from error


def warn(message):
    """Warns at the line of the user's that called the package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and _is_inside(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def _is_inside(frame):
    name = frame.f_code.co_filename
    return name.startswith(_PACKAGE) or name == contextlib.__file__
