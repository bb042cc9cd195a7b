"""Something else in the place of a run's files and folders, and beside them."""

import contextlib
import shutil

import pytest
from broken_off import HISTORY
from broken_off import MODEL
from broken_off import STATE
from broken_off import Data
from broken_off import Seen
from broken_off import fit
from hostile import KINDS
from hostile import outcome
from hostile import replace
from hostile import snapshot
from matrices import pairs
from weights import same

import keras_ban
from keras_ban import files
from keras_ban.runs.directory import RunDirectory

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
