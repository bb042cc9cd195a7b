"""Layers of Keras as views, drawing what they draw from seeds given."""

import contextlib
import itertools
import random

import keras
import tensorflow as tf

from keras_ban.networks.likeness import serialized
from keras_ban.state import seeds as global_seeds
from keras_ban.views import mixing
from keras_ban.views.base import floats
from keras_ban.views.base import is_image
from keras_ban.views.base import is_number
from keras_ban.views.inputs import OfInputs


def layer(keras_layer):
    """A preprocessing layer of Keras' own, as `RandomFlip` or `RandAugment`.

    A copy of the layer, made from its configuration, is called in training
    mode on whole batches, in float32; what it draws follows from the seed of
    the run, of the first example of the batch and of the epoch, whatever its
    own `seed` says. Where views repeat, `fit(..., views=K)`, it is called on
    each row by itself, so that a view is the same in any batch. `MixUp` and
    `CutMix` become `mixup` and `cutmix` of their `alpha`, and of the upper end
    of their `factor`.

    Args:
        keras_layer: A `keras.layers.Layer` without weights that gives images
            of the shape it is given.

    Returns:
        A `View`, of the inputs that are images, of shape `(rows, height,
        width, channels)`; of a single input of any shape.

    Raises:
        ValueError: If it is no such layer, or has weights.

    Example:
    >>> flip = keras_ban.views.layer(keras.layers.RandomFlip("horizontal"))
    >>> lineage = ban.fit(x, y, augment=[flip, "cutmix"])
    """
    if not isinstance(keras_layer, keras.layers.Layer):
        raise ValueError(
            "Invalid value for argument `keras_layer`. Expected a layer of "
            f"Keras, as `keras.layers.RandomFlip()`. Received: {keras_layer!r}"
        )
    if isinstance(keras_layer, keras.layers.MixUp):
        return mixing.mixup(keras_layer.alpha)
    if isinstance(keras_layer, keras.layers.CutMix):
        return mixing.cutmix(keras_layer.factor[1])
    if keras_layer.weights:
        raise ValueError(
            f"The layer {keras_layer.name!r} has weights. Expected one that "
            "follows from its arguments alone. Put what adapts to data into "
            "the model."
        )
    return _Layer(keras_layer)


class _Layer(OfInputs):
    def __init__(self, keras_layer, by_row=False):
        made = type(keras_layer).from_config(
            _in_float32(keras_layer.get_config())
        )
        super().__init__(
            "layer",
            "one input, or images of shape (rows, height, width, channels)",
            is_image,
            _by_row(_seeded(made)) if by_row else _on_batch(_seeded(made)),
            keras_layer=type(keras_layer).__name__,
            config=_without_seeds(serialized(keras_layer)),
        )
        self._layer = keras_layer
        self.sees_batch = not by_row

    @property
    def brief(self):
        # Its configuration would fill a table.
        return type(self._layer).__name__

    def __call__(self, batch, seeds, others):
        if keras.tree.is_nested(batch.inputs):
            return super().__call__(batch, seeds, others)
        return batch._replace(inputs=self._show(batch.inputs, seeds))

    def check(self, batch, positions=False):
        """Checks that there is an image, or one input of numbers."""
        if keras.tree.is_nested(batch.inputs) or not is_number(batch.inputs):
            super().check(batch)

    def repeated(self):
        """The layer, called on each row by itself."""
        return _Layer(self._layer, by_row=True)


def _on_batch(call):
    return lambda array, seeds: call(array, seeds[0])


def _by_row(call):
    def show(array, seeds):
        return tf.map_fn(
            lambda row: call(row[0][None], row[1])[0],
            (array, seeds),
            fn_output_signature=tf.TensorSpec(
                array.shape[1:], floats(array).dtype
            ),
        )

    return show


def _seeded(made):
    """A layer as a function of a batch and a seed of shape `(2,)`."""
    source = _Source()
    for generator in set(_generators(made)):
        # Of a copy that nobody else has.
        generator.next = source.next

    # In a graph, also where it is called outside of one: the draws of all
    # branches are then counted, whichever is taken.
    @tf.function(reduce_retracing=True)
    def call(array, seed):
        array = floats(array)
        with source.following(seed):
            found = made(array, training=True)
        if not found.shape.is_compatible_with(array.shape):
            raise ValueError(
                f"The layer {made.name!r} changes the shape of its inputs. "
                f"Expected {tuple(array.shape)}, as given. Received: "
                f"{tuple(found.shape)}. Put it into the model, or into the "
                "data."
            )
        return tf.ensure_shape(tf.cast(found, array.dtype), array.shape)

    return call


class _Source:
    """Seeds, one after another, that follow from one that is set."""

    @contextlib.contextmanager
    def following(self, seed):
        """Begins with the seeds that follow from `seed`, of shape `(2,)`."""
        self._seed, self._count = seed, itertools.count()
        with global_seeds.undisturbed():
            # Some layers choose by Python's generator as they are traced.
            random.seed(0)
            yield

    def next(self, ordered=True):
        """The next seed, as `keras.random.SeedGenerator.next` gives it."""
        number = next(self._count)
        fold = tf.random.experimental.stateless_fold_in
        return tf.cast(fold(self._seed, number), "int32")


def _generators(made):
    """Yields the seed generators of a layer, and of those inside it."""
    for value in [*vars(made).values(), *getattr(made, "layers", ())]:
        if isinstance(value, keras.random.SeedGenerator):
            yield value
        elif isinstance(value, keras.layers.Layer):
            yield from _generators(value)


def _in_float32(config):
    """A configuration of layers that compute in float32."""
    return _mapped(config, lambda k, v: "float32" if k == "dtype" else v)


def _without_seeds(config):
    """A configuration that tells what a view is: seeds are given to it."""
    return _mapped(config, lambda k, v: None if k in ("dtype", "seed") else v)


def _mapped(config, function):
    if isinstance(config, dict):
        return {k: _mapped(function(k, v), function) for k, v in config.items()}
    if isinstance(config, list):
        return [_mapped(value, function) for value in config]
    return config
