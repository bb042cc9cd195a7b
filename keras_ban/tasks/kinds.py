"""What kind of task a model has: said, or told by its loss and its outputs."""

from typing import Any
from typing import NamedTuple

import numpy as np

from keras_ban.tasks import heads
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
from keras_ban.tasks.several import Several
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
        task: "auto", a name of `KINDS`, a `Task`, or a dict of such by the
            names of outputs. Defaults to `"auto"`.
        from_logits: Whether it gives logits, if it does not say it itself, or
            a dict of such. Defaults to `None`.
    """

    task: Any = AUTO
    from_logits: bool | None = None

    def checked(self):
        """Returns it.

        Raises:
            ValueError: If the task is none.
        """
        if isinstance(self.task, dict):
            for name in self.task:
                self.for_output(name).checked()
            return self
        is_name = isinstance(self.task, str) and self.task in (AUTO, *KINDS)
        if is_name or isinstance(self.task, Task):
            return self
        raise ValueError(
            "Invalid value for argument `task`. Expected 'auto', "
            f"{', '.join(map(repr, KINDS))}, a `keras_ban.tasks.Task`, or a "
            f"dict of these by the names of outputs. Received: {self.task!r}"
        )

    @property
    def is_by_name(self):
        """Whether it is said of several outputs, by their names."""
        return any(isinstance(given, dict) for given in self)

    def for_output(self, name):
        """What is said of one of several outputs.

        Args:
            name: Its name.
        """
        task, logits = self.task, self.from_logits
        if isinstance(task, dict):
            task = task.get(name, AUTO)
        if isinstance(logits, dict):
            logits = logits.get(name)
        return Said(task, logits)

    def among(self, names):
        """What is said of the outputs that a model has.

        Args:
            names: Their names, a list; empty if they are not known.
        """
        if not names:
            return self
        return Said(
            *(
                {k: v for k, v in given.items() if k in names}
                if isinstance(given, dict)
                else given
                for given in self
            )
        )

    def described(self):
        """The task as a text; of a class of the owner's its name."""
        if isinstance(self.task, dict):
            return {k: self.for_output(k).described() for k in self.task}
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
    shape = heads.spec(model) if shape is None else shape
    if isinstance(shape, heads.ByName):
        return _several(model, said, shape, y)
    if said.is_by_name:
        said = said.for_output((heads.names(model) or [model.name])[0])
        return task_of(model, said, shape, y)
    name = said.task
    if name == AUTO:
        check(model, said, shape, y)
        name = named(model, shape, y) or CLASSES
    return KINDS[name].for_model(model, said.from_logits)


def _several(model, said, shapes, y):
    """The `Task` of a model with several outputs, as `task_of` tells each."""
    labels = Several(shapes).split(y)
    losses = heads.losses(model, shapes) or {}
    _check_names(model, said, shapes)
    parts = {}
    for place, (name, shape) in enumerate(shapes.items()):
        head = heads.Head(model, name, place, losses.get(name))
        own = said.for_output(name)
        parts[name] = task_of(head, own, shape, labels[name])
    weights = heads.weights(model, shapes)
    return Several(heads.ByName(parts, shapes.template), weights)


def _check_names(model, said, shapes):
    """Refuses what is said of outputs that a model does not have."""
    for argument, given in zip(("task", "from_logits"), said, strict=True):
        is_one = not isinstance(given, dict)
        if argument == "task" and is_one and given != AUTO:
            received = repr(given)
        elif is_one or set(given) <= set(shapes):
            continue
        else:
            received = ", ".join(map(repr, given))
        raise ValueError(
            f"The model {model.name!r} has the outputs "
            f"{', '.join(map(repr, shapes))}. Expected `{argument}` to be a "
            f"dict of these. Received: {received}."
        )


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
    shape = heads.spec(model) if shape is None else shape
    if isinstance(shape, heads.ByName):
        _several(model, said, shape, y)
        return
    name = named(model, shape, y)
    if said.task == AUTO and name in _REFUSED:
        raise ValueError(
            f"The model {model.name!r} predicts {_REFUSED[name]}. Expected "
            f"one of the tasks {', '.join(map(repr, KINDS))}. Received: "
            f"{_evidence(model, shape)}. Say which it is by `task=`, or give "
            "a `keras_ban.tasks.Task` of your own."
        )


def _is_gaussian(model):
    if isinstance(outputs.compiled_loss(model), GaussianNLL):
        return True
    # Behind it, an output in a list has a layer that names it.
    last = (getattr(model, "layers", None) or ())[-2:]
    return any(layer.name.endswith(HEAD) for layer in last)


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
