"""One trained network of a run."""

import dataclasses
from typing import Any

import keras

from keras_ban.reporting import evaluation
from keras_ban.reporting.table import Table


def called(number, is_taught):
    """The name of a generation.

    Args:
        number: Its number in the run.
        is_taught: Whether students of this run learn from a teacher.
    """
    if not is_taught:
        return f"Labels-{number}"
    return f"BAN-{number}" if number else "Teacher"


@dataclasses.dataclass(frozen=True, repr=False)
class Generation:
    """One trained network and how it came about.

    Attributes:
        number: 0 for the teacher, k for BAN-k.
        name: "Teacher", "BAN-k", or "Labels-k" in a run of controls.
        model: The trained `keras.Model`, an ordinary one; `None` if `keep`
            left it out, or if there is none.
        objective: Short name of what it was trained on.
        teacher: Name of the generation it learned from, or `None`.
        seed: Seed its initial weights, shuffling and dropout follow from, or
            `None` for a teacher that was given.
        history: Metrics by epoch, as `keras.callbacks.History.history`.
        seconds: Wall time of its training.
        metrics: Accuracy, error, NLL and ECE of the trained model on the
            validation data, or what its task has in their place; empty
            without validation data.
        given: What was given as generation 0 and is no Keras model, a
            function say: a `Teacher`, or of a run that was loaded, which does
            not keep it, what it was, a text. Else `None`.
    """

    number: int
    name: str
    model: keras.Model
    objective: str
    teacher: str | None = None
    seed: int | None = None
    history: dict = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    metrics: dict = dataclasses.field(default_factory=dict)
    given: Any = None

    @property
    def source(self):
        """What teaches: the model, or what was given in place of one."""
        return self.model if self.given is None else self.given

    @property
    def predicts(self):
        """Whether there is something here that can be run on inputs."""
        return getattr(self.source, "takes_inputs", self.model is not None)

    def _repr_html_(self):
        """A table of one row, for notebooks."""
        return overview([self], self.name)._repr_html_()

    def __repr__(self):
        learned = f", learned from {self.teacher}" if self.teacher else ""
        if self.given is not None:
            learned = f", {getattr(self.given, 'words', self.given)}"
        scores = "".join(f", {k} {v:.4g}" for k, v in self.metrics.items())
        return (
            f"<Generation {self.name} of {self.objective!r}{learned}{scores}>"
        )


def overview(generations, title):
    """A `Table` of what is known without an evaluation."""
    if any(g.metrics for g in generations):
        title += ", validation data"
    return Table(evaluation.overview(generations), title)
