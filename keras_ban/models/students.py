"""Students of another shape, whose hidden sizes match their teacher's.

Source of all: Furlanello et al., "Born-Again Neural Networks", 2018, Tables 4
and 5, whose teacher is DenseNet-90-60.
"""

import itertools

import keras
from keras import layers

from keras_ban import checks
from keras_ban.models.blocks import Blocks
from keras_ban.models.densenets import FIRST_FILTERS
from keras_ban.models.densenets import SMALLEST
from keras_ban.models.densenets import build_densenet
from keras_ban.models.densenets import units_in_block
from keras_ban.models.matching import end_layer
from keras_ban.models.matching import halved_shapes
from keras_ban.models.matching import share_ends
from keras_ban.models.options import check_options

_UNITS, _GROWTH_RATE, _COMPRESSION = units_in_block(90), 60, 0.5
# What each of its dense blocks adds.
_CHANNELS = _UNITS * _GROWTH_RATE


def ban_densenet(
    depth=1.0,
    compression=1.0,
    num_classes=100,
    input_shape=(32, 32, 3),
    weight_decay=5e-4,
):
    """DenseNet-90-60 with so many times its depth and its compression.

    Each block adds 900 channels, as those of the teacher: a network of twice
    the depth in 30 units with a growth rate of 30, one of half the depth in 8
    units of 112 and 113. With `compression=1` the hidden sizes after each
    transition are therefore the teacher's.

    Source: Furlanello et al., 2018, Table 4.

    Args:
        depth: Factor of the teacher's 15 units in a block, a positive number
            of at most 60. Defaults to `1.0`.
        compression: Factor of the teacher's compression of 0.5, in (0, 2].
            Defaults to `1.0`.
        num_classes: Number of logits. Defaults to `100`.
        input_shape: `(height, width, channels)`. Defaults to `(32, 32, 3)`.
        weight_decay: As of SGD, in every weight's gradient. Defaults to
            `5e-4`.

    Returns:
        An uncompiled `keras.Model` that gives logits of shape `(batch,
        num_classes)`.

    Raises:
        ValueError: If an argument is no such number.

    Example:
    >>> student = keras_ban.models.ban_densenet(depth=2)
    """
    checks.number(
        "depth", depth, lambda v: 0 < v <= 60, "a positive factor, 60 at most"
    )
    check_options(num_classes, input_shape, weight_decay, SMALLEST)
    checks.number(
        "compression", compression, lambda v: 0 < v <= 2, "a factor in (0, 2]"
    )
    units = max(int(_UNITS * depth + 0.5), 1)
    # As even as whole numbers can be.
    reached = [_CHANNELS * unit // units for unit in range(units + 1)]
    return build_densenet(
        [after - before for before, after in itertools.pairwise(reached)],
        _COMPRESSION * compression,
        num_classes,
        input_shape,
        weight_decay,
        f"ban_densenet_{depth:g}_{compression:g}",
    )


def ban_wide_resnet(
    units,
    ratio=1.0,
    teacher=None,
    share=True,
    num_classes=100,
    input_shape=(32, 32, 3),
    weight_decay=5e-4,
):
    """A wide residual student of a DenseNet, Wide-ResNet-units-ratio.

    A stage of `units` residual blocks of two 3×3 convolutions stands for each
    dense block. All of its blocks have `ratio` times the channels that the
    dense block has after its 1×1 convolution; that the last one lacks it, half
    of its channels count. Where this is another number than the teacher's, a
    1×1 convolution leads there, and mean pooling halves the image: so what
    goes from stage to stage, and to the last layer, has the teacher's shape.

    Shortcuts have no parameters: where a block has more channels than the one
    before, they add channels of zeros; where it has fewer, they carry the
    first ones.

    Source: Furlanello et al., 2018, Table 5. In millions of parameters, with
    those published: (1, 1) 20.74 (20.9), (2, 1) 44.03 (43.1), (4, 0.5)
    25.30 (24.3), (4, 1) 90.60 (87.3).

    Args:
        units: Residual blocks in a stage, a positive integer.
        ratio: Factor of the channels in a stage, a positive number of at most
            8. Defaults to `1.0`.
        teacher: A convolutional functional or sequential `keras.Model`, as
            `densenet` gives, whose shapes, images and classes the student
            takes. Defaults to `None`: those of DenseNet-90-60.
        share: Whether the student takes over the teacher's first convolution
            and last layer, as frozen copies. Defaults to `True`.
        num_classes: Number of logits, if there is no teacher. Defaults to
            `100`.
        input_shape: `(height, width, channels)`, if there is no teacher.
            Defaults to `(32, 32, 3)`.
        weight_decay: As of SGD, in every weight's gradient. Defaults to
            `5e-4`.

    Returns:
        An uncompiled `keras.Model` that gives logits.

    Raises:
        ValueError: If an argument is not of its kind, or if no such network
            matches the teacher.

    Example:
    >>> student = keras_ban.models.ban_wide_resnet(4, 1, teacher)
    """

    def stage(blocks, x, channels, is_last):
        width = channels // 2 if is_last else channels
        width = max(int(ratio * width), 1)
        for _ in range(units):
            x = blocks.residual(x, width)
        if width == channels:
            return x
        return blocks.convolution(blocks.activated(x), channels, 1)

    _check_stages(units, ratio)
    return _matched(
        f"ban_wide_resnet_{units}_{ratio:g}",
        stage,
        teacher,
        share,
        num_classes,
        input_shape,
        weight_decay,
    )


def ban_pre_resnet(
    units,
    ratio=1.0,
    teacher=None,
    share=True,
    num_classes=100,
    input_shape=(32, 32, 3),
    weight_decay=5e-4,
):
    """A bottleneck residual student of a DenseNet, Pre-ResNet-units-ratio.

    A stage of `units` bottleneck blocks stands for each dense block. Every
    block gives as many channels as the dense block has after its 1×1
    convolution, and inside of it are `ratio` times an eighth of them. Mean
    pooling halves the image, so what goes from stage to stage, and to the last
    layer, has the teacher's shape. Shortcuts have no parameters: where the
    channels grow, they add channels of zeros.

    Source: Furlanello et al., 2018, Table 5. In millions of parameters, with
    those published: (14, 0.5) 7.16 (7.3), (14, 1) 17.26 (17.7).
    The width inside the blocks is not published; with an eighth both counts
    are met.

    Args:
        units: Residual blocks in a stage, a positive integer.
        ratio: Factor of the channels inside the blocks, a positive number of
            at most 8. Defaults to `1.0`.
        teacher: As in `ban_wide_resnet`. Defaults to `None`.
        share: As in `ban_wide_resnet`. Defaults to `True`.
        num_classes: As in `ban_wide_resnet`. Defaults to `100`.
        input_shape: As in `ban_wide_resnet`. Defaults to `(32, 32, 3)`.
        weight_decay: As in `ban_wide_resnet`. Defaults to `5e-4`.

    Returns:
        An uncompiled `keras.Model` that gives logits.

    Raises:
        ValueError: As in `ban_wide_resnet`.

    Example:
    >>> student = keras_ban.models.ban_pre_resnet(14, 0.5, teacher)
    """

    def stage(blocks, x, channels, is_last):
        inner = max(int(ratio * channels / 8), 1)
        for _ in range(units):
            x = blocks.bottleneck(x, channels, inner)
        return x

    _check_stages(units, ratio)
    return _matched(
        f"ban_pre_resnet_{units}_{ratio:g}",
        stage,
        teacher,
        share,
        num_classes,
        input_shape,
        weight_decay,
    )


def _check_stages(units, ratio):
    checks.integer("units", units, 1)
    checks.number(
        "ratio", ratio, lambda v: 0 < v <= 8, "a positive number, 8 at most"
    )


def _matched(
    name, stage, teacher, share, num_classes, input_shape, weight_decay
):
    """A network of such stages, of the shapes of a teacher.

    Args:
        name: Of the model.
        stage: A function of `Blocks`, a tensor, the channels to end with and
            whether it is the last stage, that gives a tensor.
        teacher: As the students take it.
        share: As the students take it.
        num_classes: Number of logits, if there is no teacher.
        input_shape: `(height, width, channels)`, if there is no teacher.
        weight_decay: As of SGD.
    """
    if teacher is None:
        check_options(
            num_classes, input_shape, weight_decay, SMALLEST, known=True
        )
        channels, first = _densenet_channels(), FIRST_FILTERS
    else:
        channels = [shape[-1] for shape in halved_shapes(teacher)]
        input_shape = teacher.input_shape[1:]
        num_classes = teacher.output_shape[-1]
        first = end_layer(teacher, layers.Conv2D, 0).filters
        check_options(num_classes, input_shape, weight_decay)
    blocks = Blocks(weight_decay, projected=False)
    inputs = keras.Input(input_shape)
    x = blocks.convolution(inputs, first, 3)
    for number, count in enumerate(channels):
        if number:
            x = layers.AveragePooling2D(2)(x)
        x = stage(blocks, x, count, number == len(channels) - 1)
    student = blocks.classifier(inputs, x, num_classes, name)
    return share_ends(student, teacher) if teacher and share else student


def _densenet_channels():
    """The channels of DenseNet-90-60's dense blocks, as of `hidden_shapes`."""
    channels, found = FIRST_FILTERS, []
    for block in range(3):
        channels += _CHANNELS
        channels = int(channels * _COMPRESSION) if block < 2 else channels
        found.append(channels)
    return found
