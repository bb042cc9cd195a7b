"""Where the teacher's logits come from."""

import os
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_ban import checks
from keras_ban.networks.ensembles import joined
from keras_ban.networks.stand_in import check_own_methods
from keras_ban.networks.taps import Taps
from keras_ban.tasks import heads
from keras_ban.tasks import kinds
from keras_ban.tasks.several import Several
from keras_ban.teaching import topk


class Taught(NamedTuple):
    """What a teacher gives whose layers are tapped.

    Attributes:
        scores: Its scores.
        features: What its layers give, a dict by name.
    """

    scores: Any
    features: dict


class Teacher:
    """A frozen model as a function from a batch of inputs to its logits.

    It only ever runs in inference mode, so the model comes out as it went
    in: weights, `trainable` flags, compile state. It is a plain object, so
    that Keras does not count the teacher among the student's layers.

    Args:
        model: A trained `keras.Model`, or a list of them, which stands for
            their mean prediction.
        said: What its owner says of it, a `Said`. Defaults to nothing.

    Attributes:
        model: The model, one for a list of them.
        said: As given; of a list of models, what their mean is.
        task: Its `Task`.
        function: This function, compiled as it is first called.

    Raises:
        ValueError: If there is no model, or one without weights, or one that
            has no task that is known.
    """

    def __init__(self, model, said=kinds.UNSAID):
        _check(model)
        if isinstance(model, (list, tuple)):
            model, task = joined(model, None, said)
            said = kinds.Said(task)
        self.model = model
        self.said = said.among(heads.names(model))
        self._chosen, self._whole, self.task = _all, None, None
        self._taps = None
        if not self.said.is_by_name or heads.names(model):
            self._whole = self.task = kinds.task_of(model, self.said)
        self.function = tf.function(self, reduce_retracing=True)

    def __call__(self, x):
        """Returns scores `(..., n)` for inputs; logits `(..., 1)` if binary.

        Of several outputs a dict of scores; once it is tapped a `Taught`.
        """
        features = None
        if self._taps is None:
            result = self.model(x, training=False)
        else:
            result, features = self._taps(x, training=False)
        if self._whole is None:
            found = heads.by_name(self.model, result)
            self.look(heads.shape_of(found), None)
        scores = self._chosen(self._whole.scores(result))
        return scores if features is None else Taught(scores, features)

    def tap(self, paths):
        """Gives what inner layers give too, from now on: a `Taught`.

        Args:
            paths: Their names, as `Taps` takes them.
        """
        self._taps = Taps(self.model, paths, "teacher")
        self.function = tf.function(self, reduce_retracing=True)

    def decoded(self, kept, output):
        """Scores from what is kept of them, as calling it returns them.

        Args:
            kept: A tuple, what `filling.encode` makes of the scores.
            output: What the student gives.
        """
        paths = sorted(self._taps.paths) if self._taps else []
        count = len(kept) - len(paths)
        scores, features = kept[:count], kept[count:]
        if self.task.parts:
            found = [topk.decode((part,), None) for part in scores]
            scores = dict(zip(sorted(self.task.parts), found, strict=True))
        else:
            scores = topk.decode(scores, output.shape[-1])
        if not paths:
            return scores
        return Taught(scores, dict(zip(paths, features, strict=True)))

    @property
    def names(self):
        """The names of what it gives, in order; `None` for scores alone."""
        parts = sorted(self.task.parts) if self.task.parts else []
        if not self._taps:
            return parts or None
        return [*(parts or [""]), *sorted(self._taps.paths)]

    def look(self, shape, y):
        """Asks again for its task, now that labels may tell.

        Args:
            shape: Shape of its output, or a `ByName` of shapes.
            y: NumPy array of labels, or `None`.
        """
        self._whole = self.task = kinds.task_of(self.model, self.said, shape, y)

    def meet(self, student, task, shape=None):
        """Takes of several outputs that of the student, or names its one.

        Args:
            student: The `keras.Model` that learns from it.
            task: Its `Task`.
            shape: Shape of the teacher's output, or a `ByName` of shapes.
                Defaults to `None`: it is not known.

        Returns:
            The shape of what it teaches, alike.

        Raises:
            ValueError: If a student with one output has none of its.
        """
        if self._whole is None:
            raise ValueError(
                f"Cannot tell the outputs of the teacher {self.model.name!r}, "
                "a class of its own. Expected data that can be read before "
                "training, or a functional model. Give arrays."
            )
        self.task, has_several = self._whole, bool(task.parts)
        teaches_several = bool(self._whole.parts)
        self._chosen = _all
        if has_several == teaches_several:
            return shape
        if has_several:
            name = _only_name(self.model)
            template = {name: name}
            self.task = Several(heads.ByName({name: self._whole}, template))
            self._chosen = lambda scores: {name: scores}
            return shape and heads.ByName({name: shape}, template)
        name = _only_name(student)
        if name not in self._whole.parts:
            raise ValueError(
                f"The student {student.name!r} has one output, {name!r}. "
                "Expected a teacher with an output of this name. Received: "
                f"{', '.join(map(repr, self._whole.parts))}. Name the last "
                "layer of the student as the output that it is to learn from."
            )
        self.task = self._whole.parts[name]
        self._chosen = lambda scores: scores[name]
        return shape and shape[name]


def _all(scores):
    return scores


def _only_name(model):
    """What a model calls its one output."""
    return (heads.names(model) or [model.name])[0]


def _way_to_model(given):
    """A way from what holds a model to the model, in words."""
    if hasattr(given, "model"):
        return ". Give its `.model`."
    if hasattr(given, "ensemble"):
        return (
            ". Give the model of one generation, `lineage[-1].model`, or "
            "`lineage.ensemble()`."
        )
    if isinstance(given, (str, os.PathLike)):
        return ". Load it, `keras.models.load_model(path)`."
    return ""


def _check(model):
    """Checks that a teacher, or each of a list, is a trained model."""
    models = model if isinstance(model, (list, tuple)) else [model]
    checks.keras_3("teacher", *models)
    for one in models or [None]:
        if not isinstance(one, keras.Model):
            raise ValueError(
                "Invalid value for argument `teacher`. Expected a trained "
                f"`keras.Model` or a list of them. Received: {model!r}"
                f"{_way_to_model(one)}"
            )
        if not one.built or not one.weights:
            raise ValueError(
                f"The teacher {one.name!r} has no weights. Expected a trained "
                "model. Train it, load its weights, or call it on a batch."
            )
        check_own_methods(one)
        if any(np.isnan(w).any() for w in one.get_weights()):
            raise ValueError(
                f"The teacher {one.name!r} gives NaN: there are NaN among its "
                "weights. Expected a trained model. Load the weights from "
                "before its training diverged."
            )
