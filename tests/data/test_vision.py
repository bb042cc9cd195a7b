"""Image sets: what is read, how it is prepared, what is refused."""

import shutil
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

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
    DTYPE = np.uint8
    SPLITS: ClassVar = {"train": images(40), "test": images(12)}
    KEYS = ("image", "label")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=self.SHAPE, dtype=self.DTYPE
                    ),
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


class Sixteen(_Tiny):
    """Pixels of another type than those of photographs."""

    DTYPE = np.uint16
    SPLITS: ClassVar = {
        name: (x.astype("uint16"), y) for name, (x, y) in _Tiny.SPLITS.items()
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder in which all of these but one are prepared."""
    folder = tmp_path_factory.mktemp("tfds")
    for builder in (TinyPictures, TrainOnly, Uneven, Unlabelled, Sixteen):
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
    for part, name in ((data.train, "train"), (data.test, "validation")):
        x, y = Uneven.SPLITS[name]
        resized = keras.ops.image.resize(
            x.astype("float32"), (4, 5), antialias=True
        )
        expected = keras.ops.convert_to_numpy(resized).round()
        np.testing.assert_allclose(
            part[0] * data.std + data.mean, expected, atol=1e-3
        )
        assert part[1].tolist() == y.tolist()


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
        ("sixteen", {}, ValueError, "none of 8 bits.*uint16.*from_arrays"),
        ("sixteen", {"image_size": (4, 4)}, ValueError, "none of 8 bits"),
        ("mnist:9.9.9", {}, ValueError, "no such version.*9.9.9.*only: 3"),
        *(
            ("digits", {name: value}, ValueError, f"`{name}` is for sets")
            for name, value in [
                ("image_size", (32, 32)),
                ("batch_size", 8),
                ("idx_files", "/nowhere"),
            ]
        ),
        ("never_made", {}, FileNotFoundError, "looked for in .*tfds build nev"),
        *(
            (
                "tiny_pictures",
                {"validation": value, **streamed},
                ValueError,
                f"`validation`.*the 40 training.*: {value}",
            )
            for value in (40, -1, 0.999, 0.001, 2.5, 40.0, True)
            for streamed in ({}, {"batch_size": 8})
        ),
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


@pytest.mark.parametrize("metadata", ["cut", "gone"])
def test_damaged_metadata_is_named(metadata, prepared, tmp_path):
    shutil.copytree(prepared / "tiny_pictures", tmp_path / "tiny_pictures")
    path = tmp_path / "tiny_pictures/1.0.0/dataset_info.json"
    error, words = ValueError, f"The damaged file is {path}"
    if metadata == "gone":
        path.unlink()
        error, words = FileNotFoundError, f"not prepared.*{path.parent}.*tfds"
    else:
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(error, match=words):
        vision.load("tiny_pictures", data_dir=tmp_path)


@pytest.mark.parametrize("streamed", [{}, {"batch_size": 8}])
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("fault", ["flipped", "cut", "empty", "gone"])
def test_damaged_records_are_named(fault, split, streamed, prepared, tmp_path):
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
        vision.load("tiny_pictures", data_dir=folder, **streamed)


@pytest.mark.parametrize("two", [2, 2.0, np.int64(2), np.float32(2), 0.2])
def test_whole_numbers_of_any_type_are_counts(two):
    data = vision.from_arrays(images(10), images(10), validation=two)
    assert len(data.validation[0]) == 2
    one = vision.from_arrays(images(10), images(10), validation=1)
    assert len(one.validation[0]) == 1


def test_lists_tensors_and_columns_of_labels_are_arrays_too():
    x, y = images(9)
    expected = vision.from_arrays((x, y), (x, y))
    for train in [(x.tolist(), y.tolist()), (tf.constant(x), y[:, None])]:
        found = vision.from_arrays(train, (x, y), CLASSES)
        for part, other in zip(found.train, expected.train, strict=True):
            np.testing.assert_array_equal(part, other)


def test_black_test_images_are_images():
    x, y = images(9)
    data = vision.from_arrays((x, y), (0 * x, y))
    np.testing.assert_allclose(data.test[0][0, 0, 0], -data.mean / data.std)


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
        (images(9), (images(9)[0] // 255, np.arange(9)), "`test`.*from 0 to 1"),
        ((0 * images(9)[0], np.arange(9)), images(9), "`train`.*from 0 to 0"),
        (None, images(9), "`train`.*a pair of arrays"),
        (images(9), (images(9)[0], 3), r"`.*test`.*\(9, 8, 8, 3\) and \(\)"),
    ],
)
def test_arrays_that_are_no_images(train, test, words):
    with pytest.raises(ValueError, match=words):
        vision.from_arrays(train, test)


def test_every_class_has_a_name():
    with pytest.raises(ValueError, match=r"from 0 to 2.*'ant', 'bee'"):
        vision.from_arrays(images(9), images(9), CLASSES[:2])


@pytest.mark.parametrize(
    ("missing", "call", "words"),
    [
        ("sklearn", lambda: vision.load("digits"), r"\.\[trees\]"),
        (
            "keras_cv",
            lambda: vision.augmentation(
                "cutout", vision.from_arrays(images(9), images(9))
            ),
            r"'RandomCutout'.*\.\[vision\]",
        ),
    ],
)
def test_missing_package_names_its_extra(missing, call, words, uninstall):
    uninstall(missing)
    with pytest.raises(ImportError, match=words):
        call()


def test_images_of_another_size_than_the_network_are_refused():
    data = vision.from_arrays(images(9), images(9))

    def model_fn():
        return keras_ban.models.densenet(10, 4, 3)

    with pytest.raises(ValueError, match=r"32, 32, 3.*8, 8, 3"):
        keras_ban.BornAgain(model_fn).fit(*data.train, verbose=0)
    assert tf.executing_eagerly()
