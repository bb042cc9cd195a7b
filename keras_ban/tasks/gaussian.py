"""Values with their uncertainty: a mean and a variance for each."""

import keras
import numpy as np
from keras import ops

from keras_ban.tasks import labels
from keras_ban.tasks.base import Task
from keras_ban.tasks.losses import at_least_float32
from keras_ban.tasks.value_scores import GaussianScores

# The last layer of an ensemble, which says what it is.
HEAD = "mean_and_log_variance"
_CONSTANT = float(np.log(2 * np.pi))


@keras.saving.register_keras_serializable(package="keras_ban")
class GaussianNLL(keras.losses.Loss):
    """-log of the Gaussian density of a label, averaged over the values.

    The model ends in `2 m` outputs without activation for `m` values: first
    all means, then the logarithms of all variances, `s = log σ²`. The loss of
    a value is `(s + (y - μ)² / exp(s) + log 2π) / 2`, in nats.

    Source: Nix and Weigend, "Estimating the mean and variance of the target
    probability distribution", 1994; the logarithm as output: Kendall and Gal,
    "What Uncertainties Do We Need in Bayesian Deep Learning for Computer
    Vision?", 2017, Equation 8.

    Args:
        name: As in Keras. Defaults to `"gaussian_nll"`.
        **kwargs: As in `keras.losses.Loss`.

    Example:
    >>> model.compile("adam", keras_ban.tasks.GaussianNLL())
    """

    def __init__(self, name="gaussian_nll", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        """The loss of each sample, of shape `(...)`.

        Args:
            y_true: Values of shape `(..., m)`, or `(...)` if `m` is 1.
            y_pred: Means and log-variances, shape `(..., 2 m)`.
        """
        mean, log_variance = halves(at_least_float32(y_pred))
        y_true = ops.cast(y_true, mean.dtype)
        if len(y_true.shape) < len(mean.shape):
            y_true = ops.expand_dims(y_true, -1)
        squares = ops.square(y_true - mean) * ops.exp(-log_variance)
        return ops.mean(log_variance + squares + _CONSTANT, axis=-1) / 2


class Gaussian(Task):
    """A Gaussian for each value, as `GaussianNLL` takes it.

    The teacher's term is the Kullback-Leibler divergence of the teacher's
    Gaussians from the student's, averaged over the values; a temperature
    changes nothing. Ensembles have the mean and the variance of the mixture
    (Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive
    Uncertainty Estimation using Deep Ensembles", 2017, Section 2.4).
    """

    name = "gaussian"
    noun = "value"
    nouns = "values"
    words = "values with a variance (Gaussian regression)"

    def default_losses(self, y_true, scores):
        return GaussianNLL().call(y_true, scores)

    def teacher_losses(self, student, teacher):
        """`(s - t + (exp(t) + (m - μ)²) / exp(s) - 1) / 2` of each sample."""
        mean, s = halves(student)
        target, t = halves(teacher)
        ratio = ops.exp(t - s) + ops.square(target - mean) * ops.exp(-s)
        return ops.mean(s - t + ratio - 1, axis=-1) / 2

    def softened(self, student, teacher, temperature):
        return self.teacher_losses(student, teacher)

    def check_output(self, model, values):
        if values.shape[-1] % 2:
            raise ValueError(
                f"The model {model.name!r} has {values.shape[-1]} outputs. "
                "Expected two for each value, as the task 'gaussian' says: "
                "all means, then the logarithms of all variances."
            )

    def check_labels(self, y, shape, name="y"):
        super().check_labels(y, shape, name)
        shape = *shape[:-1], shape[-1] // 2
        labels.check_columns(y, shape, name, self.words)

    def default_compilation(self, row_shape, label_shape):
        return {"loss": GaussianNLL(), "metrics": []}

    def merged(self, members, weights, prefix=""):
        pairs = [halves(ops.cast(member, "float32")) for member in members]
        mean = sum(w * m for (m, _), w in zip(pairs, weights, strict=True))
        variance = sum(
            w * (ops.exp(s) + ops.square(m - mean))
            for (m, s), w in zip(pairs, weights, strict=True)
        )
        head = keras.layers.Concatenate(dtype="float32", name=f"{prefix}{HEAD}")
        return head([mean, ops.log(variance)])

    def ensemble_compilation(self):
        # A file of it is to load without this package.
        return {}

    def predictions(self, output):
        z = np.asarray(ops.convert_to_numpy(output), "float64")
        mean, log_variance = np.split(z, 2, axis=-1)
        return np.concatenate([mean, np.exp(log_variance)], axis=-1)

    def mean(self, predictions):
        means, variances = np.split(np.stack(predictions), 2, axis=-1)
        mean = means.mean(axis=0)
        spread = np.square(means - mean).mean(axis=0)
        return np.concatenate([mean, variances.mean(axis=0) + spread], axis=-1)

    def measuring(self):
        return GaussianScores()


def halves(x):
    """The first and the second half of the last axis, each `(..., m)`."""
    count = x.shape[-1] // 2
    return x[..., :count], x[..., count:]
