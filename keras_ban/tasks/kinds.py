"""What kind of task a model has: told by its loss, its outputs and labels."""

import keras
import numpy as np

from keras_ban.tasks import outputs
from keras_ban.tasks.activations import last_activation

CLASSES = "classes"
BINARY = "binary"
MULTILABEL = "multilabel"
VALUES = "values"
SEQUENCES = "sequences"

# A binary loss judges each output by itself. Losses that are not named here
# say nothing: hinge losses, which serve classes and labels alike, those of
# segmentation, and those that users write.
_LOSSES = {
    VALUES: (
        "CosineSimilarity",
        "Huber",
        "LogCosh",
        "MeanAbsoluteError",
        "MeanAbsolutePercentageError",
        "MeanSquaredError",
        "MeanSquaredLogarithmicError",
        "Poisson",
        "cosine_similarity",
        "huber",
        "log_cosh",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_error",
        "mean_squared_logarithmic_error",
        "poisson",
        # Embeddings, of no class.
        "Circle",
        "circle",
    ),
    BINARY: (
        "BinaryCrossentropy",
        "BinaryFocalCrossentropy",
        "binary_crossentropy",
        "binary_focal_crossentropy",
    ),
    SEQUENCES: ("CTC", "ctc"),
}
_WORDS = {
    VALUES: "values (regression)",
    MULTILABEL: "several labels at once (multi-label classification)",
    SEQUENCES: "sequences without an alignment (CTC)",
}
_WAYS_OUT = {
    VALUES: (
        "If it tells classes, end it in a softmax, or compile it with a "
        "cross-entropy. Regression is not supported."
    ),
    MULTILABEL: (
        "If one of these classes is right for a sample, end it in a softmax, "
        "or compile it with a categorical cross-entropy. Several labels are "
        "not supported."
    ),
    SEQUENCES: "Such sequences are not supported.",
}


def named(model, shape=None, y=None):
    """The task of a model, never guessed where nothing says it.

    A softmax stands for classes, whatever the loss: its mean squared error is
    the Brier score.

    Args:
        model: A `keras.Model` with one output.
        shape: Shape of its output, if it is known. Defaults to `None`: as the
            model says it.
        y: NumPy array of labels, if there are any. Defaults to `None`.

    Returns:
        `CLASSES`, `BINARY` (one output each), `MULTILABEL`, `VALUES` or
        `SEQUENCES`, or `None` if there is no telling.
    """
    activation, loss = last_activation(model), _by_loss(model)
    columns = _columns(model, shape)
    if activation in ("softmax", "log_softmax") and columns != 1:
        return CLASSES
    if loss == VALUES:
        is_binary = activation == "sigmoid" and columns == 1
        return BINARY if is_binary and not _is_fractional(y) else VALUES
    if loss == SEQUENCES or columns is None:
        return loss if loss != BINARY else None
    if columns == 1:
        return BINARY
    if loss == BINARY or activation == "sigmoid":
        return MULTILABEL
    return CLASSES


def classifier(model, from_logits=None, shape=None, y=None):
    """Checks that a model is a classifier of one label a sample.

    Args:
        model: As `named` takes it.
        from_logits: As in `outputs.gives_logits`. Defaults to `None`.
        shape: As `named` takes it. Defaults to `None`.
        y: As `named` takes it. Defaults to `None`.

    Returns:
        Whether it gives logits (else probabilities).

    Raises:
        ValueError: If it is none, or if there is no telling what it gives.
    """
    check(model, shape, y)
    is_logits = outputs.gives_logits(model, from_logits)
    _refuse(model, named(model, shape, y), shape)
    return is_logits


def check(model, shape=None, y=None):
    """Refuses a model whose loss is not that of a classifier.

    Args:
        model: As `named` takes it.
        shape: As `named` takes it. Defaults to `None`.
        y: As `named` takes it. Defaults to `None`.

    Raises:
        ValueError: If it is none. It names the task.
    """
    if _by_loss(model) is not None:
        _refuse(model, named(model, shape, y), shape)


def _refuse(model, task, shape):
    if task not in _WORDS:
        return
    raise ValueError(
        f"The model {model.name!r} predicts {_WORDS[task]}. Expected a "
        "classifier with one label for each sample: a softmax or one sigmoid, "
        f"or the logits of these. Received: {_evidence(model, shape)}. "
        f"{_WAYS_OUT[task]}"
    )


def _evidence(model, shape):
    loss = outputs.compiled_loss(model)
    given = loss if isinstance(loss, str) else getattr(loss, "name", None)
    given = given or getattr(loss, "__name__", None)
    words = f"the loss {given!r}" if loss is not None else "no loss"
    columns = _columns(model, shape)
    if columns is not None:
        words += f", outputs: {columns}"
    activation = last_activation(model)
    if activation is not None:
        words += f", last activation {activation!r}"
    return words


def _by_loss(model):
    """The task that the compiled loss stands for, or `None`."""
    loss = outputs.compiled_loss(model)
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:  # Keras' own words for what fits the labels
            return None
    for task, names in _LOSSES.items():
        for name in names:
            known = getattr(keras.losses, name, None)
            if isinstance(known, type) and isinstance(loss, known):
                return task
            if known is not None and loss is known:
                return task
    return None


def _columns(model, shape):
    """How many numbers a model gives for each sample, or `None`."""
    if shape is None:
        found = getattr(model, "outputs", None) or ()
        if len(found) != 1:
            return None
        shape = found[0].shape
    return shape[-1] if len(shape) > 1 else 1


def _is_fractional(y):
    return y is not None and bool(np.any((y != 0) & (y != 1)))
