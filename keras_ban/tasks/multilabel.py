"""Several labels at once: a sigmoid for each."""

import keras
import numpy as np
from keras import ops

from keras_ban.tasks import labels
from keras_ban.tasks import outputs
from keras_ban.tasks.base import Task
from keras_ban.tasks.classes import probabilities
from keras_ban.tasks.losses import soft_cross_entropy
from keras_ban.tasks.losses import with_mask_of
from keras_ban.tasks.scores import MultiLabelScores


class MultiLabel(Task):
    """Labels that are right or not, each by itself; scores are logits.

    The teacher's term is the mean over the labels of the cross-entropy of
    each Bernoulli distribution, as Keras' binary cross-entropy has it.

    Args:
        from_logits: Whether the model gives logits, else probabilities.
            Defaults to `True`.
    """

    name = "multilabel"
    words = "several labels at once (multi-label classification)"
    gives_probabilities = True

    def __init__(self, from_logits=True):
        self.from_logits = from_logits

    def for_model(self, model, from_logits=None):
        return type(self)(
            outputs.gives_logits(model, from_logits, several=True)
        )

    def for_outputs(self, from_logits, columns):
        return type(self)(from_logits)

    def scores(self, result):
        if self.from_logits:
            return super().scores(result)
        return with_mask_of(result, outputs.log_odds(result))

    def output(self, scores):
        if self.from_logits:
            return scores
        return keras.activations.sigmoid(scores)

    def default_losses(self, y_true, scores):
        loss = keras.losses.BinaryCrossentropy(from_logits=self.from_logits)
        return self.label_losses(loss, y_true, scores)

    def teacher_losses(self, student, teacher):
        """The mean of -p log q - (1 - p) log(1 - q) over the labels."""
        pairs = soft_cross_entropy(ops.softmax(_both(teacher)), _both(student))
        return ops.mean(pairs, axis=-1)

    def check_output(self, model, values):
        if not self.from_logits and ((values < 0) | (values > 1)).any():
            raise ValueError(
                f"The model {model.name!r} says that it gives probabilities, "
                "and does not. Expected numbers from 0 to 1. Received: "
                f"{values.reshape(-1, values.shape[-1])[0]}. End it in a "
                "sigmoid, or compile it with a loss that has "
                "`from_logits=True`."
            )

    def check_labels(self, y, shape, name="y"):
        super().check_labels(y, shape, name)
        labels.check_columns(y, shape, name, self.words)
        bad = (y < 0) | (y > 1)
        if bad.any():
            labels.bad(
                name,
                f"{y[bad][0]}",
                "marks from 0 to 1 for each of several labels",
            )

    def default_compilation(self, row_shape, label_shape):
        threshold = 0.0 if self.from_logits else 0.5
        return {
            "loss": keras.losses.BinaryCrossentropy(
                from_logits=self.from_logits
            ),
            "metrics": [
                keras.metrics.BinaryAccuracy("accuracy", None, threshold)
            ],
        }

    def of_mean(self):
        return type(self)(from_logits=False)

    def averaged(self, output, name, columns):
        return probabilities(output, self.from_logits, name, "sigmoid")

    def ensemble_compilation(self):
        return {"loss": "binary_crossentropy", "metrics": ["binary_accuracy"]}

    def predictions(self, output):
        z = np.asarray(ops.convert_to_numpy(output), "float64")
        if not self.from_logits:
            return z
        # Neither exponent overflows.
        small = np.exp(-np.abs(z))
        return np.where(z >= 0, 1.0, small) / (1.0 + small)

    def measuring(self):
        return MultiLabelScores()


def _both(logits):
    """Logits of each label being wrong and right, `(..., n, 2)`."""
    return ops.stack([ops.zeros_like(logits), logits], axis=-1)
