"""The layers of a model at any depth, and what was done to their weights."""

import math

import keras
import numpy as np


def sublayers(layer):
    """A layer and all within it, each once: models, wrappers, lists of layers.

    Args:
        layer: A `keras.Layer`.

    Returns:
        A list, the layer first.
    """
    found, left = {}, [layer]
    while left:
        one = left.pop()
        if id(one) not in found:
            found[id(one)] = one
            left += [
                held
                for value in vars(one).values()
                for held in _members(value)
                if isinstance(held, keras.Layer)
            ]
    return list(found.values())


def _members(value):
    """What stands in a list, a dict or the like; or the value itself."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple, set)):
        return [member for held in value for member in _members(held)]
    return [value]


def carried(model):
    """What a model carries from batch to batch beside its weights.

    Args:
        model: A `keras.Model`, or `None`.

    Returns:
        A list of `tf.Variable`s: those that layers have as `carried`.
    """
    found = sublayers(model) if model is not None else []
    return [state for layer in found for state in getattr(layer, "carried", ())]


def augmenting(model):
    """The first layer of a model that augments images at random, or `None`.

    Args:
        model: A `keras.Model`.
    """
    names = [name for name in vars(keras.layers) if name.startswith("Random")]
    names += ["AugMix", "CutMix", "MixUp", "RandAugment"]
    kinds = [getattr(keras.layers, name, None) for name in names]
    kinds = tuple(kind for kind in kinds if isinstance(kind, type))
    found = (one for one in sublayers(model) if isinstance(one, kinds))
    return next(found, None)


def multiplications(model):
    """How many multiplications by weights a forward pass of one row takes.

    Args:
        model: A built `keras.Model`.

    Returns:
        An integer, or infinity if layers do not say the shapes they see.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += multiplications(layer)
            continue
        kernels = [
            math.prod(v.shape) for v in layer.weights if len(v.shape) > 1
        ]
        if kernels:
            total += sum(kernels) * _positions(layer)
    return total


def _positions(layer):
    """How many positions of a row see the same weights."""
    try:
        seen = keras.tree.flatten([layer.input, layer.output])
        return max(math.prod(tensor.shape[1:-1]) for tensor in seen)
    except (AttributeError, ValueError, TypeError):
        return math.inf  # called often, or never, or of unknown shape


def steps_taken(model):
    """How many steps the optimizer of a model has taken.

    Args:
        model: A `keras.Model`, compiled or not.
    """
    steps = getattr(getattr(model, "optimizer", None), "iterations", None)
    if steps is None:
        return 0
    # Of accumulated gradients a tensor, on several replicas no single number.
    steps = getattr(steps, "value", steps)
    return int(steps.read_value() if hasattr(steps, "read_value") else steps)


def is_untouched(model):
    """Whether no training, file or hand has changed what layers began with.

    An initializer with a seed, and each gets one, draws the same again.

    Args:
        model: A built `keras.Model`.

    Returns:
        `True` if all weights that are trained are what random initializers
        draw, as far as they have such; `False` if one is not; `None` if there
        is none.
    """
    told = None
    for variable, initializer in _drawn(model):
        drawn = initializer(tuple(variable.shape), dtype=variable.dtype)
        drawn = keras.ops.convert_to_numpy(drawn)
        # Constant ones may be set otherwise, as the bias of an LSTM.
        if drawn.size and np.ptp(drawn) > 0:
            told = True
            if not np.array_equal(drawn, variable.value.read_value().numpy()):
                return False
    return told


def _drawn(model):
    """Yields the weights that are trained, with what initialized each."""
    trained = {id(v) for v in model.trainable_variables}
    for layer in sublayers(model):
        held = vars(layer)
        for name, initializer in held.items():
            variable = getattr(layer, name.removesuffix("_initializer"), None)
            if (
                name.endswith("_initializer")
                and id(variable) in trained
                and isinstance(initializer, keras.Initializer)
                and isinstance(getattr(initializer, "seed", 0), int)
            ):
                trained.discard(id(variable))
                yield variable, initializer
