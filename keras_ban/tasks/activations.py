"""Which activation a model ends in."""

import keras

from keras_ban.models.words import LogitBias

# Their output means what their input meant.
_TRANSPARENT = (
    keras.layers.Average,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Identity,
    keras.layers.Reshape,
)


def last_activation(model):
    """The activation over the last axis that a model ends in.

    Args:
        model: A `keras.Model`.

    Returns:
        "linear" (a kernel and nothing behind it), "softmax", "log_softmax",
        "sigmoid" or another name, or `None` if its layers do not say it.
    """
    if not model.built:
        return None
    if isinstance(model, keras.Sequential):
        return _of_chain(model.layers)
    operations = getattr(model, "operations", None)
    if not operations or len(model.outputs) != 1:
        return None
    last = operations[-1]
    if isinstance(last, _TRANSPARENT):
        sources = keras.tree.flatten(last.input)
        kinds = {last_activation(keras.Model(model.inputs, s)) for s in sources}
        return kinds.pop() if len(kinds) == 1 else None
    return _of_operation(last)


def _of_chain(layers):
    for layer in reversed(layers):
        if not isinstance(layer, _TRANSPARENT):
            return _of_operation(layer)
    return None


def _of_operation(operation):
    if isinstance(operation, keras.Model):
        return last_activation(operation)
    layer = operation
    if isinstance(operation, keras.layers.TimeDistributed):
        layer = operation.layer
    if isinstance(layer, LogitBias):
        return "linear"
    last_axis = len(operation.output.shape) - 1
    if getattr(layer, "axis", -1) not in (-1, last_axis):
        return None
    activation = getattr(layer, "activation", None)
    kind = getattr(activation, "__name__", type(layer).__name__).lower()
    if kind == "linear" and not hasattr(layer, "kernel"):
        return None
    return {"logsoftmax": "log_softmax"}.get(kind, kind)
