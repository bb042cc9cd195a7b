"""Layers of KerasCV, drawing what they draw from the seed of an example.

KerasCV's layers draw from TensorFlow's global state, so a view would depend
on how many were drawn before it. Here, and only while such a layer is traced,
the five functions that they draw with are replaced by those of TensorFlow that
take a seed. Keras has no public way to do this with KerasCV, which is archived.
"""

import contextlib
import itertools
from unittest import mock

import keras
import tensorflow as tf

from keras_ban import checks


def layer(name, **options):
    """A layer of KerasCV as a function of its input and a seed.

    It computes in float32, whatever the global dtype policy: a view is the
    same in a training in half precision.

    Args:
        name: Of a class in `keras_cv.layers`.
        **options: What the class takes.

    Returns:
        A function from an image of shape `(height, width, channels)`, or from
        what else the layer takes, and a seed of shape `(2,)`, to what the
        layer gives.

    Raises:
        ImportError: If KerasCV is not installed.
    """
    with checks.needing("keras-cv", "vision", f"The augmentation {name!r}"):
        import keras_cv
    with _float32():
        made = getattr(keras_cv.layers, name)(**options)

    # In a graph, also where it is called outside of one: the draws of all
    # branches are then counted, whichever is taken.
    @tf.function
    def seeded(inputs, seed):
        with _drawing_from(seed):
            return made(inputs)

    return seeded


@contextlib.contextmanager
def _float32():
    """Lets the layers that are made here compute in float32.

    Some layers make others, and hand no dtype on to them.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


@contextlib.contextmanager
def _drawing_from(seed):
    """Lets each draw have a seed of its own that follows from `seed`."""
    count = itertools.count()

    def own_seed():
        return tf.random.experimental.stateless_fold_in(seed, next(count))

    def uniform(shape, minval=0, maxval=None, dtype=tf.float32, **_):
        return tf.random.stateless_uniform(
            shape, own_seed(), minval, maxval, dtype
        )

    def normal(shape, mean=0.0, stddev=1.0, dtype=tf.float32, **_):
        return tf.random.stateless_normal(
            shape, own_seed(), mean, stddev, dtype
        )

    def gamma(shape, alpha, beta=None, dtype=tf.float32, **_):
        return tf.random.stateless_gamma(shape, own_seed(), alpha, beta, dtype)

    def shuffle(value, **_):
        # Of a pair: each is mixed with the other, not with itself.
        return tf.reverse(value, [0])

    def method(function):
        return lambda self, *args, **kwargs: function(*args, **kwargs)

    functions = {"uniform": uniform, "normal": normal}
    with (
        mock.patch.multiple(
            tf.random, gamma=gamma, shuffle=shuffle, **functions
        ),
        mock.patch.multiple(
            tf.random.Generator,
            **{name: method(function) for name, function in functions.items()},
        ),
    ):
        yield
