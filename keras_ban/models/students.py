"""Students of another shape, whose hidden sizes match their teacher's.

Source of all: Furlanello et al., "Born-Again Neural Networks", 2018, Tables 4
and 5, whose teacher is DenseNet-90-60.
"""

import keras
from keras import layers

from keras_ban import checks
from keras_ban.models.blocks import Blocks
from keras_ban.models.densenet import FIRST_FILTERS
from keras_ban.models.densenet import build
from keras_ban.models.densenet import units as units_of
from keras_ban.models.options import check

_DEPTH, _GROWTH_RATE, _COMPRESSION = 90, 60, 0.5


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
    units = units_of(_DEPTH)
    checks.number(
        "depth", depth, lambda v: 0 < v <= 60, "a positive factor, 60 at most"
    )
    check(num_classes, input_shape, weight_decay)
    checks.number(
        "compression", compression, lambda v: 0 < v <= 2, "a factor in (0, 2]"
    )
    count = max(int(units * depth + 0.5), 1)
    rest = units * _GROWTH_RATE
    # As even as whole numbers can be.
    rates = [rest * (k + 1) // count - rest * k // count for k in range(count)]
    return build(
        rates,
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
    dense block; see `ban_pre_resnet` for the rest.

    Source: Furlanello et al., 2018, Table 5: 20.9 million parameters for (1,
    1), 43.1 for (2, 1), 24.3 for (4, 0.5), 87.3 for (4, 1).

    Args:
        units: Residual blocks in a stage, a positive integer.
        ratio: As in `ban_pre_resnet`. Defaults to `1.0`.
        teacher: As in `ban_pre_resnet`. Defaults to `None`.
        share: As in `ban_pre_resnet`. Defaults to `True`.
        num_classes: As in `ban_pre_resnet`. Defaults to `100`.
        input_shape: As in `ban_pre_resnet`. Defaults to `(32, 32, 3)`.
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
    return _matched(
        "ban_wide_resnet",
        Blocks.residual,
        units,
        ratio,
        teacher,
        share,
        (num_classes, input_shape, weight_decay),
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

    A stage of `units` bottleneck blocks stands for each dense block. All of
    its blocks have `ratio` times the channels that the dense block has after
    its 1×1 convolution; that the last one lacks it, half of its channels
    count. Where this is another number than the teacher's, a 1×1 convolution
    leads there, and mean pooling halves the image: so what goes from stage to
    stage, and to the last layer, has the teacher's shape.

    Source: Furlanello et al., 2018, Table 5: 7.3 million parameters for (14,
    0.5), 17.7 for (14, 1). The widths inside the bottlenecks, a quarter here
    as in He et al., 2016, are not published.

    Args:
        units: Residual blocks in a stage, a positive integer.
        ratio: Factor of the channels in a stage, a positive number. Defaults
            to `1.0`.
        teacher: A convolutional functional `keras.Model`, as `densenet`
            gives, whose shapes, images and classes the student takes.
            Defaults to `None`: those of DenseNet-90-60.
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
    >>> student = keras_ban.models.ban_pre_resnet(14, 0.5, teacher)
    """
    return _matched(
        "ban_pre_resnet",
        Blocks.bottleneck,
        units,
        ratio,
        teacher,
        share,
        (num_classes, input_shape, weight_decay),
    )


def hidden_shapes(model):
    """The last feature map at each resolution.

    For a DenseNet: each dense block's output after the 1×1 convolution, and
    what the last layer takes the mean of.

    Args:
        model: A functional `keras.Model` of images.

    Returns:
        A list of `(height, width, channels)`.

    Raises:
        ValueError: If the model has no feature maps to read.

    Example:
    >>> keras_ban.models.hidden_shapes(keras_ban.models.densenet_90_60())
    [(32, 32, 458), (16, 16, 679), (8, 8, 1579)]
    """
    found = {}
    for layer in getattr(model, "operations", []):
        shape = getattr(getattr(layer, "output", None), "shape", ())
        if len(shape) == 4 and not isinstance(layer, layers.InputLayer):
            found[shape[1:3]] = tuple(shape[1:])
    if found:
        return list(found.values())
    raise ValueError(
        f"The model {model.name!r} has no feature maps to match. Expected a "
        "functional convolutional `keras.Model`, as those of "
        "`keras_ban.models`. Give another teacher, or a student of your own."
    )


def share_ends(student, teacher):
    """Copies the teacher's first convolution and last layer, and freezes them.

    The teacher stays as it is.

    Source: Furlanello et al., 2018, Section 4 and Table 5.

    Args:
        student: A `keras.Model`, compiled afterwards.
        teacher: A `keras.Model`.

    Returns:
        The student.

    Raises:
        ValueError: If the layers have different shapes.
    """
    for kind, place in ((layers.Conv2D, 0), (layers.Dense, -1)):
        ours, theirs = (_layer(m, kind, place) for m in (student, teacher))
        shapes = [[tuple(w.shape) for w in x.weights] for x in (ours, theirs)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"The student {student.name!r} cannot share the layer "
                f"{theirs.name!r} of the teacher {teacher.name!r}. Expected "
                f"weights of shapes {shapes[1]}. Received: {shapes[0]}. Give "
                "`share=False`, or a student whose first convolution and last "
                "layer have the teacher's shapes."
            )
        ours.set_weights(theirs.get_weights())
        ours.trainable = False
    return student


def _layer(model, kind, place):
    found = [layer for layer in model.layers if isinstance(layer, kind)]
    if found:
        return found[place]
    raise ValueError(
        f"The model {model.name!r} has no {kind.__name__} to share. Expected a "
        "network that begins with a convolution and ends in a dense layer. "
        "Give `share=False`, or another teacher."
    )


def _matched(family, block, units, ratio, teacher, share, options):
    checks.integer("units", units, 1)
    checks.number("ratio", ratio, lambda v: 0 < v <= 8, "a positive number")
    num_classes, input_shape, weight_decay = options
    first = FIRST_FILTERS
    if teacher is None:
        check(*options)
        shapes = _densenet_shapes(input_shape)
    else:
        shapes = hidden_shapes(teacher)
        input_shape = teacher.input_shape[1:]
        num_classes = teacher.output_shape[-1]
        first = _layer(teacher, layers.Conv2D, 0).filters
        _check_halved(teacher, shapes)
    blocks = Blocks(weight_decay)
    inputs = keras.Input(input_shape)
    x = blocks.convolution(inputs, first, 3)
    for stage, (_, _, channels) in enumerate(shapes):
        if stage:
            x = layers.AveragePooling2D(2)(x)
        last = stage == len(shapes) - 1
        width = max(int(ratio * (channels // 2 if last else channels)), 1)
        for _ in range(units):
            x = block(blocks, x, width)
        if width != channels:
            x = blocks.convolution(blocks.activated(x), channels, 1)
    name = f"{family}_{units}_{ratio:g}"
    student = blocks.classifier(inputs, x, num_classes, name)
    return share_ends(student, teacher) if teacher and share else student


def _densenet_shapes(input_shape):
    height, width, _ = input_shape
    channels, found = FIRST_FILTERS, []
    for block in range(3):
        channels += units_of(_DEPTH) * _GROWTH_RATE
        channels = int(channels * _COMPRESSION) if block < 2 else channels
        found.append((height // 2**block, width // 2**block, channels))
    return found


def _check_halved(teacher, shapes):
    halved = [
        (shapes[0][0] // 2**k, shapes[0][1] // 2**k) for k in range(len(shapes))
    ]
    sizes = [shape[:2] for shape in shapes]
    if sizes != halved or sizes[0] != tuple(teacher.input_shape[1:3]):
        raise ValueError(
            f"No residual stages match the teacher {teacher.name!r}. Expected "
            f"feature maps of sizes {halved}, from the image's on, each half "
            f"of the one before. Received: images of "
            f"{teacher.input_shape[1:3]} and feature maps of {sizes}. Give "
            "another teacher, or a student of your own."
        )
