"""One student learning from one frozen teacher."""

import inspect
import random

import keras
import tensorflow as tf
from keras import ops

from keras_ban import batches
from keras_ban import cache
from keras_ban import checks
from keras_ban import data_checks
from keras_ban import distribute
from keras_ban import losses
from keras_ban import objectives
from keras_ban import outputs
from keras_ban import stream
from keras_ban import topk
from keras_ban.cluster import Cluster
from keras_ban.teacher import Teacher
from keras_ban.views import Joined

_DEFAULT = "sum_over_batch_size"


class Distiller(distribute.Distributed):
    """Trains a student to match a teacher, as an ordinary `keras.Model`.

    `compile`, `fit`, `evaluate`, `predict` and callbacks work as usual. What
    is compiled is the student: its optimizer, loss, metrics, `jit_compile`
    and `steps_per_execution` are the ones that are used, so a compiled
    student needs no second `compile`, and after `fit` it is an ordinary
    trained model. `fit` logs `label_loss` and `teacher_loss`, the two terms
    before they are weighted, beside `loss`. `evaluate` and `predict` run the
    student alone; saving saves the student.

    The teacher runs in inference mode, outside the gradient tape, and is left
    as it was found.

    Args:
        student: The `keras.Model` to train, with one output: logits, softmax
            probabilities, or one sigmoid or logit if binary.
        teacher: A trained `keras.Model` for the same classes, or a list of
            them, which stands for their mean prediction. May be `None` for
            the objective "labels".
        objective: A short name, an `objectives.Objective` or a function
            `(y_true, student_logits, teacher_logits)` that returns the loss
            of each sample. Defaults to `"ban"`.
        from_logits: Says what those models give that do not say it
            themselves. Defaults to `None`.

    Raises:
        ValueError: If the objective is unknown, if the teacher has no
            weights, or if student and teacher share weights. `fit` raises it
            for data, outputs and classes that do not fit each other, before
            the first step.

    Example:
    >>> distiller = keras_ban.Distiller(student, teacher, objective="kd")
    >>> distiller.compile("adam", metrics=["accuracy"])
    >>> distiller.fit(x, y, epochs=30)
    >>> student.evaluate(x_test, y_test)
    """

    def __init__(self, student, teacher, objective="ban", from_logits=None):
        checks.backend()
        super().__init__(name="distiller")
        checks.student(student)
        # Random seeds and sums are variables, of the student's devices.
        with student.distribute_strategy.scope():
            self.objective = objectives.get(objective).fresh()
            self._label_tracker = keras.metrics.Mean(name="label_loss")
            self._teacher_tracker = keras.metrics.Mean(name="teacher_loss")
        checks.own_training(student, self.objective)
        self.teacher = None
        if teacher is not None or self.objective.needs_teacher:
            self.teacher = Teacher(checks.teacher(teacher), from_logits)
            checks.apart(student, self.teacher.model)
        self.student = student
        self._labels = objectives.Labels()
        for objective in (self.objective, self._labels):
            objective.label_loss = self._label_losses
        self._own_reduction = self.objective.reduction
        self._from_logits = from_logits
        self._unfinished_compile = None
        self._shown = ()
        self.built = True
        if student.compiled:
            self._adopt_compilation()

    def compile(self, optimizer="rmsprop", loss=None, **kwargs):
        """Compiles the student; the arguments are those of `keras.Model`.

        Args:
            optimizer: As in Keras. Defaults to `"rmsprop"`.
            loss: The loss on the labels, as in Keras. Defaults to `None`: the
                loss the student has, else the cross-entropy that fits the
                labels which `fit` is given.
            **kwargs: The other arguments of `keras.Model.compile`.
        """
        loss = self.student.loss if loss is None else loss
        self._unfinished_compile = None
        if loss is None:
            self._unfinished_compile = {"optimizer": optimizer, **kwargs}
        self.student.compile(optimizer=optimizer, loss=loss, **kwargs)
        self._adopt_compilation()

    def _adopt_compilation(self):
        student = self.student
        super().compile(
            optimizer=student.optimizer,
            run_eagerly=student.run_eagerly,
            steps_per_execution=student.steps_per_execution,
            jit_compile=student.jit_compile,
            auto_scale_loss=False,
        )
        # Both terms are reduced as the label loss is where it stands alone.
        loss = outputs.compiled_loss(student)
        reduction = getattr(loss, "reduction", None)
        if reduction in (None, "none"):
            reduction = _DEFAULT
        self._labels.reduction = reduction
        if self._own_reduction != _DEFAULT:
            reduction = self._own_reduction
        self.objective.reduction = reduction

    def fit(
        self,
        *args,
        teacher_outputs="online",
        augment=None,
        views=None,
        **kwargs,
    ):
        """Trains the student; the arguments are those of `keras.Model.fit`.

        Args:
            *args: As in Keras.
            teacher_outputs: "online": the teacher runs in each step. "cached":
                its outputs are computed once, and joined to the examples. The
                path of a folder: so, and they are kept there. Or a
                `keras_ban.TeacherCache`. Defaults to `"online"`.
            augment: Optional function from an example, without the axis of
                the batch, and a seed of shape `(2,)` to a view of it, of the
                same shape in each call, as
                `tf.image.stateless_random_flip_left_right`; or one from an
                example, its label and a seed to a view and its label. Student
                and teacher see the same view. Defaults to `None`.
            views: How many views each example has: epoch e shows view e
                modulo `views`. Defaults to `None`: a new one in each epoch,
                which cannot be cached.
            **kwargs: As in Keras.

        Returns:
            The `keras.callbacks.History`.

        Raises:
            ValueError: If the data does not fit the student, or the student
                the teacher. Arrays and the first batches of a `PyDataset` are
                checked whole; of a `tf.data.Dataset`, which another reading
                could shuffle anew, the length and the shapes. And if the
            teacher's outputs cannot be cached for this data, or are those of
            another teacher or of other data.
        """
        signature = inspect.signature(keras.Model.fit)
        arguments = signature.bind(self, *args, **kwargs).arguments
        del arguments["self"]
        checks.fit_arguments(arguments)
        plan = cache.Plan(teacher_outputs, augment, views)
        if plan:
            arguments = batches.with_validation(arguments)
        x, y = arguments.get("x"), arguments.get("y")
        if isinstance(x, tf.data.Dataset):
            # Keras warns that its default, True, cannot shuffle a data set.
            arguments.setdefault("shuffle", False)
        if not batches.is_generator(x):
            found = data_checks.fit(
                arguments,
                self.check_models,
                self.objective.needs_labels,
                reread=False,
            )
            if found:
                self.check_objective(*found[0][:2])
            if self._unfinished_compile:
                self._finish_compile(x, y, arguments.get("validation_data"))
        if not plan:
            return super().fit(**arguments)
        arguments = stream.prepare(arguments, viewed=True)
        plan.check(arguments, self.objective)
        # A `PyDataset` draws its order from the same generator by itself.
        is_own = isinstance(x, keras.utils.PyDataset)
        seed = 0 if is_own else random.getrandbits(32)
        cluster = Cluster(self.student.distribute_strategy)
        shown = plan.views(arguments, 0, self.teacher, cluster=cluster)
        epoch = arguments.get("initial_epoch", 0)
        with stream.clear_errors("the student"):
            return super().fit(**stream.of(arguments, 0, seed, epoch, shown))

    def check_models(self, x):
        """Checks on one batch that student and teacher fit each other.

        Args:
            x: A batch of inputs.

        Returns:
            The shape `(rows, ..., n)` of the student's output.

        Raises:
            ValueError: If an output is not what its model says, if the
                classes differ, or if the models share weights.
        """
        student = checks.prediction(self.student, x, self._from_logits)
        if self.teacher is None:
            return student.shape
        teacher = checks.prediction(self.teacher.model, x, self._from_logits)
        checks.same_classes(student.shape, teacher.shape)
        checks.apart(self.student, self.teacher.model)
        return student.shape

    def check_objective(self, x, y):
        """Tries an objective of the user's own on a few samples.

        Args:
            x: A batch of inputs.
            y: Their labels, or `None`.

        Raises:
            ValueError: If it cannot be computed, or does not give one loss
                for each sample.
        """
        if type(self.objective) in objectives.BUILT_IN:
            return
        x = batches.first_rows(x, checks.PROBE_ROWS)
        if y is not None:
            y = ops.convert_to_tensor(y[: checks.PROBE_ROWS])
        logits = self._logits(self.student(x), self.teacher(x))
        name, expected = self.objective.name, tuple(logits[0].shape[:-1])
        try:
            received = tuple(self.objective.call(y, *logits).shape)
        except Exception as error:
            raise ValueError(
                f"The objective {name!r} cannot be computed. Expected a "
                "function `(y_true, student_logits, teacher_logits)` that "
                f"returns the loss of each sample. Received: {error!r}"
            ) from error
        if received != expected:
            raise ValueError(
                f"The objective {name!r} must return the loss of each sample, "
                f"of shape {expected}. Received: shape {received}. Sum or "
                "average over the classes, and leave the samples apart."
            )

    def _finish_compile(self, x, y, validation_data):
        """Compiles again, now that the labels say which loss is meant."""
        x, y, _ = next(batches.read(x, y, steps=1))
        if y is None and validation_data is not None:
            given = keras.utils.unpack_x_y_sample_weight(validation_data)
            x, y, _ = next(batches.read(*given, steps=1))
        if y is None:
            return
        shape = checks.prediction(self.student, x, self._from_logits).shape
        default = outputs.default_compilation(
            self._gives_logits(), shape[1:], y.shape
        )
        self.compile(loss=default["loss"], **self._unfinished_compile)

    def _gives_logits(self):
        return outputs.gives_logits(self.student, self._from_logits)

    def _label_losses(self, y_true, logits):
        return outputs.label_losses(
            self.student, y_true, logits, self._gives_logits()
        )

    def _logits(self, y_pred, teacher_logits=None):
        """Student and teacher logits, of which neither has a free constant."""
        student_logits = outputs.to_logits(y_pred, self._gives_logits())
        if teacher_logits is None:
            return student_logits, None
        checks.same_classes(student_logits.shape, teacher_logits.shape)
        both_given = self._gives_logits() and self.teacher.from_logits
        if both_given or student_logits.shape[-1] == 1:
            return student_logits, teacher_logits
        # log p fixes the constant that logits leave open; so must both.
        student_logits = losses.with_mask_of(
            student_logits, ops.log_softmax(student_logits)
        )
        return student_logits, ops.log_softmax(teacher_logits)

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
        teacher_logits=None,
    ):
        """The objective, plus the student's regularisers and added losses.

        Args:
            x: Inputs of the batch.
            y: Labels of the batch, or `None`.
            y_pred: Output of the student.
            sample_weight: Weights of the samples, or `None`.
            training: Not used.
            teacher_logits: What `self.teacher(x)` gives. Defaults to `None`:
                the teacher is run.

        Returns:
            A scalar.
        """
        if teacher_logits is None and self.objective.needs_teacher:
            teacher_logits = self.teacher(x)
        self._require_labels(y)
        loss = self.objective(
            y, *self._logits(y_pred, teacher_logits), sample_weight
        )
        return self._with_added(loss)

    def _with_added(self, loss):
        """A loss with the student's regularisers and added losses."""
        if self.losses:
            # Without a loss of its own, Keras' sums up the others, scaled
            # for the number of replicas.
            loss = loss + ops.cast(super().compute_loss(), loss.dtype)
        return loss

    def _require_labels(self, y):
        if y is None and self.objective.needs_labels:
            raise ValueError(
                f"The objective {self.objective.name!r} learns from labels. "
                "Expected data with labels. Received: inputs alone. Give the "
                "labels, or an objective that needs none ('ban', 'dkpp', "
                "'logits')."
            )

    def train_step(self, data):
        """One step: teacher forward, student forward and back, update."""
        batch, counted = distribute.opened(data)
        learns = self.objective.needs_teacher
        if not learns and self._leaves(data, "train_step"):
            return self.student.train_step(batch)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        x, kept = x if isinstance(x, Joined) else (x, None)
        teacher_logits = self.teacher(x) if learns and kept is None else None
        with tf.GradientTape() as tape:
            y_pred = self.student(x, training=True)
            if kept is not None:
                teacher_logits = topk.decode(kept, y_pred.shape[-1])
            x, y, y_pred, sample_weight, teacher_logits = counted(
                x, y, y_pred, sample_weight, teacher_logits
            )
            loss = self.compute_loss(
                x, y, y_pred, sample_weight, True, teacher_logits
            )
            scaled = self.optimizer.scale_loss(loss)
        variables = self.student.trainable_weights
        gradients = tape.gradient(scaled, variables)
        distribute.apply(self.optimizer, gradients, variables)
        return self._log(loss, x, y, y_pred, sample_weight, teacher_logits)

    def _log(self, loss, x, y, y_pred, sample_weight, teacher_logits):
        logs = self._track(self._loss_tracker_of_student(), loss, x)
        if y is not None:
            logs |= self.student.compute_metrics(x, y, y_pred, sample_weight)
        if teacher_logits is None:
            return logs
        student_logits, teacher_logits = self._logits(y_pred, teacher_logits)
        soft = self.objective.teacher_loss(student_logits, teacher_logits)
        terms = [(self._teacher_tracker, soft)]
        if y is not None:
            label = self.objective.label_loss(y, student_logits)
            terms.insert(0, (self._label_tracker, label))
        # Replicas take turns here.
        self._shown = tuple(tracker for tracker, _ in terms)
        for tracker, values in terms:
            value = losses.reduce(
                values,
                sample_weight,
                self.objective.reduction,
                losses.keras_mask(student_logits),
            )
            logs |= self._track(tracker, value, x)
        return logs

    def _track(self, tracker, loss, x):
        rows = next(a for a in keras.tree.flatten(x) if a is not None)
        rows = tf.shape(rows)[0]
        tracker.update_state(distribute.total(loss), sample_weight=rows)
        return {tracker.name: tracker.result()}

    def _loss_tracker_of_student(self):
        return next(m for m in self.student.metrics if m.name == "loss")

    def test_step(self, data):
        """The student's own evaluation: the teacher does not run."""
        batch, counted = distribute.opened(data)
        if self._leaves(data, "test_step"):
            return self.student.test_step(batch)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        y_pred = self.student(x, training=False)
        x, y, y_pred, sample_weight = counted(x, y, y_pred, sample_weight)
        logits, _ = self._logits(y_pred)
        loss = self._labels(y, logits, sample_weight=sample_weight)
        self._track(self._loss_tracker_of_student(), self._with_added(loss), x)
        return self.student.compute_metrics(x, y, y_pred, sample_weight)

    def _leaves(self, data, step):
        """Whether a step is the student's own, as Keras has it."""
        own = checks.overridden(self.student, step, "compute_loss")
        return bool(own) or not isinstance(data, distribute.Part)

    def predict_step(self, data):
        """The student's own prediction: the teacher does not run."""
        batch, counted = distribute.opened(data)
        return distribute.all_rows(counted(self.student.predict_step(batch))[0])

    def call(self, inputs, training=None):
        """The student's output."""
        if isinstance(inputs, Joined):
            inputs = inputs.inputs
        return self.student(inputs, training=training)

    @property
    def layers(self):
        """The student's layers, for callbacks that look into the model."""
        return self.student.layers

    @property
    def metrics(self):
        """The student's metrics, and in training the terms of the loss."""
        # Without labels, the compiled metrics are never built.
        metrics = [m for m in self.student.metrics if getattr(m, "built", True)]
        return [*metrics, *self._shown]

    @property
    def metrics_variables(self):
        """The variables of the student's metrics and of both terms."""
        return [
            *self.student.metrics_variables,
            *self._label_tracker.variables,
            *self._teacher_tracker.variables,
        ]

    def reset_metrics(self):
        """Resets the student's metrics and both terms."""
        self.student.reset_metrics()
        self._label_tracker.reset_state()
        self._teacher_tracker.reset_state()

    def evaluate(self, *args, **kwargs):
        """The student's own evaluation; arguments as `keras.Model.evaluate`."""
        shown, self._shown = self._shown, ()
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self._shown = shown

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
