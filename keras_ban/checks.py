"""Bad arguments and models, found before the first training step.

Each check raises one `ValueError` that says what was received, what was
expected and the way out.
"""

import inspect
import numbers
import os
import warnings

import keras
import numpy as np

from keras_ban import batches
from keras_ban import model_functions
from keras_ban import outputs

PROBE_ROWS = 8
_COUNTS = (
    "batch_size",
    "epochs",
    "steps_per_epoch",
    "validation_batch_size",
    "validation_steps",
)


def backend():
    """Refuses every Keras backend but TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "keras_ban trains on the TensorFlow backend of Keras. Received: "
            f"KERAS_BACKEND={keras.backend.backend()!r}. Set the environment "
            "variable KERAS_BACKEND=tensorflow before importing keras."
        )


def integer(name, value, minimum, maximum=float("inf")):
    """Returns `value` if it is an integer from `minimum` to `maximum`."""
    is_integer = isinstance(value, numbers.Integral)
    if is_integer and not isinstance(value, bool):
        if minimum <= value <= maximum:
            return int(value)
    expected = f"of at least {minimum}"
    if maximum < float("inf"):
        expected = f"from {minimum} to {maximum}"
    raise ValueError(
        f"Invalid value for argument `{name}`. Expected an integer "
        f"{expected}. Received: {value!r}"
    )


def number(name, value, valid, expected):
    """Returns `value` as a float if it is a number that `valid` accepts."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if is_number and valid(value):
        return float(value)
    raise ValueError(
        f"Invalid value for argument `{name}`. Expected {expected}. "
        f"Received: {value!r}"
    )


def directory(path, keep, save_every, overwrite):
    """Checks the arguments that say how a run is kept."""
    if path is None:
        given = {
            "keep": keep != "all",
            "save_every": save_every is not None,
            "overwrite": overwrite,
        }
        for name in (name for name, is_given in given.items() if is_given):
            raise ValueError(
                f"`{name}` says how a directory is used. Expected "
                f"`directory=` beside it. Received: none. Give a directory, or "
                f"leave `{name}` out."
            )
        return
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise ValueError(
            "Invalid value for argument `directory`. Expected the path of a "
            f"folder. Received: {path!r}"
        )
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(
            f"`directory` is a file: {path}. Expected a folder, or the path of "
            "one to make. Choose another path."
        )
    if keep not in ("all", "best"):
        if isinstance(keep, str):
            raise ValueError(
                "Invalid value for argument `keep`. Expected 'all', 'best' or "
                f"a positive integer. Received: {keep!r}"
            )
        integer("keep", keep, 1)
    if save_every is not None:
        integer("save_every", save_every, 1)


def fit_arguments(arguments):
    """Refuses what `keras.Model.fit` does not know, and counts below 1."""
    known = set(inspect.signature(keras.Model.fit).parameters) - {"self"}
    unknown = sorted(set(arguments) - known)
    if unknown:
        raise ValueError(
            f"Unknown arguments of `fit`: {', '.join(unknown)}. Expected "
            f"arguments of `keras.Model.fit`: {', '.join(sorted(known))}."
        )
    for name in _COUNTS:
        if arguments.get(name) is not None:
            integer(name, arguments[name], 1)


def callbacks(given, number):
    """The callbacks of a generation, as a list.

    Args:
        given: A callback, a list of them, a function from the generation's
            number to one of these, or `None`.
        number: Number of the generation.
    """
    if callable(given):
        given = given(number)
    found = [c for c in keras.tree.flatten(given) if c is not None]
    for one in found:
        if not isinstance(one, keras.callbacks.Callback):
            raise ValueError(
                "Invalid value for argument `callbacks`. Expected a list of "
                "`keras.callbacks.Callback`s, or a function from the "
                f"generation's number to one. Received: {one!r}"
            )
    return found


def no_backup(given):
    """Refuses callbacks that resume a training in a way of their own."""
    for one in given:
        if isinstance(one, keras.callbacks.BackupAndRestore):
            raise ValueError(
                "`BackupAndRestore` and `directory=` both resume a training. "
                "Expected one of them. Leave the callback out: the directory "
                "keeps the state of the running training."
            )


def returned_model(model_fn, parent=None):
    """Calls `model_fn` and checks that it returns a model.

    Args:
        model_fn: A function without arguments, or of the parent.
        parent: The model of the generation before, if there is one. Defaults
            to `None`.
    """
    arguments = ()
    if model_functions.takes_parent(model_fn):
        if parent is None:
            raise ValueError(
                "`model_fn` takes the model of the generation before, and "
                f"generation 0 has none. Received: {model_fn!r} as the first. "
                "Give `[first_fn, model_fn]`, `fit(..., teacher=model)`, or a "
                "default for its argument."
            )
        arguments = (parent,)
    try:
        inspect.signature(model_fn).bind(*arguments)
    except ValueError:
        pass  # what is built in may have no signature
    except TypeError as error:
        raise ValueError(
            "`model_fn` must be a function that needs no arguments, or the "
            f"model of the generation before. Received: {model_fn!r}, {error}. "
            "Give it defaults, or wrap it in a lambda."
        ) from error
    model = model_fn(*arguments)
    if isinstance(model, keras.Model):
        return model
    raise ValueError(
        "`model_fn` must return a `keras.Model`. Received: "
        f"{type(model).__name__}. End the function in `return model`."
    )


def own_optimizers(one, other):
    """Refuses two fresh models that are compiled with one optimizer."""
    optimizer = getattr(one, "optimizer", None)
    if optimizer is not None and optimizer is other.optimizer:
        raise ValueError(
            "Two calls of `model_fn` returned models with the same optimizer "
            f"{optimizer.name!r}, which keeps the state of one model only. "
            "Expected an optimizer for each. Create it inside `model_fn`."
        )


def seeds_differ(one, other):
    """Warns if two fresh models start from the same random weights."""
    pairs = list(zip(one.get_weights(), other.get_weights(), strict=False))
    random = any(np.ptp(a) > 0 for a, _ in pairs if a.size)
    if random and all(np.array_equal(a, b) for a, b in pairs):
        warnings.warn(
            "Two calls of `model_fn` gave the same initial weights, though "
            "the global seed differed. Every generation should start from a "
            "seed of its own: leave out the fixed `seed=` of initializers and "
            "any `set_random_seed` in `model_fn`.",
            stacklevel=5,
        )


def student(model):
    """Checks that the `Distiller` can train a model."""
    if not isinstance(model, keras.Model):
        raise ValueError(
            "Invalid value for argument `student`. Expected a `keras.Model`. "
            f"Received: {model!r}"
        )


def own_training(model, objective):
    """Refuses a model whose own training would be replaced by distillation."""
    found = overridden(model, "train_step", "compute_loss")
    if objective.needs_teacher and found:
        raise ValueError(
            f"The model {model.name!r} overrides `{found[0]}`, which the "
            "objective would replace in silence. Expected a model that "
            "keeps Keras' own. Write its loss as a `keras.losses.Loss` "
            "in `compile`, or as an objective: a function `(y_true, "
            "student_logits, teacher_logits)`."
        )


def overridden(model, *methods):
    """Those of the methods that the model's class does not have from Keras."""
    return [
        m
        for m in methods
        if getattr(type(model), m) is not getattr(keras.Model, m)
    ]


def teacher(model):
    """Checks that a teacher, or each of a list, is a trained model."""
    models = model if isinstance(model, (list, tuple)) else [model]
    for one in models or [None]:
        if not isinstance(one, keras.Model):
            raise ValueError(
                "Invalid value for argument `teacher`. Expected a trained "
                f"`keras.Model` or a list of them. Received: {model!r}"
            )
        if not one.built or not one.weights:
            raise ValueError(
                f"The teacher {one.name!r} has no weights. Expected a trained "
                "model. Train it, load its weights, or call it on a batch."
            )
    return model


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


def prediction(model, x, from_logits=None):
    """Runs a model on a few rows and checks that its output is a classifier's.

    Args:
        model: A `keras.Model`; it is built by the call if it was not.
        x: One batch of inputs.
        from_logits: As in `outputs.gives_logits`. Defaults to `None`.

    Returns:
        The output, a NumPy array of shape `(rows, ..., n)`.
    """
    result = model(batches.first_rows(x, PROBE_ROWS), training=False)
    if not hasattr(result, "shape") or len(result.shape) < 2:
        raise ValueError(
            f"The model {model.name!r} must have one output of shape (batch, "
            "..., classes). Received: "
            f"{keras.tree.map_structure(np.shape, result)}. Wrap the model in "
            "one that returns the classifier's output alone."
        )
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
