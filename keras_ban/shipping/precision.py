"""In which precision a model computes; a copy of it in float32."""

import json

import keras

from keras_ban.networks.layers import sublayers

_REDUCED = "float16", "bfloat16"


def reduced(model):
    """The dtypes of fewer than 32 bits that layers of a model compute in.

    Args:
        model: A `keras.Model`.

    Returns:
        A set of "float16" and "bfloat16".
    """
    computed = {layer.compute_dtype for layer in sublayers(model)}
    return computed.intersection(_REDUCED)


def in_float32(model, batch):
    """A copy of a model, with its weights, that computes in float32.

    Args:
        model: A built `keras.Model`.
        batch: A batch of inputs. Keras exports what was called.

    Raises:
        ValueError: If Keras cannot make it anew from its configuration.
    """
    config = keras.saving.serialize_keras_object(model)
    config = json.loads(json.dumps(config))
    config.pop("compile_config", None)
    copy = keras.saving.deserialize_keras_object(_in_float32(config))
    copy(batch, training=False)
    copy.set_weights(model.get_weights())
    return copy


def _in_float32(node):
    """A configuration whose dtype policies are float32.

    The dtypes of inputs stay: they are no policies but in inner layers.
    """
    if isinstance(node, dict):
        if node.get("class_name") == "DTypePolicy":
            return {**node, "config": {"name": _widened(node)}}
        return {key: _in_float32(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_in_float32(value) for value in node]
    return node


def _widened(node):
    name = node["config"]["name"]
    return "float32" if any(short in name for short in _REDUCED) else name
