"""A model that stands in its student's place, for Keras and callbacks."""

import keras

from keras_ban import checks
from keras_ban.distribution import exact
from keras_ban.distribution import parts
from keras_ban.distribution.replicas import all_rows
from keras_ban.networks.layers import is_untouched
from keras_ban.networks.layers import steps_taken

# What KerasHub's tasks have of their own to run a preprocessor.
_OF_TASKS = "fit", "evaluate", "predict"


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

    def __new__(cls, *args, **kwargs):
        """Refuses models in the order of `keras.distillation.Distiller`."""
        if len(args) > 1:
            _check_order(*args[:2])
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, student, name):
        checks.keras_3("student", student)
        if not isinstance(student, keras.Model):
            raise ValueError(
                "Invalid value for argument `student`. Expected a "
                f"`keras.Model`. Received: {student!r}"
            )
        check_own_methods(student)
        super().__init__(student, name=name)

    def call(self, inputs, training=None):
        """The student's output."""
        if isinstance(inputs, parts.Joined):
            inputs = inputs.inputs
        return self.student(inputs, training=training)

    def predict_step(self, data):
        """The student's own prediction."""
        batch, counted = parts.opened(data)
        return all_rows(counted(self.student.predict_step(batch))[0])

    def _leaves_to_student(self, step, data):
        """Whether a step is left to the student, as Keras has it.

        Args:
            step: The name of a method.
            data: What the step is given.
        """
        own = overridden(self.student, step, "compute_loss")
        return bool(own) or not isinstance(data, parts.Part)

    def _student_loss(self):
        """The metric that holds the student's loss."""
        return next(m for m in self.student.metrics if m.name == "loss")

    @property
    def layers(self):
        """The student's layers, for callbacks that look into the model."""
        return self.student.layers

    @property
    def inputs(self):
        """The student's symbolic inputs, for callbacks that build upon it."""
        return self.student.inputs

    @property
    def outputs(self):
        """The student's symbolic outputs, for callbacks that build upon it."""
        return self.student.outputs

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


def _check_order(student, teacher):
    """Refuses a trained student of a teacher that nothing has touched."""
    models = isinstance(student, keras.Model), isinstance(teacher, keras.Model)
    if not all(models) or not steps_taken(student) or steps_taken(teacher):
        return
    if teacher.built and is_untouched(teacher):
        raise ValueError(
            "`Distiller` takes the student first, then the teacher. Received: "
            f"{student.name!r}, which was trained, as the student, and "
            f"{teacher.name!r}, which still has its initial random weights, "
            "as the teacher. `keras.distillation.Distiller` takes them the "
            "other way round. Name them: `Distiller(student=..., "
            "teacher=...)`."
        )


def overridden(model, *methods):
    """Those of the methods that the model does not have from Keras."""
    return [
        m
        for m in methods
        if m in vars(model)
        or getattr(type(model), m) is not getattr(keras.Model, m)
    ]


def check_own_methods(model):
    """Refuses a model that does more to data than its layers do.

    As KerasHub's tasks, whose `fit` and `predict` run a preprocessor: nobody
    else would, where the model teaches and where it is measured. Without one
    these do nothing more than Keras' own.

    Args:
        model: A `keras.Model`.

    Raises:
        ValueError: If it has one of these methods from elsewhere than Keras.
    """
    own = overridden(
        model,
        *_OF_TASKS,
        "predict_step",
        "make_predict_function",
        "make_test_function",
    )
    own = [method for method in own if not _is_of_bare_task(model, method)]
    if own and not isinstance(model, StandIn):
        raise ValueError(
            f"The model {model.name!r} is a {type(model).__name__}, which has "
            f"a `{own[0]}` of its own. Expected Keras' own: what it does to "
            "data, as the preprocessor of a KerasHub task, would be done in "
            "some places and left out where the model teaches or is measured. "
            "Do it to the data before (`ds.map(preprocessor)`) or in layers, "
            "and give the network alone: a task of KerasHub with "
            "`preprocessor=None`, a plain `keras.Sequential` or "
            "`keras.Model(model.input, model.output)`, compiled."
        )


def _is_of_bare_task(model, method):
    """Whether a method is that of a KerasHub task without a preprocessor."""
    if method in vars(model) or method not in _OF_TASKS:
        return False
    owner = next(k for k in type(model).__mro__ if method in vars(k))
    is_hub = owner.__module__.partition(".")[0] == "keras_hub"
    return is_hub and getattr(model, "preprocessor", model) is None


def check_own_training(model):
    """Refuses a model whose own training would be replaced by distillation."""
    found = overridden(
        model, "train_step", "compute_loss", "make_train_function"
    )
    if found:
        raise ValueError(
            f"The model {model.name!r} overrides `{found[0]}`, which the "
            "objective would replace in silence. Expected a model that "
            "keeps Keras' own. Write its loss as a `keras.losses.Loss` "
            "in `compile`, or as an objective: a function `(y_true, "
            "student_logits, teacher_logits)`."
        )
