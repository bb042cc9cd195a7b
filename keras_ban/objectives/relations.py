"""Distillation of relations: what varies as the teacher's does."""

import functools

import keras
from keras import ops

from keras_ban.distribution.replicas import largest
from keras_ban.distribution.replicas import total
from keras_ban.objectives import arguments
from keras_ban.objectives.base import Objective
from keras_ban.objectives.scores import z_scores
from keras_ban.tasks.losses import class_logits
from keras_ban.tasks.losses import keras_mask


@keras.saving.register_keras_serializable(package="keras_ban")
class DIST(Objective):
    """Labels, and correlation with the teacher over classes and samples.

    `L(y, q) + β inter + γ intra`, where `q = softmax(z / T)` and
    `p = softmax(t / T)` in both relations: `inter` is one minus Pearson's
    correlation of a sample's `q` and `p` over the classes, and `intra` that of
    the probabilities of a class over the samples of the batch, averaged over
    the classes. The batch is the global one under a strategy; positions of
    sequences count as samples, masked ones do not count. Where probabilities
    do not vary, the correlation is 0.

    `intra` is the same for all samples of a batch, so that their mean is the
    published loss. Sample weights multiply the loss of each sample, and with it
    `intra` by their mean; correlations are those of samples without weights.

    Source: Huang et al., "Knowledge Distillation from A Stronger Teacher",
    2022, Equations 6 to 9. The authors' code differs: it multiplies both
    relations by `T²`, which `beta` and `gamma` can do, and adds 1e-8 to the
    deviations, so that what is improbable in the whole batch hardly counts.

    Args:
        beta: Weight `β` of the relation between classes, a number of at least
            0. Defaults to `1.0`.
        gamma: Weight `γ` of the relation between samples, a number of at least
            0. Defaults to `1.0`.
        temperature: Temperature `T` of both softmaxes, a positive number.
            Defaults to `1.0`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    short_name = "dist"
    splits_terms = True
    needs_classes = True

    def __init__(
        self,
        beta=1.0,
        gamma=1.0,
        temperature=1.0,
        name=None,
        reduction="sum_over_batch_size",
    ):
        super().__init__(name=name, reduction=reduction)
        self.beta = arguments.weight("beta", beta)
        self.gamma = arguments.weight("gamma", gamma)
        self.temperature = arguments.positive("temperature", temperature)

    def teacher_loss(self, student_logits, teacher_logits):
        """`β inter + γ intra` of each sample."""
        mask = keras_mask(student_logits)
        logits = class_logits(student_logits)
        targets = ops.cast(class_logits(teacher_logits), logits.dtype)
        # Logarithms, as the least probable classes count like all others.
        pair = ops.stack([logits, targets]) / self.temperature
        pair = ops.log_softmax(pair)
        inter = 1 - correlation_of_rows(pair)
        intra = 1 - ops.mean(correlation_of_columns(pair, mask))
        return self.beta * inter + self.gamma * intra

    def call(self, y_true, student_logits, teacher_logits):
        relations = self.teacher_loss(student_logits, teacher_logits)
        label = self.label_loss(y_true, student_logits)
        return ops.cast(label, relations.dtype) + relations

    def get_config(self):
        return {
            **super().get_config(),
            "beta": self.beta,
            "gamma": self.gamma,
            "temperature": self.temperature,
        }


def correlation_of_rows(log_pair):
    """Pearson's correlation of two distributions over their classes.

    Args:
        log_pair: Their log-probabilities, of shape `(2, ..., n)`.

    Returns:
        Shape `(...)`.
    """
    mean = functools.partial(ops.mean, axis=-1, keepdims=True)
    top = ops.stop_gradient(ops.max(log_pair, axis=-1, keepdims=True))
    scores = z_scores(ops.exp(log_pair - top), mean)
    return ops.mean(scores[0] * scores[1], axis=-1)


def correlation_of_columns(log_pair, mask=None):
    """Pearson's correlation of each class's probabilities over the batch.

    Under a strategy, over the global batch.

    Args:
        log_pair: Log-probabilities of shape `(2, ..., n)`.
        mask: Optional booleans of shape `(...)`; what is `False` does not
            count. Defaults to `None`.

    Returns:
        Shape `(n,)`.
    """
    classes = log_pair.shape[-1]
    log_pair = ops.reshape(log_pair, (2, -1, classes))
    counts = ops.ones_like(log_pair[0, :, :1], dtype="bool")
    if mask is not None:
        counts = ops.reshape(ops.cast(mask, "bool"), (-1, 1))
    counted = ops.cast(counts, log_pair.dtype)
    count = total(ops.sum(counted))

    def mean(x):
        summed = total(ops.sum(x * counted, axis=-2, keepdims=True))
        return ops.divide_no_nan(summed, count)

    # The scale of a class does not matter: its largest probability becomes 1.
    lowest = ops.where(counts, log_pair, float("-inf"))
    top = largest(ops.max(lowest, axis=-2, keepdims=True, initial=-1e30))
    shifted = ops.where(counts, log_pair - top, 0.0)
    scores = z_scores(ops.exp(shifted), mean)
    return ops.squeeze(mean(scores[0] * scores[1]), -2)
