"""The steps of a student that learns from a teacher."""

import functools

import keras
import tensorflow as tf

from keras_ban.distribution import parts
from keras_ban.distribution import replicas
from keras_ban.distribution import statistics
from keras_ban.distribution import updates
from keras_ban.networks.stand_in import StandIn
from keras_ban.tasks import kinds
from keras_ban.tasks import partly
from keras_ban.teaching import checking
from keras_ban.teaching.teacher import Taught
from keras_ban.teaching.terms import count_rows
from keras_ban.teaching.terms import of_outputs
from keras_ban.teaching.terms import total_loss
from keras_ban.teaching.terms import track


class Steps(StandIn):
    """A model in its student's place, whose steps distil.

    What it is made of, a `Distiller` sets.

    Attributes:
        student: The `keras.Model`.
        teacher: The `Teacher`, or `None`.
        objective: The `Objective`.
        task: The `Task` of the student, once it is known.
    """

    def _known(self):
        """The `Task` of the student."""
        return self.task or kinds.task_of(self.student, self._said)

    def _learned(self, y, y_pred, teacher_scores=None, sample_weight=None):
        """What the student learns of each output, a list of `Part`s."""
        # Once for the loss and for what is logged, and so are its masks.
        given = y, y_pred, teacher_scores, sample_weight
        compare = functools.partial(self._compared, *given)
        return replicas.once(compare, ("learned",), given)

    def _compared(self, y, y_pred, teacher_scores, sample_weight):
        task = self._known()
        scores = task.scores(y_pred)
        if isinstance(teacher_scores, Taught):
            teacher_scores = teacher_scores.scores
        if teacher_scores is not None:
            # Of which none has a free constant.
            scores, teacher_scores = task.comparable(
                scores, teacher_scores, self.teacher.task
            )
        return task.learned(
            self.student, y, scores, teacher_scores, sample_weight
        )

    def _meet(self, x):
        """Tells the tasks of both models where no data was read before."""
        if not self._is_checked:
            checking.meet(self, x, None, self._said)
            self._is_checked = True

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
        teacher_logits=None,
        added=None,
        features=None,
    ):
        """The objective, plus the student's regularisers and added losses.

        Args:
            x: Inputs of the batch.
            y: Labels of the batch, `Mixed` ones, or `None`.
            y_pred: Output of the student.
            sample_weight: Weights of the samples, or `None`.
            training: Whether it is a step of training. Defaults to `True`.
            teacher_logits: What `self.teacher(x)` gives. Defaults to `None`:
                the teacher is run.
            added: What `student.losses` was right after the forward pass.
                Defaults to `None`: what it is.
            features: The term of features, a scalar. Defaults to `None`.

        Returns:
            A scalar.
        """
        self._meet(x)
        if teacher_logits is None and self.objective.needs_teacher:
            teacher_logits = self.teacher(x)
        self.objective.check_labels(y)
        learned = self._learned(y, y_pred, teacher_logits, sample_weight)
        loss = total_loss(self.objective, learned)
        if features is not None:
            loss = loss + features
        return self.with_added(loss, x, training, added)

    def train_step(self, data):
        """One step: teacher forward, student forward and back, update."""
        with replicas.step(data):
            return self._train(data)

    def _train(self, data):
        batch, counted = parts.opened(data)
        learns = self.objective.needs_teacher
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        is_left = not learns and not isinstance(y, parts.Mixed)
        if is_left and self._leaves_to_student("train_step", data):
            logs = self.student.train_step(batch)
            if isinstance(data, parts.Part):
                statistics.average(self.student, data.rows)
            return logs
        x, kept = x if isinstance(x, parts.Joined) else (x, None)
        self._meet(x)
        if self.objective.features:
            self.prepare(x)
        taught = self.teacher(x) if learns and kept is None else None
        with tf.GradientTape() as tape:
            y_pred, seen = self._forward(x)
            added, term = self.student.losses, None
            if kept is not None:
                scores = self._known().scores(y_pred)
                taught = self.teacher.decoded(kept, scores)
            x, y, y_pred, sample_weight, taught, seen = counted(
                x, y, y_pred, sample_weight, taught, seen
            )
            if self._features:
                term = self._features.loss(seen, taught.features, sample_weight)
            loss = self.compute_loss(
                x, y, y_pred, sample_weight, True, taught, added, term
            )
            scaled = self.optimizer.scale_loss(loss)
        terms = self._terms_of(loss, y, y_pred, sample_weight, taught, term)
        values = self._update(tape, scaled, [v for _, v in terms], x)
        logs = {}
        if y is not None:
            rows = partly.labelled(y, y_pred, sample_weight)
            logs = self.student.compute_metrics(x, *rows)
        return logs | track(terms, values, x)

    def _forward(self, x):
        """Output of the student, and what its layers give if that counts."""
        if self._features:
            return self._features.student(x)
        return self.student(x, training=True), None

    def _update(self, tape, loss, values, x):
        """Updates all weights; returns values summed over the replicas."""
        variables = self.student.trainable_weights
        own = self._features.variables if self._features else []
        gradients, values = updates.summed(
            tape.gradient(loss, [*variables, *own]),
            values,
            self.student,
            count_rows(x),
        )
        if self._features:
            self._features.update(gradients[len(variables) :], self.optimizer)
        updates.apply(self.optimizer, gradients[: len(variables)], variables)
        return values

    def _terms_of(self, loss, y, y_pred, sample_weight, taught, term):
        """What is logged of a step, a list as `Terms.of_batch` gives it."""
        found = [(self._student_loss(), loss)]
        learned = self._learned(y, y_pred, taught, sample_weight)
        if y is not None:
            found += of_outputs(self.student, self.objective, learned)
        if taught is not None:
            found += self._terms.of_batch(learned, term)
        return found

    def test_step(self, data):
        """The student's own evaluation: the teacher does not run."""
        with replicas.step(data):
            return self._test(data)

    def _test(self, data):
        batch, counted = parts.opened(data)
        if self._leaves_to_student("test_step", data):
            return self.student.test_step(batch)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        y_pred = self.student(x, training=False)
        added = self.student.losses
        x, y, y_pred, sample_weight = counted(x, y, y_pred, sample_weight)
        learned = self._learned(y, y_pred, None, sample_weight)
        loss = total_loss(self._labels, learned)
        loss = self.with_added(loss, x, False, added)
        terms = [(self._student_loss(), loss)]
        terms += of_outputs(self.student, self._labels, learned)
        track(terms, replicas.total([v for _, v in terms]), x)
        return self.student.compute_metrics(x, y, y_pred, sample_weight)

    @property
    def metrics(self):
        """The student's metrics, and in training the terms of the loss."""
        # Without labels, the compiled metrics are never built.
        metrics = [m for m in self.student.metrics if getattr(m, "built", True)]
        return [*metrics, *(self._terms.shown if self._shows_terms else ())]

    @property
    def metrics_variables(self):
        """The variables of the student's metrics and of both terms."""
        return [*self.student.metrics_variables, *self._terms.variables]

    def reset_metrics(self):
        """Resets the student's metrics and both terms."""
        self.student.reset_metrics()
        self._terms.reset()
