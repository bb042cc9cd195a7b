"""The two terms of a distilled loss, on the labels and by the teacher."""

import functools

import keras
import tensorflow as tf

from keras_ban.objectives import BUILT_IN
from keras_ban.objectives import Labels
from keras_ban.tasks import heads
from keras_ban.tasks import losses
from keras_ban.tasks import mixed
from keras_ban.tasks import partly


class Terms:
    """What is logged of both terms before they are weighted.

    Args:
        objective: The `Objective`.
    """

    def __init__(self, objective):
        self._objective = objective
        self._label = keras.metrics.Mean(name="label_loss")
        self._teacher = keras.metrics.Mean(name="teacher_loss")
        self._features = keras.metrics.Mean(name="feature_loss")
        self._shown = ()

    @property
    def shown(self):
        """The metrics that the last training step has updated."""
        return self._shown

    @property
    def variables(self):
        """The variables of both metrics."""
        found = [*self._label.variables, *self._teacher.variables]
        if self._objective.features:
            found += self._features.variables
        return found

    def reset(self):
        """Begins anew."""
        self._label.reset_state()
        self._teacher.reset_state()
        self._features.reset_state()

    def of_batch(self, parts, features=None):
        """The terms of a batch, for `track`; shows them from now on.

        Of several outputs, terms are sums as the loss is.

        Args:
            parts: What is learned of each output, a list of `Part`s.
            features: The term of features, a scalar. Defaults to `None`: there
                is none.

        Returns:
            A list of metrics and of scalars, a replica's summands.
        """
        labels, soft = [], []
        for part in parts:
            one, part = prepared(self._objective, part)
            if part.y is not None:
                labels.append(_reduced(_label_losses(one, part), one, part))
            if part.teacher is not None and one.needs_teacher:
                found = one.teacher_loss(part.scores, part.teacher)
                soft.append(_reduced(found, one, part))
        terms = [(self._label, labels), (self._teacher, soft)]
        terms = [(tracker, _sum(found)) for tracker, found in terms if found]
        if features is not None:
            terms.append((self._features, features))
        # Replicas take turns here.
        self._shown = tuple(tracker for tracker, _ in terms)
        return terms


def of_outputs(student, objective, parts):
    """The labels' loss of each output, for the student's own metrics.

    Args:
        student: The `keras.Model`, which has them if it has several outputs.
        objective: The `Objective`.
        parts: What is learned of each output, a list of `Part`s.

    Returns:
        A list as `Terms.of_batch` gives it.
    """
    trackers, found = heads.trackers(student, [p.name for p in parts]), []
    for part in parts:
        tracker = trackers.get(part.name)
        if tracker is None:
            continue
        one, part = prepared(objective, part)
        value = _reduced(
            _label_losses(one, part), one, part._replace(scale=None)
        )
        found.append((tracker, value))
    return found


def _label_losses(objective, part):
    """The loss on the labels of each sample."""
    return mixed.losses(lambda y: objective.label_loss(y, part.scores), part.y)


def _reduced(values, objective, part):
    """The losses of an output as its summand of the batch's."""
    mask = losses.keras_mask(part.scores)
    value = losses.reduce(values, part.weight, objective.reduction, mask)
    return value if part.scale is None else part.scale * value


def _sum(values):
    first, *others = values
    return sum(others, first)


def prepared(objective, part):
    """The objective of an output, which knows its task and its labels' loss.

    What the teacher does not have learns from its labels alone.

    Args:
        objective: The `Objective`.
        part: The `Part`.

    Returns:
        It, and the part, whose labels are weighed where some are missing.
    """
    found = objective.for_output(part.name)
    if part.name is not None:
        if found.needs_teacher and part.teacher is None:
            found = Labels()
        reduction = getattr(part.loss, "reduction", None)
        if reduction not in (None, "none"):
            found.reduction = reduction
    found.task = part.task
    found.learn_labels_by(
        functools.partial(partly.losses, part.task, part.loss)
    )
    y = partly.weighed(part.y, part.scores, found.reduction, part.weight)
    return found, part._replace(y=y)


def total_loss(objective, parts):
    """The loss of a batch, over all outputs, a scalar.

    Args:
        objective: The `Objective`.
        parts: What is learned of each output, a list of `Part`s.
    """
    values = []
    for part in parts:
        one, part = prepared(objective, part)
        value = one(part.y, part.scores, part.teacher, part.weight)
        scaled = value if part.scale is None else part.scale * value
        values.append(scaled)
    return _sum(values)


def track(terms, values, x):
    """Adds values of a batch to means over the rows.

    Args:
        terms: A list as `Terms.of_batch` gives it.
        values: Their sums over the replicas, in this order.
        x: Inputs of the batch.

    Returns:
        The means so far, a dict.
    """
    rows = count_rows(x)
    logs = {}
    for (tracker, _), value in zip(terms, values, strict=True):
        tracker.update_state(value, sample_weight=rows)
        logs[tracker.name] = tracker.result()
    return logs


def count_rows(x):
    """The number of rows of a batch, an integer tensor.

    Args:
        x: Inputs, some of which may be `None`.
    """
    return tf.shape(next(a for a in keras.tree.flatten(x) if a is not None))[0]


def check_objectives(objective, parts, eager):
    """Tries objectives of the user's own on a few samples.

    Args:
        objective: The `Objective`.
        parts: What is learned of each output, a list of `Part`s.
        eager: Whether it is run step by step in training too, not compiled.

    Raises:
        ValueError: If one cannot be computed, does not give one loss for each
            sample, or has no gradient.
    """
    for part in parts:
        found, part = prepared(objective, part)
        if type(found) not in BUILT_IN:
            _check_objective(found, part, eager)


def _check_objective(objective, part, eager):
    """Tries an objective of the user's own on a few samples.

    Args:
        objective: The `Objective`.
        part: The `Part` of a few samples.
        eager: Whether it is run step by step in training too, not compiled.

    Raises:
        ValueError: If it cannot be computed, does not give one loss for each
            sample, or has no gradient.
    """
    name, expected = objective.name, tuple(part.scores.shape[:-1])

    def gradient(y, student_logits, teacher_logits):
        with tf.GradientTape() as tape:
            tape.watch(student_logits)
            losses = objective.call(y, student_logits, teacher_logits)
        return tape.gradient(losses, student_logits)

    tensors = part.y, part.scores, part.teacher
    try:
        received = tuple(objective.call(*tensors).shape)
        if eager:
            depends = gradient(*tensors) is not None
        else:
            traced = tf.function(gradient, autograph=False)
            traced = traced.get_concrete_function(*tensors)
            depends = traced.structured_outputs is not None
    except Exception as error:
        raise ValueError(
            f"The objective {name!r} cannot be computed. Expected a "
            "function `(y_true, student_logits, teacher_logits)` that "
            "returns the loss of each sample, written with `keras.ops`, not "
            f"NumPy. Received: {error!r}"
        ) from error
    if received != expected:
        raise ValueError(
            f"The objective {name!r} must return the loss of each sample, "
            f"of shape {expected}. Received: shape {received}. Sum or "
            "average over the classes, and leave the samples apart."
        )
    if not depends:
        raise ValueError(
            f"The objective {name!r} has no gradient for the student: its "
            "result does not depend on `student_logits`, or not by what can "
            "be differentiated. Expected a loss of these, written with "
            "`keras.ops`, not NumPy."
        )
