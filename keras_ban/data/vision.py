"""Image classification sets, as arrays or data sets that `fit` takes."""

from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_ban import checks
from keras_ban.data.augmentations import augmentation
from keras_ban.data.augmentations import crop_and_flip
from keras_ban.data.pictures import ROWS
from keras_ban.data.pictures import Pictures

__all__ = ["Images", "augmentation", "crop_and_flip", "from_arrays", "load"]

_DIGITS_FOR_TEST = 500


class Images(NamedTuple):
    """A data set, standardised.

    Attributes:
        train: Images of shape `(rows, height, width, channels)`, float32 with
            mean 0 and standard deviation 1 in each channel, and labels: a
            pair of arrays. With `batch_size`, a `tf.data.Dataset`.
        validation: The same, held out from the training images; or `None`.
        test: The same.
        class_names: Names of the classes, a tuple.
        mean: Mean of the training images in each channel, from 0 to 255.
        std: Standard deviation of these.
    """

    train: Any
    validation: Any
    test: Any
    class_names: tuple
    mean: np.ndarray
    std: np.ndarray

    @property
    def shape(self):
        """`(height, width, channels)` of the images."""
        # A data set tells it of its elements.
        images = getattr(self.train, "element_spec", self.train)[0]
        return tuple(images.shape[1:])


def load(
    name,
    validation=0.1,
    one_hot=False,
    data_dir=None,
    download=False,
    try_gcs=False,
    idx_files=None,
    image_size=None,
    batch_size=None,
):
    """Loads an image classification set.

    Any of TensorFlow Datasets will do, as it was prepared on this machine, and
    "digits", scikit-learn's 1,797 images of 8×8 pixels, which need no
    download: 1,297 to train on, 500 to test.

    Each channel is standardised by the mean and the standard deviation of the
    images that are trained on (Zagoruyko and Komodakis, 2016).

    Args:
        name: "cifar10", "cifar100", "svhn_cropped", "fashion_mnist", "mnist",
            "digits", or any other name that `tfds.load` knows.
        validation: How many of the training images are held out for
            validation: a share below 1, a whole number from 1 up, or 0 for
            none. They are always the same: random ones of arrays, with
            `batch_size` the last ones. The test images are never among them.
            Defaults to `0.1`.
        one_hot: Whether labels are rows of `(classes,)`, as mixed images
            need, or class numbers. Defaults to `False`.
        data_dir: Where data sets are prepared. Defaults to `None`, as in
            `tfds.load` (`~/tensorflow_datasets`).
        download: Whether to download what is not there. Defaults to `False`.
        try_gcs: As in `tfds.load`. Defaults to `False`.
        idx_files: A folder with the four IDX files of "mnist",
            "fashion_mnist" or "kmnist", from which the set is prepared.
            Defaults to `None`.
        image_size: `(height, width)` to resize to; needed where images differ
            in size. Defaults to `None`.
        batch_size: Gives unshuffled `tf.data.Dataset`s of such batches, read
            from disk, in place of arrays: for sets that exceed the memory.
            Defaults to `None`.

    Returns:
        `Images`.

    Raises:
        FileNotFoundError: If the set is not prepared.
        ConnectionError: If it cannot be downloaded.
        ImportError: If scikit-learn is needed and missing.
        OSError: If what has the name of a file is a pipe, say, or a device.
        ValueError: If an argument is not of its kind, the set is unknown or
            is none of labelled images, or if one of its files is damaged.

    Example:
    >>> data = keras_ban.data.vision.load("digits")
    >>> lineage = keras_ban.BornAgain(model_fn).fit(
    ...     *data.train, validation_data=data.validation)
    """
    if batch_size is not None:
        checks.integer("batch_size", batch_size, 1)
    if name == "digits":
        _check_digits(
            idx_files=idx_files, image_size=image_size, batch_size=batch_size
        )
        return from_arrays(*_digits(), None, validation, one_hot)
    source = Pictures(name, data_dir, download, try_gcs, idx_files, image_size)
    if batch_size:
        return _streamed(source, validation, one_hot, batch_size)
    train, test = (source.arrays(split) for split in source.splits)
    return from_arrays(train, test, source.class_names, validation, one_hot)


def from_arrays(train, test, class_names=None, validation=0.1, one_hot=False):
    """Standardises images, and holds some of them out for validation.

    Args:
        train: Images of shape `(rows, height, width, channels)`, from 0 to
            255, and class numbers of shape `(rows,)` or `(rows, 1)`: a pair
            of arrays, or of what `numpy.asarray` makes one of.
        test: The same.
        class_names: Names of the classes, one for each number. Defaults to
            `None`: the numbers.
        validation: As in `load`. Defaults to `0.1`.
        one_hot: As in `load`. Defaults to `False`.

    Returns:
        `Images`.

    Raises:
        ValueError: If the images have other shapes or types.

    Example:
    >>> data = keras_ban.data.vision.from_arrays((x, y), (x_test, y_test))
    """
    train, test = _pair("train", train), _pair("test", test)
    if train[0].shape[1:] != test[0].shape[1:]:
        raise ValueError(
            "Training and test images have different sizes. Expected one size "
            f"for all. Received: {train[0].shape[1:]} and "
            f"{test[0].shape[1:]}. Resize them."
        )
    classes = int(max(train[1].max(), test[1].max())) + 1
    if class_names is None:
        class_names = map(str, range(classes))
    class_names = tuple(class_names)
    if len(class_names) < classes:
        raise ValueError(
            "There are more classes than names. Expected `class_names` for "
            f"the numbers from 0 to {classes - 1}. Received: {class_names}. "
            "Name them all, or leave the names out."
        )
    held_out = _held_out(len(train[0]), validation)
    kept = np.setdiff1d(np.arange(len(train[0])), held_out)
    mean, std = _statistics(
        train[0][kept[start : start + ROWS]]
        for start in range(0, len(kept), ROWS)
    )

    def finished(x, y):
        x = np.asarray(x, "float32")
        y = np.asarray(y, "int64")
        if one_hot:
            y = np.eye(len(class_names), dtype="float32")[y]
        return (x - mean) / std, y

    def part(rows):
        return finished(train[0][rows], train[1][rows])

    return Images(
        part(kept),
        part(held_out) if len(held_out) else None,
        finished(*test),
        class_names,
        mean,
        std,
    )


def _streamed(source, validation, one_hot, batch_size):
    """`Images` of data sets that are read from disk."""
    train, test = source.splits
    source.check()
    held_out = _held_out_count(source.count(train), validation)
    kept = source.count(train) - held_out
    classes = len(source.class_names)

    def batched(split):
        return source.read(split).batch(batch_size)

    first = batched(f"{train}[:{kept}]")
    mean, std = _statistics(x for x, _ in source.batches(first, train))

    def finished(split):
        return batched(split).map(
            lambda x, y: (
                (tf.cast(x, "float32") - mean) / std,
                tf.one_hot(y, classes) if one_hot else y,
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    return Images(
        finished(f"{train}[:{kept}]"),
        finished(f"{train}[{kept}:]") if held_out else None,
        finished(test),
        source.class_names,
        mean,
        std,
    )


def _check_digits(**given):
    for name in (name for name, value in given.items() if value is not None):
        raise ValueError(
            f"`{name}` is for sets of TensorFlow Datasets. Expected 'digits' "
            f"without it: 1,797 images of 8×8 pixels in memory. Leave `{name}` "
            "out, or choose another set."
        )


def _digits():
    """scikit-learn's digits: images to train on, and to test."""
    with checks.needing("scikit-learn", "trees", "The set 'digits'"):
        from sklearn.datasets import load_digits
    found = load_digits()
    x = np.round(found.images[..., None] * (255 / 16)).astype("uint8")
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], found.target[order]
    at = len(x) - _DIGITS_FOR_TEST
    return (x[:at], y[:at]), (x[at:], y[at:])


def _held_out(rows, validation):
    """The numbers of the examples for validation, in order."""
    count = _held_out_count(rows, validation)
    return np.sort(np.random.default_rng(0).permutation(rows)[:count])


def _held_out_count(rows, validation):
    """How many of the rows are held out."""

    def count(given):
        return round(given * rows) if given < 1 else given

    def valid(given):
        return given == 0 or (
            given > 0 and 1 <= count(given) < rows and count(given) % 1 == 0
        )

    expected = (
        f"a share or a whole number of the {rows} training images that holds "
        "out one at least and leaves one at least, or 0 for none"
    )
    return int(count(checks.number("validation", validation, valid, expected)))


def _statistics(batches):
    """Mean and standard deviation of each channel, float32."""
    count, total, squares = 0, 0.0, 0.0
    for x in batches:
        x = x.reshape(-1, x.shape[-1]).astype("float64")
        count += len(x)
        total, squares = total + x.sum(0), squares + np.square(x).sum(0)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    # A channel that never changes stays as it is.
    std = np.where(std > 1e-6, std, 1)
    return mean.astype("float32"), std.astype("float32")


def _pair(title, given):
    """Images and labels as arrays, checked."""
    try:
        x, y = map(np.asarray, given)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Invalid value for argument `{title}`. Expected a pair of arrays, "
            f"images and class numbers. Received: {error}"
        ) from error
    if x.ndim != 4 or not x.size or y.shape[:1] != x.shape[:1]:
        raise ValueError(
            f"The images of `{title}` cannot be used. Expected an array of "
            "shape (rows, height, width, channels) and as many labels. "
            f"Received: shapes {x.shape} and {y.shape}."
        )
    _check_range(title, x)
    # As `keras.datasets` gives them.
    y = y[:, 0] if y.shape[1:] == (1,) else y
    if y.ndim != 1 or y.dtype.kind not in "iu" or y.min() < 0:
        raise ValueError(
            f"The labels of `{title}` cannot be used. Expected class numbers "
            f"from 0 of shape (rows,). Received: {y.dtype} of shape {y.shape}."
        )
    return x, y


def _check_range(title, x):
    numeric = x.dtype.kind in "iuf"
    low, high = (x.min(), x.max()) if numeric else (None, None)
    # Only what is trained on must differ from one image to another.
    black = title == "test" and numeric and low == high == 0
    if not numeric or not 0 <= low <= high <= 255 or (high <= 1 and not black):
        raise ValueError(
            f"The images of `{title}` cannot be used. Expected numbers from 0 "
            f"to 255. Received: {x.dtype} from {low} to {high}. Scale them."
        )
