"""What kind of teacher it is: asked here, and nowhere else."""

import os

import keras
import numpy as np

from keras_ban import checks
from keras_ban.tasks import kinds
from keras_ban.teaching import saved
from keras_ban.teaching.functions import Estimator
from keras_ban.teaching.functions import Function
from keras_ban.teaching.predictions import Predictions
from keras_ban.teaching.teacher import Network
from keras_ban.teaching.teacher import Teacher


def get(given, said=kinds.UNSAID):
    """What a user gave as a teacher, as a `Teacher`.

    Args:
        given: A trained `keras.Model` or the path of its `.keras` file, or a
            list of these, which stands for their mean prediction; a function
            of a batch; a fitted estimator of scikit-learn; an array of
            predictions; the path of the folder of a SavedModel; or a
            `Teacher`, which is returned as it is.
        said: What its owner says of it, a `Said`. Defaults to nothing.

    Raises:
        ValueError: If it is none of these, or was not trained.
    """
    if isinstance(given, Teacher):
        return given
    is_list = isinstance(given, (list, tuple))
    members = [_loaded(one) for one in (given if is_list else [given])]
    checks.keras_3("teacher", *members)
    if members and all(isinstance(one, keras.Model) for one in members):
        return Network(members if is_list else members[0], said)
    if is_list:
        _refuse(given, next(filter(_is_no_model, members), None))
    return _other(given, members[0], said)


def _other(given, found, said):
    """The `Teacher` of what is no Keras model."""
    if isinstance(found, (Teacher, type, keras.layers.Layer)):
        _refuse(given, found)
    if isinstance(found, saved.SavedModel):
        return Function(found, said, found.words)
    if hasattr(found, "__array__") and not callable(found):
        return Predictions(np.asarray(found), said)
    if hasattr(found, "fit") and hasattr(found, "predict"):
        return Estimator(found, said)
    if callable(found):
        return Function(found, said)
    _refuse(given, found)


def _loaded(one):
    is_path = isinstance(one, (str, os.PathLike))
    return saved.load(one) if is_path else one


def _is_no_model(one):
    return not isinstance(one, keras.Model)


def _refuse(given, one):
    raise ValueError(
        "Invalid value for argument `teacher`. Expected a trained "
        "`keras.Model` or the path of its file, a list of these, a function "
        "of a batch, a fitted estimator, an array of predictions, or the path "
        f"of a SavedModel. Received: {given!r}{_way_out(given, one)}"
    )


def _way_out(given, one):
    """A way from what holds a model, or makes one, in words."""
    if isinstance(one, type):
        return f". Make an object of the class: `{one.__name__}()`."
    if isinstance(one, keras.layers.Layer):
        return ". Make a trained model of the layer: `keras.Sequential`."
    if hasattr(one, "model"):
        return ". Give its `.model`."
    if hasattr(one, "ensemble"):
        return (
            ". Give the model of one generation, `lineage[-1].model`, or "
            "`lineage.ensemble()`."
        )
    if given and isinstance(given, (list, tuple)):
        return (
            ". A list stands for the mean of Keras models: average others in "
            "a function of a batch, or give the mean of their predictions as "
            "one NumPy array."
        )
    return ""
