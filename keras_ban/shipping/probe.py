"""Rows by which two models are compared, made up or given."""

import keras
import numpy as np

from keras_ban import rows
from keras_ban.networks.ensembles import symbolic_inputs
from keras_ban.networks.layers import carried
from keras_ban.networks.layers import sublayers

# Where a length is open, as of a sequence or an image.
_LENGTH = 32
_ROWS = 3
# What layers of Keras and of this package call the number of their vectors.
_VECTORS = "input_dim", "words"
_HINT = "Give rows of your own: `export(..., x=x[:8])`."


def batches(model, x=None):
    """Batches that the model is to be run on: several rows, then one.

    Args:
        model: A built `keras.Model`.
        x: Inputs, of which the first rows are taken. Defaults to `None`: they
            are made up, the same ones in each call.

    Raises:
        ValueError: If there are no rows, or none can be made up.
    """
    if x is None:
        x = _made_up(model)
    x = rows.map_arrays(rows.tensor, rows.first_rows(x))
    if not rows.count_rows(x):
        raise ValueError(
            "Invalid value for argument `x`. Expected one row or more. "
            "Received: none."
        )
    if _fixed(model) is not None:
        return [x]
    return [x, rows.first_rows(x, 1)]


def _fixed(model):
    """The size of a batch, if the model takes no other, or `None`."""
    return keras.tree.flatten(symbolic_inputs(model))[0].shape[0]


def _made_up(model):
    """Inputs as the model says that it takes them."""
    draws = np.random.default_rng(0)
    highest = min(map(_vectors, sublayers(model)))

    def one(spec):
        sizes = [size or _LENGTH for size in spec.shape[1:]]
        shape = (spec.shape[0] or _ROWS, *sizes)
        dtype = keras.backend.standardize_dtype(spec.dtype)
        if getattr(spec, "sparse", False) or dtype == "string":
            raise ValueError(
                f"Cannot make up rows of {spec.name!r}, which takes "
                f"{'sparse tensors' if dtype != 'string' else 'texts'}. "
                f"{_HINT}"
            )
        if dtype == "bool":
            return np.ones(shape, bool)
        if "int" in dtype:
            return draws.integers(0, min(highest, 100), shape).astype(dtype)
        return draws.normal(size=shape).astype("float32")

    return keras.tree.map_structure(one, symbolic_inputs(model))


def _vectors(layer):
    """How many rows a table of vectors has; any number, if it is none."""
    found = [getattr(layer, name, None) for name in _VECTORS]
    return min([n for n in found if type(n) is int], default=100)


def outputs(function, x):
    """What a function gives, a list of arrays in float64.

    Raises:
        ValueError: If it cannot be run on these rows.
    """
    try:
        found = keras.tree.flatten(function(x))
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"it cannot be run on rows of shape {_shapes(x)}: {reason}"
        ) from error
    return [
        np.asarray(keras.ops.convert_to_numpy(one), "float64") for one in found
    ]


def _shapes(x):
    found = [tuple(one.shape) for one in keras.tree.flatten(x)]
    return found[0] if len(found) == 1 else found


def in_memory(model, x):
    """The outputs of a model in memory, which carries on what it did before.

    Raises:
        ValueError: If it cannot be run on these rows, or gives no numbers.
    """
    held = [(one, one.numpy()) for one in carried(model)]
    try:
        found = outputs(lambda x: model(x, training=False), x)
    except ValueError as error:
        raise ValueError(
            f"The model {model.name!r} cannot be compared: {error} {_HINT}"
        ) from error
    finally:
        for one, value in held:
            one.assign(value)
    if not all(np.isfinite(one).all() for one in found):
        raise ValueError(
            f"The model {model.name!r} gives no finite numbers on rows of "
            f"shape {_shapes(x)}. {_HINT}"
        )
    return found


def difference(ours, theirs):
    """The largest difference of outputs, as a share of those beyond 1.

    Args:
        ours: A list of arrays.
        theirs: Another one.

    Raises:
        ValueError: If they are not of the same shapes.
    """
    shapes = [[one.shape for one in held] for held in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"it gives outputs of shapes {shapes[1]}, not {shapes[0]}"
        )
    pairs = zip(ours, theirs, strict=True)
    found = [abs(a - b) / np.maximum(1, abs(a)) for a, b in pairs]
    # NumPy's largest is NaN where one is.
    return float(np.max([np.max(one, initial=0) for one in found]))
