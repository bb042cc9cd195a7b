"""Sets that TensorFlow Datasets has prepared."""

import contextlib
import difflib
import pathlib
import re

import tensorflow as tf

from keras_ban import checks
from keras_ban import files


class Prepared:
    """A set on this machine.

    Args:
        name: As in `tfds.load`.
        data_dir: As in `tfds.load`.
        known: What errors say of the names that it may have.
        options: Other arguments of `tfds.load`.

    Attributes:
        builder: TensorFlow Datasets' builder of it.
        splits: The names of its splits, when it was found.

    Raises:
        OSError: If one of its files is none.
        ValueError: If it is unknown.
    """

    def __init__(self, name, data_dir, known, **options):
        # It takes a second, and not everybody needs it.
        import tensorflow_datasets as tfds

        check_places(str(name), data_dir or tfds.core.constants.DATA_DIR)
        self.builder = _builder(name, data_dir, known)
        self._arguments = {"name": name, "data_dir": data_dir, **options}
        self._known = known

    def find(self, download, data_dir=None):
        """Looks for it on this machine, or downloads it.

        Args:
            download: Whether to download what is not there.
            data_dir: Another folder to look in. Defaults to `None`.

        Raises:
            FileNotFoundError: If it is not there.
            ConnectionError: If it cannot be downloaded.
        """
        if data_dir is not None:
            self._arguments["data_dir"] = data_dir
        self._info = self._prepared_info(download)
        self.splits = tuple(self._info.splits)

    def count(self, split):
        """The number of examples in a split."""
        return self._info.splits[split].num_examples

    def check(self):
        """Reads the records of every file, without decoding them.

        Raises:
            ValueError: If a file is damaged.
        """
        for split in self.splits:
            if self._damaged(split):
                self._unreadable(split, "a file is missing, or lacks records.")

    def read(self, split):
        """A `tf.data.Dataset` of examples, always in the same order.

        Args:
            split: A split, or a slice of it, as "train[:1000]".
        """
        import tensorflow_datasets as tfds

        return tfds.load(split=split, download=False, **self._arguments)

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

    def _prepared_info(self, download):
        import tensorflow_datasets as tfds

        arguments, name = self._arguments, self._arguments["name"]
        builder = _builder(name, arguments["data_dir"], self._known)
        place = builder.data_path
        how = (
            f"Prepare it with `tfds build {name} --data_dir "
            f"{root(builder)}`, by `download=True` where there is a "
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


def root(builder):
    """The folder of all prepared sets: above name, configuration, version."""
    above = pathlib.Path(builder.data_path).parents
    return above[2 if builder.builder_config else 1]


def _builder(name, data_dir, known):
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
        close = difflib.get_close_matches(str(name), tfds.list_builders(), 5)
        raise ValueError(
            f"Unknown data set. Expected one of {known} of TensorFlow Datasets"
            + (f" ({', '.join(close)}?)" if close else "")
            + f". Received: {name!r}"
        ) from error
