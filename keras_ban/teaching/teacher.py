"""Where the teacher's logits come from."""

import os

import keras
import numpy as np
import tensorflow as tf

from keras_ban import checks
from keras_ban.networks.ensembles import ensemble
from keras_ban.networks.stand_in import check_own_methods
from keras_ban.tasks import kinds
from keras_ban.tasks import outputs


class Teacher:
    """A frozen model as a function from a batch of inputs to its logits.

    It only ever runs in inference mode, so the model comes out as it went
    in: weights, `trainable` flags, compile state. It is a plain object, so
    that Keras does not count the teacher among the student's layers.

    Args:
        model: A trained `keras.Model`, or a list of them, which stands for
            their mean prediction.
        from_logits: Says what the model gives, if it does not say it itself.
            Defaults to `None`.

    Attributes:
        model: The model, one for a list of them.
        from_logits: Whether it gives logits.
        function: This function, compiled as it is first called.

    Raises:
        ValueError: If there is no model, or one without weights, or one that
            is no classifier.
    """

    def __init__(self, model, from_logits=None):
        _check(model)
        if isinstance(model, (list, tuple)):
            model = ensemble(model, from_logits=from_logits)
            from_logits = False
        self.model = model
        self.from_logits = kinds.classifier(model, from_logits)
        self.function = tf.function(self, reduce_retracing=True)

    def __call__(self, x):
        """Returns logits `(..., n)`, or `(..., 1)` if binary, for inputs."""
        return outputs.to_logits(
            self.model(x, training=False), self.from_logits
        )


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
