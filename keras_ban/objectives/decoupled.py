"""Distillation of the true class and of the other classes, apart."""

import keras
from keras import ops

from keras_ban.objectives import arguments
from keras_ban.objectives.base import Objective
from keras_ban.tasks.losses import class_logits
from keras_ban.tasks.losses import divergence
from keras_ban.tasks.losses import true_class


@keras.saving.register_keras_serializable(package="keras_ban")
class DKD(Objective):
    """Decoupled knowledge distillation: labels, true class, other classes.

    `L(y, q) + T² (α TCKD + β NCKD)`. TCKD is the Kullback-Leibler divergence
    of the probabilities `(p_y, 1 - p_y)` of the true class and of all others,
    NCKD that of the probabilities among the others, both of
    `softmax(t / T)` from `softmax(z / T)`. Where `β` is `1 - p_y` and `α` is
    1, their sum is the divergence of plain distillation.

    The true class of a soft label is its likeliest; with two classes there is
    one other, and NCKD is 0. What `Distiller` logs as `teacher_loss` is the
    cross-entropy with the teacher, which needs no label.

    Source: Zhao et al., "Decoupled Knowledge Distillation", 2022, Equation 7
    and Algorithm 1; defaults as in the authors' code for CIFAR-100. That code
    raises the weight of the last two terms over the first 20 epochs, which is
    left out here.

    Args:
        alpha: Weight `α` of the true class, a number of at least 0. Defaults
            to `1.0`.
        beta: Weight `β` of the other classes, a number of at least 0. Defaults
            to `8.0`.
        temperature: Temperature `T` of both softmaxes, a positive number.
            Defaults to `4.0`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    short_name = "dkd"
    needs_classes = True

    def __init__(
        self,
        alpha=1.0,
        beta=8.0,
        temperature=4.0,
        name=None,
        reduction="sum_over_batch_size",
    ):
        super().__init__(name=name, reduction=reduction)
        self.alpha = arguments.weight("alpha", alpha)
        self.beta = arguments.weight("beta", beta)
        self.temperature = arguments.positive("temperature", temperature)

    def decoupled(self, y_true, student_logits, teacher_logits):
        """`T² (α TCKD + β NCKD)` of each sample, of shape `(...)`.

        Args:
            y_true: As in `call`.
            student_logits: Logits of shape `(..., n)`.
            teacher_logits: Logits of shape `(..., n)`.
        """
        logits = class_logits(student_logits) / self.temperature
        targets = class_logits(teacher_logits) / self.temperature
        classes = true_class(y_true, logits)
        odds, others = _apart(logits, classes)
        target_odds, target_others = _apart(targets, classes)
        found = self.alpha * divergence(
            class_logits(target_odds), class_logits(odds)
        )
        if logits.shape[-1] > 2:
            found += self.beta * divergence(target_others, others)
        return self.temperature**2 * found

    def call(self, y_true, student_logits, teacher_logits):
        soft = self.decoupled(y_true, student_logits, teacher_logits)
        label = self.label_loss(y_true, student_logits)
        return ops.cast(label, soft.dtype) + soft

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "beta": self.beta,
            "temperature": self.temperature,
        }


def _apart(logits, classes):
    """The logit of each true class against all others, and those of these.

    Args:
        logits: Logits of shape `(..., n)`.
        classes: Class numbers of shape `(...)`.

    Returns:
        Logits of shapes `(..., 1)` and `(..., n - 1)`.
    """
    classes = ops.expand_dims(classes, -1)
    others = ops.arange(logits.shape[-1] - 1, dtype=classes.dtype)
    others = ops.where(others < classes, others, others + 1)
    own = ops.take_along_axis(logits, classes, axis=-1)
    rest = ops.take_along_axis(logits, others, axis=-1)
    return own - ops.logsumexp(rest, axis=-1, keepdims=True), rest
