"""The features of student and teacher, and the layers between them."""

import keras
import tensorflow as tf
from keras import ops

from keras_ban.distribution import updates
from keras_ban.networks.taps import Taps
from keras_ban.tasks import losses


class FeatureTerm:
    """What inner layers of the student learn from those of its teacher.

    Args:
        objective: The `WithFeatures` of the student. It keeps the variables
            that are trained beside the student's, as `kept`.
        student: A built `keras.Model`, compiled.
        teacher: The `Teacher`, whose layers are tapped from now on.
        x: A few rows of inputs.

    Raises:
        ValueError: If a layer is not there, or cannot be compared.
    """

    def __init__(self, objective, student, teacher, x):
        self._objective = objective
        self._features = objective.features
        self._forward = Taps(student, self._names("pairs"), "student")
        teacher.tap(self._names("targets"))
        _, seen = self._forward(x, training=False)
        taught = teacher(x).features
        self._projectors = {}
        with student.distribute_strategy.scope():
            for number, features in enumerate(self._features):
                for pair in features.pairs.items():
                    self._join(number, features, pair, seen, taught)
            layers = self._projectors.values()
            self.variables = [v for a in layers for v in a.trainable_weights]
            objective.kept = []
            if self.variables:
                self._optimizer = _like(student.optimizer)
                self._optimizer.build(self.variables)
                objective.kept = [*self.variables, *self._optimizer.variables]

    def _names(self, attribute):
        return [n for f in self._features for n in getattr(f, attribute)]

    def _join(self, number, features, pair, seen, taught):
        shapes = tuple(seen[pair[0]].shape), tuple(taught[pair[1]].shape)
        channels = features.projected(*shapes, pair)
        if channels is not None:
            layer = keras.layers.Dense(channels, dtype="float32")
            layer.build(shapes[0])
            self._projectors[number, pair[0]] = layer

    def student(self, x):
        """Output of the student in training, and what its layers give."""
        return self._forward(x, training=True)

    def loss(self, seen, taught, sample_weight):
        """The term of a batch, a scalar, a replica's summand.

        Args:
            seen: What the student's layers give, a dict by name.
            taught: What the teacher's layers give, a dict by name.
            sample_weight: Weights of the samples, or `None`; those of several
                outputs have no meaning here, and those of positions are
                averaged over them.
        """
        weight, found = _of_samples(sample_weight), 0.0
        for number, features in enumerate(self._features):
            projected = {
                name: self._projected(number, name, seen[name])
                for name in features.pairs
            }
            for values in features.losses(projected, taught):
                term = losses.reduce(
                    values, weight, self._objective.reduction, None
                )
                found = found + features.weight * term
        return found

    def _projected(self, number, name, value):
        layer = self._projectors.get((number, name))
        return value if layer is None else layer(ops.cast(value, "float32"))

    def update(self, gradients, optimizer):
        """Updates the layers between student and teacher.

        Args:
            gradients: The global ones of the scaled loss, for `variables`.
            optimizer: The student's, whose learning rate is taken over.
        """
        if not self.variables:
            return
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            # A step that overflows trains nothing.
            scale = optimizer.scale_loss(ops.ones(()))
            gradients = [g / ops.cast(scale, g.dtype) for g in gradients]
            gradients = [
                ops.where(ops.isfinite(g), g, ops.zeros_like(g))
                for g in gradients
            ]
            optimizer = optimizer.inner_optimizer
        if isinstance(optimizer.learning_rate, keras.Variable):
            self._optimizer.learning_rate = optimizer.learning_rate
        updates.apply(self._optimizer, gradients, self.variables)


def _like(optimizer):
    """A fresh optimizer of the same configuration."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return type(inner).from_config(inner.get_config())


def _of_samples(weight):
    """A weight for each sample, of shape `(batch,)`, or `None`."""
    if weight is None or keras.tree.is_nested(weight):
        return None
    weight = ops.convert_to_tensor(weight)
    axes = tuple(range(1, len(weight.shape)))
    if not axes:
        return weight
    if not weight.dtype.is_floating:
        weight = tf.cast(weight, keras.config.floatx())
    return ops.mean(weight, axis=axes)
