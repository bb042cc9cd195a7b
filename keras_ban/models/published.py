"""The networks of the published tables by their names.

Each takes `num_classes`, the number of logits, and what else `densenet` or
`wide_resnet` takes beside depth and growth rate or width; it returns and raises
what that function does.

The parameters are those of `count_params` for 100 classes, without the moving
averages; behind them those published, where they are.

Source: Furlanello et al., "Born-Again Neural Networks", 2018, Tables 1 and 2.
"""

from keras_ban.models.densenets import densenet
from keras_ban.models.resnets import wide_resnet


def densenet_112_33(num_classes=100, **options):
    """`densenet(112, 33)`: 6.72 million parameters (published: 6.3, 6.5)."""
    return densenet(112, 33, num_classes, **options)


def densenet_90_60(num_classes=100, **options):
    """`densenet(90, 60)`: 16.12 million parameters (published: 16.1)."""
    return densenet(90, 60, num_classes, **options)


def densenet_80_80(num_classes=100, **options):
    """`densenet(80, 80)`: 22.58 million parameters (published: 22.4)."""
    return densenet(80, 80, num_classes, **options)


def densenet_80_120(num_classes=100, **options):
    """`densenet(80, 120)`: 50.47 million parameters (published: 50.4)."""
    return densenet(80, 120, num_classes, **options)


def wide_resnet_28_1(num_classes=100, **options):
    """`wide_resnet(28, 1)`: 0.38 million parameters."""
    return wide_resnet(28, 1, num_classes, **options)


def wide_resnet_28_2(num_classes=100, **options):
    """`wide_resnet(28, 2)`: 1.48 million parameters."""
    return wide_resnet(28, 2, num_classes, **options)


def wide_resnet_28_5(num_classes=100, **options):
    """`wide_resnet(28, 5)`: 9.16 million parameters."""
    return wide_resnet(28, 5, num_classes, **options)


def wide_resnet_28_10(num_classes=100, **options):
    """`wide_resnet(28, 10)`: 36.54 million parameters."""
    return wide_resnet(28, 10, num_classes, **options)
