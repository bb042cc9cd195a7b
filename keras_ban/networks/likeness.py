"""Whether two networks are built and compiled alike."""

import hashlib
import typing

import keras

from keras_ban import files
from keras_ban.networks.stand_in import overridden
from keras_ban.networks.values import Unknown
from keras_ban.networks.values import Walk

# What Keras numbers in the order of creation, or what stands elsewhere.
_COUNTED = ("name", "shared_object_id", "build_config", "compile_config")
# Whoever has one of these of its own is trained by more than its layers.
_STEPS = (
    "compile",
    "compute_loss",
    "compute_metrics",
    "make_train_function",
    "metrics",
    "reset_metrics",
    "test_step",
    "train_step",
)


class Likeness(typing.NamedTuple):
    """What a compiled function may hold of a model.

    Attributes:
        key: A string, equal for models that may share a function as far as
            Python tells; `None` if something in it cannot be compared.
        own: What must be asked of the graph too, a list of layers: those
            whose classes are not Keras' own, and the model itself if it has
            no configuration.
        others: Variables that are no weights, and not copied with them.
    """

    key: str | None
    own: list
    others: list


def describe(model, compiled):
    """What two models share if one compiled function may serve both.

    That is all that a trace holds as a constant: the configuration, which
    says how layers are connected; every attribute of the layers, which adapt
    to data or are changed by hand; the loss; and, for training, optimizer,
    metrics, and what weights are trained by which rules. Functions count by
    their code and all that it reads. Values of variables are copied, and do
    not count; nor do automatic names, but where the optimizer goes by them.

    Args:
        model: A built `keras.Model`.
        compiled: Whether it is to be trained, else only to be run.

    Returns:
        A `Likeness`.
    """
    optimizer = getattr(model, "optimizer", None) if compiled else None
    walk = Walk([*model.variables, *(optimizer.variables if optimizer else ())])
    try:
        text = _connections(model)
        walk.note(text, _settings())
        walk.note([(tuple(v.shape), v.dtype) for v in model.variables])
        walk.see(model)
        walk.see(model.loss)
        if compiled:
            _see_training(walk, model)
    except (Unknown, RecursionError):
        return Likeness(None, [], [])
    own = [model] * (text is None) + walk.own
    return Likeness(walk.key(), own, walk.others)


def of_objective(objective):
    """What two objectives share if one compiled function may serve both.

    Args:
        objective: An `Objective`, as a `Distiller` holds it.

    Returns:
        A string, or `None` if something in it cannot be compared.
    """
    # The loss of the labels is the student's.
    others = [*objective.copies.values(), *objective.features]
    apart = ["label_loss", "features", "kept"]
    held = {
        k: v
        for k, v in vars(objective).items()
        if k not in apart and v is not objective.copies and v not in others
    }
    copied = [getattr(v, "state", v) for v in held.values()]
    walk = Walk([v for v in copied if isinstance(v, keras.Variable)])
    try:
        walk.see(type(objective))
        walk.see(held)
    except (Unknown, RecursionError):
        return None
    keys = [walk.key(), *map(of_objective, others)]
    return None if None in keys else " ".join(keys)


def _connections(model):
    """The configuration as a text, or `None` where Keras cannot give it."""
    try:
        config = plain(model.get_config())
        left_out = ("name", "shared_object_id", "build_config")
        return files.dumps(_numbered(config, left_out))
    except Exception:
        return None


def _settings():
    """What Keras' own code reads of no object."""
    return (
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        keras.config.dtype_policy().name,
        keras.config.is_flash_attention_enabled(),
    )


def _see_training(walk, model):
    if overridden(model, *_STEPS):
        raise Unknown("a training of its own")
    walk.note(model.run_eagerly, model.jit_compile, model.steps_per_execution)
    walk.see(model.optimizer)
    # Metrics and weights of losses as they were given: what Keras makes of
    # them depends on the first step.
    walk.see(vars(model)["_compile_config"].config)
    for variable in model.trainable_variables:
        walk.note(variable.path, variable.name)
        walk.see(variable.constraint)
        walk.see(variable.regularizer)


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
