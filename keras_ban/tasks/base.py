"""What a model's output is, and all that follows from it: a method each."""

from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from keras_ban.tasks import heads
from keras_ban.tasks import ignored
from keras_ban.tasks import labels
from keras_ban.tasks import outputs
from keras_ban.tasks import scores as measured
from keras_ban.tasks.losses import at_least_float32
from keras_ban.tasks.losses import with_mask_of


class Part(NamedTuple):
    """What a student learns of one output.

    Attributes:
        name: The name of the output; `None` if there is one.
        scale: Its weight in the loss, or `None` for 1.
        task: Its `Task`.
        loss: What the student was compiled with, or `None`.
        y: Labels, or `None`.
        scores: Scores of the student, shape `(..., n)`.
        teacher: Scores of the teacher, shape `(..., n)`, or `None`.
        weight: Sample weights, or `None`.
    """

    name: str | None
    scale: float | None
    task: Any
    loss: Any
    y: Any
    scores: Any
    teacher: Any = None
    weight: Any = None


class Task:
    """Base class of the kinds of tasks; a kind of one's own is a subclass.

    What a model gives becomes *scores*, which objectives compare: logits of a
    classifier, the values themselves of a regression. All methods that take
    tensors are written with `keras.ops`.

    Attributes:
        name: What `task=` calls it.
        noun: What one label is, in errors.
        nouns: The same for several.
        words: What a model of this kind predicts, in errors.
        has_classes: Whether scores are logits of classes, of which one is
            right.
        parts: The `Task` of each of several outputs, by name; `None` if there
            is one output.
        gives_probabilities: Whether a model may give probabilities in place
            of scores.
        ignored: The class that the model's loss ignores, or `None`.
    """

    name = "task"
    noun = "label"
    nouns = "labels"
    words = "something"
    has_classes = False
    parts = None
    gives_probabilities = False
    ignored = None

    def for_model(self, model, from_logits=None):
        """This task, as a model has it: what it gives may depend on it.

        Args:
            model: A `keras.Model`.
            from_logits: What the owner says of a model that does not say it.
                Defaults to `None`.

        Returns:
            A `Task`.

        Raises:
            ValueError: If the model has another one.
        """
        return self

    def for_outputs(self, from_logits, columns):
        """This task, as outputs have it that no model says anything of.

        Args:
            from_logits: Whether they are logits, where they may be
                probabilities.
            columns: The `n` of their shape `(rows, ..., n)`.

        Returns:
            A `Task`.
        """
        return self

    def scores(self, result):
        """The output of a model as scores, in float32 at least.

        Args:
            result: Output of shape `(..., n)`.

        Returns:
            Shape `(..., n)`, with the Keras mask of `result`.
        """
        return with_mask_of(result, at_least_float32(result))

    def output(self, scores):
        """The inverse of `scores`, for a loss that takes model outputs."""
        return scores

    def comparable(self, student, teacher, other):
        """Scores of both, of which neither has a free constant.

        Args:
            student: Scores of the student, shape `(..., n)`.
            teacher: Scores of the teacher, shape `(..., n)`.
            other: The teacher's `Task`.

        Returns:
            A pair of shape `(..., n)`.

        Raises:
            ValueError: If they cannot be compared.
        """
        self.check_pair(student.shape, teacher.shape)
        return student, teacher

    def check_pair(self, student_shape, teacher_shape):
        """Refuses a teacher whose scores are no targets for a student.

        Args:
            student_shape: Shape `(..., n)` of the student's output.
            teacher_shape: Shape `(..., n)` of the teacher's output.
        """
        self.check_alike(student_shape, teacher_shape)

    def labels_for(self, shape, y):
        """The labels of the outputs that another model has.

        Args:
            shape: Shape of its output, or a `ByName` of shapes.
            y: Labels, or `None`.
        """
        return None if isinstance(shape, heads.ByName) else y

    def check_alike(self, one, other):
        """Refuses models of a run whose outputs differ.

        Args:
            one: Shape `(rows, ..., n)` of an output.
            other: That of another model.

        Raises:
            ValueError: If they do.
        """
        outputs.same_outputs(one, other, self.nouns)

    def check_same(self, other):
        """Refuses a teacher, or another model, of another kind.

        Args:
            other: Its `Task`.

        Raises:
            ValueError: If it is.
        """
        if self.has_classes and other.has_classes:
            return
        if self.name != other.name:
            raise ValueError(
                f"The student predicts {self.words}, the teacher "
                f"{other.words}. Expected the same kind of task. Compile both "
                "with losses of one kind, or say which it is by `task=`."
            )

    def check_objective(self, objective, shape, taught=None):
        """Refuses an objective that learns nothing of such a task.

        Args:
            objective: The `Objective`.
            shape: Shape `(rows, ..., n)` of the student's output.
            taught: The names of the teacher's outputs, where there are
                several. Defaults to `None`.

        Raises:
            ValueError: If it does not.
        """
        objective.check_task(self, shape[-1])

    def learned(self, model, y, scores, teacher=None, weight=None):
        """What is learned of each output, a list of `Part`s.

        Args:
            model: The student, compiled.
            y: Labels, or `None`.
            scores: Scores of the student.
            teacher: Scores of the teacher. Defaults to `None`.
            weight: Sample weights. Defaults to `None`.
        """
        loss = outputs.compiled_loss(model)
        [scale] = heads.loss_weights(model, [None]).values()
        y, scores = ignored.counting(y, scores, self.ignored)
        return [Part(None, scale, self, loss, y, scores, teacher, weight)]

    def label_losses(self, loss, y_true, scores):
        """The loss on the labels of each sample.

        Args:
            loss: What the student was compiled with, or `None`.
            y_true: Labels.
            scores: Scores of shape `(..., n)`.

        Returns:
            Loss of shape `(...)`.
        """
        if outputs.is_any(loss):
            return self.default_losses(y_true, scores)
        return outputs.label_losses(loss, y_true, scores, self.output)

    def default_losses(self, y_true, scores):
        """The loss of each sample for a model compiled without one."""
        raise NotImplementedError

    def teacher_losses(self, student, teacher):
        """How far a student is from its teacher, a loss for each sample.

        Args:
            student: Scores of the student, shape `(..., n)`.
            teacher: Scores of the teacher, shape `(..., n)`.

        Returns:
            Loss of shape `(...)`.
        """
        raise NotImplementedError

    def softened(self, student, teacher, temperature):
        """The same at a temperature, times its square.

        Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a
        Neural Network", 2015, Section 2.

        Args:
            student: Scores of the student, shape `(..., n)`.
            teacher: Scores of the teacher, shape `(..., n)`.
            temperature: The temperature.
        """
        return temperature**2 * self.teacher_losses(
            student / temperature, teacher / temperature
        )

    def check_output(self, model, values):
        """Refuses outputs that are none of this task.

        Args:
            model: The `keras.Model`.
            values: Its output for a few rows, an array of shape `(rows, ...,
                n)`.
        """

    def check_labels(self, y, shape, name="y"):
        """Refuses labels that are none of this task.

        Args:
            y: NumPy array of labels.
            shape: Shape `(rows, ..., n)` of the model's output.
            name: What the error calls them. Defaults to `"y"`.
        """
        labels.check_numbers(y, name)

    def check_weight(self, weight, shape, name="sample_weight"):
        """Refuses weights that are not one for each label or sample.

        Args:
            weight: NumPy array, or `None`.
            shape: Shape `(rows, ..., n)` of the model's output.
            name: What the error calls them. Defaults to `"sample_weight"`.
        """
        labels.check_single(weight, name)
        labels.check_weight(weight, shape, name)

    def seen(self, y, shape):
        """Which labels there are among those of a batch, a set.

        Args:
            y: NumPy array of labels.
            shape: Shape `(rows, ..., n)` of the model's output.
        """
        return set(np.unique(y)[:2].tolist())

    def default_compilation(self, row_shape, label_shape):
        """Loss and metrics for a model that was compiled without a loss.

        Args:
            row_shape: Shape `(..., n)` of the model's output for one sample.
            label_shape: Shape `(rows, ...)` of the labels of a batch.

        Returns:
            A dict, `loss` and `metrics`.
        """
        raise NotImplementedError

    def of_mean(self):
        """This task, as an ensemble has it, whose output `merged` makes."""
        return self

    def averaged(self, output, name, columns):
        """The tensor of a member of an ensemble that is averaged.

        Args:
            output: Symbolic output of the member, `(..., n)`.
            name: A name for a layer that makes it.
            columns: The largest `n` among the members.
        """
        return output

    def columns(self, shapes):
        """What `averaged` is to know of all members: the largest `n`.

        Args:
            shapes: Shape `(rows, ..., n)` of the output of each, a list.
        """
        return max(shape[-1] for shape in shapes)

    def merged(self, members, weights, prefix=""):
        """The output of an ensemble, a symbolic tensor.

        Args:
            members: What `averaged` gives for each, a list.
            weights: The weight of each, with a sum of 1.
            prefix: What names of layers begin with. Defaults to `""`.
        """
        scaled = [
            keras.layers.Rescaling(
                w, dtype="float32", name=f"{prefix}weighted_{i}"
            )(p)
            for i, (p, w) in enumerate(zip(members, weights, strict=True))
        ]
        if len(scaled) == 1:
            return scaled[0]
        return keras.layers.Add(dtype="float32", name=f"{prefix}mean")(scaled)

    def ensemble_compilation(self):
        """What an ensemble is compiled with for `evaluate`, a dict."""
        raise NotImplementedError

    def predictions(self, output):
        """What is measured of a model's output, in float64.

        Args:
            output: Output of shape `(..., n)`.
        """
        raise NotImplementedError

    def mean(self, predictions):
        """The predictions of an ensemble, from those of its members, a list."""
        return np.mean(predictions, axis=0)

    def counted(self, y, weight, shape, masks):
        """Labels, and weights that are 0 where nothing is to be measured.

        Args:
            y: NumPy array of labels.
            weight: Sample weights, or `None`.
            shape: Shape `(rows, ..., n)` of the model's output.
            masks: The Keras mask of each model's output, or `None`, a list;
                of several outputs dicts by name.

        Returns:
            Both; a label that the loss ignores is one of the classes.
        """
        y, counts = ignored.counted(y, shape, self.ignored)
        mask = next((m for m in masks if m is not None), None)
        return y, measured.counted(measured.counted(weight, mask), counts)

    def measuring(self):
        """What collects predictions and sums them up, as `scores.Scores`.

        Its results have `error` and `nll`, or `rmse` and `mae`, by which
        networks are judged.
        """
        raise NotImplementedError
