"""Where callbacks of Keras write: a place of its own for each generation."""

import os

from keras_ban.state.callbacks import is_of_keras

# What each of them calls the place it writes to.
_NAMES = {
    "BackupAndRestore": "backup_dir",
    "CSVLogger": "filename",
    "ModelCheckpoint": "filepath",
    "OrbaxCheckpoint": "directory",
    "TensorBoard": "log_dir",
}


def check_places(callbacks):
    """Checks that no two generations would write to one file or folder.

    Args:
        callbacks: For each generation that is trained, its number and its
            callbacks: a dict of lists.

    Raises:
        ValueError: If they would.
    """
    taken = {}
    for number, given in callbacks.items():
        for callback in given:
            path = place(callback)
            if path is None:
                continue
            earlier = taken.setdefault(os.path.realpath(path), number)
            if earlier != number:
                _refuse(callback, path, earlier, number)


def place(callback):
    """Where a callback of Keras writes, or `None` if it does not."""
    for base in type(callback).__mro__:
        if is_of_keras(base) and base.__name__ in _NAMES:
            return os.fsdecode(getattr(callback, _NAMES[base.__name__]))
    return None


def _refuse(callback, path, *numbers):
    name = type(callback).__name__
    prefix = "keras.callbacks." * is_of_keras(type(callback))
    folder, last = os.path.split(os.path.normpath(path))
    last = last.replace("{", "{{").replace("}", "}}")
    own = os.path.join(folder, "{number}-" + last)
    raise ValueError(
        f"`{name}` of the generations {numbers[0]} and {numbers[1]} writes to "
        f"one place, {path!r}: what is of one generation would be overwritten "
        "by the next, mixed with it or taken up by it. Expected a file or "
        "folder of its own for each generation. Pass a function of the "
        f"generation's number: `callbacks=lambda number: [{prefix}{name}("
        f'f"{own}", ...)]`.'
    )
