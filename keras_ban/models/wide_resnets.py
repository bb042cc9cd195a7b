"""Wide residual networks for small images."""

import keras

from keras_ban import checks
from keras_ban.models.blocks import Blocks
from keras_ban.models.options import check


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
    checks.integer("depth", depth, 10)
    if (depth - 4) % 6:
        raise ValueError(
            "Invalid value for argument `depth`. Expected 6 n + 4, as 10, 16, "
            f"22 or 28. Received: {depth}"
        )
    checks.integer("width", width, 1)
    check(num_classes, input_shape, weight_decay)
    checks.number("dropout", dropout, lambda v: 0 <= v < 1, "a share below 1")
    blocks = Blocks(weight_decay)
    inputs = keras.Input(input_shape)
    x = blocks.convolution(inputs, 16, 3)
    for stage, filters in enumerate((16 * width, 32 * width, 64 * width)):
        for unit in range((depth - 4) // 6):
            strides = 2 if stage and not unit else 1
            x = blocks.residual(x, filters, strides, dropout)
    name = f"wide_resnet_{depth}_{width}"
    return blocks.classifier(inputs, x, num_classes, name)
