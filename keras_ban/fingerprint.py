"""What makes two runs the same run, and how two differ."""

import hashlib

import keras
import tensorflow as tf

from keras_ban import batches
from keras_ban import files
from keras_ban import stream
from keras_ban.callback_states import keras_arguments

# Callbacks of Keras that change how a model trains.
_ACTING = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.SwapEMAWeights,
)
_SCHEDULE = (
    "batch_size",
    "class_weight",
    "epochs",
    "initial_epoch",
    "shuffle",
    "steps_per_epoch",
    "validation_freq",
    "validation_steps",
)
# What Keras numbers in the order of creation, or what stands elsewhere.
_COUNTED = ("name", "shared_object_id", "build_config", "compile_config")


def run(seed, objective, from_logits, arguments, teacher, views):
    """What all generations of a run share.

    Args:
        seed: The seed of the run.
        objective: The `Objective`.
        from_logits: As `BornAgain` got it.
        arguments: The arguments of `fit`, as `stream.prepare` returned them.
        teacher: The teacher that was given, or `None`.
        views: How examples are shown, a dict.

    Returns:
        A dict that JSON can hold.
    """
    schedule = {k: arguments.get(k) for k in _SCHEDULE}
    return _json(
        {
            "seed": seed,
            "objective": _objective(objective),
            "from_logits": from_logits,
            "data": _data(arguments),
            "validation data": _validation(arguments),
            "schedule": schedule,
            "views": _named(views),
            "teacher": teacher and weights(teacher),
        }
    )


def network(model):
    """What a fresh model is and how it was compiled, as a dict."""
    compiled = model.compiled
    return _json(
        {
            "architecture": _serialized(model),
            "weights": [[list(w.shape), w.dtype] for w in model.weights],
            "optimizer": _serialized(model.optimizer) if compiled else "adam",
            "loss": _serialized(model.loss) if compiled else None,
        }
    )


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
        found = _json(config)
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


def callbacks(given):
    """Those callbacks of a generation that change how it trains."""
    found = []
    for callback in given:
        if isinstance(callback, _ACTING):
            names = keras_arguments(callback)
            held = {k: v for k, v in vars(callback).items() if k in names}
            # Keras turns its sign once it knows what an improvement is.
            if "min_delta" in held:
                held["min_delta"] = abs(held["min_delta"])
            found.append({"class": type(callback).__name__, **held})
    return _json([_named(c) for c in found])


def weights(model):
    """SHA-256 of the values of a model's weights."""
    digest = hashlib.sha256()
    for value in model.get_weights():
        digest.update(str(value.shape).encode() + value.tobytes())
    return digest.hexdigest()


def difference(recorded, received, path=""):
    """The first leaf at which two dicts differ.

    Returns:
        Its path and both values, or `None` if they are equal.
    """
    if isinstance(recorded, dict) and isinstance(received, dict):
        pairs = [
            (f"{path}.{k}".lstrip("."), recorded.get(k), received.get(k))
            for k in {**recorded, **received}
        ]
    elif (
        isinstance(recorded, list)
        and isinstance(received, list)
        and len(recorded) == len(received)
    ):
        pairs = [
            (f"{path}[{i}]", *pair)
            for i, pair in enumerate(zip(recorded, received, strict=True))
        ]
    elif files.dumps(recorded) == files.dumps(received):
        return None
    else:
        return path, recorded, received
    return next(filter(None, (difference(a, b, p) for p, a, b in pairs)), None)


def _json(content):
    """As it will come back from a file."""
    return files.json.loads(files.dumps(content))


def _objective(objective):
    config = dict(objective.get_config())
    if "function" in config:
        config["function"] = objective.function
    return _named({"class": type(objective).__name__, **config})


def _named(config):
    """Functions by their names: their code is no part of a fingerprint."""
    return {
        k: getattr(v, "__qualname__", type(v).__name__) if callable(v) else v
        for k, v in config.items()
    }


def _data(arguments):
    # Generation 0 may be a teacher that was given.
    x = stream.example(arguments, 1)
    if batches.is_arrays(x):
        parts = {k: arguments.get(k) for k in ("x", "y", "sample_weight")}
        return {
            "rows": batches.rows(x),
            **{k: _shapes(v) for k, v in parts.items() if v is not None},
        }
    if isinstance(x, tf.data.Dataset):
        return {
            "batches": batches.size(x),
            "elements": [str(s) for s in keras.tree.flatten(x.element_spec)],
        }
    return {"kind": type(x).__name__, "batches": batches.size(x)}


def _validation(arguments):
    if arguments.get("validation_data") is None:
        return None
    return _data(batches.validation(arguments))


def _shapes(structure):
    """Type and shape of each array, without the axis of samples."""
    leaves = [a for a in keras.tree.flatten(structure) if a is not None]
    return [
        f"{getattr(a.dtype, 'name', a.dtype)}{list(a.shape[1:])}"
        for a in leaves
    ]


def _serialized(thing):
    """The configuration of a Keras object, without what Keras counts."""
    try:
        config = _json(keras.saving.serialize_keras_object(thing))
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
