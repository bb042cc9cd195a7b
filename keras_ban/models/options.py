"""The options that all networks have."""

import numbers

from keras_ban import checks


def check_options(num_classes, input_shape, weight_decay, least=1, known=False):
    """Checks the arguments that all networks take.

    Args:
        num_classes: Number of logits.
        input_shape: `(height, width, channels)`.
        weight_decay: As of SGD.
        least: The smallest height and width. Defaults to `1`.
        known: Whether height and width may not be `None`. Defaults to `False`.

    Raises:
        ValueError: If one of them is not of its kind.
    """
    checks.integer("num_classes", num_classes, 1)
    is_shape = isinstance(input_shape, (tuple, list)) and len(input_shape) == 3
    *sizes, channels = input_shape if is_shape else (0, 0, 0)
    if not _is_whole(channels, 1) or not all(
        _is_whole(size, least) or (size is None and not known) for size in sizes
    ):
        raise ValueError(
            "Invalid value for argument `input_shape`. Expected (height, "
            f"width, channels) of the images, at least ({least}, {least}, 1). "
            f"Received: {input_shape!r}"
        )
    checks.number(
        "weight_decay", weight_decay, lambda v: 0 <= v < 1, "a small number"
    )


def _is_whole(size, least):
    return isinstance(size, numbers.Integral) and size >= least
