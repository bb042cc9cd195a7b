"""Values to predict: regression, of one or many."""

import keras
import numpy as np
from keras import ops

from keras_ban.tasks import known_losses
from keras_ban.tasks import labels
from keras_ban.tasks import outputs
from keras_ban.tasks.base import Task
from keras_ban.tasks.value_scores import ValueScores


class Values(Task):
    """One value or many for each sample or position; scores are the values.

    The teacher's term is the loss that the student was compiled with, of the
    teacher's values in place of labels, if it is one of Keras' losses of
    values; else the squared difference, averaged over the values. A
    temperature changes nothing: `T² ((z - t) / T)²` is `(z - t)²`.

    Source: the squared difference, of logits, is that of Ba and Caruana, "Do
    Deep Nets Really Need to be Deep?", 2014.

    Args:
        loss: The loss of the student, or `None` for the squared difference.
            Defaults to `None`.
    """

    name = "values"
    noun = "value"
    nouns = "values"
    words = "values (regression)"

    def __init__(self, loss=None):
        self._loss = loss

    def for_model(self, model, from_logits=None):
        return type(self)(known_losses.of_values(model))

    def default_losses(self, y_true, scores):
        loss = keras.losses.MeanSquaredError()
        return self.label_losses(loss, y_true, scores)

    def teacher_losses(self, student, teacher):
        """The loss that the teacher's values have as labels."""
        if self._loss is not None:
            return outputs.label_losses(
                self._loss, teacher, student, self.output
            )
        return ops.mean(ops.square(student - teacher), axis=-1)

    def softened(self, student, teacher, temperature):
        return self.teacher_losses(student, teacher)

    def check_labels(self, y, shape, name="y"):
        super().check_labels(y, shape, name)
        labels.check_columns(y, shape, name, self.words)

    def default_compilation(self, row_shape, label_shape):
        return {"loss": "mse", "metrics": ["mae"]}

    def ensemble_compilation(self):
        return {"loss": "mse", "metrics": ["mae"]}

    def predictions(self, output):
        return np.asarray(ops.convert_to_numpy(output), "float64")

    def measuring(self):
        return ValueScores()
