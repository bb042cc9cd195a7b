"""How a run stands, as its files say: nothing is locked, loaded or written."""

import dataclasses
import math
import os

from keras_ban import checks
from keras_ban import files
from keras_ban.reporting.generation import Generation
from keras_ban.reporting.generation import called
from keras_ban.runs import fingerprint
from keras_ban.runs import folders
from keras_ban.runs import schema
from keras_ban.runs.open_run import generation_of
from keras_ban.runs.records import Records
from keras_ban.runs.steady import steadily
from keras_ban.state import file
from keras_ban.state.plain import decode
from keras_ban.state.plain import holds_array

# Nobody trains more generations; what a file says may be any number.
_MOST = 10_000


@dataclasses.dataclass
class Running:
    """A training that was saved, and is not finished.

    Attributes:
        number: The number of the generation.
        name: Its name.
        epoch: How many epochs are done.
        step: How many steps of the next one.
        steps: How many an epoch has, or `None` if that is not known.
        seconds: How long it was trained.
        history: Its metrics by epoch, a dict of lists.
        saved: When that was, as `time.time` counts.
    """

    number: int
    name: str
    epoch: int
    step: int
    steps: int | None
    seconds: float
    history: dict
    saved: float

    @property
    def done(self):
        """How many epochs are done, with the share of the one it is in."""
        return self.epoch + (self.step / self.steps if self.steps else 0)


@dataclasses.dataclass
class Standing:
    """How a run stands.

    Attributes:
        path: Its folder.
        finished: The `Generation`s, without models.
        parameters: The number of weights of each, or `None`.
        running: The `Running` ones.
        lengths: The number of epochs of each generation that is to be
            trained, by number; empty if that is not known.
        has_teacher: Whether generation 0 is not trained in it.
        is_taught: Whether students learn from a teacher.
        changed: When it last changed, as `time.time` counts.
        teachers: The `Standing` of the networks whose mean is generation 0,
            or `None`.
    """

    path: os.PathLike
    finished: list[Generation]
    parameters: list
    running: list[Running]
    lengths: dict
    has_teacher: bool
    is_taught: bool
    changed: float
    teachers: "Standing | None" = None

    @property
    def count(self):
        """How many generations there are to be; `None` if it is not known."""
        return len(self.lengths) or None

    def name(self, number):
        """The name of a generation."""
        return called(number, self.is_taught)


def standing(directory):
    """How a run stands, which may be going on in another process.

    Args:
        directory: Its folder.

    Returns:
        A `Standing`.

    Raises:
        ValueError: If it holds no run, or a damaged one.
        OSError: If what has the name of a file is none, or cannot be read.
    """
    path = checks.folder("directory", directory)
    if not path.is_dir():
        raise ValueError(
            f"There is no folder {path}. Expected the directory of a run, "
            "`BornAgain(..., directory=...)`. Check the path."
        )
    if not (path / folders.RUN_JSON).is_file():
        raise ValueError(
            f"{path} holds no run: there is no {folders.RUN_JSON}. Expected "
            "the directory of a run, `BornAgain(..., directory=...)`. Check "
            "the path."
        )
    return steadily(path, lambda: _standing(path))


def _standing(path):
    records = Records(path)
    told, planned = records.plan
    if planned is not None and planned > _MOST:
        planned = None
    count = max(planned or 0, len(records.finished))
    is_taught = _is_taught(records, told)
    found = Standing(
        path,
        [generation_of(record) for record in records.finished],
        [None] * count,
        [],
        {},
        False,
        is_taught,
        (path / folders.RUN_JSON).stat().st_mtime,
    )
    if told:
        networks = told["networks"]
        found.parameters = [_parameters(networks, k) for k in range(count)]
        found.has_teacher = networks[0] is None
    if told and planned:
        found.lengths = {k: _epochs(told, k) for k in range(count)}
    for number in range(len(records.finished), count):
        place = records.folder(number) / "backup.h5"
        one = _running(place, number, found.name(number), _steps(told))
        if one is not None:
            found.running.append(one)
            found.changed = max(found.changed, one.saved)
    teachers = path / folders.TEACHERS
    if (teachers / folders.RUN_JSON).is_file():
        found.teachers = steadily(teachers, lambda: _standing(teachers))
        found.has_teacher = True
        found.changed = max(found.changed, found.teachers.changed)
    return found


def _is_taught(records, told):
    if records.finished:
        return not records.finished[0]["name"].startswith("Labels")
    objective = (told or {"run": {}})["run"].get("objective")
    return not (
        isinstance(objective, dict) and objective.get("class") == "Labels"
    )


def _parameters(networks, number):
    """How many weights a network has, or `None` if that is not known."""
    network = networks[min(number, len(networks) - 1)] or {}
    try:
        return sum(math.prod(shape) for shape, _ in network["weights"])
    except (KeyError, TypeError, ValueError):
        return None


def _epochs(told, number):
    schedule = fingerprint.generation(told, number).get("schedule") or {}
    epochs = schedule.get("epochs")
    return epochs if type(epochs) is int else 1


def _steps(told):
    """The number of steps of an epoch, or `None` if that is not known."""
    run = (told or {}).get("run", {})
    schedule, data = run.get("schedule") or {}, run.get("data") or {}
    size = schedule.get("batch_size") or 32
    found = schedule.get("steps_per_epoch")
    # Batches that others share, or that have more rows, are counted otherwise.
    is_plain = "unlabelled" not in run and "shard" not in run
    if found is None and is_plain and type(data.get("rows")) is int:
        found = -(-data["rows"] // size) if type(size) is int else None
    if found is None and is_plain:
        found = data.get("batches")
    return found if type(found) is int and found > 0 else None


def _running(place, number, name, steps):
    """The `Running` of a state, or `None` if there is no sound one."""
    try:
        with files.open_file(place) as stream:
            known = os.fstat(stream.fileno())
            meta, arrays = file.look(stream, known.st_size)
        schema.state(meta, range(arrays))
    except FileNotFoundError:
        return None
    except ValueError as error:
        checks.warn(f"{place} is damaged: {error}.")
        return None
    return Running(
        number,
        name,
        meta["epoch"],
        meta["step"],
        steps if steps and meta["step"] < steps else None,
        meta["seconds"],
        _history(meta["callbacks"]),
        known.st_mtime,
    )


def _history(callbacks):
    """The metrics by epoch that Keras' `History` had, without arrays."""
    for one in callbacks:
        if one["class"] == "History" and "history" in one["state"]:
            (held, _) = one["state"]["history"]
            pairs = [p for p in held["dict"] if not holds_array(p[1])]
            return decode({"dict": pairs}, [])
    return {}
