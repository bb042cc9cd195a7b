"""A folder of teachers' outputs that somebody else has written to."""

import functools
import random

import numpy as np
import pytest
from hostile import KINDS
from hostile import VALUES
from hostile import changed
from hostile import outcome
from hostile import paths
from hostile import replace
from hostile import snapshot
from hostile import within

from keras_ban import files
from keras_ban.distribution.cluster import Cluster
from keras_ban.teaching import store as stores
from keras_ban.teaching.store import Store

ROWS, SHARD = 5, "0-00001.npy"
MADE_OF = {"dtype": "float32", "top_k": 2, "views": 1, "data": "0" * 64}


def encoded(rows):
    return (
        np.ones((rows, 2), "float32"),
        np.ones((rows, 2), "int32"),
        np.ones((rows, 1), "float32"),
    )


def opened(folder):
    """Reads what a folder holds, or fills it."""
    store = Store(folder, MADE_OF, ROWS, Cluster())
    with store.open() as is_complete:
        if not is_complete:
            store.create(encoded(1), ROWS, 1)
            store.write(0, np.arange(ROWS), encoded(ROWS))
            store.close()
    return store.read(0, np.arange(ROWS))


@pytest.fixture
def filled(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "SHARD_BYTES", 24)
    (tmp_path / "victim").mkdir()
    np.save(tmp_path / "victim" / "0-00000.npy", np.ones((1, 3, 2), "float32"))
    folder = tmp_path / "cache" / "generation-0"
    opened(folder)
    assert (folder / SHARD).exists()
    return folder


def check(folder, *names):
    outside = snapshot(folder.parents[1] / "victim")
    how, found = outcome(functools.partial(opened, folder), *names)
    if how != "refused":
        for one, other in zip(found, encoded(ROWS), strict=True):
            np.testing.assert_array_equal(one, other)
    assert snapshot(folder.parents[1] / "victim") == outside
    return how


@pytest.mark.parametrize(
    "count", [150, pytest.param(10_000, marks=pytest.mark.slow)]
)
def test_every_field(filled, count):
    content = files.read_json(filled / "cache.json")
    cases = [(path, name) for path in paths(content) for name in VALUES]
    random.Random(0).shuffle(cases)
    for path, name in cases[:count]:
        other = changed(content, path, VALUES[name])
        files.write_json(filled / "cache.json", other)
        how = check(filled, "cache.json", str(filled))
        assert how == "refused" or name in ("extra", "one", "true"), path


NAMES = ["../../victim/0-00000.npy", "/etc/passwd", "0-0.npy", "cache.json"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_other_files(filled, name):
    content = files.read_json(filled / "cache.json")
    place = filled / name
    digest = files.digest(place) if place.exists() else "0" * 64
    content["files"][0][0] = [name, digest]
    files.write_json(filled / "cache.json", content)
    with pytest.raises(ValueError, match=r"cache\.json.*another file"):
        opened(filled)


ARRAYS = {
    "rows": np.ones((1, 1, 2), "float32"),
    "views": np.ones((2, 2, 2), "float32"),
    "width": np.ones((1, 2, 3), "float32"),
    "axes": np.ones((1, 2), "float32"),
    "type": np.ones((1, 2, 2), "float64"),
    "objects": np.array([[[print, print]] * 2]),
    "none": np.float32(1),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_other_arrays(filled, name):
    np.save(filled / SHARD, ARRAYS[name], allow_pickle=True)
    digest_again(filled)
    with pytest.raises(ValueError, match="missing or damaged"):
        opened(filled)


def test_a_shape_that_has_no_end(filled):
    content = (filled / SHARD).read_bytes()
    wide = content.replace(b"(1, 2, 2)", b"(1, 2, 2" + b"0" * 15 + b")")
    (filled / SHARD).write_bytes(wide.replace(b" " * 15 + b"\n", b"\n", 1))
    digest_again(filled)
    with pytest.raises(ValueError, match=SHARD):
        opened(filled)


HEADERS = {
    "minus": "-" * 9000 + "1",
    "open": "(" * 9000,
    "beyond": "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 9%s)}"
    % ("0" * 30),
    "truth": "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 2, 2)}",
    "power": "{'descr': '<f4', 'fortran_order': False, 'shape': (9**9**9,)}",
    "nested": "{'descr': '(9999999999,)f4', 'fortran_order': False, "
    "'shape': (1, 2, 2)}",
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_none(filled, name):
    """Whatever NumPy makes of them is an error that names the file."""
    header = HEADERS[name].encode()
    header += b" " * ((-len(header) - 11) % 64) + b"\n"
    begin = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little")
    (filled / SHARD).write_bytes(begin + header + bytes(16))
    digest_again(filled)
    with within(), pytest.raises(ValueError, match=SHARD):
        opened(filled)


def digest_again(folder):
    content = files.read_json(folder / "cache.json")
    for parts in content["files"]:
        for held in parts:
            held[1] = files.digest(folder / held[0])
    files.write_json(folder / "cache.json", content)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["cache.json", "lock", SHARD])
def test_something_else_in_the_place_of_a_file(filled, name, kind):
    victim = filled.parents[1] / "victim" / "0-00000.npy"
    replace(filled / name, kind, victim)
    how = check(filled, name)
    waits = kind in ("pipe", "socket", "device", "folder")
    assert how == "refused" or not waits


@pytest.mark.parametrize("kind", ["link", "pipe", "empty"])
def test_something_else_in_the_place_of_the_folder(filled, kind):
    other = filled.with_name("generation-1")
    replace(other, kind, filled.parents[1] / "victim")
    assert check(other, "generation-1") == "refused"


def test_links_are_not_written_through(filled):
    """Those of an unfinished folder, whose files are made anew."""
    victim = filled.parents[1] / "victim" / "0-00000.npy"
    (filled / "cache.json").unlink()
    (filled / SHARD).unlink()
    (filled / SHARD).symlink_to(victim)
    (filled / "0-00000.npy").unlink()
    (filled / "0-00000.npy").hardlink_to(victim)
    assert check(filled) == "right"
    assert not (filled / SHARD).is_symlink()
