"""`run.json` and what the folders of the generations say: read and repaired.

    run.json            what the run is, and its finished generations
    lock                held while a process trains
    generation-K/
      model.keras       the trained model, unless `keep` left it out
      history.json      what run.json says of this generation
      backup.h5         the state of the running training, until it is done

A generation is finished once `run.json` lists it. Every file is there whole
or not at all, and checked before it is used. Nothing in them is code.
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
from keras_ban.runs.schema import SCHEMA
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
        self._read()

    @property
    def from_logits(self):
        """What the run was told of the outputs of its models."""
        return self.finished[0]["from_logits"] if self.finished else None

    @property
    def run_json(self):
        """The path of `run.json`."""
        return self.path / RUN_JSON

    def folder(self, number):
        """The folder of a generation."""
        return self.path / f"generation-{number}"

    def repair(self, what):
        """Says what is missing and made up for."""
        self._is_repaired = True
        checks.warn(what)

    def compare(self, received):
        """Compares the run on disk with the one that is to be trained.

        Args:
            received: What `fingerprint.run` gives.

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
        if recorded is not None:
            # What is still to come may differ from what was planned.
            for number in range(min(len(self.finished) + 1, count)):
                self._same(recorded, received, number)
        for record, checksum in zip(self.finished, known, strict=False):
            if record["fingerprint"] != checksum:
                raise ValueError(
                    f"{self.run_json} was damaged, and "
                    f"{self._history(record['number'])} is of another run: its "
                    f"fingerprint differs. {WAYS_OUT}"
                )
        if recorded is None or count > len(self.finished):
            recorded = fingerprint.trimmed(received)
        self._update(recorded)
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
        files.write_json(self.run_json, self._content)
        self.prune()

    def prune(self):
        """Removes what no finished generation needs any more."""
        for record in self.finished:
            folder = self.folder(record["number"])
            files.remove(folder / "backup.h5")
            if not record["kept"]:
                files.remove(folder / "model.keras")

    def _read(self):
        held = self._histories()
        try:
            self._content = files.read_json(self.run_json, schema.run)
        except (FileNotFoundError, ValueError) as error:
            if not generation_files(self.path):
                if isinstance(error, ValueError):
                    self.repair(f"{error} No generation was saved yet.")
                return
            self._rebuild(held, error)
        if self._content["schema"] != SCHEMA:
            raise ValueError(
                f"{self.run_json} has the schema {self._content['schema']}. "
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
            kept = (self.folder(number) / "model.keras").exists()
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
            f"{self.run_json} is missing or damaged. It is written again "
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
            path, one, other = found
            raise ValueError(
                f"{self.path} holds another run: `{path}` differs. Recorded: "
                f"{_short(one)}. Received: {_short(other)}. Go back to what "
                "was recorded, pass `overwrite=True` to remove that run, or "
                "choose another directory."
            )

    def _update(self, recorded):
        content = {
            "schema": SCHEMA,
            "fingerprint": recorded,
            "generations": self.finished,
        }
        if content != self._content or self._is_repaired:
            self._content = content
            files.write_json(self.run_json, content)
            for record in self.finished:
                self._write_history(record)

    def _write_history(self, record):
        path = self._history(record["number"])
        files.write_json(path, _without_kept(record))

    def _history(self, number):
        return self.folder(number) / "history.json"


def _without_kept(record):
    return {k: v for k, v in record.items() if k != "kept"}


def _short(value):
    text = files.dumps(value)
    return text if len(text) < 200 else f"{text[:200]} ..."
