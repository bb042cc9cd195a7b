"""The outputs of a model that has several, by their names."""

import keras
import tensorflow as tf


class ByName(dict):
    """What belongs to each output of a model, by name.

    Args:
        items: A dict, in the order in which Keras flattens the outputs.
        template: The structure of the outputs, with names for leaves.

    Attributes:
        template: As given.
    """

    def __init__(self, items, template):
        super().__init__(items)
        self.template = template

    def map(self, function):
        """The same of what a function makes of each."""
        return ByName({k: function(v) for k, v in self.items()}, self.template)

    def packed(self):
        """The structure of the outputs, with what belongs to each."""
        return keras.tree.pack_sequence_as(self.template, list(self.values()))


class Head:
    """One output of a model, in the place of a model with one output.

    Args:
        model: The `keras.Model`.
        name: The name of the output.
        place: Its place among the outputs.
        loss: The loss of this output, or `None`.

    Attributes:
        name: Of the model and of the output.
        loss: As given.
        built: Whether the model is.
        inputs: Those of the model, if they are known.
        outputs: This one, if it is known, a list.
        layers: Those before it, if they are known.
        operations: The same, and other operations, if they are known.
    """

    def __init__(self, model, name, place, loss):
        self.name = f"{model.name}/{name}"
        self.loss = loss
        self.built = model.built
        given = getattr(model, "outputs", None) or ()
        self.inputs = self.operations = self.layers = None
        self.outputs = list(given[place : place + 1])
        if self.outputs:
            cut = keras.Model(model.inputs, self.outputs[0])
            self.inputs, self.layers = cut.inputs, cut.layers
            self.operations = cut.operations


def each(function, held):
    """What a function makes of what is held, for each output if by name."""
    return held.map(function) if isinstance(held, ByName) else function(held)


def leaves(held):
    """What is held, for each output if by name, a list."""
    return list(held.values()) if isinstance(held, ByName) else [held]


def by_name(model, result):
    """What a model gives, by the names of its outputs, if it has several.

    Names are the keys of a dict, joined by "/" where dicts hold dicts, or what
    a model calls its outputs in a list.

    Args:
        model: A `keras.Model`.
        result: What it gives: a tensor, or a structure of tensors.

    Returns:
        A `ByName`; the tensor itself if it is no structure.
    """
    if not keras.tree.is_nested(result):
        return result
    found = keras.tree.flatten_with_path(result)
    known = getattr(model, "output_names", None) or ()
    if isinstance(result, dict) or len(set(known)) < len(found):
        known = [_path(path) for path, _ in found]
    template = keras.tree.pack_sequence_as(result, list(known))
    held = [leaf for _, leaf in found]
    return ByName(dict(zip(known, held, strict=True)), template)


def spec(model):
    """Shapes of the outputs of a model, as far as it says them by itself.

    Args:
        model: A `keras.Model`.

    Returns:
        A `ByName` of shapes, a shape, or `None`.
    """
    given = getattr(model, "outputs", None)
    if not given:
        return None
    if isinstance(model, keras.Sequential):
        return tuple(given[0].shape)
    result = by_name(model, model.compute_output_spec(model.input))
    return shape_of(result)


def given(model, x):
    """Shapes of the outputs of a model, which is run if it does not say them.

    Args:
        model: A `keras.Model`.
        x: Inputs.
    """
    found = spec(model)
    if found is None:
        found = shape_of(by_name(model, model(x, training=False)))
    return found


def names(model):
    """The names of the outputs of a model, as far as it says them, a list."""
    shapes = spec(model)
    if isinstance(shapes, ByName):
        return list(shapes)
    if isinstance(model, keras.Sequential):
        # Keras calls its output by the name of the model.
        return [layer.name for layer in model.layers[-1:]]
    return list(getattr(model, "output_names", None) or ())


def only_name(model):
    """What a model calls its one output; `None` if there is no model."""
    if model is None:
        return None
    return (names(model) or [model.name])[0]


def shape_of(result):
    """The shape of what a model gives, or a `ByName` of shapes."""
    return each(lambda leaf: tuple(leaf.shape), result)


def label_shape(y):
    """The shape of labels, or a structure of shapes; `None` without labels."""
    if not keras.tree.is_nested(y):
        return None if y is None else y.shape
    return keras.tree.map_structure(
        lambda a: None if a is None else tf.TensorShape(a.shape), y
    )


def losses(model, names):
    """The loss that a model was compiled with for each output.

    Args:
        model: A `keras.Model`.
        names: The names of its outputs.

    Returns:
        A dict; `None` if it has none at all.
    """
    loss = getattr(model, "loss", None)
    return None if loss is None else _for_each(loss, names)


def loss_weights(model, names):
    """The weight of each output in the loss of a model, a dict.

    Args:
        model: A compiled `keras.Model`.
        names: The names of its outputs.
    """
    # `get_compile_config` fails where a loss is a function of the user's own.
    compiled = getattr(model, "_compile_loss", None)
    found = getattr(compiled, "_user_loss_weights", None)
    return _for_each(found, names)


def weights(model, names):
    """How much each output counts in the loss of a model, a dict.

    As in Keras, what has no loss beside others that have one counts nothing.

    Args:
        model: A `keras.Model`.
        names: The names of its outputs.
    """
    known, found = losses(model, names), loss_weights(model, names)
    found = {k: 1.0 if scale is None else scale for k, scale in found.items()}
    left = [k for k in found if known is not None and known[k] is None]
    return found | dict.fromkeys(left, 0.0)


def trackers(model, names):
    """Keras' own metrics of the labels' loss of each output, a dict.

    Args:
        model: A compiled `keras.Model`.
        names: The names of its outputs that have a loss, in the order in which
            Keras flattens them.
    """
    compiled = getattr(model, "_compile_loss", None)
    found = getattr(compiled, "_flat_losses", None) or ()
    metrics = compiled.metrics if found else ()
    if len(found) != len(metrics) or len(found) != len(names):
        return {}
    # Keras has names of its own where an output is in a list or is called
    # twice; its paths are sorted as the outputs are, or are their names.
    by_path = {one.path: m for one, m in zip(found, metrics, strict=True)}
    if set(by_path) == {(name,) for name in names}:
        return {path[0]: metric for path, metric in by_path.items()}
    return dict(zip(names, map(by_path.get, sorted(by_path)), strict=True))


def _for_each(given, names):
    """What was given for outputs, as Keras takes it, a dict by name."""
    if not keras.tree.is_nested(given):
        return dict.fromkeys(names, given)
    found = {_path(p): v for p, v in keras.tree.flatten_with_path(given)}
    if set(found) <= set(names):
        return {name: found.get(name) for name in names}
    if len(found) == len(names):
        return dict(zip(names, found.values(), strict=True))
    raise ValueError(
        f"The model has the outputs {', '.join(map(repr, names))}. Expected "
        "what it is compiled with to name them. Received: "
        f"{', '.join(map(repr, found))}. Name them as the outputs."
    )


def _path(path):
    """The name of what stands there in a structure."""
    if len(path) == 1 and isinstance(path[0], int):
        return f"output_{path[0]}"
    return "/".join(map(str, path))
