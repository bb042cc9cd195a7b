"""A run while its directory is open: recorded, saved, resumed."""

import dataclasses
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_ban import files
from keras_ban.lineage import Lineage
from keras_ban.networks import saving
from keras_ban.reporting.generation import Generation
from keras_ban.runs import schema
from keras_ban.runs.backup import Backup
from keras_ban.runs.folders import WAYS_OUT
from keras_ban.state import file
from keras_ban.state.plain import from_lists
from keras_ban.state.plain import metric_of_json
from keras_ban.state.plain import to_lists
from keras_ban.version import __version__


class Saved(NamedTuple):
    """The state of a training that was interrupted.

    Attributes:
        meta: What is known of it, a dict.
        arrays: A list of NumPy arrays.
    """

    meta: dict
    arrays: list


class OpenRun:
    """A run whose directory this process has locked.

    Args:
        records: The `Records` of the directory.
        fingerprint: What `fingerprint.run` gives of the run to be trained.
        feed: The `Feed`.
        keep: As `RunDirectory` takes it.
        save_every: As `RunDirectory` takes it.
        cluster: The `Cluster` of workers.
        signals: The open `Signals`.
        ending: The open `Ending`.
        writer: The executor of one thread that writes.

    Attributes:
        save_every: As given.

    Raises:
        ValueError: If the directory holds another run.
    """

    def __init__(
        self,
        records,
        fingerprint,
        feed,
        keep,
        save_every,
        cluster,
        signals,
        ending,
        writer,
    ):
        self.save_every = save_every
        self._records = records
        self._keep = keep
        self._cluster = cluster
        self._signals = signals
        self._ending = ending
        self._writer = writer
        self._writing = {}
        # Callbacks without a state, and states without a callback.
        self._unmatched = [], []
        told = fingerprint["run"]
        self._said = {k: told[k] for k in ("from_logits", "task") if k in told}
        self._feed = feed
        self._fingerprints = records.compare(fingerprint, feed)
        self._is_announced = records.is_new
        records.prune()

    def finished(self, teacher):
        """The finished `Generation`s, their models loaded.

        Args:
            teacher: The `Teacher` that is generation 0, if it was given.
        """
        return generations(self._records, teacher)

    def remind(self, states):
        """Gives callbacks back what they knew after each generation.

        Args:
            states: `CallbackStates` of each finished generation, a list.
        """
        for one, record in zip(states, self._records.finished, strict=False):
            held = record["callbacks"]
            if "arrays" not in record:
                # Earlier versions recorded those too that begin anew.
                known = vars(keras.callbacks)
                held = [state for state in held if state["class"] not in known]
            one.set(held, from_lists(record.get("arrays")))
            self._unmatched = one.unmatched(held)

    def resumption(self, saved, states):
        """What to say where a run is resumed, or `None` if nothing.

        It is said once, before the first training.

        Args:
            saved: What `saved` returned for that training.
            states: `CallbackStates` of that training.
        """
        if self._is_announced:
            return None
        self._is_announced = True
        finished = self._records.finished
        last = saved.meta if saved else finished[-1] if finished else {}
        now = self._cluster.replicas
        before = last.get("replicas", now)
        step = saved and saved.meta["step"]
        new, left = self._unmatched
        if saved:
            new, left = states.unmatched(saved.meta["callbacks"])
        return "".join(
            [
                f", after step {step}" * bool(step),
                f", with {now} replicas where {before} began" * (before != now),
                f"; nothing was saved of {', '.join(new)}" * bool(new),
                f"; what was saved of {', '.join(left)} is left" * bool(left),
            ]
        )

    def saved(self, number):
        """The `Saved` state of a generation, or `None` if there is none.

        A state that is damaged, or not of this generation, is left aside with
        a warning.
        """
        path = self._state_path(number)
        if not path.exists():
            return None
        try:
            found = Saved(*file.unpack(files.read(path)))
            schema.state(*found)
            _check_place(found.meta, self._feed.for_generation(number))
            if found.meta["number"] != number:
                raise ValueError(f"it is of generation {found.meta['number']}")
            if found.meta["fingerprint"] != self._fingerprints[number]:
                raise ValueError("it is of another run")
        except (OSError, ValueError, KeyError) as error:
            self._records.repair(
                f"{path} is damaged: {error}. Generation {number} starts anew."
            )
            return None
        return found

    def _state_path(self, number):
        return self._records.folder(number) / "backup.h5"

    def callbacks(self, given, trained, states, number, saved, **params):
        """The callbacks of a training, that also save its state.

        Raises:
            ValueError: If the saved step is none of an epoch.
        """
        steps = params.get("steps")
        if saved and steps:
            size = trained.steps_per_execution
            last = -(-steps // size) * size
            if saved.meta["step"] > last:
                raise self.beyond(number, saved.meta["step"], last)
        return Backup(given, trained, states, number, self, saved, **params)

    def beyond(self, number, step, last):
        """The error of a saved step that no epoch has.

        Args:
            number: The generation.
            step: The step.
            last: The last one of an epoch.
        """
        return ValueError(
            f"{self._state_path(number)} is damaged: `step` is {step}. "
            f"Expected at most {last}. {WAYS_OUT}"
        )

    def save(self, number, meta, arrays):
        """Saves the state of a running training, while it goes on.

        Args:
            number: The generation.
            meta: A dict.
            arrays: A list of NumPy arrays.
        """
        # Those that are trained beside it write while it goes on.
        self._wait_for(number)
        folder = self._records.folder(number)
        known = {
            "number": number,
            "fingerprint": self._fingerprints[number],
            "replicas": self._cluster.replicas,
        }

        def write():
            if not folder.is_dir():
                files.make_folder(folder)
            content = file.pack({**meta, **known}, arrays)
            path = self._state_path(number)
            files.write(path, lambda p: p.write_bytes(content))

        self._writing[number] = self._writer.submit(write)

    def wait(self):
        """Waits until what was given to `save` is on the disk.

        Raises:
            OSError: If it could not be written.
        """
        for number in list(self._writing):
            self._wait_for(number)

    def _wait_for(self, number):
        writing = self._writing.pop(number, None)
        if writing:
            writing.result()

    def stops_now(self):
        """Whether a signal asks for the end, and all workers end here.

        They ask as often as each other, each at the same places.
        """
        return self._ending.due(bool(self._signals.received))

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

    def stop_now_if_asked(self):
        """Ends the run in the midst of something that is not training.

        Raises:
            Stopped: If a signal came, to any of the workers.
        """
        if self.stops_now():
            self.stop_if_asked()

    def record(self, generation, states):
        """Writes down a finished generation; from then on it is finished.

        Args:
            generation: The `Generation`.
            states: `CallbackStates` of the user's callbacks.
        """
        self.wait()
        folder = self._records.folder(generation.number)
        files.make_folder(folder)
        path, given = folder / "model.keras", generation.given
        if given is None:
            files.write(path, generation.model.save)
        plain = dataclasses.replace(generation, model=None, given=None)
        fields = dataclasses.asdict(plain)
        del fields["given"]
        held, arrays = states.get()
        record = {
            **fields,
            **({"given": given.words} if given else {}),
            "model": None if given else files.digest(path),
            "fingerprint": self._fingerprints[generation.number],
            **self._said,
            "callbacks": held,
            "arrays": to_lists(arrays),
            "replicas": self._cluster.replicas,
            "versions": _versions(),
            "kept": given is None,
        }
        self._records.add(record, self._kept)

    def keeps(self, number):
        """Whether the model of a finished generation stays."""
        return number in self._kept(self._records.finished)

    def _kept(self, records):
        numbers = [r["number"] for r in records]
        if self._keep == "all":
            return numbers
        networks = [r for r in records if "given" not in r]
        if self._keep == "best" and networks:
            best = Lineage(generation_of(r) for r in records).best
            return {best.number, numbers[-1]}
        return numbers if self._keep == "best" else numbers[-self._keep :]


def _check_place(meta, feed):
    """Checks that a state is of an epoch that is trained."""
    epoch, last = meta["epoch"], feed.epochs
    is_within = feed.initial_epoch <= epoch <= last
    if not is_within or (epoch == last and meta["step"]):
        raise ValueError(f"it is of step {meta['step']} of epoch {epoch + 1}")


def generations(records, teacher=None):
    """The finished `Generation`s, their models loaded.

    Args:
        records: The `Records`.
        teacher: The `Teacher` that is generation 0, if it need not be loaded.
            Defaults to `None`.
    """
    found = []
    for record in records.finished:
        given = teacher if record["number"] == 0 else None
        model = given and given.model
        if model is None and record["kept"]:
            model = _load(record, records.folder(record["number"]))
        generation = generation_of(record, model)
        if given and model is None:
            generation = dataclasses.replace(generation, given=given)
        found.append(generation)
    return found


def generation_of(record, model=None):
    """The `Generation` that a record tells of.

    Args:
        record: What is known of it, a dict.
        model: Its model. Defaults to `None`.
    """
    names = {f.name for f in dataclasses.fields(Generation)}
    fields = {k: v for k, v in record.items() if k in names}
    fields["history"] = {
        name: [metric_of_json(value) for value in values]
        for name, values in record["history"].items()
    }
    return Generation(**{**fields, "model": model})


def _load(record, folder):
    path = folder / "model.keras"
    try:
        # What does not fit into it is no model of this machine.
        if files.digest(path, files.memory()) != record["model"]:
            raise ValueError("its checksum differs")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}, the model of {record['name']}, is damaged: {error}. "
            f"{WAYS_OUT}"
        ) from error
    return saving.load_model(path)


def _versions():
    return {
        "keras_ban": __version__,
        "keras": keras.version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
