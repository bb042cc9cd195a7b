"""The objectives that born-again networks grew from: distillation."""

import functools

import keras
from keras import ops

from keras_ban.objectives import arguments
from keras_ban.objectives.base import Objective
from keras_ban.objectives.scores import z_scores
from keras_ban.tasks.losses import at_least_float32


@keras.saving.register_keras_serializable(package="keras_ban")
class KD(Objective):
    """Knowledge distillation: the weighted mean of hard and soft targets.

    `α L(y, q) + (1 - α) T² CE(softmax(t / T), softmax(z / T))`. The factor
    `T²` keeps the size of the soft targets' gradient, `T (q_T - p_T)`,
    comparable over temperatures. Of values, which have no temperature, the
    second term is that of BAN.

    With `standardize`, the logits of student and teacher are replaced by their
    z-scores over the classes before `T` divides them, so that the student
    matches their order and proportions, not their size. Equal logits have the
    scores 0, and no gradient. Two classes have no proportions, and are refused.

    A pair as `alpha` is teacher annealing: the weight of the labels goes from
    its first number, in the first epoch of a training, to its second, in the
    last, by equal steps. `(0, 1)` begins with the teacher alone and ends with
    the labels alone. It follows the epochs that are planned; a single one has
    the first weight, and so have steps without epochs, as `train_on_batch`.

    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
    Network", 2015, Section 2. `standardize`: Sun et al., "Logit
    Standardization in Knowledge Distillation", 2024, Algorithm 1, whose code
    has `n - 1` in place of `n` in the variance. Annealing: Clark et al., "BAM!
    Born-Again Multi-Task Networks for Natural Language Understanding", 2019,
    Section 3, by steps of training in place of epochs.

    Args:
        alpha: Weight of the labels, from 0 to 1, or a pair of these, for the
            first and for the last epoch. Defaults to `0.5`.
        temperature: Temperature `T` of both softmaxes, a positive number.
            Defaults to `2.0`.
        standardize: Whether to standardise the logits of the soft targets.
            Defaults to `False`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    short_name = "kd"
    splits_terms = True

    def __init__(
        self,
        alpha=0.5,
        temperature=2.0,
        name=None,
        reduction="sum_over_batch_size",
        *,
        standardize=False,
    ):
        super().__init__(name=name, reduction=reduction)
        self.alpha = arguments.shares("alpha", alpha)
        self.temperature = arguments.positive("temperature", temperature)
        self.standardize = arguments.flag("standardize", standardize)
        self.needs_classes = self.standardize
        self.needs_labels = self.alpha not in (0, (0, 0))
        self._annealed = self._weight()

    def teacher_loss(self, student_logits, teacher_logits):
        """`T² CE(softmax(t / T), softmax(z / T))` of each sample."""
        pair = tuple(map(at_least_float32, (student_logits, teacher_logits)))
        if self.standardize:
            self.check_classes(student_logits.shape[-1])
            pair = tuple(map(_standardized, pair))
        return self.task.softened(*pair, self.temperature)

    def call(self, y_true, student_logits, teacher_logits):
        soft = self.teacher_loss(student_logits, teacher_logits)
        if not self.needs_labels:
            return soft
        hard = ops.cast(self.label_loss(y_true, student_logits), soft.dtype)
        alpha = self.alpha
        if self._annealed is not None:
            alpha = ops.cast(self._annealed, soft.dtype)
        return alpha * hard + (1 - alpha) * soft

    def check_classes(self, columns):
        """Refuses two classes, if their logits are to be standardised."""
        if self.standardize and columns <= 2:
            raise ValueError(
                "`KD(standardize=True)` compares proportions of logits, and "
                "two logits have none: their z-scores are -1 and 1. Expected "
                f"three classes at least. Received: outputs of {columns}. "
                "Leave `standardize` out."
            )

    def begin_epoch(self, epoch, epochs):
        """Sets the weight of the labels, if it is annealed."""
        if self._annealed is not None:
            start, end = self.alpha
            done = epoch / max(epochs - 1, 1)
            self._annealed.assign(start + (end - start) * done)

    def fresh(self):
        new = super().fresh()
        new._annealed = new._weight()
        return new

    def _weight(self):
        """A variable for the weight of the labels, or `None`."""
        if not isinstance(self.alpha, tuple):
            return None
        return keras.Variable(
            self.alpha[0],
            trainable=False,
            dtype="float32",
            autocast=False,
            name="label_weight",
        )

    def get_config(self):
        config = {
            **super().get_config(),
            "alpha": self.alpha,
            "temperature": self.temperature,
        }
        # Runs of earlier versions do not have it.
        return config | ({"standardize": True} if self.standardize else {})


def _standardized(logits):
    """The z-scores of logits of shape `(..., n)` over the classes."""
    return z_scores(logits, functools.partial(ops.mean, axis=-1, keepdims=True))


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
