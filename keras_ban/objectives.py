"""What a student is trained on: the objectives of born-again networks.

Notation: `z` are the student's logits, `t` the teacher's, `q = softmax(z)`,
`p = softmax(t)`, `y` the label, `n` the number of classes. Every objective is
a `keras.losses.Loss` of three arguments, written with `keras.ops` alone and
computed in float32 at least.
"""

import keras
from keras import ops

from keras_ban import checks
from keras_ban import distribute
from keras_ban.losses import at_least_float32
from keras_ban.losses import class_logits
from keras_ban.losses import cross_entropy
from keras_ban.losses import keras_mask
from keras_ban.losses import reduce
from keras_ban.losses import soft_cross_entropy
from keras_ban.losses import with_mask_of


@keras.saving.register_keras_serializable(package="keras_ban")
class Objective(keras.losses.Loss):
    """Base class: a loss of the labels, the student and the teacher.

    A subclass overrides `call`. In it, `self.label_loss(y_true, logits)` is
    the loss on the labels: inside a `Distiller` the one the student was
    compiled with, elsewhere the cross-entropy.

    Calling an objective reduces `call` to a scalar, with sample weights and
    the mask that Keras put on the student's output.

    Args:
        name: Optional name. Defaults to the short name of the objective.
        reduction: As in `keras.losses.Loss`. Defaults to
            `"sum_over_batch_size"`.

    Example:
    >>> class Halfway(keras_ban.objectives.Objective):
    ...     def call(self, y_true, student_logits, teacher_logits):
    ...         label = self.label_loss(y_true, student_logits)
    ...         return 0.5 * label + 0.5 * self.teacher_loss(
    ...             student_logits, teacher_logits)
    """

    short_name = None
    needs_labels = True
    needs_teacher = True
    label_loss = staticmethod(cross_entropy)

    def __init__(self, name=None, reduction="sum_over_batch_size"):
        name = name or self.short_name or type(self).__name__.lower()
        super().__init__(name=name, reduction=reduction)

    def call(self, y_true, student_logits, teacher_logits):
        """Returns the loss of each sample.

        Args:
            y_true: Integer labels of shape `(...)` or `(..., 1)`, one-hot or
                soft ones of shape `(..., n)`, or `None` if the objective
                needs none.
            student_logits: Logits of shape `(..., n)`.
            teacher_logits: Logits of shape `(..., n)`.

        Returns:
            Loss of shape `(...)`.
        """
        raise NotImplementedError

    def teacher_loss(self, student_logits, teacher_logits):
        """The teacher term of each sample: -Σ p log q unless overridden.

        It is what a `Distiller` logs as `teacher_loss`.
        """
        return soft_cross_entropy(
            ops.softmax(class_logits(teacher_logits)),
            class_logits(student_logits),
        )

    def __call__(
        self, y_true, student_logits, teacher_logits=None, sample_weight=None
    ):
        """Returns the scalar loss of a batch.

        Args:
            y_true: As in `call`.
            student_logits: Logits of shape `(..., n)`.
            teacher_logits: Logits of shape `(..., n)`.
            sample_weight: Optional weights of shape `(...)` or of its first
                axes. Defaults to `None`.

        Returns:
            A scalar.
        """
        student_logits = with_mask_of(
            student_logits, at_least_float32(student_logits)
        )
        if teacher_logits is not None:
            teacher_logits = ops.stop_gradient(at_least_float32(teacher_logits))
        losses = self.call(y_true, student_logits, teacher_logits)
        return reduce(
            losses, sample_weight, self.reduction, keras_mask(student_logits)
        )

    def fresh(self):
        """Returns a copy whose random state, if any, starts anew."""
        # `copy.copy` of a Keras object saves and loads it, which needs it
        # to be registered.
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new


@keras.saving.register_keras_serializable(package="keras_ban")
class Labels(Objective):
    """The labels alone: generation 0, and the control of every claim."""

    short_name = "labels"
    needs_teacher = False

    def call(self, y_true, student_logits, teacher_logits=None):
        return self.label_loss(y_true, student_logits)


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
        return ops.divide_no_nan(
            confidence, distribute.total(ops.sum(confidence))
        )

    def call(self, y_true, student_logits, teacher_logits):
        mask = keras_mask(student_logits)
        weights = self.weights(teacher_logits, mask)
        # The reduction divides by the number of samples that count.
        counted = ops.ones_like(weights)
        if mask is not None:
            counted = ops.cast(mask, weights.dtype)
        count = distribute.total(ops.sum(counted))
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
        start, rows = distribute.place(ops.shape(p)[0])
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


@keras.saving.register_keras_serializable(package="keras_ban")
class FunctionObjective(Objective):
    """A function `(y_true, student_logits, teacher_logits)` as an objective.

    Args:
        function: Returns the loss of each sample, shape `(...)`, for logits
            of shape `(..., n)`. To be saved it must be registered with
            `keras.saving.register_keras_serializable`.
    """

    def __init__(self, function, name=None, reduction="sum_over_batch_size"):
        name = name or getattr(function, "__name__", "function")
        super().__init__(name=name, reduction=reduction)
        self.function = function

    def call(self, y_true, student_logits, teacher_logits):
        return self.function(y_true, student_logits, teacher_logits)

    def get_config(self):
        function = keras.saving.serialize_keras_object(self.function)
        return {**super().get_config(), "function": function}

    @classmethod
    def from_config(cls, config):
        function = keras.saving.deserialize_keras_object(config["function"])
        return cls(**{**config, "function": function})


_BY_NAME = {
    cls.short_name: cls
    for cls in (Labels, BAN, BANWithLabels, CWTM, DKPP, KD, LogitRegression)
}

BUILT_IN = frozenset(_BY_NAME.values())


def get(identifier):
    """Returns the objective that an identifier stands for.

    Args:
        identifier: A short name ("labels", "ban", "ban+l", "cwtm", "dkpp",
            "kd" or "logits"), an `Objective`, the configuration that
            `keras.saving.serialize_keras_object` gives for one, or a function
            `(y_true, student_logits, teacher_logits)` that returns the loss
            of each sample.

    Returns:
        An `Objective`.

    Raises:
        ValueError: If the identifier stands for no objective.
    """
    if isinstance(identifier, Objective):
        return identifier
    if isinstance(identifier, str) and identifier.lower() in _BY_NAME:
        return _BY_NAME[identifier.lower()]()
    if isinstance(identifier, dict) and "class_name" in identifier:
        return get(keras.saving.deserialize_keras_object(identifier))
    if isinstance(identifier, type) and issubclass(identifier, Objective):
        return identifier()
    if callable(identifier) and not isinstance(
        identifier, (type, keras.losses.Loss)
    ):
        return FunctionObjective(identifier)
    raise ValueError(
        "Unknown objective. Expected one of "
        f"{', '.join(map(repr, _BY_NAME))}, an instance of "
        "`keras_ban.objectives.Objective`, or a function `(y_true, "
        "student_logits, teacher_logits)` that returns the loss of each "
        f"sample. Received: {identifier!r}"
    )
