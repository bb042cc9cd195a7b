"""`run.json` and what the folders of the generations say: read and repaired.

    run.json            what the run is, and its finished generations
    lock                held while a process trains
    generation-K/
      model.keras       the trained model, unless `keep` left it out
      history.json      what run.json says of this generation
      backup.h5         the state of the running training, until it is done

A generation is finished once `run.json` lists it, or if its own files are
sound and of this run: `run.json` may be a copy from before it was finished.
Every file is there whole or not at all, and checked before it is used. Nothing
in them is code.
"""

import contextlib

from keras_ban import checks
from keras_ban import files
from keras_ban.runs import fingerprint
from keras_ban.runs import schema
from keras_ban.runs.folders import RUN_JSON
from keras_ban.runs.folders import WAYS_OUT
from keras_ban.runs.folders import generation_files
from keras_ban.runs.folders import generation_folders
from keras_ban.runs.later import later_records
from keras_ban.runs.schema import SCHEMA
from keras_ban.tasks import kinds
from keras_ban.version import __version__


class Records:
    """What is known of the finished generations of a run.

    Args:
        path: The `pathlib.Path` of the run's folder.

    Attributes:
        path: As given.
        finished: What is known of each finished generation, a list of dicts.
        is_new: Whether there was no run before.

    Raises:
        ValueError: If a file is damaged, and cannot be made up for.
    """

    def __init__(self, path):
        self.path = path
        self.finished = []
        self.is_new = True
        self._content = {}
        self._is_repaired = False
        self._held = {}
        self._later = []
        self._read()

    @property
    def said(self):
        """What the run was told of the outputs of its models, a dict."""
        first = self.finished[0] if self.finished else {}
        task = first.get("task", kinds.AUTO)
        return {
            "from_logits": first.get("from_logits"),
            "task": _each(_known, task),
        }

    @property
    def plan(self):
        """The fingerprint of the run, and how many generations it was to have.

        `None` in place of what is not known.
        """
        return self._content.get("fingerprint"), self._content.get("planned")

    @property
    def recipe(self):
        """What the run was told and of its data is known, or `None`."""
        planned = self._content.get("fingerprint")
        if not planned:
            return None
        return planned["run"] | {"samples": self._content.get("samples")}

    @property
    def _run_json(self):
        return self.path / RUN_JSON

    def folder(self, number):
        """The folder of a generation."""
        return self.path / f"generation-{number}"

    def repair(self, what):
        """Says what is missing and made up for."""
        self._is_repaired = True
        checks.warn(what)

    def compare(self, received, feed):
        """Compares the run on disk with the one that is to be trained.

        Args:
            received: What `fingerprint.run` gives.
            feed: The `Feed`.

        Returns:
            The checksum of what each generation depends on, a list.

        Raises:
            ValueError: If they differ, with the path of the first difference
                and both values.
        """
        count = len(received["networks"])
        known = [
            files.checksum(fingerprint.generation(received, k))
            for k in range(count)
        ]
        recorded = self._content.get("fingerprint")
        # What was planned after the copy was made may be told here alone.
        listed = len(self.finished)
        self._take_up(dict(enumerate(known)))
        taken_up = range(listed, len(self.finished))
        if recorded is not None:
            # What is still to come may differ from what was planned.
            done = len(self.finished)
            has_begun = (self.folder(done) / "backup.h5").exists()
            for number in range(min(max(done + has_begun, 1), count)):
                if number not in taken_up:
                    self._same(recorded, received, number)
        for record, checksum in zip(self.finished, known, strict=False):
            if record["fingerprint"] != checksum:
                raise ValueError(
                    f"{self._run_json} was damaged, and "
                    f"{self._history(record['number'])} is of another run: its "
                    f"fingerprint differs. {WAYS_OUT}"
                )
        self._planned = max(count, len(self.finished))
        samples = self._compared(feed)
        if self._later:
            names = ", ".join(record["name"] for record in self._later)
            self.repair(
                f"{self._run_json} is older than the files of {names}. They "
                "are finished, and are listed again."
            )
        if recorded is None or count > len(self.finished):
            recorded = fingerprint.trimmed(received)
        self._update(recorded, samples)
        return known

    def add(self, record, keeps):
        """Writes down that a generation is finished.

        Args:
            record: What is known of it, a dict.
            keeps: Function from all records to the numbers of the generations
                whose models stay.
        """
        record = files.json.loads(files.dumps(record))
        self._write_history(record)
        self.finished.append(record)
        numbers = keeps(self.finished)
        for older in self.finished:
            older["kept"] = older["kept"] and older["number"] in numbers
        files.write_json(self._run_json, self._content)
        self.prune()

    def prune(self):
        """Removes what no finished generation needs any more."""
        for record in self.finished:
            folder = self.folder(record["number"])
            files.remove(folder / "backup.h5")
            if not record["kept"]:
                files.remove(folder / "model.keras")

    def _read(self):
        damage = None
        try:
            self._content = files.read_json(self._run_json, schema.run)
        except (FileNotFoundError, ValueError) as error:
            damage = error
        # Of a run that goes on, whatever run.json lists is in the folders.
        self._held = held = self._histories()
        if damage:
            if not generation_files(self.path):
                if isinstance(damage, ValueError):
                    self.repair(f"{damage} No generation was saved yet.")
                return
            self._rebuild(held, damage)
        if self._content["schema"] != SCHEMA:
            raise ValueError(
                f"{self._run_json} has the schema {self._content['schema']}. "
                f"Expected {SCHEMA}, as keras_ban {__version__} writes it. "
                f"{WAYS_OUT}"
            )
        self.is_new = False
        self.finished = self._content["generations"]
        for number, record in enumerate(self.finished):
            if held.get(number) != _without_kept(record):
                self.repair(
                    f"{self._history(number)} is missing or damaged. It is "
                    "written again from run.json."
                )
        planned = self._content["fingerprint"]
        if planned:
            self._take_up(
                {
                    number: files.checksum(
                        fingerprint.generation(planned, number)
                    )
                    for number in held
                    if type(number) is int and number >= len(self.finished)
                }
            )

    def _take_up(self, known):
        """Adds finished generations that an older run.json does not list.

        Args:
            known: The checksum of what generations depend on, by number.
        """
        found = later_records(
            self._held, len(self.finished), known, self._model
        )
        if found:
            # The copy does not know either what `keep` has removed since.
            for record in self.finished:
                exists = self._model(record["number"]).exists()
                record["kept"] = record["kept"] and exists
            self.finished += found
            self._later += found

    def _histories(self):
        """The records that the folders of the generations hold."""
        found = {}
        for folder in generation_folders(self.path):
            with contextlib.suppress(FileNotFoundError, ValueError):
                path = folder / "history.json"
                record = files.read_json(path, schema.generation)
                if folder == self.folder(record["number"]):
                    found[record["number"]] = record
        return found

    def _rebuild(self, held, error):
        """Makes up for a damaged run.json from the folders' own records."""
        records = []
        while (number := len(records)) in held:
            kept = self._model(number).exists()
            records.append({**held[number], "kept": kept})
        lost = [
            f
            for f in generation_folders(self.path)
            if (f / "model.keras").exists()
            and f not in [self.folder(n) for n in range(len(records))]
        ]
        if lost:
            raise ValueError(
                f"{error} It cannot be made up for, as {lost[0]} has a model "
                f"and no sound history.json. {WAYS_OUT}"
            )
        self.repair(
            f"{self._run_json} is missing or damaged. It is written again "
            "from what the folders of the generations say."
        )
        self._content = {
            "schema": SCHEMA,
            "fingerprint": None,
            "generations": records,
        }

    def _same(self, recorded, received, number):
        found = fingerprint.difference(
            fingerprint.generation(recorded, number),
            fingerprint.generation(received, number),
        )
        if found:
            raise self._another(*found)

    def _another(self, path, one, other):
        path = path if path.isprintable() else ascii(path)[1:-1]
        return ValueError(
            f"{self.path} holds another run: `{path[:200]}` differs. "
            f"Recorded: {_short(one)}. Received: {_short(other)}. Go back to "
            "what was recorded, pass `overwrite=True` to remove that run, or "
            "choose another directory."
        )

    def _compared(self, feed):
        """The samples of the data, unless they differ from those on disk."""
        # Runs of earlier versions have none: their data is trusted, once.
        recorded, received = self._content.get("samples") or {}, feed.samples()
        for name, other in received.items():
            one = recorded.get(name)
            if None in (one, other) or one == other:
                continue
            if feed.sample_anew(name) != other:
                # Random, so that another sample means nothing.
                received[name] = None
                continue
            path = next(k for k in one | other if one.get(k) != other.get(k))
            raise self._another(
                f"values of {name}.{path}", one.get(path), other.get(path)
            )
        return received

    def _update(self, recorded, samples):
        content = {
            "schema": SCHEMA,
            "fingerprint": recorded,
            "samples": samples,
            "planned": self._planned,
            "generations": self.finished,
        }
        if content != self._content or self._is_repaired:
            self._content = content
            files.write_json(self._run_json, content)
            for record in self.finished:
                self._write_history(record)

    def _write_history(self, record):
        path = self._history(record["number"])
        files.write_json(path, _without_kept(record))

    def _model(self, number):
        return self.folder(number) / "model.keras"

    def _history(self, number):
        return self.folder(number) / "history.json"


def _without_kept(record):
    return {k: v for k, v in record.items() if k != "kept"}


def _short(value):
    text = files.dumps(value)
    return text if len(text) < 200 else f"{text[:200]} ..."


def _each(function, value):
    """What a function makes of a value, or of each by the name of an output."""
    if isinstance(value, dict):
        return {name: function(one) for name, one in value.items()}
    return function(value)


def _known(task):
    """A task by its name; one of the user's own is not kept."""
    return task if task in kinds.KINDS else kinds.AUTO
