"""The networks of the published tables by their names.

The parameters of the last column are as published (Furlanello et al., 2018,
Tables 1 and 2), for 100 classes those of `count_params` without the moving
averages.
"""

from keras_ban.models.densenets import densenet
from keras_ban.models.wide_resnets import wide_resnet


def densenet_112_33(num_classes=100, **options):
    """DenseNet-112-33: 6.72 million parameters, published as 6.3 and 6.5.

    Args:
        num_classes: Number of logits. Defaults to `100`.
        **options: As `densenet` takes.
    """
    return densenet(112, 33, num_classes, **options)


def densenet_90_60(num_classes=100, **options):
    """DenseNet-90-60: 16.12 million parameters, published as 16.1.

    Args:
        num_classes: Number of logits. Defaults to `100`.
        **options: As `densenet` takes.
    """
    return densenet(90, 60, num_classes, **options)


def densenet_80_80(num_classes=100, **options):
    """DenseNet-80-80: 22.58 million parameters, published as 22.4.

    Args:
        num_classes: Number of logits. Defaults to `100`.
        **options: As `densenet` takes.
    """
    return densenet(80, 80, num_classes, **options)


def densenet_80_120(num_classes=100, **options):
    """DenseNet-80-120: 50.47 million parameters, published as 50.4.

    Args:
        num_classes: Number of logits. Defaults to `100`.
        **options: As `densenet` takes.
    """
    return densenet(80, 120, num_classes, **options)


def wide_resnet_28_1(num_classes=100, **options):
    """Wide-ResNet-28-1: 0.38 million parameters.

    Args:
        num_classes: Number of logits. Defaults to `100`.
        **options: As `wide_resnet` takes.
    """
    return wide_resnet(28, 1, num_classes, **options)


def wide_resnet_28_2(num_classes=100, **options):
    """Wide-ResNet-28-2: 1.48 million parameters.

    Args:
        num_classes: Number of logits. Defaults to `100`.
        **options: As `wide_resnet` takes.
    """
    return wide_resnet(28, 2, num_classes, **options)


def wide_resnet_28_5(num_classes=100, **options):
    """Wide-ResNet-28-5: 9.16 million parameters.

    Args:
        num_classes: Number of logits. Defaults to `100`.
        **options: As `wide_resnet` takes.
    """
    return wide_resnet(28, 5, num_classes, **options)


def wide_resnet_28_10(num_classes=100, **options):
    """Wide-ResNet-28-10: 36.54 million parameters.

    Args:
        num_classes: Number of logits. Defaults to `100`.
        **options: As `wide_resnet` takes.
    """
    return wide_resnet(28, 10, num_classes, **options)
