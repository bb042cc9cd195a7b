"""Views of images, as functions of the example and its seed.

Each is what `fit(..., augment=)` takes, so that a view is the same for student
and teacher, on any number of replicas, after a resume, cached or online.
"""

import keras
import tensorflow as tf

from keras_ban.data import kerascv


def crop_and_flip(padding=4, flip=True):
    """Random crops of the padded image, and random horizontal flips.

    Source: Zagoruyko and Komodakis, "Wide Residual Networks", 2016, Section
    3; Furlanello et al., 2018, Section 4.

    Args:
        padding: Pixels of zeros around the image, a non-negative integer.
            Defaults to `4`.
        flip: Whether half of the images are mirrored, left to right. Leave
            it out for digits and letters. Defaults to `True`.

    Returns:
        A function from an image of shape `(height, width, channels)` and a
        seed of shape `(2,)` to an image of the same shape.

    Example:
    >>> lineage = ban.fit(x, y, augment=vision.crop_and_flip())
    """

    def augment(image, seed):
        shape = tf.shape(image)
        draws = tf.random.stateless_uniform([3], seed)
        offset = tf.cast(draws[:2] * (2 * padding + 1), "int32")
        pad = [[padding, padding], [padding, padding], [0, 0]]
        view = tf.pad(image, pad)
        view = tf.slice(view, tf.pad(offset, [[0, 1]]), shape)
        if flip:
            view = tf.cond(
                draws[2] < 0.5, lambda: tf.reverse(view, [1]), lambda: view
            )
        return tf.ensure_shape(view, image.shape)

    return augment
