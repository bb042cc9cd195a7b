"""Whether two networks are built and compiled alike."""

import hashlib

import keras

from keras_ban import files

# What Keras numbers in the order of creation, or what stands elsewhere.
_COUNTED = ("name", "shared_object_id", "build_config", "compile_config")


def exact(model, compiled=True):
    """A text that two models share if they are built and compiled alike.

    Args:
        model: A `keras.Model`.
        compiled: Whether it says how the model is compiled. Defaults to
            `True`.

    Returns:
        The text, and whether all that it names is Keras' own; or `None` and
        `False`, if Keras cannot say what the model is.
    """
    left_out = ("name", "shared_object_id", "build_config")
    try:
        config = keras.saving.serialize_keras_object(model)
        found = plain(config)
        compilation = found.pop("compile_config", None)
        if compiled:
            _without_rates(compilation)
            found["compilation"] = compilation
        text = files.dumps(_numbered(found, left_out))
    except Exception:
        return None, False
    return text, _of_keras(config)


def _without_rates(node):
    """Takes the learning rates out that are kept in variables."""
    if isinstance(node, dict):
        if isinstance(node.get("learning_rate"), float):
            del node["learning_rate"]
        for value in node.values():
            _without_rates(value)


def _of_keras(node):
    """Whether a configuration names nothing but what Keras brings along."""
    if isinstance(node, dict):
        module = node.get("module") or ""
        # Some of Keras' own classes carry a registered name, `Functional` too.
        if node.get("registered_name") and not module.startswith("keras."):
            return False
        return all(map(_of_keras, node.values()))
    if isinstance(node, (list, tuple)):
        return all(map(_of_keras, node))
    return not callable(node)


def weights(model):
    """SHA-256 of the values of a model's weights."""
    digest = hashlib.sha256()
    for value in model.get_weights():
        digest.update(str(value.shape).encode() + value.tobytes())
    return digest.hexdigest()


def plain(content):
    """As it will come back from a file."""
    return files.json.loads(files.dumps(content))


def serialized(thing):
    """The configuration of a Keras object, without what Keras counts."""
    try:
        config = plain(keras.saving.serialize_keras_object(thing))
    except Exception:
        # The weights' shapes still tell models apart.
        return type(thing).__name__
    return _numbered(config)


def _numbered(config, left_out=_COUNTED):
    """A configuration with the names that Keras makes up made comparable."""
    names = {}
    _collect(config, names)
    return _renamed(config, names, left_out)


def _collect(node, names):
    """Numbers the layers of a configuration in order of appearance."""
    if isinstance(node, dict):
        name = node.get("name")
        if "class_name" in node and isinstance(name, str):
            names.setdefault(name, f"layer {len(names)}")
        for value in node.values():
            _collect(value, names)
    elif isinstance(node, list):
        for value in node:
            _collect(value, names)


def _renamed(node, names, left_out):
    if isinstance(node, dict):
        if str(node.get("class_name")).endswith("DTypePolicy"):
            return node  # its name is what it does
        return {
            k: _renamed(v, names, left_out)
            for k, v in node.items()
            if k not in left_out
        }
    if isinstance(node, list):
        return [_renamed(v, names, left_out) for v in node]
    return names.get(node, node) if isinstance(node, str) else node
