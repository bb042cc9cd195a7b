"""Image classification sets that TensorFlow Datasets has prepared."""

import numpy as np
import tensorflow as tf

from keras_ban import checks
from keras_ban.data import idx
from keras_ban.data.prepared import Prepared
from keras_ban.data.prepared import root

ROWS = 1024
KNOWN = (
    "cifar10",
    "cifar100",
    "svhn_cropped",
    "fashion_mnist",
    "mnist",
    "digits",
)


class Pictures(Prepared):
    """A set of labelled images on this machine.

    Args:
        name: As in `tfds.load`.
        data_dir: As in `tfds.load`.
        download: Whether to download what is not there.
        try_gcs: As in `tfds.load`.
        idx_files: A folder of IDX files to prepare it from, or `None`.
        image_size: `(height, width)` to resize to, or `None`.

    Attributes:
        class_names: Names of the classes, a tuple.
        splits: The names of those to train on and to test.

    Raises:
        FileNotFoundError: If it is not there.
        ConnectionError: If it cannot be downloaded.
        OSError: If one of its files is none.
        ValueError: If it is unknown or no set of labelled images.
    """

    def __init__(
        self, name, data_dir, download, try_gcs, idx_files, image_size
    ):
        import tensorflow_datasets as tfds

        known = f"{', '.join(KNOWN)}, or another image classification set"
        options = {"try_gcs": try_gcs, "as_supervised": True}
        super().__init__(name, data_dir, known, **options)
        info = self.builder.info
        keys = info.supervised_keys or ()
        features = [info.features[key] for key in keys]
        kinds = (tfds.features.Image, tfds.features.ClassLabel)
        if len(features) != 2 or not all(map(isinstance, features, kinds)):
            raise ValueError(
                f"The data set {name!r} is none of labelled images. Expected "
                "an image and a class for each example. Received: "
                f"{list(info.features)}. Choose another set, or give "
                "arrays to `vision.from_arrays`."
            )
        self._size = _image_size(name, features[0], image_size)
        self.class_names = tuple(features[1].names)
        if idx_files is not None:
            idx_files = idx.prepare(name, idx_files, root(self.builder))
        self.find(download, idx_files)
        found = self.splits
        tests = [split for split in ("test", "validation") if split in found]
        if "train" not in found or not tests:
            raise ValueError(
                f"The data set {name!r} has no images to train on and to test. "
                "Expected the splits 'train' and 'test' (or 'validation'). "
                f"Received: {list(found)}. Choose another set."
            )
        self.splits = ("train", tests[0])

    def arrays(self, split):
        """All images of a split, and their class numbers."""
        batches = list(self.batches(self.read(split).batch(ROWS), split))
        return tuple(map(np.concatenate, zip(*batches, strict=True)))

    def read(self, split):
        """As above: images and class numbers, resized as it was told."""
        data = super().read(split)
        if self._size is None:
            return data
        return data.map(self._resized, num_parallel_calls=tf.data.AUTOTUNE)

    def _resized(self, image, label):
        image = tf.image.resize(image, self._size, antialias=True)
        return tf.cast(tf.round(image), "uint8"), label


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
