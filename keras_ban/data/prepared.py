"""Image classification sets that TensorFlow Datasets has prepared."""

import contextlib
import difflib
import pathlib
import re

import numpy as np
import tensorflow as tf

from keras_ban import checks
from keras_ban import files
from keras_ban.data import idx

ROWS = 1024
KNOWN = (
    "cifar10",
    "cifar100",
    "svhn_cropped",
    "fashion_mnist",
    "mnist",
    "digits",
)


class Prepared:
    """A set on this machine.

    Args:
        name: As in `tfds.load`.
        data_dir: As in `tfds.load`.
        download: Whether to download what is not there.
        try_gcs: As in `tfds.load`.
        idx_files: A folder of IDX files to prepare it from, or `None`.
        image_size: `(height, width)` to resize to, or `None`.

    Attributes:
        class_names: Names of the classes, a tuple.

    Raises:
        FileNotFoundError: If it is not there.
        ConnectionError: If it cannot be downloaded.
        OSError: If one of its files is none.
        ValueError: If it is unknown or no set of labelled images.
    """

    def __init__(
        self, name, data_dir, download, try_gcs, idx_files, image_size
    ):
        # It takes a second, and not everybody needs it.
        import tensorflow_datasets as tfds

        check_places(str(name), data_dir or tfds.core.constants.DATA_DIR)
        builder = _builder(name, data_dir)
        keys = builder.info.supervised_keys or ()
        features = [builder.info.features[key] for key in keys]
        kinds = (tfds.features.Image, tfds.features.ClassLabel)
        if len(features) != 2 or not all(map(isinstance, features, kinds)):
            raise ValueError(
                f"The data set {name!r} is none of labelled images. Expected "
                "an image and a class for each example. Received: "
                f"{list(builder.info.features)}. Choose another set, or give "
                "arrays to `vision.from_arrays`."
            )
        self._size = _image_size(name, features[0], image_size)
        self.class_names = tuple(features[1].names)
        if idx_files is not None:
            data_dir = idx.prepare(name, idx_files, _root(builder))
        self._arguments = {
            "name": name,
            "data_dir": data_dir,
            "try_gcs": try_gcs,
            "as_supervised": True,
        }
        self._info = self._prepared_info(download)
        found = self._info.splits
        tests = [split for split in ("test", "validation") if split in found]
        if "train" not in found or not tests:
            raise ValueError(
                f"The data set {name!r} has no images to train on and to test. "
                "Expected the splits 'train' and 'test' (or 'validation'). "
                f"Received: {list(found)}. Choose another set."
            )
        self.splits = ("train", tests[0])

    def count(self, split):
        """The number of examples in a split."""
        return self._info.splits[split].num_examples

    def arrays(self, split):
        """All images of a split, and their class numbers."""
        batches = list(self.batches(self.read(split).batch(ROWS), split))
        return tuple(map(np.concatenate, zip(*batches, strict=True)))

    def check(self):
        """Reads the records of every file, without decoding them.

        Raises:
            ValueError: If a file is damaged.
        """
        for split in self.splits:
            if self._damaged(split):
                self._unreadable(split, "a file is missing, or lacks records.")

    def read(self, split):
        """A `tf.data.Dataset` of images and class numbers, always in order.

        Args:
            split: A split, or a slice of it, as "train[:1000]".
        """
        import tensorflow_datasets as tfds

        data = tfds.load(split=split, download=False, **self._arguments)
        if self._size is None:
            return data
        return data.map(self._resized, num_parallel_calls=tf.data.AUTOTUNE)

    def batches(self, data, split):
        """Reads `data`, of that split, as NumPy arrays.

        Raises:
            ValueError: If a file is damaged.
        """
        try:
            yield from data.as_numpy_iterator()
        except tf.errors.OpError as error:
            # Without TensorFlow's names of functions and devices.
            why = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", error.message)
            self._unreadable(split, f"{why.rstrip('.')}.", error)

    def _unreadable(self, split, why, error=None):
        files = self._info.splits[split].filepaths
        path = self._damaged(split) or f"one of {[str(file) for file in files]}"
        raise ValueError(
            f"The data set {self._info.name!r} cannot be read: {why} The "
            f"damaged file is {path}. Delete the folder "
            f"{self._info.data_dir} and prepare the set anew."
        ) from error

    def _resized(self, image, label):
        image = tf.image.resize(image, self._size, antialias=True)
        return tf.cast(tf.round(image), "uint8"), label

    def _prepared_info(self, download):
        import tensorflow_datasets as tfds

        arguments, name = self._arguments, self._arguments["name"]
        builder = _builder(name, arguments["data_dir"])
        place = builder.data_path
        how = (
            f"Prepare it with `tfds build {name} --data_dir "
            f"{_root(builder)}`, by `download=True` where there is a "
            "network, or give the folder in which it is as `data_dir`."
        )
        if name in ("mnist", "fashion_mnist", "kmnist"):
            how += " Or give the folder of its IDX files as `idx_files`."
        try:
            info = tfds.load(download=download, with_info=True, **arguments)[1]
        except AssertionError as error:
            raise FileNotFoundError(
                f"The data set {name!r} is not prepared. It was looked for in "
                f"{place}. {how}"
            ) from error
        except OSError as error:
            raise ConnectionError(
                f"The data set {name!r} is not in {place}, and its download "
                f"failed: {error}. {how}"
            ) from error
        if info.splits:
            return info
        raise FileNotFoundError(
            f"The data set {name!r} is not prepared: the folder {place} has "
            "no `dataset_info.json` that says what it holds. Delete that "
            f"folder. {how}"
        )

    def _damaged(self, split):
        """The first file of a split that lacks a record, or `None`."""
        split = self._info.splits[split]
        shards = zip(split.filepaths, split.shard_lengths, strict=True)
        for path, length in shards:
            try:
                records = tf.data.TFRecordDataset(str(path))
                found = int(records.reduce(0, lambda n, _: n + 1))
            except tf.errors.OpError:
                found = None
            if found != length:
                return path
        return None


def check_places(name, data_dir):
    """Checks that the files of a set are files, before one is waited for."""
    name = re.split("[:/]", name)[0]
    if "://" in str(data_dir) or not name.isidentifier():
        return
    for path in checks.folder("data_dir", data_dir).glob(f"{name}/**/*"):
        if not path.is_dir():
            with contextlib.suppress(FileNotFoundError):
                files.check_file(path)


def _root(builder):
    """The folder of all prepared sets: above name, configuration, version."""
    above = pathlib.Path(builder.data_path).parents
    return above[2 if builder.builder_config else 1]


def _builder(name, data_dir):
    import tensorflow_datasets as tfds
    from google.protobuf import json_format

    try:
        return tfds.builder(str(name), data_dir=data_dir)
    except AssertionError as error:
        raise ValueError(
            f"The data set {name!r} has no such version: {error} Give one of "
            "these, or the name alone."
        ) from error
    except json_format.ParseError as error:
        folder = pathlib.Path(data_dir or tfds.core.constants.DATA_DIR)
        folder /= re.split("[:/]", name)[0]
        files = map(str, folder.glob("**/dataset_info.json"))
        raise ValueError(
            f"The data set {name!r} cannot be read: {error} The damaged file "
            f"is {' or '.join(files)}. Delete its folder and prepare the set "
            "anew."
        ) from error
    except (tfds.core.registered.DatasetNotFoundError, ValueError) as error:
        known = tfds.list_builders()
        close = difflib.get_close_matches(str(name), known, 5)
        raise ValueError(
            f"Unknown data set. Expected one of {', '.join(KNOWN)}, or another "
            "image classification set of TensorFlow Datasets"
            + (f" ({', '.join(close)}?)" if close else "")
            + f". Received: {name!r}"
        ) from error


def _image_size(name, image, given):
    if image.np_dtype != np.uint8:
        raise ValueError(
            f"The images of {name!r} are none of 8 bits. Expected uint8, from "
            f"0 to 255. Received: {np.dtype(image.np_dtype).name}. Scale them, "
            "and give arrays to `vision.from_arrays`."
        )
    if given is not None:
        try:
            height, width = given
        except (TypeError, ValueError):
            height = width = None
        return (
            checks.integer("image_size", height, 1),
            checks.integer("image_size", width, 1),
        )
    if None in image.shape:
        raise ValueError(
            f"The images of {name!r} have no one size. Expected (height, "
            f"width, channels). Received: {image.shape}. Give "
            "`image_size=(height, width)`."
        )
    return None
