"""MNIST and its kin from local IDX files, by TensorFlow Datasets' builders.

Source of the format: LeCun, Cortes and Burges, "The MNIST database", 1998.
"""

import errno
import gzip
import hashlib
import io
import math
import os
import pathlib
import tempfile
import zlib

import numpy as np

from keras_ban import files

# Five times the largest of these sets.
_LIMIT = 2**28
_HEADERS = {"idx3": (0, 0, 8, 3), "idx1": (0, 0, 8, 1)}


def prepare(name, folder, data_dir):
    """Prepares a data set of TensorFlow Datasets from the files in a folder.

    It is kept under a name that follows from the files' content, so other
    files make another one, and the same ones are prepared once.

    Args:
        name: "mnist", "fashion_mnist" or "kmnist".
        folder: Where the four files are, as `train-images-idx3-ubyte.gz`, or
            without `.gz`.
        data_dir: The folder of prepared data sets.

    Returns:
        The folder to give `tfds.load` as `data_dir`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged or holds something else.
    """
    import tensorflow_datasets as tfds

    reference = tfds.builder(name, data_dir=data_dir)
    urls = reference.url_infos
    if not all("-idx" in info.filename for info in urls.values()):
        raise ValueError(
            f"{name!r} is not read from IDX files. Expected one of 'mnist', "
            "'fashion_mnist' and 'kmnist'. Leave out `idx_files`."
        )
    contents = {}
    for url, info in urls.items():
        path = _find(pathlib.Path(folder), info.filename)
        contents[url] = _read(path, info.filename)
        _check(path, contents[url], info.filename, reference.info.features)
    digest = hashlib.sha256()
    for content in contents.values():
        digest.update(content)
    own = pathlib.Path(data_dir, f"idx-{digest.hexdigest()[:16]}")
    builder = tfds.builder(name, data_dir=own)
    if not builder.info.splits:
        _make(builder, urls, contents, folder)
    return own


def _make(builder, urls, contents, folder):
    """Prepares elsewhere and moves it in place: workers may begin together."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import resource

    place = pathlib.Path(builder.data_path)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as work:
        # A file found under the name of a download is not downloaded again.
        # Its checksum would differ, as there are many ways to compress.
        downloads = pathlib.Path(work, "downloads")
        downloads.mkdir()
        for url, content in contents.items():
            info = urls[url]
            path = downloads / resource.get_dl_fname(url, info.checksum)
            path.write_bytes(gzip.compress(content, 1))
            resource.write_info_file(
                url, path, builder.name, info.filename, info
            )
        made = tfds.builder(builder.name, data_dir=work)
        try:
            made.download_and_prepare(download_dir=str(downloads))
        except Exception as error:
            raise ValueError(
                f"TensorFlow Datasets cannot make {builder.name!r} of the IDX "
                f"files in {folder}: {error}. Give arrays to "
                "`vision.from_arrays` instead."
            ) from error
        # Whoever comes second finds the same files there.
        try:
            os.rename(made.data_path, place)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


def _find(folder, filename):
    for path in (folder / filename, (folder / filename).with_suffix("")):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"There is no file {filename} in {folder}. Expected four IDX files, "
        "as Debian's package dataset-fashion-mnist puts them into "
        "/usr/share/datasets/fashion-mnist. Give their folder as `idx_files`."
    )


def _read(path, filename):
    """The content of a whole file, not compressed."""
    try:
        content = files.read(path, _LIMIT)
        if content[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(content)) as unpacked:
                content = unpacked.read(_LIMIT + 1)
        if len(content) > _LIMIT:
            raise ValueError(f"it has more than {_LIMIT} bytes")
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise _damaged(path, f"{error}") from error
    if tuple(content[:4]) != _HEADERS[filename.split("-")[2]]:
        raise _damaged(
            path, f"it begins with {content[:4].hex()}, not with the header"
        )
    if len(content) < _header_size(content):
        raise _damaged(path, f"its header ends after {len(content)} bytes")
    shape = _shape(content)
    expected = _header_size(content) + math.prod(shape)
    if len(content) != expected:
        raise _damaged(
            path,
            f"its header says {shape}, {expected} bytes, and it has "
            f"{len(content)}",
        )
    return content


def _check(path, content, filename, features):
    """Checks that a file holds what the builder will read from it."""
    expected = [_examples(filename)]
    if "idx3" in filename:
        expected += features["image"].shape[:2]
    elif len(content) > _header_size(content):
        classes = features["label"].num_classes
        largest = max(content[_header_size(content) :])
        if largest >= classes:
            raise _unfit(
                path, f"class numbers from 0 to {classes - 1}", largest
            )
    if _shape(content) != expected:
        raise _unfit(path, f"an array of shape {expected}", _shape(content))


def _examples(filename):
    # The builder takes as many from a file, whatever its header says, and
    # has no public name for the number before it has prepared the set.
    from tensorflow_datasets.image_classification import mnist

    if filename.startswith("train"):
        return mnist._TRAIN_EXAMPLES
    return mnist._TEST_EXAMPLES


def _header_size(content):
    return 4 + 4 * content[3]


def _shape(content):
    """What the header says: rows, and for images height and width."""
    return np.frombuffer(content, ">u4", content[3], offset=4).tolist()


def _damaged(path, why):
    return ValueError(
        f"The file {path} is damaged: {why}. Expected an IDX file of bytes, "
        "complete. Copy it anew from where it came from."
    )


def _unfit(path, expected, received):
    return ValueError(
        f"The file {path} is not one of this data set. Expected {expected}. "
        f"Received: {received}. Give the four files of one set, or arrays to "
        "`vision.from_arrays`."
    )
