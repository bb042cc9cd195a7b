"""Teacher's outputs on a disk that is too small for them."""

import errno
import os
import subprocess

import keras
import pytest
from builders import compiled
from builders import mlp
from builders import noisy
from caching import X
from caching import Y
from caching import fit
from caching import unshuffled

import keras_ban
from keras_ban import files
from keras_ban.teaching.store import Store


def check_refused(folder, teacher, *words):
    with pytest.raises(OSError) as error:
        fit(teacher, folder, "ban", x=unshuffled())
    assert error.value.errno == errno.ENOSPC
    for word in (str(folder), "teacher_outputs='online'", *words):
        assert word in str(error.value)
    assert not (folder / "cache.json").exists()


def test_room_is_looked_for_before_anything_is_kept(
    tmp_path, teacher, monkeypatch
):
    usage = files.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        files.shutil, "disk_usage", lambda path: usage._replace(free=4000)
    )
    words = "Expected 8992 free bytes", "Received: 4000"
    check_refused(tmp_path, teacher, *words)


def test_room_that_somebody_else_took_is_missed(tmp_path, teacher, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    check_refused(tmp_path, teacher, "No space left", "0-00000.npy")


def test_all_of_the_room_is_taken_at_once(tmp_path, teacher, monkeypatch):
    held = []

    def note(store, *args):
        held.extend(p.stat() for p in tmp_path.glob("*.npy"))

    monkeypatch.setattr(Store, "write", note)
    fit(teacher, tmp_path, "ban", x=unshuffled())
    assert held
    assert all(one.st_blocks * 512 >= one.st_size > 0 for one in held)


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 8 blocks, for which one has to be root."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(path)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield path
    # Lazily, as what was mapped of it may be so still.
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_is_said(small_disk, teacher):
    (small_disk / "other").write_bytes(bytes(28 * 1024))
    check_refused(small_disk / "cache", teacher, "Expected 8992 free bytes")
    (small_disk / "other").unlink()
    # What is there of an earlier attempt counts as free.
    fit(teacher, small_disk / "cache", "ban", x=unshuffled())
    assert (small_disk / "cache" / "cache.json").exists()


class Begun(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.epochs = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs += 1


def test_room_for_all_teachers_is_looked_for_before_generation_0(
    tmp_path, monkeypatch
):
    usage, begun = files.shutil.disk_usage(tmp_path), Begun()

    def run(free):
        monkeypatch.setattr(
            files.shutil, "disk_usage", lambda path: usage._replace(free=free)
        )
        keras_ban.BornAgain(lambda: compiled(mlp())).fit(
            X,
            Y,
            generations=2,
            batch_size=10,
            verbose=0,
            callbacks=begun,
            teacher_outputs=tmp_path / "cache",
            augment=noisy,
            views=17,
        )

    # Two teachers; 4 numbers of 4 bytes for each of 17 views of 41 rows, as
    # the last batch may be short; and some room beside them.
    needed = 2 * 17 * 41 * 4 * 4 + 2 * 4096
    with pytest.raises(OSError, match=f"{needed} free.*{needed - 1}") as error:
        run(needed - 1)
    assert error.value.errno == errno.ENOSPC
    assert str(tmp_path / "cache") in str(error.value)
    assert begun.epochs == 0
    assert not (tmp_path / "cache").exists()
    run(needed)
    assert begun.epochs == 3
    # What is there needs no room.
    run(0)
    assert begun.epochs == 6
