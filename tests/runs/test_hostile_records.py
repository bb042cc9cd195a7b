"""Every field of every file of a run, with values that no run writes.

The checksums are made right again, as somebody would who means harm.
"""

import contextlib
import functools
import json
import random
import shutil

import keras
import pytest
from hostile import KINDS
from hostile import REMOVE
from hostile import VALUES
from hostile import changed
from hostile import nested
from hostile import outcome
from hostile import paths
from hostile import replace
from hostile import snapshot
from hostile import within
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import model_fn
from matrices import pairs
from weights import same

import keras_ban
from keras_ban import files
from keras_ban.distribution.cluster import Cluster
from keras_ban.feeding.passes import Course
from keras_ban.generations.guards import Finite
from keras_ban.networks import saving
from keras_ban.runs.backup import check_executions
from keras_ban.runs.directory import RunDirectory
from keras_ban.runs.open_run import OpenRun
from keras_ban.runs.records import Records
from keras_ban.state import file as state_file
from keras_ban.state.callbacks import CallbackStates
from keras_ban.state.variables import Variables

HISTORY = "generation-1/history.json"
STATE = "generation-2/backup.h5"
MODEL = "generation-1/model.keras"
NAMES = {"run.json", "lock", *(f"generation-{k}" for k in range(3))}


class Data:
    """What is read of the data of a run: checksums of its values."""

    epochs = 2

    def __init__(self, samples=None, initial_epoch=0):
        self._samples = samples or {}
        self.initial_epoch = initial_epoch

    def samples(self):
        return dict(self._samples)

    def sample_anew(self, name):
        return self._samples[name]

    def for_generation(self, number):
        return self


class Interrupt(keras.callbacks.Callback):
    def __init__(self, number):
        super().__init__()
        self.is_last = number == 2
        self.seen = [1.0]

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)
        if self.is_last and epoch == 1:
            raise KeyboardInterrupt


def fit(directory, callback=Interrupt, **born):
    return keras_ban.BornAgain(model_fn, directory=directory, **born).fit(
        X,
        Y,
        generations=2,
        epochs=2,
        verbose=0,
        validation_data=VALIDATION,
        callbacks=callback,
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Two finished generations, and a third that was broken off."""
    directory = tmp_path_factory.mktemp("kept") / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(directory)
    assert (directory / STATE).exists()
    return directory


@pytest.fixture
def copy(kept, tmp_path):
    """The run, beside something that is not its own."""
    victim = tmp_path / "victim"
    victim.mkdir()
    for name in ("model.keras", "backup.h5", "history.json", "tmp-run.json"):
        (victim / name).write_text("mine")
    return shutil.copytree(kept, tmp_path / "run")


@pytest.fixture
def unbuilt(monkeypatch):
    """Keras builds nothing: what is refused is refused before."""
    monkeypatch.setattr(saving, "load_model", lambda path: path)
    # To wait for the disk would take most of the time.
    monkeypatch.setattr(files, "_flush", lambda path: None)


@pytest.fixture(scope="module")
def identity(kept):
    """What the script of the run plans, as it was recorded."""
    found = Records(kept)._content["fingerprint"]
    return {**found, "networks": found["networks"][:1] * 3}


@pytest.fixture(scope="module")
def trained(kept):
    """What is trained in the generation that was broken off."""
    student, teacher = model_fn(), keras_ban.load(kept)[1].model
    distiller = keras_ban.Distiller(student, teacher, "ban")
    Variables(distiller).build(X, Y)
    return distiller


@pytest.fixture(scope="module")
def opened(kept, identity, trained):
    """Opens a directory and resumes as `fit` does, without the training."""
    data = Data(Records(kept)._content["samples"])
    assert data.samples()["data"]["x"]

    def opened(directory):
        with RunDirectory(directory).open(lambda: identity, data) as run:
            finished = run.finished(None)
            run.remind(
                [CallbackStates([Interrupt(g.number)]) for g in finished]
            )
            return resumed(run, trained)

    return opened


def resumed(run, trained):
    """What was saved of generation 2, given to all that it is for."""
    saved, history = run.saved(2), keras.callbacks.History()
    states = CallbackStates([Finite("BAN-2"), history, Interrupt(2)])
    run.resumption(saved, states)
    if saved:
        check_executions(saved.meta, functools.partial(Course, None, 2), 1)
    given = {"verbose": 0, "epochs": 2, "steps": 2}
    given["seconds"] = float
    try:
        callbacks = run.callbacks([history], trained, states, 2, saved, **given)
        callbacks.on_train_begin()
        callbacks.on_epoch_begin(1)
    finally:
        trained.train_function = None
    history.on_epoch_end(1, {"loss": 1.0, "val_loss": 2.0})
    assert all(type(column) is list for column in history.history.values())
    return saved


# What an error or a warning says, where it names no file.
WORDS = (
    STATE,
    "state in backup.h5",
    "What was saved of",
    "`steps_per_execution` was",
    "holds another run",
)


@contextlib.contextmanager
def context(*shown):
    """Says in what fails which case it was."""
    try:
        yield
    except Exception as error:
        error.add_note(repr(shown))
        raise


def cases(content, count):
    """Paths and values: all that matter, and some of what is compared only."""
    found = [(path, name) for path in paths(content) for name in VALUES]
    telling = [c for c in found if "fingerprint" not in c[0][:1]]
    compared = [c for c in found if "fingerprint" in c[0][:1]]
    rng = random.Random(0)
    rng.shuffle(telling)
    return telling[:count] + rng.sample(
        compared, min(count // 4, len(compared))
    )


def check_records(works, copy, name, count):
    """Tries the cases; each work has its turn, or all where all are tried."""
    content = files.read_json(copy / name)
    outside = snapshot(copy.parent / "victim")
    seen, named = set(), (name, "run.json", *WORDS)
    for index, (path, value) in enumerate(cases(content, count)):
        shown = path, value
        turn = works[index % 2 :][:1] if count < 1000 else works
        for work in turn:
            files.write_json(copy / name, changed(content, path, VALUES[value]))
            with context(path, value, work):
                how, found = outcome(functools.partial(work, copy), *named)
            seen.add(how)
            if how != "refused" and work is keras_ban.load:
                names = [generation.name for generation in found]
                assert names == ["Teacher", "BAN-1"][: len(names)], shown
                assert len(names) == 2 or value == "list", shown
        assert snapshot(copy.parent / "victim") == outside, shown
        assert {p.name for p in copy.iterdir()} <= NAMES, shown
    return seen


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize(
    "count", [80, pytest.param(100_000, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", ["run.json", HISTORY])
def test_every_field_of_a_record(copy, opened, name, count):
    works = keras_ban.load, opened
    assert "repaired" in check_records(works, copy, name, count)


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize(
    "count", [120, pytest.param(100_000, marks=pytest.mark.slow)]
)
def test_every_field_of_a_state(copy, identity, trained, count):
    content = (copy / STATE).read_bytes()
    meta, arrays = state_file.unpack(content)
    records = Records(copy)
    run = OpenRun(
        records, identity, Data(), "all", None, Cluster(), None, None, None
    )
    assert run.saved(2).meta == meta
    for path, value in cases(meta, count):
        other = changed(meta, path, VALUES[value])
        (copy / STATE).write_bytes(state_file.pack(other, arrays))
        with context(path, value):
            how, found = outcome(lambda: resumed(run, trained), *WORDS)
        if how != "right" or not found:
            continue
        if path[0] in ("epoch", "step", "total", "variables"):
            assert value in ("extra", "zero", "one", "huge"), path
    assert outcome(lambda: run.saved(2), STATE)


FILES = ("run.json", "lock", HISTORY, STATE, MODEL)


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize(("name", "kind"), pairs(FILES, KINDS))
def test_something_else_in_the_place_of_a_file(copy, opened, name, kind):
    victim = copy.parent / "victim" / "model.keras"
    whole = copy / name
    replace(whole, kind, victim)
    outside = snapshot(copy.parent / "victim")
    for work in (keras_ban.load, opened):
        how, _ = outcome(lambda w=work: w(copy), name, "run.json")
        if kind in ("pipe", "socket", "device", "folder") and work is opened:
            assert how == "refused" or name == MODEL
        assert snapshot(copy.parent / "victim") == outside
    if kind == "folder":
        assert (whole / "mine").read_text() == "mine"


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize("how", ["link", "file", "pipe"])
def test_something_else_in_the_place_of_a_generation(copy, how):
    folder, victim = copy / "generation-1", copy.parent / "victim"
    (victim / "tmp-model.keras").write_text("mine")
    outside = snapshot(victim)
    shutil.rmtree(folder)
    if how == "link":
        folder.symlink_to(victim)
    else:
        replace(folder, "empty" if how == "file" else how, victim)
    for overwrite in (False, True):
        with pytest.raises(OSError, match=r"generation-1 is in the way"):
            with RunDirectory(copy, overwrite=overwrite).open(dict, Data()):
                pass
    outcome(lambda: keras_ban.load(copy), "generation-1")
    assert snapshot(victim) == outside


FOREIGN = {
    "notes.txt": "mine",
    "tmp-model.keras": "mine",
    "model.keras": "mine",
    "backup.h5": "mine",
}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("is_run", [False, True])
@pytest.mark.parametrize("names", [FOREIGN, ["notes.txt"], ["backup.h5"]])
def test_foreign_folder(copy, overwrite, is_run, names):
    directory = copy if is_run else copy.parent / "other"
    folder = directory / "generation-3"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("mine")
    before = snapshot(directory)
    with pytest.raises(ValueError, match=r"generation-3, which holds no sound"):
        with RunDirectory(directory, overwrite=overwrite).open(dict, Data()):
            pass
    (directory / "lock").unlink(missing_ok=True)
    before.pop(directory / "lock", None)
    assert snapshot(directory) == before


def test_what_lies_beside_stays_when_a_run_is_removed(copy):
    (copy / "generation-1" / "notes.txt").write_text("mine")
    with contextlib.suppress(KeyError):
        with RunDirectory(copy, overwrite=True).open(dict, Data()):
            pass
    left = [p.relative_to(copy).as_posix() for p in copy.rglob("*")]
    assert sorted(left) == ["generation-1", "generation-1/notes.txt", "lock"]


def test_overwrite_needs_no_sound_record(copy):
    (copy / "run.json").write_text("")
    (copy / HISTORY).write_text("{}")
    with contextlib.suppress(KeyError):
        with RunDirectory(copy, overwrite=True).open(dict, Data()):
            pass
    assert [p.name for p in copy.iterdir()] == ["lock"]


def test_links_where_something_is_to_be_written(copy, opened):
    """What is half written goes to the run's own file, not where it leads."""
    victim = copy.parent / "victim" / "model.keras"
    for name in ("tmp-run.json", "generation-1/tmp-history.json"):
        (copy / name).symlink_to(victim)
    (copy / HISTORY).unlink()
    with pytest.warns(UserWarning, match="history.json is missing"):
        opened(copy)
    assert victim.read_text() == "mine"
    assert (copy / HISTORY).is_file()
    (copy / "run.json").unlink()
    (copy / "tmp-run.json").symlink_to(victim)
    files.write_json(copy / "run.json", {"a": 1})
    assert victim.read_text() == "mine"


def test_a_number_that_leads_elsewhere(copy):
    """The whole way: nothing is removed or written there, and the run ends."""
    content = files.read_json(copy / "run.json")
    shutil.copytree(copy, copy.parent / "whole")
    content["generations"][1].update(number="0/../../victim", kept=False)
    files.write_json(copy / "run.json", content)
    outside = snapshot(copy.parent / "victim")
    whole = keras_ban.load(copy.parent / "whole")
    with pytest.warns(UserWarning, match=r"run\.json is missing or damaged"):
        resumed = fit(copy, callback=lambda number: Seen())
    assert snapshot(copy.parent / "victim") == outside
    assert len(resumed) == 3
    for one, other in zip(resumed, whole, strict=False):
        assert same(one.model, other.model)


class Seen(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = [1.0]


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"\xff\xfe\0",
        b"1" * 5000,
        b"null",
        b"[]",
        b'{"sha256": "0"}',
        json.dumps(nested(300)).encode(),
        b"[" + b"[]," * 2**21 + b"0]",
    ],
)
def test_records_that_are_none_are_named(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with within(), pytest.warns(UserWarning, match=r"run\.json is damaged"):
        Records(tmp_path)
    (tmp_path / "generation-0").mkdir()
    (tmp_path / "generation-0" / "model.keras").write_text("")
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        Records(tmp_path)


def test_without_schema(copy):
    content = files.read_json(copy / "run.json")
    files.write_json(copy / "run.json", changed(content, ["schema"], REMOVE))
    with pytest.warns(UserWarning, match=r"run\.json is missing or damaged"):
        assert len(Records(copy).finished) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("step", 10**6), pytest.param("variables", 3, marks=pytest.mark.slow)],
)
def test_a_state_that_does_not_fit_is_refused(copy, field, value):
    meta, arrays = state_file.unpack((copy / STATE).read_bytes())
    content = state_file.pack({**meta, field: value}, arrays)
    (copy / STATE).write_bytes(content)
    with pytest.raises(ValueError, match=r"backup\.h5"):
        fit(copy, callback=lambda number: Seen())


@pytest.mark.parametrize(
    ("first", "epoch", "step", "fits"),
    [
        (0, 1, 0, True),
        (0, 2, 0, True),
        (0, 2, 1, False),
        (0, 3, 0, False),
        (1, 1, 0, True),
        (1, 0, 0, False),
    ],
)
def test_epochs_that_are_not_trained(copy, identity, first, epoch, step, fits):
    data = Data(initial_epoch=first)
    for name in ("run.json", "generation-0", "generation-1"):
        place = copy / name
        place.unlink() if place.is_file() else shutil.rmtree(place)
    with pytest.warns(UserWarning, match="run.json is missing"):
        records = Records(copy)
    run = OpenRun(
        records, identity, data, "all", None, Cluster(), None, None, None
    )
    meta, arrays = state_file.unpack((copy / STATE).read_bytes())
    meta |= {"epoch": epoch, "step": step}
    meta["fingerprint"] = run._fingerprints[2]
    (copy / STATE).write_bytes(state_file.pack(meta, arrays))
    how, found = outcome(lambda: run.saved(2), STATE)
    assert how == ("right" if fits else "repaired")
    assert (found is not None) == fits
