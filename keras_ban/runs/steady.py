"""A run that is read beside the training that changes it."""

import contextlib

from keras_ban.runs.folders import RUN_JSON

# What `keep` removes of older models may be gone by the time it is read: so
# often is it read again, while run.json says something new.
_READINGS = 100


def steadily(path, read):
    """What a function reads of a run, which may change under its hands.

    Args:
        path: The `pathlib.Path` of the run's folder.
        read: Function without arguments that raises a `ValueError` where what
            it reads does not fit together.

    Raises:
        ValueError: As it does, where nothing has changed meanwhile.
    """
    for _ in range(_READINGS):
        before = _version(path)
        try:
            return read()
        except ValueError as error:
            failure = error
        if _version(path) == before:
            break
    raise failure


def _version(path):
    """What tells run.json from the one that takes its place, or `None`."""
    with contextlib.suppress(OSError):
        found = (path / RUN_JSON).stat()
        return found.st_ino, found.st_mtime_ns
