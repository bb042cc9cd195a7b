"""What TensorFlow makes of a network, as a text that two networks share."""

import re

import keras
import tensorflow as tf

from keras_ban.networks.values import kept_of_layers
from keras_ban.tasks.losses import keras_mask

# Operations whose memory, or whose code, no model's variables tell of.
_UNTRACKED = re.compile(
    "Random|Truncated|Parameterized|Multinomial|StatefulUniform|"
    "StatefulStandard|PyFunc|VarHandle|HashTable|Iterator|File|Timestamp"
)
# Where nodes come from and what they are called.
_NAMES = ("_class", "shared_name", "_gradient_op_type", "_forward_func_name")
_CONTAINERS = (dict, list, set, tuple)


def text(model, own, rows):
    """All operations of a model and of its gradients, constants included.

    Args:
        model: A built `keras.Model`.
        own: Its layers of classes that are not Keras' own.
        rows: A few rows of inputs.

    Returns:
        A string, equal for two models of which a trace is the same; or `None`
        if the operations, or tracing them, change what no variable of the
        model tells of.
    """
    before = plain_state(own)
    found = [_traced(model, rows, f) for f in (_learning, _predicting)]
    if None in found or plain_state(own) != before:
        return None
    return "\n".join(found)


def _learning(model, x):
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(model(x, training=True))
        terms = [tf.reduce_sum(tf.cast(t, "float32")) for t in outputs]
        terms += [tf.cast(term, "float32") for term in model.losses]
        loss = tf.add_n(terms)
    gradients = tape.gradient(loss, model.trainable_weights)
    return outputs, _masks(outputs), gradients


def _predicting(model, x):
    outputs = keras.tree.flatten(model(x, training=False))
    return outputs, _masks(outputs)


def _masks(outputs):
    """What the loss leaves out, which no operation of the model tells."""
    return [keras_mask(output) for output in outputs]


def plain_state(own):
    """What layers keep in Python as plain values, as a counter of calls.

    Args:
        own: Layers.
    """
    return [
        (name, len(value) if isinstance(value, _CONTAINERS) else value)
        for layer in own
        for name, value in vars(layer).items()
        if isinstance(value, (bool, float, int, str, *_CONTAINERS))
        and name not in kept_of_layers()
        and not name.startswith("_self_")
    ]


def _traced(model, rows, function):
    traced = tf.function(lambda x: function(model, x), autograph=False)
    try:
        graph = traced.get_concrete_function(rows).graph
    except Exception:  # of what runs eagerly alone
        return None
    places = {id(v.value.handle): k for k, v in enumerate(model.variables)}
    captures = []
    for outside, _ in graph.captures:
        if outside.dtype not in (tf.resource, tf.variant):
            captures.append(outside.numpy().tobytes())
        elif id(outside) in places:
            captures.append(places[id(outside)])
        else:
            return None
    content = graph.as_graph_def()
    functions = {f.signature.name: f for f in content.library.function}
    lines = [str(captures)]
    if not _write(content.node, functions, lines, {}):
        return None
    return "\n".join(lines)


def _write(nodes, functions, lines, written):
    """Adds a line for each operation; whether a variable tells all of it."""
    numbers = {node.name: str(k) for k, node in enumerate(nodes)}
    for node in nodes:
        if _UNTRACKED.search(node.op) and not node.op.startswith("Stateless"):
            return False
        sources = [_source(name, numbers) for name in node.input]
        held = [node.op, *sources]
        for key, value in sorted(node.attr.items()):
            if key in _NAMES:
                continue
            names = [value.func.name] if value.HasField("func") else []
            names += [f.name for f in value.list.func]
            for name in filter(None, names):
                if name not in written:
                    written[name] = len(written)
                    inner = functions[name].node_def
                    if not _write(inner, functions, lines, written):
                        return False
                held.append(f"{key}: function {written[name]}")
            if not names:
                held.append(f"{key}: {value.SerializeToString()!r}")
        lines.append(" ".join(held))
    return True


def _source(name, numbers):
    """An input of a node, by the number of the node that it comes from."""
    control = name.startswith("^")
    node, *port = name.lstrip("^").split(":")
    return "^" * control + ":".join([numbers.get(node, node), *port])
