"""IDX files: what is prepared of them, what is refused."""

import functools
import gzip
import struct
from concurrent import futures

import numpy as np
import pytest
from hostile import replace
from hostile import within
from tensorflow_datasets.image_classification import mnist

from keras_ban.data import idx as idx_module
from keras_ban.data import vision

RNG = np.random.default_rng(0)


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype("uint8").tobytes()


def idx_files(folder, train, test):
    folder.mkdir()
    for name, (x, y) in (("train", train), ("t10k", test)):
        for kind, array in (("images-idx3", x), ("labels-idx1", y)):
            path = folder / f"{name}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(idx(array), 1))
    return folder


def cut(content):
    return content[: len(content) // 2]


@pytest.fixture
def few(monkeypatch):
    """MNIST of 600 and 100 images: its builder takes a minute for all."""
    monkeypatch.setattr(mnist, "_TRAIN_EXAMPLES", 600)
    monkeypatch.setattr(mnist, "_TEST_EXAMPLES", 100)


def pair_of_zeros(rows):
    return np.zeros((rows, 28, 28)), np.zeros(rows)


def no_file(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("train-labels-idx1-ubyte.gz", no_file, "no file {name} in {folder}"),
        *(
            (name, lambda path, x=x: path.write_bytes(idx(x)), words)
            for name, x, words in [
                (
                    "train-images-idx3-ubyte.gz",
                    np.zeros((600, 32, 32)),
                    r"{path}.*\[600, 28, 28\].*\[600, 32, 32\]",
                ),
                (
                    "t10k-images-idx3-ubyte.gz",
                    np.zeros((600, 28, 28)),
                    r"{path}.*\[100, 28, 28\].*\[600, 28, 28\]",
                ),
                (
                    "train-labels-idx1-ubyte.gz",
                    np.zeros(610),
                    r"{path}.*\[600\].*\[610\]",
                ),
                (
                    "t10k-labels-idx1-ubyte.gz",
                    np.zeros(0),
                    r"{path}.*\[100\].*\[0\]",
                ),
                (
                    "train-labels-idx1-ubyte.gz",
                    np.arange(600) % 11,
                    "{path}.*from 0 to 9.*Received: 10.*from_arrays",
                ),
            ]
        ),
    ],
)
def test_idx_files_of_another_set_are_named(name, change, words, few, tmp_path):
    folder = idx_files(tmp_path / "x", pair_of_zeros(600), pair_of_zeros(100))
    path = folder / name
    change(path)
    words = words.format(name=name, folder=folder, path=path)
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        vision.load("fashion_mnist", data_dir=tmp_path, idx_files=folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (cut, "end-of-stream"),
        (lambda content: idx(np.zeros((4, 28, 28)))[:9], "after 9 bytes"),
        (lambda content: b"\x1f\x8b" + content[:30], "is damaged"),
        (lambda content: cut(gzip.decompress(content)), r"\[100, 28, 28\]"),
        (lambda content: b"", "begins with"),
        (lambda content: idx(np.zeros(4)), "begins with 00000801"),
    ],
)
def test_damaged_idx_files_are_named(change, words, few, tmp_path):
    folder = idx_files(tmp_path / "x", pair_of_zeros(600), pair_of_zeros(100))
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path}.*{words}"):
        vision.load("fashion_mnist", data_dir=tmp_path, idx_files=folder)


def test_idx_files_become_a_set_of_tensorflow_datasets(few, tmp_path):
    shapes = (600, 28, 28), (100, 28, 28)
    train, test = (
        (RNG.integers(0, 9, s), np.arange(s[0]) % 10) for s in shapes
    )
    folder = idx_files(tmp_path / "idx", train, test)
    plain = folder / "train-labels-idx1-ubyte.gz"
    plain.with_suffix("").write_bytes(gzip.decompress(plain.read_bytes()))
    plain.unlink()
    options = {"data_dir": tmp_path / "data", "idx_files": folder}
    # Two workers of one machine begin together.
    with futures.ThreadPoolExecutor(2) as pool:
        load = functools.partial(vision.load, "mnist", 0, **options)
        data, other = pool.map(lambda _: load(), range(2))
    np.testing.assert_array_equal(data.train[0], other.train[0])
    assert len(list(tmp_path.glob("data/*/mnist/*"))) == 1
    raw = (data.train[0][..., 0] * data.std + data.mean).round().astype(int)
    # TensorFlow Datasets has an order of its own.
    counts = np.bincount(raw.ravel(), minlength=9)
    np.testing.assert_array_equal(counts, np.bincount(train[0].ravel()))
    assert sorted(data.train[1]) == sorted(train[1])
    assert data.test[0].shape == (100, 28, 28, 1)
    one = (data.test[0][0, ..., 0] * data.std + data.mean).round()
    matching = np.flatnonzero((test[0] == one).all((1, 2)))
    assert test[1][matching].tolist() == [data.test[1][0]]


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "socket"])
def test_what_is_no_file_is_not_waited_for(kind, few, tmp_path):
    folder = idx_files(tmp_path / "x", pair_of_zeros(600), pair_of_zeros(100))
    name = "train-labels-idx1-ubyte.gz"
    replace(folder / name, kind, tmp_path)
    with within(), pytest.raises(FileNotFoundError, match=name):
        vision.load("fashion_mnist", data_dir=tmp_path, idx_files=folder)
    replace(tmp_path / "pipe", "pipe", tmp_path)
    for given in ({"data_dir": tmp_path / "pipe"}, {"data_dir": "a\0b"}):
        with within(), pytest.raises(ValueError, match="`data_dir`"):
            vision.load("fashion_mnist", **given)
    place = tmp_path / "fashion_mnist" / "3.0.1"
    place.mkdir(parents=True)
    replace(place / "dataset_info.json", kind, tmp_path)
    words = "dataset_info.json|is not prepared"
    with within(), pytest.raises(OSError, match=words):
        vision.load("fashion_mnist", data_dir=tmp_path)


@pytest.mark.parametrize("packed", [gzip.compress, bytes])
def test_files_without_an_end_are_not_read_to_it(
    packed, few, tmp_path, monkeypatch
):
    monkeypatch.setattr(idx_module, "_LIMIT", 2**20)
    folder = idx_files(tmp_path / "x", pair_of_zeros(600), pair_of_zeros(100))
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(packed(bytes(2**20 + 1)))
    with pytest.raises(ValueError, match=f"{path}.*1048576"):
        vision.load("fashion_mnist", data_dir=tmp_path, idx_files=folder)
