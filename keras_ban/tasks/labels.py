"""What labels may be."""

import keras
import numpy as np

_CORRECT = (
    "Correct the labels, or give the model as many outputs as there are "
    "classes."
)
_OTHER_TASKS = (
    "If a row has several labels at once, say task='multilabel'; if these are "
    "values to predict, task='values'."
)


def is_sparse(label_shape, logit_shape):
    """Whether labels of `label_shape` are class numbers, not distributions.

    Args:
        label_shape: Shape of the labels.
        logit_shape: Shape `(..., n)` of the logits, `n` at least 2.

    Raises:
        ValueError: If labels of that shape fit neither reading.
    """
    labels, logits = tuple(label_shape), tuple(logit_shape)
    positions = labels[:-1] if len(labels) == len(logits) else labels
    if len(positions) == len(logits) - 1 and all(
        a == b or a is None or b is None
        for a, b in zip(positions, logits[:-1], strict=True)
    ):
        if len(labels) < len(logits) or labels[-1] == 1:
            return True
        if labels[-1] == logits[-1]:
            return False
    raise ValueError(
        "The labels do not fit the outputs of the model. Expected class "
        f"numbers of shape {logits[:-1]} or distributions of shape {logits}. "
        f"Received: labels of shape {labels}. Give the labels one of these "
        "shapes, or the model as many outputs as there are classes."
    )


def check(y, output_shape, name="y", ignored=None):
    """Checks labels of one batch, or of a whole array, against the outputs.

    Args:
        y: NumPy array of class numbers or distributions.
        output_shape: Shape `(rows, ..., n)` of the model's output.
        name: What the error calls the labels. Defaults to `"y"`.
        ignored: A number that the loss ignores. Defaults to `None`.
    """
    check_numbers(y, name)
    expected = _label_shape(y, output_shape)
    if is_sparse(y.shape, expected):
        _class_numbers(y[y != ignored], output_shape[-1], name)
        return
    if output_shape[-1] == 1:
        bad(
            name,
            f"distributions of shape {y.shape}",
            f"one label for each single output, of shape {expected[:-1]} or "
            f"{(*expected[:-1], 1)}",
        )
    y = y.astype("float64")
    is_none = (y < 0).any(-1) | (np.abs(y.sum(-1) - 1) > 1e-2)
    if is_none.any():
        bad(
            name,
            f"the row {y[is_none][0]}",
            "rows that are distributions: none negative, with a sum of 1",
            f"{_CORRECT} {_OTHER_TASKS}",
        )


def check_numbers(y, name="y"):
    """Checks that labels are finite numbers.

    Args:
        y: NumPy array of labels.
        name: What the error calls them. Defaults to `"y"`.
    """
    check_single(y, name)
    if y.dtype.kind in "USO":
        bad(
            name,
            f"texts or objects ({y.dtype})"
            + (f", as {str(y.flat[0])!r}" if y.size else ""),
            "numbers",
            "Number them, as `names, numbers = numpy.unique(labels, "
            "return_inverse=True)` does; numbers that are kept as objects "
            "need `.astype(int)`.",
        )
    if y.dtype.kind not in "iufb":
        bad(name, f"numbers of type {y.dtype}", "numbers")
    if not np.all(np.isfinite(y)):
        bad(
            name,
            "NaN or infinity",
            "finite numbers",
            "Leave out the rows that have no label.",
        )


def check_single(given, name):
    """Checks that labels or weights are one array, no structure.

    Args:
        given: An array, or `None`.
        name: What the error calls it.

    Raises:
        ValueError: If it is a dict, tuple or list.
    """
    if not keras.tree.is_nested(given):
        return
    held = ", ".join(map(repr, given)) if isinstance(given, dict) else ""
    raise ValueError(
        f"`{name}` holds several arrays of labels or weights. Expected one, "
        f"as the model has one output. Received: a {type(given).__name__} of "
        f"{held or len(given)}. Give the array of this output, as "
        "`y['label']`, of a data set by `map`; or a model with an output for "
        "each, named alike."
    )


def check_columns(y, shape, name, words):
    """Checks that there is a label for each number that a model gives.

    Args:
        y: NumPy array of labels.
        shape: Shape `(rows, ..., n)` of that which they are compared with.
        name: What the error calls them.
        words: What the model predicts.
    """
    shapes = {(len(y), *shape[1:])}
    if shape[-1] == 1:
        shapes.add((len(y), *shape[1:-1]))
    if y.shape not in shapes:
        bad(
            name,
            f"labels of shape {y.shape}",
            f"labels of shape {' or '.join(map(str, sorted(shapes)))}, as the "
            f"model predicts {words}",
            "Give the labels this shape, or the model as many outputs as "
            "there are labels of a sample; if a sample has one class, compile "
            "with a categorical cross-entropy, or say task='classes'.",
        )


def check_weight(weight, output_shape, name="sample_weight"):
    """Checks that sample weights are numbers, one for each label or sample.

    Args:
        weight: NumPy array, or `None`.
        output_shape: Shape `(rows, ..., n)` of the model's output.
        name: What the error calls them. Defaults to `"sample_weight"`.
    """
    if weight is None:
        return
    positions = tuple(output_shape[:-1])
    shape = weight.shape
    fits = 1 <= len(shape) <= len(positions) + 1 and all(
        size in (1, position)
        for size, position in zip(shape[1:], (*positions[1:], 1), strict=False)
    )
    if weight.dtype.kind not in "iufb" or not fits:
        raise ValueError(
            f"Invalid weights in `{name}`. Expected a number for each sample, "
            f"of shape {positions[:1]}, or for each label, of shape "
            f"{positions}. Received: {weight.dtype} of shape {shape}. Give "
            "them one of these shapes."
        )


def _label_shape(y, output_shape):
    """The shape of `y` if it holds distributions; a sigmoid has two classes."""
    return (len(y), *output_shape[1:-1], max(output_shape[-1], 2))


def _class_numbers(y, columns, name):
    classes = max(columns, 2)
    is_whole = not np.any(y != np.floor(y))
    hint = (
        ""
        if is_whole
        else " (if they are values to predict, say task='values')"
    )
    low, high = (y.min(), y.max()) if y.size else (0, 0)
    if low < 0 or high > classes - 1:
        bad(
            name,
            f"labels from {low} to {high}",
            f"class numbers from 0 to {classes - 1}, as the model has "
            f"{_outputs(columns)}{hint}",
            _way_to_numbers(y, low, high, columns),
        )
    # A single sigmoid may learn a probability; class numbers are whole.
    if columns > 1 and not is_whole:
        bad(name, f"{y[y != np.floor(y)][0]}", f"whole class numbers{hint}")


def _outputs(columns):
    return f"{columns} output{'' if columns == 1 else 's'}"


def _way_to_numbers(y, low, high, columns):
    """How labels become class numbers from 0 on, in words."""
    classes = max(columns, 2)
    if low == 1 and high == classes:
        more = ", or give the model one output more" * (columns > 1)
        return f"Subtract 1 from the labels{more}."
    others = np.setdiff1d(y, np.arange(classes))
    if len(others) > 1 or others[0] != np.floor(others[0]):
        return _CORRECT
    return (
        f"If {others[0]:g} marks what is to be ignored, as padding, say so by "
        "`keras.losses.SparseCategoricalCrossentropy(ignore_class="
        f"{others[0]:g})`. Otherwise: {_CORRECT}"
    )


def bad(name, received, expected, way_out=_CORRECT):
    """Raises the error for labels that do not fit.

    Args:
        name: What it calls the labels.
        received: What they are.
        expected: What they should be.
        way_out: What to do. Defaults to a sentence on classes.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        f"Invalid labels in `{name}`. Expected {expected}. Received: "
        f"{received}. {way_out}"
    )


def classes(y, output_shape):
    """The classes among the labels of a batch, as a set."""
    if is_sparse(y.shape, _label_shape(y, output_shape)):
        return set(np.unique(y).tolist())
    if np.any(y.max(-1) < 1):
        return {"soft", "labels"}
    return set(np.unique(y.argmax(-1)).tolist())
