"""The options that all networks have."""

from keras_ban import checks


def check(num_classes, input_shape, weight_decay):
    """Checks the arguments that all networks take.

    Raises:
        ValueError: If one of them is not of its kind.
    """
    checks.integer("num_classes", num_classes, 1)
    sizes = tuple(input_shape) if hasattr(input_shape, "__len__") else ()
    if len(sizes) != 3 or not all(n is None or n >= 1 for n in sizes):
        raise ValueError(
            "Invalid value for argument `input_shape`. Expected (height, "
            f"width, channels) of the images. Received: {input_shape!r}"
        )
    checks.number(
        "weight_decay", weight_decay, lambda v: 0 <= v < 1, "a small number"
    )
