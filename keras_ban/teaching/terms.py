"""The two terms of a distilled loss, on the labels and by the teacher."""

import keras
import tensorflow as tf

from keras_ban.distribution.replicas import total
from keras_ban.tasks import losses


class Terms:
    """What is logged of both terms before they are weighted.

    Args:
        objective: The `Objective`.
    """

    def __init__(self, objective):
        self._objective = objective
        self._label = keras.metrics.Mean(name="label_loss")
        self._teacher = keras.metrics.Mean(name="teacher_loss")
        self._shown = ()

    @property
    def shown(self):
        """The metrics that the last training step has updated."""
        return self._shown

    @property
    def variables(self):
        """The variables of both metrics."""
        return [*self._label.variables, *self._teacher.variables]

    def reset(self):
        """Begins anew."""
        self._label.reset_state()
        self._teacher.reset_state()

    def update(self, x, y, student_logits, teacher_logits, sample_weight):
        """Adds a batch; returns the means so far, a dict.

        Args:
            x: Inputs.
            y: Labels, or `None`.
            student_logits: Logits of shape `(..., n)`.
            teacher_logits: Logits of shape `(..., n)`.
            sample_weight: Weights, or `None`.
        """
        soft = self._objective.teacher_loss(student_logits, teacher_logits)
        terms = [(self._teacher, soft)]
        if y is not None:
            label = self._objective.label_loss(y, student_logits)
            terms.insert(0, (self._label, label))
        # Replicas take turns here.
        self._shown = tuple(tracker for tracker, _ in terms)
        logs = {}
        for tracker, values in terms:
            value = losses.reduce(
                values,
                sample_weight,
                self._objective.reduction,
                losses.keras_mask(student_logits),
            )
            logs |= track(tracker, value, x)
        return logs


def track(tracker, loss, x):
    """Adds the loss of a batch to a mean over the rows; returns it in a dict.

    Args:
        tracker: A `keras.metrics.Mean`.
        loss: A scalar, a replica's summand.
        x: Inputs of the batch.
    """
    rows = next(a for a in keras.tree.flatten(x) if a is not None)
    rows = tf.shape(rows)[0]
    tracker.update_state(total(loss), sample_weight=rows)
    return {tracker.name: tracker.result()}


def check_objective(objective, y, student_logits, teacher_logits):
    """Tries an objective of the user's own on a few samples.

    Args:
        objective: The `Objective`.
        y: Labels, or `None`.
        student_logits: Logits of shape `(..., n)`.
        teacher_logits: Logits of shape `(..., n)`.

    Raises:
        ValueError: If it cannot be computed, or does not give one loss for
            each sample.
    """
    name, expected = objective.name, tuple(student_logits.shape[:-1])
    try:
        found = objective.call(y, student_logits, teacher_logits)
        received = tuple(found.shape)
    except Exception as error:
        raise ValueError(
            f"The objective {name!r} cannot be computed. Expected a "
            "function `(y_true, student_logits, teacher_logits)` that "
            f"returns the loss of each sample. Received: {error!r}"
        ) from error
    if received != expected:
        raise ValueError(
            f"The objective {name!r} must return the loss of each sample, "
            f"of shape {expected}. Received: shape {received}. Sum or "
            "average over the classes, and leave the samples apart."
        )
