"""The two terms of a distilled loss, on the labels and by the teacher."""

import keras
import tensorflow as tf

from keras_ban.distribution.replicas import total
from keras_ban.tasks import losses
from keras_ban.tasks import mixed


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
            y: Labels, `Mixed` ones, or `None`.
            student_logits: Logits of shape `(..., n)`.
            teacher_logits: Logits of shape `(..., n)`.
            sample_weight: Weights, or `None`.
        """
        soft = self._objective.teacher_loss(student_logits, teacher_logits)
        terms = [(self._teacher, soft)]
        if y is not None:
            label = mixed.losses(
                lambda y: self._objective.label_loss(y, student_logits), y
            )
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


def check_objective(objective, y, student_logits, teacher_logits, eager):
    """Tries an objective of the user's own on a few samples.

    Args:
        objective: The `Objective`.
        y: Labels, or `None`.
        student_logits: Logits of shape `(..., n)`.
        teacher_logits: Logits of shape `(..., n)`.
        eager: Whether it is run step by step in training too, not compiled.

    Raises:
        ValueError: If it cannot be computed, does not give one loss for each
            sample, or has no gradient.
    """
    name, expected = objective.name, tuple(student_logits.shape[:-1])

    def gradient(y, student_logits, teacher_logits):
        with tf.GradientTape() as tape:
            tape.watch(student_logits)
            losses = objective.call(y, student_logits, teacher_logits)
        return tape.gradient(losses, student_logits)

    tensors = y, student_logits, teacher_logits
    try:
        received = tuple(objective.call(*tensors).shape)
        if eager:
            depends = gradient(*tensors) is not None
        else:
            traced = tf.function(gradient, autograph=False)
            traced = traced.get_concrete_function(*tensors)
            depends = traced.structured_outputs is not None
    except Exception as error:
        raise ValueError(
            f"The objective {name!r} cannot be computed. Expected a "
            "function `(y_true, student_logits, teacher_logits)` that "
            "returns the loss of each sample, written with `keras.ops`, not "
            f"NumPy. Received: {error!r}"
        ) from error
    if received != expected:
        raise ValueError(
            f"The objective {name!r} must return the loss of each sample, "
            f"of shape {expected}. Received: shape {received}. Sum or "
            "average over the classes, and leave the samples apart."
        )
    if not depends:
        raise ValueError(
            f"The objective {name!r} has no gradient for the student: its "
            "result does not depend on `student_logits`, or not by what can "
            "be differentiated. Expected a loss of these, written with "
            "`keras.ops`, not NumPy."
        )
