"""What a teacher gives that is no Keras model: checked, and told apart."""

import hashlib

import numpy as np

# So many bits of a number tell outputs of one teacher from another's: the
# last ones may differ from one machine, or one start, to the next.
_BITS = 10


def array(found, words, rows):
    """The outputs of a teacher as an array.

    Args:
        found: What it gave.
        words: What it is, in errors.
        rows: The number of its inputs, or `None` if it had none.

    Returns:
        A NumPy array of shape `(rows, ..., n)`.

    Raises:
        ValueError: If it is no array of finite numbers, a row for each.
    """
    given = found
    try:
        found = np.asarray(found)
    except Exception as error:
        raise _no_numbers(given, words) from error
    if found.dtype.name == "bfloat16":
        found = found.astype("float32")
    if found.dtype.kind not in "fiu":
        raise _no_numbers(given, words)
    count = len(found) if found.ndim else 0
    if not count or count != (rows or count) or not found.size:
        expected = f"{rows} rows" if rows else "rows"
        raise ValueError(
            f"The teacher, {words}, must give one row for each example. "
            f"Expected {expected}. Received: shape {found.shape}."
        )
    found = columns(found)
    for part in parts(found):
        if not np.isfinite(part).all():
            raise ValueError(
                f"The teacher, {words}, gives NaN or infinity. Expected "
                f"finite numbers. Received: {part[~np.isfinite(part)][0]}."
            )
    return found


def _no_numbers(given, words):
    kind = getattr(given, "dtype", None)
    received = f"a {type(given).__name__}"
    if kind is not None:
        received += f" of {getattr(kind, 'name', kind)}"
    return ValueError(
        f"The teacher, {words}, gives no array of numbers. Expected one, of "
        f"shape (rows, ..., n). Received: {received}. Give a function that "
        "returns the one array that students are to match."
    )


def columns(found):
    """One value for each example as a column, else as it is."""
    return found[:, None] if len(found.shape) == 1 else found


def parts(found, rows=4096):
    """An array in parts of so many rows, of which none has only few."""
    return np.array_split(found, -(-len(found) // rows))


def check_task(words, name, found, task):
    """Checks that outputs are what they are said to be.

    Args:
        words: What the teacher is, in errors.
        name: Its name.
        found: Its outputs, of shape `(rows, ..., n)`.
        task: Its `Task`.

    Raises:
        ValueError: If they are not.
    """

    class Named:
        pass

    Named.name = name
    try:
        for part in parts(found):
            task.check_output(Named, np.asarray(part, "float64"))
    except ValueError as error:
        if not task.gives_probabilities:
            raise
        kinds = ["probabilities", "logits"]
        said, other = kinds if not task.from_logits else kinds[::-1]
        raise ValueError(
            f"The teacher, {words}, does not give {said} of {task.nouns}. "
            f"Pass `from_logits={not task.from_logits}` if these are {other}. "
            f"({error})"
        ) from error


def digest(found):
    """SHA-256 of outputs, but for the last bits of each number."""
    mantissa, exponent = np.frexp(np.asarray(found, "float64"))
    held = hashlib.sha256(str(found.shape).encode())
    held.update(np.round(mantissa * 2**_BITS).astype("int64").tobytes())
    held.update(exponent.astype("int64").tobytes())
    return held.hexdigest()
