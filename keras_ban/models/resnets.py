"""Residual networks with pre-activation, for small images."""

import keras

from keras_ban import checks
from keras_ban.models.blocks import Blocks
from keras_ban.models.options import check_options


def wide_resnet(
    depth,
    width,
    num_classes,
    dropout=0.0,
    input_shape=(32, 32, 3),
    weight_decay=5e-4,
):
    """A wide residual network with pre-activation, Wide-ResNet-depth-width.

    Three stages of `(depth - 4) / 6` residual blocks with `16 * width`,
    `32 * width` and `64 * width` filters; the second and the third halve the
    image. Where the shape changes, the shortcut is a 1×1 convolution.

    Source: Zagoruyko and Komodakis, "Wide Residual Networks", 2016, Table 1.

    Args:
        depth: Number of convolutions on the longest path, `6 n + 4`.
        width: Factor of the number of filters, a positive integer.
        num_classes: Number of logits, a positive integer.
        dropout: Share of the numbers between the two convolutions of a block
            that are dropped in training, in [0, 1). Defaults to `0.0`.
        input_shape: `(height, width, channels)` of the images. Defaults to
            `(32, 32, 3)`.
        weight_decay: As of SGD, in every weight's gradient. Defaults to
            `5e-4`, that of the source.

    Returns:
        An uncompiled `keras.Model` from images of shape `(batch,
        *input_shape)` to logits of shape `(batch, num_classes)`.

    Raises:
        ValueError: If an argument is no such number.

    Example:
    >>> model = keras_ban.models.wide_resnet(28, 10, num_classes=100)
    >>> model.count_params()
    36554836
    """
    _check_depth(depth, 6, 4, "10, 16, 22 or 28")
    checks.integer("width", width, 1)
    check_options(num_classes, input_shape, weight_decay)
    checks.number("dropout", dropout, lambda v: 0 <= v < 1, "a share below 1")

    def unit(blocks, x, filters, strides):
        return blocks.residual(x, filters, strides, dropout)

    return _network(
        f"wide_resnet_{depth}_{width}",
        unit,
        (depth - 4) // 6,
        (16 * width, 32 * width, 64 * width),
        num_classes,
        input_shape,
        weight_decay,
    )


def pre_resnet(depth, num_classes, input_shape=(32, 32, 3), weight_decay=5e-4):
    """A pre-activation residual network with bottlenecks, Pre-ResNet-depth.

    Three stages of `(depth - 2) / 9` blocks with 64, 128 and 256 filters; the
    second and the third halve the image. Where the shape changes, the
    shortcut is a 1×1 convolution.

    Source: He et al., "Identity Mappings in Deep Residual Networks", 2016,
    Table 4 (ResNet-164 has 1.7 million parameters).

    Args:
        depth: Number of convolutions on the longest path and the last layer,
            `9 n + 2`.
        num_classes: Number of logits, a positive integer.
        input_shape: `(height, width, channels)` of the images. Defaults to
            `(32, 32, 3)`.
        weight_decay: As of SGD, in every weight's gradient. Defaults to
            `5e-4`.

    Returns:
        An uncompiled `keras.Model` from images of shape `(batch,
        *input_shape)` to logits of shape `(batch, num_classes)`.

    Raises:
        ValueError: If an argument is no such number.

    Example:
    >>> model = keras_ban.models.pre_resnet(164, num_classes=10)
    """
    _check_depth(depth, 9, 2, "11, 20, 110 or 164")
    check_options(num_classes, input_shape, weight_decay)

    def unit(blocks, x, filters, strides):
        return blocks.bottleneck(x, filters, filters // 4, strides)

    return _network(
        f"pre_resnet_{depth}",
        unit,
        (depth - 2) // 9,
        (64, 128, 256),
        num_classes,
        input_shape,
        weight_decay,
    )


def _check_depth(depth, factor, rest, examples):
    """Checks that this is the depth of a network of `n` units in a stage."""
    checks.integer("depth", depth, factor + rest)
    if (depth - rest) % factor:
        raise ValueError(
            "Invalid value for argument `depth`. Expected "
            f"{factor} n + {rest}, as {examples}. Received: {depth}"
        )


def _network(
    name, unit, units, filters, num_classes, input_shape, weight_decay
):
    """Stages of so many units each; all but the first halve the image.

    Args:
        name: Of the model.
        unit: A function of `Blocks`, a tensor, the number of filters and the
            strides, that gives a tensor.
        units: How many units each stage has.
        filters: The number of filters in each stage.
        num_classes: Number of logits.
        input_shape: `(height, width, channels)`.
        weight_decay: As of SGD.

    Returns:
        The model.
    """
    blocks = Blocks(weight_decay)
    inputs = keras.Input(input_shape)
    x = blocks.convolution(inputs, 16, 3)
    for stage, count in enumerate(filters):
        for number in range(units):
            x = unit(blocks, x, count, 2 if stage and not number else 1)
    return blocks.classifier(inputs, x, num_classes, name)
