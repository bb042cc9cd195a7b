"""Model files whose archive or weights lead elsewhere or never end."""

import io
import random
import stat
import zipfile

import h5py
import pytest
from archives import pack
from archives import parts
from builders import mlp
from hostile import within

from keras_ban.networks import archive
from keras_ban.networks import saving


def linked(file):
    file["elsewhere"] = h5py.ExternalLink("/etc/other.h5", "/")


def soft(file):
    file["elsewhere"] = h5py.SoftLink("/layers")


def external(file):
    file.create_dataset("x", (8,), "uint8", external=[("/etc/passwd", 0, 8)])


def virtual(file):
    layout = h5py.VirtualLayout((8,), "uint8")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (8,))
    file.create_virtual_dataset("x", layout)


def huge(file):
    file.create_dataset("x", (2**50,), "float32", chunks=(1024,))


def reference(file):
    file.create_dataset("x", (1,), h5py.ref_dtype)


def deep(file):
    group = file
    for _ in range(600):
        group = group.create_group("x")


def circle(file):
    """A hard link to what is above: looked at once."""
    file["layers/again"] = file["layers"]


WEIGHTS = [linked, soft, external, virtual, huge, reference, deep]


def with_weights(path, change):
    held = parts(mlp(), path)
    image = io.BytesIO(held["model.weights.h5"])
    with h5py.File(image, "r+") as file:
        change(file)
    held["model.weights.h5"] = image.getvalue()
    pack(path, held)


@pytest.mark.parametrize("change", WEIGHTS, ids=lambda f: f.__name__)
def test_weights_that_are_elsewhere_or_have_no_end(tmp_path, change):
    path = tmp_path / "model.keras"
    with_weights(path, change)
    with within(), pytest.raises(ValueError, match=r"its weights"):
        archive.check(path)
    with pytest.raises(ValueError, match=r"model\.keras"):
        saving.load_model(path)


def test_weights_that_hold_themselves(tmp_path):
    with_weights(tmp_path / "model.keras", circle)
    with within():
        archive.check(tmp_path / "model.keras")


def member(name, content=b"x", mode=stat.S_IFREG, compression=None):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info, content, compression


MEMBERS = {
    "upwards": member("assets/../../victim"),
    "absolute": member("/etc/victim"),
    "backslash": member("assets\\..\\victim"),
    "another": member("victim"),
    "npz": member("model.weights.npz"),
    "link": member("assets/x", b"/etc/passwd", stat.S_IFLNK),
    "twice": member("config.json", b"{}"),
    "bomb": member("assets/x", bytes(2**27), compression=zipfile.ZIP_DEFLATED),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", MEMBERS)
def test_archives_that_hold_something_else(tmp_path, name):
    path = tmp_path / "model.keras"
    mlp().save(path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(*MEMBERS[name])
    with within(), pytest.raises(ValueError, match=r"it holds|it has"):
        archive.check(path)


@pytest.mark.parametrize("content", [b"", b"PK", bytes(4096), b"HDF"])
def test_what_is_no_archive(tmp_path, content):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.keras"):
        saving.load_model(path)


@pytest.mark.parametrize("kind", ["archive", "weights"])
def test_bytes_that_are_turned(tmp_path, kind):
    """Whatever a parser makes of them is an error that says it."""
    path = tmp_path / "model.keras"
    held = parts(mlp(), path)
    whole = {"archive": path.read_bytes(), "weights": held[archive._WEIGHTS]}
    content, rng = whole[kind], random.Random(0)
    for _ in range(500):
        turned = bytearray(content)
        for _ in range(rng.choice((1, 2, 5))):
            # The directory of an archive is at its end.
            end = rng.choice((len(turned), 300))
            turned[-1 - rng.randrange(end)] = rng.choice((0, 1, 255))
        if kind == "archive":
            path.write_bytes(turned)
        else:
            pack(path, {**held, archive._WEIGHTS: bytes(turned)})
        with within():
            try:
                archive.check(path)
            except ValueError as error:
                assert str(error)
