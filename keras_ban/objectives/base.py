"""What every objective is: a loss of the labels, the student and the teacher.

Notation: `z` are the student's logits, `t` the teacher's, `q = softmax(z)`,
`p = softmax(t)`, `y` the label, `n` the number of classes. Every objective is
a `keras.losses.Loss` of three arguments, written with `keras.ops` alone and
computed in float32 at least.
"""

import keras
from keras import ops

from keras_ban.distribution.parts import Mixed
from keras_ban.distribution.parts import Partly
from keras_ban.tasks import mixed
from keras_ban.tasks.classes import Classes
from keras_ban.tasks.losses import at_least_float32
from keras_ban.tasks.losses import cross_entropy
from keras_ban.tasks.losses import keras_mask
from keras_ban.tasks.losses import reduce
from keras_ban.tasks.losses import with_mask_of


@keras.saving.register_keras_serializable(package="keras_ban")
class Objective(keras.losses.Loss):
    """Base class: a loss of the labels, the student and the teacher.

    A subclass overrides `call`. In it, `self.label_loss(y_true, logits)` is
    the loss on the labels: inside a `Distiller` the one the student was
    compiled with, elsewhere the cross-entropy. `self.task` is the `Task` of
    the student; what is called logits here are its scores, the values
    themselves in a regression. Where `call` gives labels to `label_loss` alone
    and is linear in it, `splits_terms = True` says so: it then learns from
    examples without labels too, whose label loss is 0.

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
    >>> ban = keras_ban.BornAgain(model_fn, objective=Halfway())
    """

    short_name = None
    needs_labels = True
    needs_teacher = True
    needs_classes = False
    splits_terms = False
    label_loss = staticmethod(cross_entropy)
    task = Classes()
    # What is compared besides outputs, and the variables that this trains.
    features = ()
    kept = ()

    def __init__(self, name=None, reduction="sum_over_batch_size"):
        name = name or self.short_name or type(self).__name__.lower()
        super().__init__(name=name, reduction=reduction)
        self._by_output = {}

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
        """The teacher term of each sample: -Σ p log q of classes.

        Of other tasks it is what their `Task` says. It is what a `Distiller`
        logs as `teacher_loss`.
        """
        return self.task.teacher_losses(student_logits, teacher_logits)

    def __call__(
        self, y_true, student_logits, teacher_logits=None, sample_weight=None
    ):
        """Returns the scalar loss of a batch.

        Args:
            y_true: As in `call`, or `Mixed` ones: the loss of a sample is then
                the mean of those with either label.
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
        if isinstance(y_true, (Mixed, Partly)) and not self.needs_labels:
            y_true = None
        losses = mixed.losses(
            lambda y: self.call(y, student_logits, teacher_logits), y_true
        )
        return reduce(
            losses, sample_weight, self.reduction, keras_mask(student_logits)
        )

    def check_labels(self, y_true):
        """Raises `ValueError` if labels are needed, and `None` is given."""
        if y_true is None and self.needs_labels:
            raise ValueError(
                f"The objective {self.name!r} learns from labels. "
                "Expected data with labels. Received: inputs alone. Give the "
                "labels, or an objective that needs none ('ban', 'dkpp', "
                "'logits')."
            )

    def for_output(self, name=None):
        """The objective of one of several outputs: a copy of its own.

        Args:
            name: The name of the output. Defaults to `None`: there is one,
                and this is its objective.
        """
        if name is None:
            return self
        if name not in self._by_output:
            self._by_output[name] = self.fresh()
        return self._by_output[name]

    def match(self, other):
        """Makes the copies that another of the same kind has.

        Args:
            other: An `Objective`.
        """
        for name in other.copies:
            self.for_output(name)

    @property
    def copies(self):
        """The objectives of several outputs, by name, as far as asked for."""
        return self._by_output

    def check_outputs(self, names, taught=None):
        """Raises `ValueError` if it is not for these outputs.

        Args:
            names: The names of the student's outputs.
            taught: Those of the teacher's, or `None` without one. Defaults to
                `None`.
        """

    def check_unlabelled(self):
        """Raises `ValueError` if it cannot learn from some without labels."""
        if not self.needs_teacher or (
            self.needs_labels and not self.splits_terms
        ):
            raise ValueError(
                f"The objective {self.name!r} needs the label of each example. "
                "Expected one with a teacher's term that needs none, 'ban', "
                "'ban+l', 'kd', 'dist', 'dkpp' or 'logits', or an `Objective` "
                "of your own with `splits_terms = True`. Received: "
                "`unlabelled`. Choose another one, or leave it out."
            )

    def check_classes(self, columns):
        """Raises `ValueError` if so many outputs cannot be compared.

        Args:
            columns: The number of outputs for each sample.
        """

    def check_task(self, task, columns):
        """Raises `ValueError` if it learns nothing of such a task.

        Args:
            task: The `Task` of the student.
            columns: The number of outputs for each sample.
        """
        if self.needs_classes and not task.has_classes:
            raise ValueError(
                f"The objective {self.name!r} compares distributions over "
                "classes. Expected a model that predicts classes. Received: "
                f"one that predicts {task.words}. Choose 'ban', 'ban+l', 'kd' "
                "or 'logits'."
            )
        self.check_classes(columns)

    def learn_labels_by(self, label_loss):
        """Takes another loss on the labels than the cross-entropy.

        Args:
            label_loss: Function of labels and logits, as `call` takes them,
                to the loss of each sample.
        """
        self.label_loss = label_loss

    def begin_epoch(self, epoch, epochs):
        """Called when an epoch of training begins; does nothing by default.

        What changes by epochs is a `keras.Variable`, which each step reads,
        and which `fresh` makes anew.

        Args:
            epoch: Its number, counted from 0.
            epochs: How many the training has, those before it included.
        """

    def __repr__(self):
        config = self.get_config()
        own = [k for k in config if k not in ("name", "reduction", "dtype")]
        given = ", ".join(f"{k}={config[k]!r}" for k in own)
        return f"{type(self).__name__}({given})"

    def __add__(self, other):
        """This objective and `Features`, or `Features` and this."""
        # That module builds upon this one.
        from keras_ban.objectives import features

        return features.added(self, other)

    def fresh(self):
        """Returns a copy whose random state, if any, starts anew."""
        # `copy.copy` of a Keras object saves and loads it, which needs it
        # to be registered.
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__, _by_output={})
        return new


@keras.saving.register_keras_serializable(package="keras_ban")
class Labels(Objective):
    """The labels alone: generation 0, and the control of every claim."""

    short_name = "labels"
    needs_teacher = False

    def call(self, y_true, student_logits, teacher_logits=None):
        return self.label_loss(y_true, student_logits)


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
