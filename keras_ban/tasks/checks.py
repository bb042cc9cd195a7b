"""Whether models are classifiers, of the same classes, with weights apart."""

import keras
import numpy as np

from keras_ban.rows import first_rows
from keras_ban.tasks import outputs


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
            f"and recurrent layers without `stateful=True`. ({error})"
        ) from error


def prediction(model, x, from_logits=None, trained=False):
    """Runs a model on a few rows and checks that its output is a classifier's.

    Args:
        model: A `keras.Model`; it is built by the call if it was not.
        x: One batch of inputs.
        from_logits: As in `outputs.gives_logits`. Defaults to `None`.
        trained: Whether it is to be trained. Defaults to `False`.

    Returns:
        The output, a NumPy array of shape `(rows, ..., n)`.
    """
    try:
        result = model(first_rows(x), training=False)
    except Exception as error:
        _check_batch(model, error)
        raise
    if not hasattr(result, "shape") or len(result.shape) < 2:
        raise ValueError(
            f"The model {model.name!r} must have one output of shape (batch, "
            "..., classes). Received: "
            f"{keras.tree.map_structure(np.shape, result)}. Wrap the model in "
            "one that returns the classifier's output alone."
        )
    if trained:
        _check_trained(model)
    values = np.asarray(keras.ops.convert_to_numpy(result), "float64")
    is_logits = outputs.gives_logits(model, from_logits)
    one_column = values.shape[-1] == 1
    sums = values[..., 0] if one_column else values.sum(-1)
    distributions = np.all(values >= 0) and np.all(np.abs(sums - 1) < 0.02)
    if one_column and not is_logits:
        if distributions:
            raise ValueError(
                f"The model {model.name!r} has one class only: its single "
                "output is 1 for every input. Expected a softmax over two or "
                "more classes, or one sigmoid."
            )
        distributions = np.all((values >= 0) & (values <= 1))
    if not is_logits and not distributions:
        raise ValueError(
            f"The model {model.name!r} says that it gives probabilities, and "
            "does not. Expected numbers from 0 to 1 with a sum of 1 over the "
            f"last axis. Received: {values.reshape(-1, values.shape[-1])[0]}. "
            "End it in a softmax, or compile it with a loss that has "
            "`from_logits=True`. (Several sigmoids are several classifiers: "
            "not supported.)"
        )
    if is_logits and not one_column and distributions:
        raise ValueError(
            f"The model {model.name!r} says that it gives logits, and every "
            "row of its output is a distribution. Expected numbers before "
            "the softmax. Compile it with a loss that has "
            "`from_logits=False`, or leave its softmax out."
        )
    return values


def same_classes(student_shape, teacher_shape):
    """Checks that student and teacher answer the same question."""
    one, other = tuple(student_shape), tuple(teacher_shape)
    same = len(one) == len(other) and all(
        a == b or a is None or b is None
        for a, b in zip(one[1:], other[1:], strict=True)
    )
    if not same:
        raise ValueError(
            "Student and teacher must give the same classes. Received: a "
            f"student with outputs of shape {one} and a teacher with outputs "
            f"of shape {other}. Give them the same last layer."
        )
