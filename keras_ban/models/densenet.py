"""Densely connected networks for small images."""

import keras
from keras import layers

from keras_ban import checks
from keras_ban.models import blocks


def densenet(
    depth,
    growth_rate,
    num_classes,
    compression=0.5,
    input_shape=(32, 32, 3),
):
    """A densely connected network with bottlenecks, DenseNet-BC.

    Three dense blocks of `⌈(depth - 4) / 6⌉` units; each unit adds
    `growth_rate` channels by a 1×1 convolution to `4 * growth_rate` channels
    and a 3×3 convolution. Between blocks a transition keeps the share
    `compression` of the channels and halves the image. The first convolution
    has 16 filters, as in the networks of Furlanello et al., 2018.

    Source: Huang et al., "Densely Connected Convolutional Networks", 2017,
    Section 3.

    Args:
        depth: Number of convolutions and the last layer, from 10 up.
        growth_rate: Channels that a unit adds, a positive integer.
        num_classes: Number of logits, a positive integer.
        compression: Share of the channels after a transition, in (0, 1].
            Defaults to `0.5`.
        input_shape: `(height, width, channels)` of the images. Defaults to
            `(32, 32, 3)`.

    Returns:
        An uncompiled `keras.Model` from images of shape `(batch,
        *input_shape)` to logits of shape `(batch, num_classes)`.

    Raises:
        ValueError: If an argument is no such number.

    Example:
    >>> model = keras_ban.models.densenet(90, 60, num_classes=100)
    >>> model.count_params()
    16193536
    """
    checks.integer("depth", depth, 10)
    checks.integer("growth_rate", growth_rate, 1)
    checks.integer("num_classes", num_classes, 1)
    if not 0 < compression <= 1:
        raise ValueError(
            "Invalid value for argument `compression`. Expected a number above "
            f"0, 1 at most. Received: {compression!r}"
        )
    inputs = keras.Input(input_shape)
    x = blocks.convolution(inputs, 16, 3)
    for block in range(3):
        if block:
            x = _transition(x, compression)
        for _ in range(-(-(depth - 4) // 6)):
            x = _dense_unit(x, growth_rate)
    name = f"densenet_{depth}_{growth_rate}"
    return blocks.classifier(inputs, x, num_classes, name)


def _dense_unit(x, growth_rate):
    added = blocks.convolution(blocks.activated(x), 4 * growth_rate, 1)
    added = blocks.convolution(blocks.activated(added), growth_rate, 3)
    return layers.Concatenate()([x, added])


def _transition(x, compression):
    filters = int(x.shape[-1] * compression)
    x = blocks.convolution(blocks.activated(x), filters, 1)
    return layers.AveragePooling2D(2)(x)
