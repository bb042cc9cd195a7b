"""What kind of task a model has: said, or told by its loss and its outputs."""

from typing import Any
from typing import NamedTuple

import numpy as np

from keras_ban.tasks import known_losses
from keras_ban.tasks import outputs
from keras_ban.tasks.activations import last_activation
from keras_ban.tasks.base import Task
from keras_ban.tasks.classes import Binary
from keras_ban.tasks.classes import Classes
from keras_ban.tasks.gaussian import HEAD
from keras_ban.tasks.gaussian import Gaussian
from keras_ban.tasks.gaussian import GaussianNLL
from keras_ban.tasks.multilabel import MultiLabel
from keras_ban.tasks.values import Values

AUTO = "auto"
CLASSES = known_losses.CLASSES
BINARY = known_losses.BINARY
MULTILABEL = "multilabel"
VALUES = known_losses.VALUES
GAUSSIAN = known_losses.GAUSSIAN
SEQUENCES = known_losses.SEQUENCES
EMBEDDINGS = known_losses.EMBEDDINGS

KINDS = {
    kind.name: kind
    for kind in (Classes(), Binary(), MultiLabel(), Values(), Gaussian())
}
_REFUSED = {
    SEQUENCES: "sequences without an alignment (CTC)",
    EMBEDDINGS: "embeddings, of no class",
}


class Said(NamedTuple):
    """What the owner of a model says of its outputs.

    Attributes:
        task: "auto", a name of `KINDS`, or a `Task`. Defaults to `"auto"`.
        from_logits: Whether it gives logits, if it does not say it itself.
            Defaults to `None`.
    """

    task: Any = AUTO
    from_logits: bool | None = None

    def checked(self):
        """Returns it.

        Raises:
            ValueError: If the task is none.
        """
        is_name = isinstance(self.task, str) and self.task in (AUTO, *KINDS)
        if is_name or isinstance(self.task, Task):
            return self
        raise ValueError(
            "Invalid value for argument `task`. Expected 'auto', "
            f"{', '.join(map(repr, KINDS))}, or a `keras_ban.tasks.Task`. "
            f"Received: {self.task!r}"
        )

    def described(self):
        """The task as a text; of a class of the owner's its name."""
        if isinstance(self.task, str):
            return self.task
        return type(self.task).__qualname__


UNSAID = Said()


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
        `CLASSES`, `BINARY` (one output each), `MULTILABEL`, `VALUES`,
        `GAUSSIAN`, `SEQUENCES` or `EMBEDDINGS`, or `None` if there is no
        telling.
    """
    activation = last_activation(model)
    loss, columns = known_losses.by_loss(model), _columns(model, shape)
    if _is_gaussian(model):
        return GAUSSIAN
    if activation in ("softmax", "log_softmax") and columns != 1:
        return CLASSES
    if loss == VALUES:
        is_binary = activation == "sigmoid" and columns == 1
        return BINARY if is_binary and not _is_fractional(y) else VALUES
    if loss in _REFUSED or columns is None:
        return loss if loss != BINARY else None
    if columns == 1:
        return BINARY
    if loss == CLASSES:
        return CLASSES
    if loss == BINARY or activation == "sigmoid":
        return MULTILABEL
    return CLASSES


def task_of(model, said=UNSAID, shape=None, y=None):
    """The `Task` of a model.

    Args:
        model: As `named` takes it.
        said: What its owner says. Defaults to nothing.
        shape: As `named` takes it. Defaults to `None`.
        y: As `named` takes it. Defaults to `None`.

    Raises:
        ValueError: If it has none that is known, or if there is no telling
            what it gives.
    """
    if isinstance(said.task, Task):
        return said.task.for_model(model, said.from_logits)
    name = said.task
    if name == AUTO:
        check(model, said, shape, y)
        name = named(model, shape, y) or CLASSES
    return KINDS[name].for_model(model, said.from_logits)


def classifier(model):
    """Whether a classifier gives logits, else probabilities.

    Args:
        model: A `keras.Model`.

    Raises:
        ValueError: If it is none.
    """
    task = task_of(model)
    if not task.has_classes:
        raise ValueError(
            f"The model {model.name!r} predicts {task.words}. Expected a "
            "classifier with one label for each sample: a softmax or one "
            f"sigmoid, or the logits of these. Received: "
            f"{_evidence(model, None)}."
        )
    return task.from_logits


def check(model, said=UNSAID, shape=None, y=None):
    """Refuses a model whose loss is of no task that is known, if none is said.

    Args:
        model: As `named` takes it.
        said: What its owner says. Defaults to nothing.
        shape: As `named` takes it. Defaults to `None`.
        y: As `named` takes it. Defaults to `None`.

    Raises:
        ValueError: If it is. It names the task.
    """
    name = named(model, shape, y)
    if said.task == AUTO and name in _REFUSED:
        raise ValueError(
            f"The model {model.name!r} predicts {_REFUSED[name]}. Expected "
            f"one of the tasks {', '.join(map(repr, KINDS))}. Received: "
            f"{_evidence(model, shape)}. Say which it is by `task=`, or give "
            "a `keras_ban.tasks.Task` of your own."
        )


def check_same(student, teacher):
    """Refuses a teacher of another kind than its student.

    Args:
        student: The student's `Task`.
        teacher: The teacher's `Task`.

    Raises:
        ValueError: If it is.
    """
    if student.has_classes and teacher.has_classes:
        return
    if student.name != teacher.name:
        raise ValueError(
            f"The student predicts {student.words}, the teacher "
            f"{teacher.words}. Expected the same kind of task. Compile both "
            "with losses of one kind, or say which it is by `task=`."
        )


def _is_gaussian(model):
    if isinstance(outputs.compiled_loss(model), GaussianNLL):
        return True
    return getattr(model, "layers", None) and model.layers[-1].name == HEAD


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
