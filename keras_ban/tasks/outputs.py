"""What the output of a model means: logits or probabilities, how many classes.

It is never guessed from numbers. A model says it by its last operation (a
softmax, a dense layer without activation, …) and by the `from_logits` of the
loss it was compiled with; if it says both, they must agree. Where it says
neither, its owner has to, by an argument.
"""

import keras
import numpy as np
from keras import ops

from keras_ban.tasks.activations import last_activation
from keras_ban.tasks.labels import is_sparse
from keras_ban.tasks.losses import at_least_float32
from keras_ban.tasks.losses import with_mask_of

_WAY_OUT = (
    "End the model in a dense layer without activation (logits) or in "
    "`keras.layers.Softmax()` (probabilities), compile it with a loss whose "
    "`from_logits` says which, or, where it says nothing, pass "
    "`from_logits=True` or `False`. Several sigmoids are several labels at "
    "once: task='multilabel'; values to predict are task='values'."
)

_CROSS_ENTROPIES = (
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
)


def gives_logits(model, from_logits=None, several=False):
    """Whether the output of a classifier is logits (else probabilities).

    Args:
        model: A `keras.Model` with one output.
        from_logits: What the owner says of a model that does not say it.
            Defaults to `None`.
        several: Whether each column is a label of its own. Defaults to
            `False`.

    Returns:
        `True` for logits, `False` for softmax or sigmoid probabilities.

    Raises:
        ValueError: If nothing says it, or if layer and loss disagree.
    """
    layer, loss = _by_structure(model, several), _by_loss(model)
    said = {kind for kind in (layer, loss) if kind is not None}
    if not said and from_logits is not None:
        return from_logits
    if len(said) == 1:
        return said.pop()
    kinds = {True: "logits", False: "probabilities", None: "nothing"}
    raise ValueError(
        f"Cannot tell for certain whether the model {model.name!r} gives "
        "logits or probabilities. Expected its last layer and the loss it is "
        f"compiled with to agree. Received: {kinds[layer]} by its last "
        f"layer, {kinds[loss]} by its loss. {_WAY_OUT}"
    )


def _by_structure(model, several):
    """`True` for logits, `False` for probabilities, `None` for neither."""
    activation = last_activation(model)
    if activation == "sigmoid":
        # More than one column of sigmoids is no distribution over classes.
        one = model.outputs[0].shape[-1] == 1
        return False if one or several else None
    if several and activation != "linear":
        return None
    kinds = {"softmax": False, "log_softmax": True, "linear": True}
    return kinds.get(activation)


def _by_loss(model):
    """What the `from_logits` of the compiled loss says, or `None`."""
    loss = compiled_loss(model)
    if isinstance(loss, keras.losses.Loss):
        return loss.get_config().get("from_logits")
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", None)
    # Named or passed as functions, they take probabilities by default.
    if str(name).lower() in ("ce", "crossentropy", *_CROSS_ENTROPIES):
        return False
    return None


def compiled_loss(model):
    """The loss a model with one output was compiled with, or `None`."""
    loss = getattr(model, "loss", None)
    leaves = keras.tree.flatten(loss)
    return leaves[0] if len(leaves) == 1 else loss


def is_any(loss):
    """Whether the labels are to decide which loss it is, or there is none."""
    return loss is None or str(loss).lower() in ("ce", "crossentropy")


def label_losses(loss, y_true, scores, output):
    """A loss of each sample, as a function of the scores.

    Args:
        loss: As `keras.Model.compile` takes it.
        y_true: Labels of shape `(...)`, `(..., 1)` or `(..., n)`.
        scores: Scores of shape `(..., n)`.
        output: Function from scores to the output that the loss takes.

    Returns:
        Loss of shape `(...)`.
    """
    loss = keras.losses.get(loss)
    y_true = ops.cast(y_true, scores.dtype)
    if len(y_true.shape) < len(scores.shape) and scores.shape[-1] == 1:
        y_true = ops.expand_dims(y_true, -1)
    call = loss.call if isinstance(loss, keras.losses.Loss) else loss
    return call(y_true, output(scores))


def to_logits(outputs, from_logits):
    """Turns the output of a model into logits.

    Softmax and sigmoid outputs become log-probabilities, which differ from
    the logits by a constant per row at most. Keras keeps the argument of the
    last softmax on its result, for the same use in its own losses; where it
    is there, nothing is lost to the underflow of small probabilities.

    Args:
        outputs: Outputs of shape `(..., n)`, or `(..., 1)` if binary.
        from_logits: Whether they are logits.

    Returns:
        Logits of the same shape, in float32 at least, with the Keras mask of
        `outputs`.
    """
    convert = at_least_float32 if from_logits else _log_probabilities
    return with_mask_of(outputs, convert(outputs))


def _log_probabilities(outputs):
    if outputs.shape[-1] == 1:
        return log_odds(outputs)
    logits = getattr(outputs, "_keras_logits", None)
    if logits is not None:
        return ops.log_softmax(at_least_float32(logits))
    p = at_least_float32(outputs)
    return ops.log(ops.maximum(p, _tiny(p)))


def log_odds(outputs):
    """The logit `log p - log(1 - p)` of each probability.

    Args:
        outputs: Outputs of sigmoids, of any shape.
    """
    logits = getattr(outputs, "_keras_logits", None)
    if logits is not None:
        return at_least_float32(logits)
    p = at_least_float32(outputs)
    return ops.log(ops.maximum(p, _tiny(p))) - ops.log(
        ops.maximum(1 - p, _tiny(p))
    )


def _tiny(p):
    """The smallest normal float32, so that a probability of 0 has a log."""
    return ops.cast(1.1754944e-38, p.dtype)


def to_output(logits, from_logits):
    """The inverse of `to_logits`, for a loss that takes model outputs."""
    if from_logits:
        return logits
    if logits.shape[-1] == 1:
        return keras.activations.sigmoid(logits)
    return keras.activations.softmax(logits)


def default_compilation(from_logits, row_shape, label_shape):
    """Loss and metrics for a model that was compiled without a loss.

    Args:
        from_logits: Whether the model gives logits.
        row_shape: Shape `(..., n)` of the model's output for one sample.
        label_shape: Shape `(rows, ...)` of the labels of a batch.

    Returns:
        A dict of the cross-entropy, binary, sparse or categorical, as `loss`
        and the accuracy as `metrics`.
    """
    metrics = ["accuracy"]
    if row_shape[-1] == 1:
        loss = keras.losses.BinaryCrossentropy
        threshold = 0.0 if from_logits else 0.5
        metrics = [keras.metrics.BinaryAccuracy("accuracy", None, threshold)]
    elif is_sparse(label_shape, (label_shape[0], *row_shape)):
        loss = keras.losses.SparseCategoricalCrossentropy
    else:
        loss = keras.losses.CategoricalCrossentropy
    return {"loss": loss(from_logits=from_logits), "metrics": metrics}


def check_distributions(model, values, is_logits):
    """Refuses outputs that are not what a classifier says that they are.

    Args:
        model: The `keras.Model`.
        values: Its output for a few rows, an array of shape `(rows, ..., n)`.
        is_logits: Whether it says that these are logits.

    Raises:
        ValueError: If they are not.
    """
    one_column = values.shape[-1] == 1
    sums = values[..., 0] if one_column else values.sum(-1)
    fit = np.all(values >= 0, axis=-1) & (np.abs(sums - 1) < 0.02)
    distributions = np.all(fit)
    if one_column and not is_logits:
        if distributions:
            raise ValueError(
                f"The model {model.name!r} has one class only: its single "
                "output is 1 for every input. Expected a softmax over two or "
                "more classes, or one sigmoid."
            )
        fit = np.all((values >= 0) & (values <= 1), axis=-1)
        distributions = np.all(fit)
    if not is_logits and not distributions:
        raise ValueError(
            f"The model {model.name!r} says that it gives probabilities, and "
            "does not. Expected numbers from 0 to 1 with a sum of 1 over the "
            f"last axis. Received: {values[~fit][0]}. "
            "End it in a softmax, or compile it with a loss that has "
            "`from_logits=True`. Several sigmoids are several labels at once: "
            "say task='multilabel'."
        )
    if is_logits and not one_column and distributions:
        raise ValueError(
            f"The model {model.name!r} says that it gives logits, and every "
            "row of its output is a distribution. Expected numbers before "
            "the softmax. Compile it with a loss that has "
            "`from_logits=False`, or leave its softmax out."
        )


def same_outputs(one, other, noun="classes"):
    """Checks that student and teacher answer the same question.

    Args:
        one: Shape `(rows, ..., n)` of the student's output.
        other: Shape of the teacher's.
        noun: What `n` counts. Defaults to `"classes"`.

    Raises:
        ValueError: If they do not.
    """
    one, other = tuple(one), tuple(other)
    same = len(one) == len(other) and all(
        a == b or a is None or b is None
        for a, b in zip(one[1:], other[1:], strict=True)
    )
    if not same:
        raise ValueError(
            f"Student and teacher must give the same {noun}. Received: a "
            f"student with outputs of shape {one} and a teacher with outputs "
            f"of shape {other}. Give them the same last layer."
        )
