"""Densely connected networks for small images."""

import keras
from keras import layers

from keras_ban import checks
from keras_ban.models.blocks import Blocks
from keras_ban.models.options import check_options

FIRST_FILTERS = 16
# Two transitions halve the image.
SMALLEST = 4


def densenet(
    depth,
    growth_rate,
    num_classes,
    compression=0.5,
    input_shape=(32, 32, 3),
    weight_decay=5e-4,
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
            `(32, 32, 3)`; at least 4 pixels each way.
        weight_decay: As of SGD, in every weight's gradient. Defaults to
            `5e-4`, that of the networks of Furlanello et al., 2018.

    Returns:
        An uncompiled `keras.Model` from images of shape `(batch,
        *input_shape)` to logits of shape `(batch, num_classes)`.

    Raises:
        ValueError: If an argument is no such number.

    Example:
    >>> model = keras_ban.models.densenet(90, 60, num_classes=100)
    >>> model.count_params()
    16222234
    """
    checks.integer("depth", depth, 10)
    checks.integer("growth_rate", growth_rate, 1)
    check_options(num_classes, input_shape, weight_decay, SMALLEST)
    checks.number(
        "compression",
        compression,
        lambda v: 0 < v <= 1,
        "a number above 0, 1 at most",
    )
    return build_densenet(
        [growth_rate] * units_in_block(depth),
        compression,
        num_classes,
        input_shape,
        weight_decay,
        f"densenet_{depth}_{growth_rate}",
    )


def units_in_block(depth):
    """How many units each of the three blocks has."""
    return -(-(depth - 4) // 6)


def build_densenet(
    growth_rates, compression, num_classes, input_shape, weight_decay, name
):
    """The network with a unit in each block for each of the growth rates."""
    blocks = Blocks(weight_decay)
    inputs = keras.Input(input_shape)
    x = blocks.convolution(inputs, FIRST_FILTERS, 3)
    for block in range(3):
        if block:
            x = _transition(blocks, x, compression)
        for growth_rate in growth_rates:
            x = _dense_unit(blocks, x, growth_rate)
    return blocks.classifier(inputs, x, num_classes, name)


def _dense_unit(blocks, x, growth_rate):
    added = blocks.convolution(blocks.activated(x), 4 * growth_rate, 1)
    added = blocks.convolution(blocks.activated(added), growth_rate, 3)
    return layers.Concatenate()([x, added])


def _transition(blocks, x, compression):
    filters = max(int(x.shape[-1] * compression), 1)
    x = blocks.convolution(blocks.activated(x), filters, 1)
    return layers.AveragePooling2D(2)(x)
