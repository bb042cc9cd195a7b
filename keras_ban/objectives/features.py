"""Features of inner layers, compared with the teacher's."""

import keras
from keras import ops

from keras_ban.distribution.replicas import place
from keras_ban.distribution.replicas import total
from keras_ban.objectives import arguments
from keras_ban.objectives.base import Labels
from keras_ban.objectives.base import Objective
from keras_ban.tasks.losses import at_least_float32


def mse(student, teacher):
    """The mean squared difference, over all axes but that of the batch.

    Source: Romero et al., "FitNets: Hints for Thin Deep Nets", 2015, Equation
    3, there half the sum.
    """
    return _mean(ops.square(student - teacher))


def cosine(student, teacher):
    """One minus the cosine over the last axis, averaged over positions."""
    product = _unit(student, -1) * _unit(teacher, -1)
    return _mean(1 - ops.sum(product, axis=-1))


def attention(student, teacher):
    """The mean squared difference of attention maps.

    A map is the sum of the squares over the last axis, the channels, divided by
    its norm over all positions, of a sample.

    Source: Zagoruyko and Komodakis, "Paying More Attention to Attention",
    2017, Equation 2; the mean of squares is that of the authors' code.
    """
    one, other = (_attention(x) for x in (student, teacher))
    return _mean(ops.square(one - other))


def relations(student, teacher):
    """The mean squared difference of the samples' similarities in a batch.

    Each row of `A Aᵀ`, of features `A` of shape `(batch, rest)`, is divided by
    its norm. Under a strategy the batch is the global one.

    Source: Tung and Mori, "Similarity-Preserving Knowledge Distillation",
    2019, Equations 2 to 4.
    """
    one, other = (_similarities(x) for x in (student, teacher))
    return ops.mean(ops.square(one - other), axis=-1)


_LOSSES = {
    "mse": mse,
    "cosine": cosine,
    "attention": attention,
    "relations": relations,
}
# Those that compare channel by channel.
_NEED_CHANNELS = (mse, cosine)


@keras.saving.register_keras_serializable(package="keras_ban")
class Features(Objective):
    """Features of inner layers, as a term that is added to an objective.

    `KD() + Features({"block_2": "block_4"})`; by itself it is added to the
    loss of the labels. Where the last axis of a pair differs, a dense layer
    over it, as a convolution of width 1 is, leads from the student's features
    to the teacher's. It is trained with the student, by an optimizer of the
    same configuration, saved and resumed with the run, and no part of the
    student that comes out. Each network runs once a step.

    Sources: Romero et al., "FitNets: Hints for Thin Deep Nets", 2015;
    Zagoruyko and Komodakis, "Paying More Attention to Attention", 2017; Tung
    and Mori, "Similarity-Preserving Knowledge Distillation", 2019.

    Args:
        pairs: A dict from names of the student's layers to names of the
            teacher's; a layer of a nested model is called "model/layer".
        loss: "mse", "cosine", "attention" (for features with positions),
            "relations" (between the samples of a batch), or a function of the
            features of both, of shape `(batch, ...)`, to a loss of shape
            `(batch, ...)`. Defaults to `"mse"`.
        weight: What the sum over the pairs is multiplied by, a number of at
            least 0. Defaults to `1.0`.

    Raises:
        ValueError: If an argument is not of its kind. `fit` raises it for
            layers that are not there, or that cannot be compared.

    Example:
    >>> objective = keras_ban.objectives.KD() + keras_ban.objectives.Features(
    ...     {"hidden": "hidden"}, loss="cosine", weight=0.1)
    >>> ban = keras_ban.BornAgain(model_fn, objective)
    """

    short_name = "features"

    def __init__(
        self,
        pairs,
        loss="mse",
        weight=1.0,
        name=None,
        reduction="sum_over_batch_size",
    ):
        super().__init__(name=name, reduction=reduction)
        self.pairs = _pairs(pairs)
        self.targets = list(self.pairs.values())
        self.loss = loss
        self.function = _function(loss)
        self.weight = arguments.weight("weight", weight)

    def losses(self, student, teacher):
        """The term of each pair, of shape `(batch,)`, in a list.

        Args:
            student: What the student's layers give, projected, a dict by
                name.
            teacher: What the teacher's layers give, a dict by name.
        """
        found = []
        for one, other in self.pairs.items():
            features = at_least_float32(student[one])
            target = ops.stop_gradient(at_least_float32(teacher[other]))
            target = ops.cast(target, features.dtype)
            found.append(_mean(self.function(features, target)))
        return found

    def projected(self, student, teacher, pair):
        """How many channels student features need, `None` if they have them.

        Args:
            student: Shape `(batch, ..., n)` of the student's features.
            teacher: Shape `(batch, ..., m)` of the teacher's.
            pair: The names of the layers.

        Raises:
            ValueError: If features of these shapes cannot be compared.
        """
        needs_same = self.function is not relations
        if needs_same and student[1:-1] != teacher[1:-1]:
            _refuse(pair, student, teacher, "the same axes but the last")
        if self.function is attention and len(student) < 3:
            _refuse(pair, student, teacher, "positions, as images have")
        is_own = self.function not in _LOSSES.values()
        asks = self.function in _NEED_CHANNELS or is_own
        return teacher[-1] if asks and student[-1] != teacher[-1] else None

    def call(self, y_true, student_logits, teacher_logits):
        raise NotImplementedError("Features are added to an objective.")

    def get_config(self):
        loss = self.loss
        if not isinstance(loss, str):
            loss = keras.saving.serialize_keras_object(loss)
        return {
            **super().get_config(),
            "pairs": self.pairs,
            "loss": loss,
            "weight": self.weight,
        }

    @classmethod
    def from_config(cls, config):
        loss = config["loss"]
        if not isinstance(loss, str):
            loss = keras.saving.deserialize_keras_object(loss)
        return cls(**{**config, "loss": loss})


@keras.saving.register_keras_serializable(package="keras_ban")
class WithFeatures(Objective):
    """An objective of outputs, and terms of features that are added to it.

    What `KD() + Features(...)` makes.

    Args:
        objective: The `Objective` of the outputs.
        features: `Features`, a list.
    """

    def __init__(self, objective, features, name=None, reduction=None):
        self.objective = objective
        name = name or "+".join([objective.name, *(f.name for f in features)])
        super().__init__(name=name)
        if reduction is not None:
            self.reduction = reduction
        self.features = tuple(features)

    @property
    def needs_labels(self):
        return self.objective.needs_labels

    @property
    def needs_classes(self):
        return self.objective.needs_classes

    @property
    def copies(self):
        return {"": self.objective}

    @property
    def reduction(self):
        """As in `keras.losses.Loss`: that of the outputs."""
        return self.objective.reduction

    @reduction.setter
    def reduction(self, value):
        self.objective.reduction = value

    def for_output(self, name=None):
        return self.objective.for_output(name)

    def match(self, other):
        self.objective.match(other.objective)

    def check_outputs(self, names, taught=None):
        self.objective.check_outputs(names, taught)

    def check_labels(self, y_true):
        self.objective.check_labels(y_true)

    def check_unlabelled(self):
        self.objective.check_unlabelled()

    def check_task(self, task, columns):
        self.objective.check_task(task, columns)

    def begin_epoch(self, epoch, epochs):
        for one in (self.objective, *self.objective.copies.values()):
            one.begin_epoch(epoch, epochs)

    def fresh(self):
        new = super().fresh()
        new.objective = self.objective.fresh()
        return new

    def get_config(self):
        return {
            "name": self.name,
            "reduction": self.reduction,
            "objective": keras.saving.serialize_keras_object(self.objective),
            "features": [
                keras.saving.serialize_keras_object(f) for f in self.features
            ],
        }

    @classmethod
    def from_config(cls, config):
        load = keras.saving.deserialize_keras_object
        held = {
            "objective": load(config["objective"]),
            "features": list(map(load, config["features"])),
        }
        return cls(**{**config, **held})


def added(*objectives):
    """The sum of objectives, of which at most one is of outputs.

    Args:
        *objectives: `Objective`s.

    Raises:
        ValueError: If there are several of outputs.
    """
    features, others = [], []
    for one in objectives:
        if isinstance(one, Features):
            features.append(one)
        elif isinstance(one, WithFeatures):
            others.append(one.objective)
            features += one.features
        else:
            others.append(one)
    if len(others) > 1:
        raise ValueError(
            "Objectives are added to `Features`. Expected one objective of the "
            f"outputs. Received: {' and '.join(one.name for one in others)}. "
            "Write their sum as a function `(y_true, student_logits, "
            "teacher_logits)`."
        )
    if not features:
        return others[0]
    return WithFeatures(others[0] if others else Labels(), features)


def _pairs(pairs):
    is_dict = isinstance(pairs, dict) and pairs
    texts = [*pairs, *pairs.values()] if is_dict else [None]
    if all(isinstance(text, str) for text in texts):
        return dict(pairs)
    raise ValueError(
        "Invalid value for argument `pairs`. Expected a dict from names of the "
        "student's layers to names of the teacher's. Received: "
        f"{pairs!r}"
    )


def _function(loss):
    if isinstance(loss, str) and loss in _LOSSES:
        return _LOSSES[loss]
    if callable(loss) and not isinstance(loss, type):
        return loss
    raise ValueError(
        "Invalid value for argument `loss`. Expected one of "
        f"{', '.join(map(repr, _LOSSES))}, or a function of the features of "
        f"student and teacher. Received: {loss!r}"
    )


def _refuse(pair, student, teacher, expected):
    raise ValueError(
        f"The features of the layers {pair[0]!r} and {pair[1]!r} cannot be "
        f"compared. Expected {expected}. Received: shape {student} of the "
        f"student and {teacher} of the teacher. Name layers that fit, or "
        "'relations', which compares samples."
    )


def _mean(x):
    """The mean of each sample, of shape `(batch,)`."""
    axes = tuple(range(1, len(x.shape)))
    return ops.mean(x, axis=axes) if axes else x


def _unit(x, axis):
    """Vectors of length 1; of none, zeros."""
    square = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(square, 1e-24))


def _attention(x):
    sums = ops.sum(ops.square(x), axis=-1)
    return _unit(ops.reshape(sums, (ops.shape(sums)[0], -1)), -1)


def _similarities(x):
    rows = ops.reshape(x, (ops.shape(x)[0], -1))
    return _unit(ops.matmul(rows, ops.transpose(_gathered(rows))), -1)


def _gathered(rows):
    """The rows of the global batch, however many replicas share it."""
    start, count = place(ops.shape(rows)[0])
    after = count - start - ops.shape(rows)[0]
    return total(ops.pad(rows, ((start, after), (0, 0))))
