"""The feed-forward acoustic model of the first large distillation."""

import math
import numbers

import keras
from keras import layers as keras_layers

from keras_ban import checks


def acoustic(inputs=26 * 40, layers=8, units=2560, targets=14_000):
    """A feed-forward network from a window of frames to states of HMMs.

    Hidden layers of rectified linear units, each with a bias, and a last layer
    that gives the logits of the states. Kernels are He-initialised, which the
    source does not tell.

    The defaults are those of the source: 8 hidden layers of 2560 units and
    14,000 states, on 26 frames of 40 log-mel coefficients, as one row. Read so,
    the network has 84,412,080 parameters, which it gives as "about 85M".

    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
    Network", 2015, Section 4.

    Args:
        inputs: How many numbers a window has, as one row; or its shape, as
            `(26, 40)`, or `(26, 40, 1)` where views take it for an image.
            Defaults to `26 * 40`.
        layers: Number of hidden layers. Defaults to `8`.
        units: Units of each. Defaults to `2560`.
        targets: Number of states. Defaults to `14_000`.

    Returns:
        An uncompiled `keras.Model` that gives logits of shape `(batch,
        targets)`.

    Raises:
        ValueError: If an argument is no such number.

    Example:
    >>> model = keras_ban.models.acoustic()
    >>> model.count_params()
    84412080
    """
    shape = _shape(inputs)
    checks.integer("layers", layers, 1)
    checks.integer("units", units, 1)
    checks.integer("targets", targets, 1)
    windows = keras.Input(shape)
    x = windows
    if len(shape) > 1:
        x = keras_layers.Reshape((math.prod(shape),))(x)
    for _ in range(layers):
        x = keras_layers.Dense(
            units, activation="relu", kernel_initializer="he_normal"
        )(x)
    logits = keras_layers.Dense(targets, name="logits")(x)
    return keras.Model(windows, logits, name=f"acoustic_{layers}_{units}")


def _shape(inputs):
    """The shape of a window, from a number or a shape."""
    shape = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    is_whole = all(
        isinstance(size, numbers.Integral)
        and not isinstance(size, bool)
        and size >= 1
        for size in shape
    )
    if not shape or not is_whole:
        raise ValueError(
            "Invalid value for argument `inputs`. Expected how many numbers a "
            "window has, or its shape, as 1040 or (26, 40). Received: "
            f"{inputs!r}"
        )
    return tuple(shape)
