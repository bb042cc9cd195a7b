"""Every field of every file of a run, with values that no run writes.

The checksums are made right again, as somebody would who means harm.
"""

import contextlib
import functools
import json
import random
import shutil

import pytest
from broken_off import HISTORY
from broken_off import STATE
from broken_off import Data
from broken_off import Seen
from broken_off import fit
from broken_off import resumed
from hostile import REMOVE
from hostile import VALUES
from hostile import changed
from hostile import nested
from hostile import outcome
from hostile import paths
from hostile import snapshot
from hostile import within

import keras_ban
from keras_ban import files
from keras_ban.distribution.cluster import Cluster
from keras_ban.runs.open_run import OpenRun
from keras_ban.runs.records import Records
from keras_ban.state import file as state_file

NAMES = {"run.json", "lock", *(f"generation-{k}" for k in range(3))}


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
