"""The objectives that born-again networks grew from: distillation."""

import keras
from keras import ops

from keras_ban import checks
from keras_ban.objectives.base import Objective
from keras_ban.tasks.losses import at_least_float32


@keras.saving.register_keras_serializable(package="keras_ban")
class KD(Objective):
    """Knowledge distillation: the weighted mean of hard and soft targets.

    `α L(y, q) + (1 - α) T² CE(softmax(t / T), softmax(z / T))`. The factor
    `T²` keeps the size of the soft targets' gradient, `T (q_T - p_T)`,
    comparable over temperatures.

    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
    Network", 2015, Section 2.

    Args:
        alpha: Weight of the labels, from 0 to 1. Defaults to `0.5`.
        temperature: Temperature `T` of both softmaxes, a positive number.
            Defaults to `2.0`.

    Raises:
        ValueError: If `alpha` or `temperature` is out of its range.
    """

    short_name = "kd"

    def __init__(
        self,
        alpha=0.5,
        temperature=2.0,
        name=None,
        reduction="sum_over_batch_size",
    ):
        super().__init__(name=name, reduction=reduction)
        self.alpha = checks.number(
            "alpha", alpha, lambda v: 0 <= v <= 1, "a number from 0 to 1"
        )
        self.temperature = checks.number(
            "temperature",
            temperature,
            lambda v: 0 < v < float("inf"),
            "a positive number",
        )
        self.needs_labels = self.alpha > 0

    def teacher_loss(self, student_logits, teacher_logits):
        """`T² CE(softmax(t / T), softmax(z / T))` of each sample."""
        t = self.temperature
        return t**2 * super().teacher_loss(
            at_least_float32(student_logits) / t,
            at_least_float32(teacher_logits) / t,
        )

    def call(self, y_true, student_logits, teacher_logits):
        soft = self.teacher_loss(student_logits, teacher_logits)
        if not self.needs_labels:
            return soft
        hard = ops.cast(self.label_loss(y_true, student_logits), soft.dtype)
        return self.alpha * hard + (1 - self.alpha) * soft

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "temperature": self.temperature,
        }


@keras.saving.register_keras_serializable(package="keras_ban")
class LogitRegression(Objective):
    """The mean squared difference of the logits, over the classes.

    Where the student or the teacher gives probabilities, their logarithms
    stand for the logits, on both sides.

    Source: Ba and Caruana, "Do Deep Nets Really Need to be Deep?", 2014.
    """

    short_name = "logits"
    needs_labels = False

    def teacher_loss(self, student_logits, teacher_logits):
        """`Σ (z - t)² / n` of each sample."""
        difference = ops.subtract(
            at_least_float32(student_logits), at_least_float32(teacher_logits)
        )
        return ops.mean(ops.square(difference), axis=-1)

    def call(self, y_true, student_logits, teacher_logits):
        return self.teacher_loss(student_logits, teacher_logits)
