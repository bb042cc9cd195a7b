"""The objectives of born-again networks (Furlanello et al., 2018)."""

import keras
from keras import ops

from keras_ban.distribution.replicas import place
from keras_ban.distribution.replicas import total
from keras_ban.objectives.base import Objective
from keras_ban.tasks.losses import class_logits
from keras_ban.tasks.losses import keras_mask
from keras_ban.tasks.losses import soft_cross_entropy
from keras_ban.tasks.losses import total_count


@keras.saving.register_keras_serializable(package="keras_ban")
class BAN(Objective):
    """The teacher alone, without labels: -Σ p log q at temperature 1.

    Source: Furlanello et al., "Born-Again Neural Networks", 2018, Table 2,
    column BAN.
    """

    short_name = "ban"
    needs_labels = False

    def call(self, y_true, student_logits, teacher_logits):
        return self.teacher_loss(student_logits, teacher_logits)


@keras.saving.register_keras_serializable(package="keras_ban")
class BANWithLabels(Objective):
    """The label term plus the teacher term, each with weight 1.

    Source: Furlanello et al., 2018, Table 2, column BAN+L.
    """

    short_name = "ban+l"
    splits_terms = True

    def call(self, y_true, student_logits, teacher_logits):
        return self.label_loss(y_true, student_logits) + self.teacher_loss(
            student_logits, teacher_logits
        )


@keras.saving.register_keras_serializable(package="keras_ban")
class CWTM(Objective):
    """Labels, each sample weighted by the teacher's maximum probability.

    Confidence weighted by teacher max: sample `s` has the weight
    `max p_s / Σ_u max p_u` over the batch, whether the teacher is right or
    not. The loss of the batch is `Σ_s w_s L(y_s, q_s)`.

    Source: Furlanello et al., 2018, Table 2, column CWTM.
    """

    short_name = "cwtm"
    needs_classes = True

    def weights(self, teacher_logits, mask=None):
        """Returns weights of shape `(...)` that sum to 1 over the batch.

        Under a strategy, over the global batch.

        Args:
            teacher_logits: Logits of shape `(..., n)`.
            mask: Optional booleans of shape `(...)`; what is `False` gets no
                weight. Defaults to `None`.
        """
        p = ops.softmax(class_logits(teacher_logits))
        confidence = ops.max(p, axis=-1)
        if mask is not None:
            confidence = confidence * ops.cast(mask, confidence.dtype)
        return ops.divide_no_nan(confidence, total(ops.sum(confidence)))

    def call(self, y_true, student_logits, teacher_logits):
        mask = keras_mask(student_logits)
        weights = self.weights(teacher_logits, mask)
        # The reduction divides by the number of samples that count.
        count = total_count(weights, mask)
        losses = self.label_loss(y_true, student_logits)
        return losses * ops.cast(weights * count, losses.dtype)


@keras.saving.register_keras_serializable(package="keras_ban")
class DKPP(Objective):
    """The teacher alone, its non-argmax probabilities permuted.

    Dark knowledge with permuted predictions: the largest probability keeps
    its place and value, the others change places at random, another way for
    every sample and step. What `Distiller` logs as `teacher_loss` is the
    cross-entropy with the teacher as it is, so that it can be compared.

    Source: Furlanello et al., 2018, Table 2, column DKPP.

    Args:
        seed: Optional integer. Defaults to `None`, a draw from the global
            seed of `keras.utils.set_random_seed`.
    """

    short_name = "dkpp"
    needs_classes = True
    needs_labels = False

    def __init__(self, seed=None, name=None, reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def permute(self, p):
        """Permutes the non-argmax entries of each row.

        Args:
            p: Probabilities (or anything else) of shape `(..., n)`.

        Returns:
            Shape `(..., n)`: the same numbers, the first largest in place.
        """
        classes = ops.arange(ops.shape(p)[-1])
        top = ops.expand_dims(ops.argmax(p, axis=-1), -1)
        top = ops.cast(top, classes.dtype)
        # Those of the global batch, however many replicas share it.
        start, rows = place(ops.shape(p)[0])
        noise = keras.random.uniform(
            (rows, *ops.shape(p)[1:]), seed=self.seed_generator
        )
        noise = noise[start : start + ops.shape(p)[0]]
        # The argmax sorts first, the others follow in random order ...
        order = ops.argsort(ops.where(classes == top, -1.0, noise), axis=-1)
        # ... and slot 0 goes to the argmax, slots 1, 2, … to the others.
        slot = ops.where(classes < top, classes + 1, classes)
        slot = ops.where(classes == top, 0, slot)
        return ops.take_along_axis(
            ops.take_along_axis(p, order, axis=-1), slot, axis=-1
        )

    def call(self, y_true, student_logits, teacher_logits):
        p = self.permute(ops.softmax(class_logits(teacher_logits)))
        return soft_cross_entropy(p, class_logits(student_logits))

    def fresh(self):
        return type(self).from_config(self.get_config())

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}
