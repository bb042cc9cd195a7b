"""Small pictures, and their views."""

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_ban.data import vision
from keras_ban.feeding.views import Views

RNG = np.random.default_rng(0)


NAMES = (
    "crop_and_flip",
    "crop",
    "randaugment",
    "cutout",
    "mixup",
    "cutmix",
    ("crop_and_flip", "cutout", "cutmix", "mixup"),
)


CLASSES = 3


@functools.cache
def pictures(channels):
    x = RNG.integers(0, 256, (24, 8, 8, channels)).astype("uint8")
    y = np.arange(24) % CLASSES
    return vision.from_arrays((x, y), (x, y), validation=0, one_hot=True)


DATA = pictures(3)


@functools.cache
def viewer(names, channels=3, seed=5, policy="float32"):
    """Views of any batch, and its labels, as a training is shown them."""
    assert keras.config.dtype_policy().name == policy
    data = pictures(channels)
    return tf.function(
        Views(vision.augmentation(names, data), seed=seed),
        input_signature=[
            tf.TensorSpec((None, 8, 8, channels)),
            tf.TensorSpec((None, CLASSES)),
            tf.TensorSpec((None,), "int64"),
            tf.TensorSpec((), "int64"),
        ],
    )


def views(names, numbers=None, epoch=0, **options):
    numbers = np.arange(24) if numbers is None else numbers
    data = pictures(options.get("channels", 3))
    x, y = (part[numbers] for part in data.train)
    found = viewer(names, **options)(x, y, numbers, epoch)[:2]
    return [np.asarray(part) for part in found]
