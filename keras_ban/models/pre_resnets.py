"""Residual networks with pre-activation and bottlenecks, for small images."""

import keras

from keras_ban import checks
from keras_ban.models.blocks import Blocks
from keras_ban.models.options import check


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
    checks.integer("depth", depth, 11)
    if (depth - 2) % 9:
        raise ValueError(
            "Invalid value for argument `depth`. Expected 9 n + 2, as 11, 20, "
            f"110 or 164. Received: {depth}"
        )
    check(num_classes, input_shape, weight_decay)
    blocks = Blocks(weight_decay)
    inputs = keras.Input(input_shape)
    x = blocks.convolution(inputs, 16, 3)
    for stage, filters in enumerate((64, 128, 256)):
        for unit in range((depth - 2) // 9):
            strides = 2 if stage and not unit else 1
            x = blocks.bottleneck(x, filters, filters // 4, strides)
    name = f"pre_resnet_{depth}"
    return blocks.classifier(inputs, x, num_classes, name)
