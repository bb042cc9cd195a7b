"""Whether models are classifiers, of the same classes, with weights apart."""

import contextlib
import re
import textwrap

import keras
import numpy as np
import tensorflow as tf

from keras_ban import rows
from keras_ban.distribution.replicas import building
from keras_ban.rows import first_rows
from keras_ban.rows import map_arrays
from keras_ban.rows import tensor
from keras_ban.tasks import heads
from keras_ban.tasks import kinds
from keras_ban.tasks import outputs

_TO_METRIC = (
    'Take it out of `metrics=`, or one that fits: "accuracy" finds out what '
    "the labels are."
)
# What Keras and TensorFlow raise for what does not fit a model.
_MISFITS = (
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
    TypeError,
    ValueError,
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
)


def apart(one, other, roles=("student", "teacher")):
    """Refuses two models that are the same or share weights."""
    if one is other:
        raise ValueError(
            f"The {roles[0]} is the {roles[1]}: both are the model "
            f"{one.name!r}. Expected two models with weights of their own. "
            "Build each by a call that creates its layers anew, or clone one "
            "by `keras.models.clone_model`."
        )
    shared = {id(v) for v in one.weights} & {id(v) for v in other.weights}
    if shared:
        path = next(v.path for v in one.weights if id(v) in shared)
        raise ValueError(
            f"The {roles[0]} {one.name!r} shares {len(shared)} weights with "
            f"the {roles[1]} {other.name!r}, the first {path!r}. Expected two "
            "models with weights of their own. Create their layers anew "
            "instead of reusing them."
        )


def _check_trained(model):
    """Refuses a built model of which no weight is trained."""
    if not model.trainable_variables:
        raise ValueError(
            f"The model {model.name!r} has nothing to train: all of its "
            f"{len(model.weights)} weights are frozen. Expected at least one "
            "that is trained. Set `trainable = True` of the layers that are "
            "to learn, before `compile`."
        )


def _check_batch(model, error):
    """Explains why a model fails that takes batches of one size only."""
    sizes = {t.shape[0] for t in getattr(model, "inputs", None) or ()}
    sizes.discard(None)
    if sizes:
        raise ValueError(
            f"The model {model.name!r} takes batches of {sizes.pop()} rows "
            "only. Expected one that takes any number of rows: it is run on "
            "a few to check it, and on what is left at the end of the data. "
            "Build it with `keras.Input(shape)` in place of `batch_shape=`, "
            "and recurrent layers without `stateful=True`: to carry a state "
            "from batch to batch, take `keras_ban.models.CarriedLSTM`, as "
            f"`lstm_lm` does. ({error})"
        ) from error


@contextlib.contextmanager
def taking(model, x, name="x"):
    """Says in plain words that a model does not take its inputs.

    Args:
        model: The `keras.Model` that is run.
        x: The inputs that it is given.
        name: What the error calls them. Defaults to `"x"`.
    """
    try:
        yield
    except _MISFITS as error:
        _check_batch(model, error)
        raise ValueError(
            f"The model {model.name!r} cannot be run on `{name}`. Expected "
            f"inputs{_expected(model)}. Received: {_received(x)}. Give it the "
            f"inputs that it was built for.{way_to_pairs(x)}"
            f"{_way_from_texts(x)}{_way_to_batches(model, x)} Keras says: "
            f"{_words(error)}"
        ) from None


def _words(error):
    """The words of an error in one line, without the marks of a terminal."""
    plain = re.sub(r"\x1b\[\d*m", "", str(error))
    return textwrap.shorten(plain, 300, placeholder=" ...")


def _expected(model):
    shapes = [f"{list(i.shape)}" for i in getattr(model, "inputs", None) or ()]
    return f" of shape {', '.join(shapes)}" if shapes else " that it takes"


def _received(x):
    return keras.tree.map_structure(_array, x)


def _array(a):
    if not hasattr(a, "dtype"):
        return type(a).__name__
    kind = "texts " if _is_text(a) else getattr(a.dtype, "name", a.dtype)
    return f"{kind}{list(a.shape)}"


def _is_text(a):
    dtype = getattr(a, "dtype", None)
    is_named = getattr(dtype, "name", None) == "string"
    return is_named or getattr(dtype, "kind", None) in {"U", "S"}


def _way_from_texts(x):
    """A way from texts to what a network takes, in words."""
    if not any(map(_is_text, keras.tree.flatten(x))):
        return ""
    return (
        " Make numbers of texts by an adapted `keras.layers.TextVectorization`"
        ": `ds.map(lambda x, y: (vectorize(x), y))`, or `vectorize(x)` before "
        "`fit`."
    )


def _way_to_batches(model, x):
    """A way from examples to batches of them, in words."""
    inputs = getattr(model, "inputs", None) or ()
    given = keras.tree.flatten(x)
    if len(inputs) != len(given) or not all(
        tuple(i.shape[1:]) == tuple(getattr(a, "shape", ()))
        for i, a in zip(inputs, given, strict=True)
    ):
        return ""
    return (
        " Each is one example, without the axis of a batch: batch the data "
        "set, `ds.batch(32)`."
    )


def way_to_pairs(x):
    """A way from batches that are dicts to inputs and labels, in words."""
    if not isinstance(x, dict):
        return ""
    return (
        f" If one of {', '.join(map(repr, x))} is the label, map the batches "
        "to pairs: `ds.map(lambda d: (d['image'], d['label']))`, or load "
        "them by `as_supervised=True`."
    )


@contextlib.contextmanager
def counting(model, y, shape, sample_weight=None, what="loss"):
    """Says in plain words that a loss cannot be computed on the labels.

    Args:
        model: The `keras.Model` whose compiled loss is computed.
        y: The labels.
        shape: Shape of its output.
        sample_weight: Their weights, or `None`. Defaults to `None`.
        what: "loss", or "metric" if its metrics are. Defaults to `"loss"`.
    """
    try:
        yield
    except Exception as error:
        weights = (
            ""
            if sample_weight is None
            else f", weights of shape {_shapes(sample_weight)}"
        )
        is_loss = what == "loss"
        received = _loss_given(model) if is_loss else "its metrics"
        way = _way_to_loss(y, shape, sample_weight) if is_loss else _TO_METRIC
        raise ValueError(
            f"{'The loss' if is_loss else 'A metric'} of the model "
            f"{model.name!r} cannot be computed. Expected one for labels of "
            f"shape {_shapes(y)}{weights} and outputs of shape "
            f"{shape}. Received: {received}, which says: {_words(error)} "
            f"{way}"
        ) from None


def _shapes(arrays):
    if not keras.tree.is_nested(arrays):
        return np.shape(arrays)
    shapes = heads.label_shape(arrays)
    return keras.tree.map_structure(lambda a: a and tuple(a), shapes)


def _loss_given(model):
    loss = outputs.compiled_loss(model)
    given = loss if isinstance(loss, str) else getattr(loss, "name", loss)
    return f"the loss {given!r}"


def _way_to_loss(y, shape, weights):
    """A way to a loss that fits labels and outputs, in words."""
    if isinstance(y, dict) and isinstance(weights, dict):
        left = [name for name in y if name not in weights]
        if left:
            return (
                f"Give {', '.join(map(repr, left))} weights, too: ones, where "
                "all samples count alike."
            )
    if isinstance(shape, heads.ByName):
        return "Give the labels by the names of the outputs, and each its loss."
    if weights is not None and np.ndim(weights) < len(shape) - 1:
        return "Give each position its weight, in an array as that of labels."
    if shape[-1] == 1:
        return (
            "One output for two classes takes a binary cross-entropy; a "
            "sparse one takes an output for each class."
        )
    return (
        "Use a sparse cross-entropy for class numbers, a categorical one for "
        "one-hot labels, or change the labels by "
        "`keras.utils.to_categorical` or `argmax(-1)`."
    )


def has_gradient(model, gradient):
    """Refuses a loss that changes nothing.

    Args:
        model: The compiled `keras.Model`.
        gradient: That of its loss for its output, or `None`.
    """
    found = keras.tree.flatten(gradient)
    if all(one is None for one in found) and not model.losses:
        raise ValueError(
            "it does not depend on the outputs by anything that can be "
            "differentiated: write it with `keras.ops`, not NumPy"
        )


def prediction(model, x, said=kinds.UNSAID, y=None, name="x", trained=False):
    """Runs a model on a few rows and checks that its output is of its task.

    Args:
        model: A `keras.Model`; it is built by the call if it was not.
        x: One batch of inputs.
        said: What its owner says of it. Defaults to nothing.
        y: Its labels, or `None`. Defaults to `None`.
        name: What errors call the inputs. Defaults to `"x"`.
        trained: Whether the model is to be trained. Defaults to `False`.

    Returns:
        The output, a NumPy array of shape `(rows, ..., n)`, of several a
        `ByName` of arrays.
    """
    with taking(model, x, name), building(model):
        # Tensors, as in training: Keras reads numbers in text of NumPy alone.
        result = model(map_arrays(tensor, first_rows(x)), training=False)
    found = heads.by_name(model, result)
    for one in heads.leaves(found):
        if not hasattr(one, "shape") or len(one.shape) < 2:
            raise ValueError(
                f"The outputs of the model {model.name!r} must have the shape "
                "(batch, ..., classes). Received: "
                f"{keras.tree.map_structure(np.shape, result)}. Give each a "
                "last axis, or wrap the model in one that does."
            )
    kinds.check(model, said, heads.shape_of(found), y)
    if trained:
        _check_trained(model)
    found = heads.each(_float64, found)
    for values in heads.leaves(found):
        if not np.isfinite(values).all() and _are_finite(first_rows(x)):
            raise ValueError(
                f"The model {model.name!r} gives NaN or infinity. Expected "
                "finite numbers. Received: "
                f"{values[~np.isfinite(values)][0]} for one of the first rows "
                f"of `{name}`. Check its weights, and how the data was scaled."
            )
    task = kinds.task_of(model, said, heads.shape_of(found), y)
    task.check_output(model, found)
    return found


def _float64(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float64")


def _are_finite(x):
    """Whether inputs are finite; where not, they are named as such later."""
    held = [rows.values(a) for a in keras.tree.flatten(x) if a is not None]
    return all(np.isfinite(a).all() for a in held if a.dtype.kind in "iufb")
