"""Image sets: what is read, how it is prepared, what is refused."""

import builtins
import functools
import gzip
import shutil
import struct
import sys
from concurrent import futures
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.image_classification import mnist

import keras_ban
from keras_ban.data import vision

RNG = np.random.default_rng(0)
CLASSES = ("ant", "bee", "cat")


def images(rows, shape=(8, 8, 3)):
    x = RNG.integers(0, 256, (rows, *shape)).astype("uint8")
    return x, np.arange(rows) % len(CLASSES)


class _Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")
    SHAPE = (8, 8, 3)
    SPLITS: ClassVar = {"train": images(40), "test": images(12)}
    KEYS = ("image", "label")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=self.SHAPE),
                    "label": tfds.features.ClassLabel(names=CLASSES),
                }
            ),
            supervised_keys=self.KEYS,
            disable_shuffling=True,
        )

    def _split_generators(self, manager):
        return {k: self._generate_examples(*v) for k, v in self.SPLITS.items()}

    def _generate_examples(self, x, y):
        for number, (image, label) in enumerate(zip(x, y, strict=True)):
            yield number, {"image": image, "label": label}


class TinyPictures(_Tiny):
    """A set that TensorFlow Datasets knows while these tests run."""


class TrainOnly(_Tiny):
    SPLITS: ClassVar = {"train": _Tiny.SPLITS["train"]}


class Uneven(_Tiny):
    SHAPE = (None, None, 3)
    SPLITS: ClassVar = {"train": images(8, (6, 9, 3)), "validation": images(4)}


class Unlabelled(_Tiny):
    KEYS = None


class NeverMade(_Tiny):
    pass


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder in which all of these but one are prepared."""
    folder = tmp_path_factory.mktemp("tfds")
    for builder in (TinyPictures, TrainOnly, Uneven, Unlabelled):
        builder(data_dir=folder).download_and_prepare()
    return folder


def test_a_prepared_set_is_read_and_standardised(prepared):
    data = vision.load("tiny_pictures", validation=10, data_dir=prepared)
    x, y = TinyPictures.SPLITS["train"]
    assert data.class_names == CLASSES
    assert data.shape == (8, 8, 3)
    assert len(data.train[0]) == 30 and len(data.validation[0]) == 10
    # Of the images that are trained on, in float64 and all at once.
    raw = data.train[0].astype("float64") * data.std + data.mean
    kept = raw.round().astype("uint8")
    rows = {row.tobytes(): label for row, label in zip(x, y, strict=True)}
    assert [rows[row.tobytes()] for row in kept] == data.train[1].tolist()
    np.testing.assert_allclose(data.mean, kept.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(data.std, kept.std((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(data.train[0].mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(data.train[0].std((0, 1, 2)), 1, atol=1e-5)
    # The test images by the same numbers.
    test = (TinyPictures.SPLITS["test"][0] - data.mean) / data.std
    np.testing.assert_allclose(data.test[0], test, atol=1e-5)
    assert data.test[1].tolist() == TinyPictures.SPLITS["test"][1].tolist()


def test_validation_images_are_training_images_and_always_the_same(prepared):
    first, again = (
        vision.load("tiny_pictures", 0.25, data_dir=prepared) for _ in range(2)
    )
    np.testing.assert_array_equal(first.validation[0], again.validation[0])
    every = {row.tobytes() for row in TinyPictures.SPLITS["train"][0]}
    parts = [
        {
            row.tobytes()
            for row in (x * first.std + first.mean).round().astype("uint8")
        }
        for x, _ in (first.train, first.validation)
    ]
    assert parts[0] | parts[1] == every
    assert not parts[0] & parts[1]
    assert vision.load("tiny_pictures", 0, data_dir=prepared).validation is None


def test_data_sets_hold_what_the_arrays_hold(prepared):
    options = {"validation": 10, "one_hot": True, "data_dir": prepared}
    data = vision.load("tiny_pictures", batch_size=8, **options)
    assert data.shape == (8, 8, 3)
    x, y = (np.concatenate(part) for part in zip(*data.train, strict=True))
    raw = (x * data.std + data.mean).round().astype("uint8")
    np.testing.assert_array_equal(raw, TinyPictures.SPLITS["train"][0][:30])
    np.testing.assert_allclose(data.mean, raw.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(y.argmax(-1), np.arange(30) % 3)
    assert sum(len(x) for x, _ in data.validation) == 10
    assert sum(len(x) for x, _ in data.test) == 12


def test_images_of_different_sizes_are_resized(prepared):
    data = vision.load("uneven", 0, data_dir=prepared, image_size=(4, 5))
    assert data.train[0].shape == (8, 4, 5, 3)
    assert data.test[0].shape == (4, 4, 5, 3)


def test_digits_need_no_download_and_go_through_a_run():
    data = vision.load("digits", one_hot=True)
    assert [len(part[0]) for part in data[:3]] == [1167, 130, 500]

    def model_fn():
        return keras.Sequential(
            [
                keras.Input(data.shape),
                keras.layers.Flatten(),
                keras.layers.Dense(10),
            ]
        )

    lineage = keras_ban.BornAgain(model_fn).fit(
        *data.train,
        generations=1,
        epochs=5,
        validation_data=data.validation,
        verbose=0,
    )
    assert lineage.evaluate(*data.test)[0]["accuracy"] > 0.5


def test_a_channel_that_never_changes_stays_finite():
    x, y = images(20)
    x[..., 1] = 7
    data = vision.from_arrays((x, y), (x, y))
    assert np.all(data.train[0][..., 1] == 0)


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("cifar11", {}, ValueError, r"cifar10, .*digits.*cifar100.*'cifar11'"),
        (3, {}, ValueError, "Unknown data set.*3"),
        ("unlabelled", {}, ValueError, "none of labelled images.*image"),
        ("train_only", {}, ValueError, r"'train' and 'test'.*\['train'\]"),
        ("uneven", {}, ValueError, r"no one size.*\(None, None, 3\).*image_si"),
        ("uneven", {"image_size": 3}, ValueError, "`image_size`.*None"),
        ("never_made", {}, FileNotFoundError, "looked for in .*tfds build nev"),
        ("tiny_pictures", {"validation": 40}, ValueError, "below the 40.*40"),
        ("tiny_pictures", {"validation": -1}, ValueError, "`validation`.*-1"),
        ("tiny_pictures", {"batch_size": 0}, ValueError, "`batch_size`.*0"),
        ("mnist", {"idx_files": "/nowhere"}, FileNotFoundError, "/nowhere"),
        ("cifar10", {"idx_files": "/"}, ValueError, "not read from IDX"),
    ],
)
def test_bad_arguments(name, options, error, words, prepared):
    with pytest.raises(error, match=words):
        vision.load(name, data_dir=prepared, **options)


def test_fashion_mnist_that_is_missing_names_the_idx_files(tmp_path):
    words = f"{tmp_path}/fashion_mnist.*`idx_files`"
    with pytest.raises(FileNotFoundError, match=words):
        vision.load("fashion_mnist", data_dir=tmp_path)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("fault", ["flipped", "cut", "empty", "gone"])
def test_damaged_records_are_named(fault, split, prepared, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(prepared, folder)
    (path,) = folder.glob(f"tiny_pictures/1.0.0/*-{split}.tfrecord*")
    content = bytearray(path.read_bytes())
    if fault == "gone":
        path.unlink()
    else:
        content[len(content) // 2] ^= 255
        kept = {"flipped": len(content), "cut": len(content) // 3, "empty": 0}
        path.write_bytes(content[: kept[fault]])
    with pytest.raises(ValueError, match=f"damaged file is {path}"):
        vision.load("tiny_pictures", data_dir=folder)


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        (images(9), images(9, (8, 9, 3)), r"\(8, 8, 3\) and \(8, 9, 3\)"),
        (images(9, (8, 8)), images(9), r"`train`.*\(9, 8, 8\)"),
        ((images(9)[0], np.arange(8)), images(9), r"\(9, 8, 8, 3\) and \(8,\)"),
        ((images(9)[0] / 255, np.arange(9)), images(9), "0 to 255.*float64"),
        ((images(9)[0] - 300.0, np.arange(9)), images(9), "`train`.*-"),
        ((images(9)[0].astype(str), np.arange(9)), images(9), "`train`.*<U"),
        (images(9), (images(9)[0], np.ones(9)), "`test`.*float64"),
    ],
)
def test_arrays_that_are_no_images(train, test, words):
    with pytest.raises(ValueError, match=words):
        vision.from_arrays(train, test)


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


@pytest.mark.parametrize(
    ("missing", "call", "words"),
    [
        ("sklearn", lambda: vision.load("digits"), r"keras_ban\[examples\]"),
        (
            "keras_cv",
            lambda: vision.augmentation(
                "cutout", vision.from_arrays(images(9), images(9))
            ),
            r"'RandomCutout'.*keras_ban\[vision\]",
        ),
    ],
)
def test_missing_package_names_its_extra(missing, call, words, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == missing:
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest, **options)

    for name in [n for n in sys.modules if n.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=words):
        call()


def test_images_of_another_size_than_the_network_are_refused():
    data = vision.from_arrays(images(9), images(9))

    def model_fn():
        return keras_ban.models.densenet(10, 4, 3)

    with pytest.raises(ValueError, match=r"32, 32, 3.*8, 8, 3"):
        keras_ban.BornAgain(model_fn).fit(*data.train, verbose=0)
    assert tf.executing_eagerly()
