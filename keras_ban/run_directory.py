"""A run on disk: what is finished, and the state of what is running.

    run.json            what the run is, and its finished generations
    lock                held while a process trains
    generation-K/
      model.keras       the trained model, unless `keep` left it out
      history.json      what run.json says of this generation
      backup.h5         the state of the running training, until it is done

A generation is finished once `run.json` lists it. Every file is there whole
or not at all, and checked before it is used. Nothing in them is code.

Of several workers the chief has this directory; the others have a copy of it
for as long as it is open, and do in it whatever the chief does.
"""

import concurrent.futures
import contextlib
import dataclasses
import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_ban import files
from keras_ban import fingerprint
from keras_ban import saving
from keras_ban import state
from keras_ban.cluster import Cluster
from keras_ban.lineage import Generation
from keras_ban.lineage import Lineage
from keras_ban.signals import Signals
from keras_ban.version import __version__

SCHEMA = 1
_WAYS_OUT = (
    "Restore the file from a copy, train anew with `overwrite=True`, or choose "
    "another directory."
)


def load(directory, custom_objects=None):
    """Loads the finished generations of a run, without training.

    The run may still go on, in this process or another.

    Args:
        directory: The directory of the run.
        custom_objects: As in `keras.models.load_model`: classes and functions
            by name, those that are not registered with Keras. Defaults to
            `None`.

    Returns:
        A `Lineage`. A model that `keep` left out is `None`.

    Raises:
        ValueError: If there is no finished generation, or if a file is
            damaged or cannot be loaded in Keras' safe mode.

    Example:
    >>> lineage = keras_ban.load("runs/digits")
    >>> print(lineage.evaluate(test_ds))
    """
    run = RunDirectory(directory)
    run.read()
    if not run.records:
        raise ValueError(
            f"{run.path} holds no finished generation. Expected the directory "
            "of a run, `BornAgain(..., directory=...)`. Received: "
            f"{'one without any' if run.path.is_dir() else 'no directory'}. "
            "Check the path, or run `fit` until a generation is finished."
        )
    with keras.saving.custom_object_scope(custom_objects or {}):
        return Lineage(run.generations(), run.from_logits)


class RunDirectory:
    """The directory of a run.

    Args:
        path: The folder.
        keep: Which models stay: "all", "best" and the last one, or so many
            of the last ones. Defaults to `"all"`.
        save_every: Steps between two savings, `None` for each epoch. Defaults
            to `None`.
        overwrite: Whether to remove the run that is there. Defaults to
            `False`.
        cluster: The `Cluster` of workers. Defaults to `None`: there is one.

    Attributes:
        path: The folder, a `pathlib.Path`.
        keep: As given.
        save_every: As given.
        records: What is known of each finished generation, a list of dicts.
        resumes: Whether there was a run before.
    """

    def __init__(
        self,
        path,
        keep="all",
        save_every=None,
        overwrite=False,
        cluster=None,
    ):
        self.path = pathlib.Path(path).expanduser().absolute()
        self.save_every = save_every
        self._cluster = cluster or Cluster()
        self._signals = None
        self.records = []
        self.resumes = False
        self.keep = keep
        self._overwrite = overwrite
        self._content = {}
        self._repairs = []
        self._writer = self._writing = None

    @property
    def from_logits(self):
        """What the run was told of the outputs of its models."""
        return self.records[0]["from_logits"] if self.records else None

    @contextlib.contextmanager
    def open(self):
        """Locks the directory and reads it; holds signals back meanwhile."""
        with contextlib.ExitStack() as stack:
            self._signals = stack.enter_context(Signals())
            names = self._cluster.on_chief(lambda: self._prepare(stack))
            if self._cluster.number > 0:
                self.path = stack.enter_context(files.temporary_folder())
            if self._cluster.several:
                self._cluster.send(self.path, names)
            self._writer = stack.enter_context(
                concurrent.futures.ThreadPoolExecutor(1)
            )
            self.read()
            yield

    def _prepare(self, stack):
        """Locks the directory and sweeps it; returns the names of its files."""
        files.make_folder(self.path)
        stack.enter_context(files.lock(self.path / "lock"))
        if self._overwrite:
            files.remove(self._run_json)
            for folder in self._folders():
                files.remove(folder)
            # A second `fit` is to extend what the first one trains.
            self._overwrite = False
        self._sweep()
        found = [self._run_json, *self.path.glob("generation-*/*.*")]
        return [str(p.relative_to(self.path)) for p in found if p.is_file()]

    @property
    def stops_now(self):
        """Whether a signal asks for the end, and nobody has to agree."""
        return bool(self._signals.received) and not self._cluster.several

    def stop_if_asked(self):
        """Ends the run if a signal came, to any of the workers.

        Raises:
            Stopped: If so, when what was given to `save` is on the disk.
        """
        asked = max(self._cluster.numbers(self._signals.received or 0))
        if asked:
            self.wait()
            # All wait for the chief, without which none goes on.
            self._cluster.numbers(0)
            self._cluster.leave()
            self._signals.stop(asked)

    def _sweep(self):
        """Removes what a process that died has left half written."""
        temporary = f"{files.TEMPORARY}-{self._run_json.name}"
        files.remove(self.path / temporary)
        for folder in self._folders():
            # Keras' own temporary files begin alike.
            for leftover in folder.glob(f"{files.TEMPORARY}*"):
                files.remove(leftover)

    def read(self):
        """Reads and checks the records of all finished generations."""
        self.records, self._content, self._repairs = [], {}, []
        self.resumes = False
        held = self._histories()
        try:
            self._content = files.read_json(self._run_json)
        except (FileNotFoundError, ValueError) as error:
            if not self._folders():
                if isinstance(error, ValueError):
                    self._repair(f"{error} No generation was saved yet.")
                return
            self._rebuild(held, error)
        if self._content["schema"] != SCHEMA:
            raise ValueError(
                f"{self._run_json} has the schema {self._content['schema']}. "
                f"Expected {SCHEMA}, as keras_ban {__version__} writes it. "
                f"{_WAYS_OUT}"
            )
        self.resumes = True
        self.records = self._content["generations"]
        for number, record in enumerate(self.records):
            if held.get(number) != _without_kept(record):
                self._repair(
                    f"{self._history(number)} is missing or damaged. It is "
                    "written again from run.json."
                )

    def _histories(self):
        """The records that the folders of the generations hold."""
        found = {}
        for folder in self._folders():
            with contextlib.suppress(FileNotFoundError, ValueError):
                record = files.read_json(folder / "history.json")
                if folder == self._folder(record["number"]):
                    found[record["number"]] = record
        return found

    def _rebuild(self, held, error):
        """Makes up for a damaged run.json from the folders' own records."""
        records = []
        while (number := len(records)) in held:
            kept = (self._folder(number) / "model.keras").exists()
            records.append({**held[number], "kept": kept})
        lost = [
            f
            for f in self._folders()
            if (f / "model.keras").exists()
            and f not in [self._folder(n) for n in range(len(records))]
        ]
        if lost:
            raise ValueError(
                f"{error} It cannot be made up for, as {lost[0]} has a model "
                f"and no sound history.json. {_WAYS_OUT}"
            )
        self._repair(
            f"{self._run_json} is missing or damaged. It is written again "
            "from what the folders of the generations say."
        )
        self._content = {
            "schema": SCHEMA,
            "fingerprint": None,
            "generations": records,
        }

    def _repair(self, what):
        self._repairs.append(what)
        warnings.warn(what, stacklevel=2)

    def check(self, common, networks, callbacks):
        """Compares the run on disk with the one that is to be trained.

        Args:
            common: What `fingerprint.run` gives.
            networks: What `fingerprint.network` gives for each generation
                that is trained, or `None` for a given teacher.
            callbacks: What `fingerprint.callbacks` gives for each generation.

        Raises:
            ValueError: If they differ, with the path of the first difference
                and both values.
        """
        now = {"run": common, "networks": networks, "callbacks": callbacks}
        count = len(networks)
        self._fingerprints = [
            files.checksum(_of_generation(now, k)) for k in range(count)
        ]
        before = self._content.get("fingerprint")
        if before is not None:
            # What is still to come may differ from what was planned.
            for number in range(min(len(self.records) + 1, count)):
                self._same(
                    _of_generation(before, number), _of_generation(now, number)
                )
        for record, known in zip(
            self.records, self._fingerprints, strict=False
        ):
            if record["fingerprint"] != known:
                raise ValueError(
                    f"{self._run_json} was damaged, and "
                    f"{self._history(record['number'])} is of another run: its "
                    f"fingerprint differs. {_WAYS_OUT}"
                )
        if before is None or count > len(self.records):
            before = {k: _trimmed(v) for k, v in now.items()}
        content = {
            "schema": SCHEMA,
            "fingerprint": before,
            "generations": self.records,
        }
        if content != self._content or self._repairs:
            self._content = content
            self._write()
            for record in self.records:
                self._write_history(record)
        self._prune()

    def _same(self, recorded, received):
        found = fingerprint.difference(recorded, received)
        if found:
            path, one, other = found
            raise ValueError(
                f"{self.path} holds another run: `{path}` differs. Recorded: "
                f"{_short(one)}. Received: {_short(other)}. Go back to what "
                "was recorded, pass `overwrite=True` to remove that run, or "
                "choose another directory."
            )

    def generations(self, teacher=None):
        """The finished `Generation`s, their models loaded.

        Args:
            teacher: The model of generation 0, if it need not be loaded.
        """
        found = []
        for record in self.records:
            model = teacher if record["number"] == 0 else None
            if model is None and record["kept"]:
                model = self._load(record)
            found.append(self._generation(record, model))
        return found

    def _generation(self, record, model=None):
        names = {f.name for f in dataclasses.fields(Generation)}
        fields = {k: v for k, v in record.items() if k in names}
        return Generation(**{**fields, "model": model})

    def _load(self, record):
        path = self._folder(record["number"]) / "model.keras"
        try:
            if files.digest(path) != record["model"]:
                raise ValueError("its checksum differs")
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path}, the model of {record['name']}, is damaged: {error}. "
                f"{_WAYS_OUT}"
            ) from error
        return saving.load_model(path)

    def remind(self, states):
        """Gives callbacks back what they knew after the last generation.

        Args:
            states: `CallbackStates` of them.
        """
        states.set(self.records[-1]["callbacks"])

    def record(self, generation, states):
        """Writes down a finished generation; from then on it is finished.

        Args:
            generation: The `Generation`.
            states: `CallbackStates` of the user's callbacks.

        Returns:
            The numbers of the generations whose models stay.
        """
        self.wait()
        number = generation.number
        folder = self._folder(number)
        files.make_folder(folder)
        path = folder / "model.keras"
        files.write(path, generation.model.save)
        fields = dataclasses.asdict(dataclasses.replace(generation, model=None))
        record = {
            **fields,
            "model": files.digest(path),
            "fingerprint": self._fingerprints[number],
            "from_logits": self._content["fingerprint"]["run"]["from_logits"],
            "callbacks": states.get()[0],
            "replicas": self._cluster.replicas,
            "versions": _versions(),
            "kept": True,
        }
        record = files.json.loads(files.dumps(record))
        self._write_history(record)
        self.records.append(record)
        kept = self._kept()
        for older in self.records:
            older["kept"] = older["kept"] and older["number"] in kept
        self._write()
        self._prune()
        return kept

    def _kept(self):
        numbers = [r["number"] for r in self.records]
        if self.keep == "all":
            return numbers
        if self.keep == "best":
            lineage = Lineage(
                Generation(
                    r["number"], r["name"], None, "", metrics=r["metrics"]
                )
                for r in self.records
            )
            return {lineage.best.number, numbers[-1]}
        return numbers[-self.keep :]

    def _prune(self):
        """Removes what no finished generation needs any more."""
        for record in self.records:
            folder = self._folder(record["number"])
            files.remove(folder / "backup.h5")
            if not record["kept"]:
                files.remove(folder / "model.keras")

    def save(self, number, meta, arrays):
        """Saves the state of a running training, while it goes on.

        Args:
            number: The generation.
            meta: A dict.
            arrays: A list of NumPy arrays.
        """
        self.wait()
        folder = self._folder(number)
        known = {
            "number": number,
            "fingerprint": self._fingerprints[number],
            "replicas": self._cluster.replicas,
        }

        def write():
            if not folder.is_dir():
                files.make_folder(folder)
            content = state.pack({**meta, **known}, arrays)
            files.write(folder / "backup.h5", lambda p: p.write_bytes(content))

        self._writing = self._writer.submit(write)

    def resized(self, saved):
        """What to say of a run that other replicas have begun.

        Args:
            saved: What `saved` returned.

        Returns:
            A text, empty if there were as many.
        """
        last = saved[0] if saved else self.records[-1] if self.records else {}
        now = self._cluster.replicas
        before = last.get("replicas", now)
        return f", with {now} replicas where {before} began" * (before != now)

    def wait(self):
        """Waits until what was given to `save` is on the disk.

        Raises:
            OSError: If it could not be written.
        """
        writing, self._writing = self._writing, None
        if writing:
            writing.result()

    def saved(self, number):
        """What `save` saved: dict and arrays, or `None` if there is nothing.

        A state that is damaged, or not of this generation, is left aside with
        a warning.
        """
        path = self._folder(number) / "backup.h5"
        if not path.exists():
            return None
        try:
            meta, arrays = state.unpack(path.read_bytes())
            if meta["number"] != number:
                raise ValueError(f"it is of generation {meta['number']}")
            if meta["fingerprint"] != self._fingerprints[number]:
                raise ValueError("it is of another run")
        except (OSError, ValueError, KeyError) as error:
            self._repair(
                f"{path} is damaged: {error}. Generation {number} starts anew."
            )
            return None
        return meta, arrays

    def _write(self):
        files.write_json(self._run_json, self._content)

    def _write_history(self, record):
        path = self._history(record["number"])
        files.write_json(path, _without_kept(record))

    @property
    def _run_json(self):
        return self.path / "run.json"

    def _folder(self, number):
        return self.path / f"generation-{number}"

    def _history(self, number):
        return self._folder(number) / "history.json"

    def _folders(self):
        return [
            f
            for f in sorted(self.path.glob("generation-*"))
            if f.name.removeprefix("generation-").isdigit()
        ]


def _of_generation(fingerprint, number):
    """The part that a generation depends on."""
    networks, callbacks = fingerprint["networks"], fingerprint["callbacks"]
    return {
        **fingerprint["run"],
        **(networks[min(number, len(networks) - 1)] or {}),
        "callbacks": callbacks[min(number, len(callbacks) - 1)],
    }


def _trimmed(values):
    """A list without the repetitions at its end."""
    if isinstance(values, list):
        while len(values) > 1 and values[-1] == values[-2]:
            values = values[:-1]
    return values


def _without_kept(record):
    return {k: v for k, v in record.items() if k != "kept"}


def _versions():
    return {
        "keras_ban": __version__,
        "keras": keras.version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }


def _short(value):
    text = files.dumps(value)
    return text if len(text) < 200 else f"{text[:200]} ..."
