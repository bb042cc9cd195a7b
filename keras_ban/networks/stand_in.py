"""A model that stands in its student's place, for Keras and callbacks."""

import keras

from keras_ban import checks
from keras_ban.distribution import exact
from keras_ban.distribution import parts
from keras_ban.distribution.replicas import all_rows


class StandIn(exact.Distributed):
    """A `keras.Model` whose weights, layers, files and outputs are another's.

    Args:
        student: The `keras.Model`.
        name: As in Keras.

    Attributes:
        student: As given.

    Raises:
        ValueError: If it is no `keras.Model`.
    """

    def __init__(self, student, name):
        super().__init__(name=name)
        checks.keras_3("student", student)
        if not isinstance(student, keras.Model):
            raise ValueError(
                "Invalid value for argument `student`. Expected a "
                f"`keras.Model`. Received: {student!r}"
            )
        self.student = student

    def call(self, inputs, training=None):
        """The student's output."""
        if isinstance(inputs, parts.Joined):
            inputs = inputs.inputs
        return self.student(inputs, training=training)

    def predict_step(self, data):
        """The student's own prediction: the teacher does not run."""
        batch, counted = parts.opened(data)
        return all_rows(counted(self.student.predict_step(batch))[0])

    def has_own(self, step, data):
        """Whether a step is left to the student, as Keras has it.

        Args:
            step: The name of a method.
            data: What the step is given.
        """
        own = overridden(self.student, step, "compute_loss")
        return bool(own) or not isinstance(data, parts.Part)

    @property
    def layers(self):
        """The student's layers, for callbacks that look into the model."""
        return self.student.layers

    def save(self, *args, **kwargs):
        """Saves the student, as `keras.Model.save` does."""
        return self.student.save(*args, **kwargs)

    def export(self, *args, **kwargs):
        """Exports the student, as `keras.Model.export` does."""
        return self.student.export(*args, **kwargs)

    def save_weights(self, *args, **kwargs):
        """Saves the weights of the student."""
        return self.student.save_weights(*args, **kwargs)

    def load_weights(self, *args, **kwargs):
        """Loads the weights of the student."""
        return self.student.load_weights(*args, **kwargs)

    def summary(self, *args, **kwargs):
        """Prints the summary of the student."""
        return self.student.summary(*args, **kwargs)


def overridden(model, *methods):
    """Those of the methods that the model's class does not have from Keras."""
    return [
        m
        for m in methods
        if getattr(type(model), m) is not getattr(keras.Model, m)
    ]


def check_own_training(model):
    """Refuses a model whose own training would be replaced by distillation."""
    found = overridden(model, "train_step", "compute_loss")
    if found:
        raise ValueError(
            f"The model {model.name!r} overrides `{found[0]}`, which the "
            "objective would replace in silence. Expected a model that "
            "keeps Keras' own. Write its loss as a `keras.losses.Loss` "
            "in `compile`, or as an objective: a function `(y_true, "
            "student_logits, teacher_logits)`."
        )
