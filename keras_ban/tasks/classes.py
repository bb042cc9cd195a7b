"""Classes of which one is right: a softmax, or one sigmoid."""

import keras
import numpy as np
from keras import ops

from keras_ban.tasks import labels
from keras_ban.tasks import outputs
from keras_ban.tasks.base import Task
from keras_ban.tasks.losses import class_logits
from keras_ban.tasks.losses import cross_entropy
from keras_ban.tasks.losses import soft_cross_entropy
from keras_ban.tasks.losses import with_mask_of
from keras_ban.tasks.scores import Scores
from keras_ban.tasks.scores import two_columns


class Classes(Task):
    """One label for each sample or position; scores are logits.

    One logit `z`, of a sigmoid, stands for the two logits `[0, z]`.

    Args:
        from_logits: Whether the model gives logits, else probabilities.
            Defaults to `True`.
    """

    name = "classes"
    noun = "class"
    nouns = "classes"
    words = "classes"
    has_classes = True
    gives_probabilities = True

    def __init__(self, from_logits=True):
        self.from_logits = from_logits

    def for_model(self, model, from_logits=None):
        found = type(self)(outputs.gives_logits(model, from_logits))
        loss = outputs.compiled_loss(model)
        found.ignored = getattr(loss, "ignore_class", None)
        return found

    def for_outputs(self, from_logits, columns):
        return type(self)(from_logits)

    def scores(self, result):
        return outputs.to_logits(result, self.from_logits)

    def output(self, scores):
        return outputs.to_output(scores, self.from_logits)

    def comparable(self, student, teacher, other):
        self.check_pair(student.shape, teacher.shape)
        if student.shape[-1] < teacher.shape[-1]:
            teacher = teacher[..., 1:] - teacher[..., :1]
        elif student.shape[-1] > teacher.shape[-1]:
            teacher = class_logits(teacher)
        both_given = self.from_logits and other.from_logits
        if both_given or student.shape[-1] == 1:
            return student, teacher
        # log p fixes the constant that logits leave open; so must both.
        pair = student, teacher
        return tuple(with_mask_of(z, ops.log_softmax(z)) for z in pair)

    def check_pair(self, student_shape, teacher_shape):
        # One sigmoid stands for two classes.
        if {student_shape[-1], teacher_shape[-1]} == {1, 2}:
            student_shape, teacher_shape = (
                student_shape[:-1],
                teacher_shape[:-1],
            )
        super().check_pair(student_shape, teacher_shape)

    def default_losses(self, y_true, scores):
        return cross_entropy(y_true, scores)

    def teacher_losses(self, student, teacher):
        """The cross-entropy -Σ p log q of each sample."""
        return soft_cross_entropy(
            ops.softmax(class_logits(teacher)), class_logits(student)
        )

    def check_output(self, model, values):
        outputs.check_distributions(model, values, self.from_logits)

    def check_labels(self, y, shape, name="y"):
        labels.check(y, shape, name, self.ignored)

    def seen(self, y, shape):
        return labels.classes(y, shape) - {self.ignored}

    def default_compilation(self, row_shape, label_shape):
        return outputs.default_compilation(
            self.from_logits, row_shape, label_shape
        )

    def of_mean(self):
        found = type(self)(from_logits=False)
        found.ignored = self.ignored
        return found

    def averaged(self, output, name, columns):
        p = probabilities(output, self.from_logits, name)
        if p.shape[-1] == columns:
            return p
        other = keras.layers.Rescaling(
            -1.0, 1.0, dtype="float32", name=f"other_{name}"
        )(p)
        both = keras.layers.Concatenate(dtype="float32", name=f"both_{name}")
        return both([other, p])

    def ensemble_compilation(self):
        # Keras resolves loss and metric by the labels; the loss takes
        # probabilities.
        loss = "crossentropy"
        if self.ignored is not None:
            loss = keras.losses.SparseCategoricalCrossentropy(
                ignore_class=self.ignored
            )
        return {"loss": loss, "metrics": ["accuracy"]}

    def predictions(self, output):
        z = np.asarray(ops.convert_to_numpy(output), "float64")
        if not self.from_logits:
            return two_columns(z)
        if z.shape[-1] == 1:
            z = np.concatenate([np.zeros_like(z), z], axis=-1)
        z = np.exp(z - z.max(-1, keepdims=True))
        return z / z.sum(-1, keepdims=True)

    def measuring(self):
        return Scores()


class Binary(Classes):
    """Two classes by one sigmoid, or its logit."""

    name = "binary"
    words = "two classes by one output"

    def for_outputs(self, from_logits, columns):
        # Two columns stand for two classes as well.
        return (Classes if columns > 1 else Binary)(from_logits)

    def check_output(self, model, values):
        if values.shape[-1] != 1:
            raise ValueError(
                f"The model {model.name!r} has {values.shape[-1]} outputs. "
                "Expected one sigmoid, or its logit, as the task 'binary' "
                "says. Give it one output, or say task='classes' or "
                "'multilabel'."
            )
        super().check_output(model, values)


def probabilities(output, from_logits, name, kind=None):
    """The probabilities of a member of an ensemble, a symbolic tensor.

    Args:
        output: Its symbolic output.
        from_logits: Whether these are logits.
        name: A name for the layer that makes them.
        kind: The activation. Defaults to `None`: a softmax, or of one column
            a sigmoid.
    """
    if not from_logits:
        return output
    # The layer `Softmax` would take the mask of a sequence as one of classes.
    kind = kind or ("sigmoid" if output.shape[-1] == 1 else "softmax")
    layer = keras.layers.Activation(kind, dtype="float32", name=name)
    return layer(output)
