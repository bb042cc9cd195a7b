"""What in a directory is the run's own: nothing else is touched.

A folder `generation-K` may be somebody else's, or a link to elsewhere. What
says that it is the run's is `run.json`, or a file of a run in it.
"""

import contextlib
import math
import re

from keras_ban import files
from keras_ban.runs import schema
from keras_ban.state import file

RUN_JSON = "run.json"
# The folder of the run of the networks that generation 0 is the mean of.
TEACHERS = "teachers"
WAYS_OUT = (
    "Restore the file from a copy, train anew with `overwrite=True`, or choose "
    "another directory."
)
_OWN = ("model.keras", "history.json", "backup.h5")
_GENERATION = re.compile("generation-(0|[1-9][0-9]{0,6})")
# Where Keras packs a model for which there is little memory.
_KERAS_LEFTOVER = re.compile(f"{files.TEMPORARY}[a-z0-9_]{{8}}")
_KERAS_WEIGHTS = "model.weights.h5"


def generation_folders(path):
    """The folders of all generations of a run, finished or not."""
    return [entry for entry in _named(path) if entry.is_dir()]


def teachers(path):
    """The folder of the teachers' run, in a list, if there is one."""
    found = path / TEACHERS
    return [found] if found.is_dir() and not found.is_symlink() else []


def generation_files(path):
    """The files of all generations of a run that are there."""
    found = [f / name for f in generation_folders(path) for name in _OWN]
    return [one for one in found if one.is_file()]


def check(path, overwrite=False):
    """Checks that a run can be kept in a directory, before it is touched.

    Args:
        path: The directory.
        overwrite: Whether the run in it is to be removed. Defaults to
            `False`.

    Raises:
        OSError: If something else has the name of one of its files or
            folders.
        ValueError: If a generation's folder is not known to be the run's.
    """
    named, run_json = _named(path), path / RUN_JSON
    for folder in named:
        files.check_folder(folder)
    places = [run_json, path / f"{files.TEMPORARY}-{RUN_JSON}"]
    for folder in named:
        places += [folder / name for name in _OWN + _leftovers()]
    for place in places:
        with contextlib.suppress(FileNotFoundError):
            files.check_file(place)
    known, there = _known(run_json), run_json.exists()
    if known is None and there and overwrite:
        return
    for folder in named:
        is_known = known is not None and _number(folder) <= known
        if not is_known and not _is_of_a_run(folder):
            raise ValueError(
                f"{run_json} is {'damaged' if there else 'missing'}, or says "
                f"nothing of {folder}, which holds no sound file of a run. "
                "Expected the folder of a generation. Move it away, or "
                + (
                    WAYS_OUT[:1].lower() + WAYS_OUT[1:]
                    if there
                    else "choose another directory."
                )
            )


def clear(path):
    """Removes a run. What else lies beside its files stays."""
    for folder in generation_folders(path):
        _sweep(folder)
        for name in _OWN:
            files.remove(folder / name)
        with contextlib.suppress(OSError):
            folder.rmdir()
    files.remove(path / RUN_JSON)


def sweep(path):
    """Removes what a process that died has left half written."""
    files.remove(path / f"{files.TEMPORARY}-{RUN_JSON}")
    for folder in generation_folders(path):
        _sweep(folder)


def _sweep(folder):
    for name in _leftovers():
        files.remove(folder / name)
    for leftover in folder.glob(f"{files.TEMPORARY}*"):
        if _KERAS_LEFTOVER.fullmatch(leftover.name) and _is_of_keras(leftover):
            files.remove_folder(leftover)


def _is_of_keras(folder):
    if folder.is_symlink() or not folder.is_dir():
        return False
    return {entry.name for entry in folder.iterdir()} <= {_KERAS_WEIGHTS}


def _leftovers():
    return tuple(f"{files.TEMPORARY}-{name}" for name in _OWN)


def _named(path):
    """What has the name of a generation's folder, in order."""
    found = path.glob("generation-*")
    return sorted(e for e in found if _GENERATION.fullmatch(e.name))


def _number(folder):
    return int(_GENERATION.fullmatch(folder.name)[1])


def _known(run_json):
    """The number of the running generation; `None` if it is not known."""
    try:
        content = files.read_json(run_json, schema.run)
    except (FileNotFoundError, ValueError):
        return None
    if content["schema"] != schema.SCHEMA:
        # Whoever reads it next says so.
        return math.inf
    return len(content["generations"])


def _is_of_a_run(folder):
    """Whether a folder is empty, or has a sound file of a run."""
    if not any(folder.iterdir()):
        return True
    with contextlib.suppress(FileNotFoundError, ValueError):
        path = folder / "history.json"
        record = files.read_json(path, schema.generation)
        return record["number"] == _number(folder)
    with contextlib.suppress(FileNotFoundError, ValueError):
        with files.open_file(folder / "backup.h5") as state:
            file.header(state.read(file.HEADER))
            return True
    return False
