"""Objectives by their short names."""

import re

import keras

from keras_ban.objectives.base import FunctionObjective
from keras_ban.objectives.base import Labels
from keras_ban.objectives.base import Objective
from keras_ban.objectives.born_again import BAN
from keras_ban.objectives.born_again import CWTM
from keras_ban.objectives.born_again import DKPP
from keras_ban.objectives.born_again import BANWithLabels
from keras_ban.objectives.by_output import ByOutput
from keras_ban.objectives.decoupled import DKD
from keras_ban.objectives.distillation import KD
from keras_ban.objectives.distillation import LogitRegression
from keras_ban.objectives.features import Features
from keras_ban.objectives.features import added
from keras_ban.objectives.relations import DIST

_BY_NAME = {
    cls.short_name: cls
    for cls in (
        Labels,
        BAN,
        BANWithLabels,
        CWTM,
        DKPP,
        KD,
        DKD,
        DIST,
        LogitRegression,
    )
}
# What others call a loss between two distributions.
_OTHERS = re.compile(r"(?i)distil|soft_?target|\bkl(\b|_|d)")
BUILT_IN = frozenset(_BY_NAME.values())


def get(identifier):
    """Returns the objective that an identifier stands for.

    Args:
        identifier: A short name ("labels", "ban", "ban+l", "cwtm", "dkpp",
            "kd", "dkd", "dist" or "logits"), an `Objective`, the
            configuration that `keras.saving.serialize_keras_object` gives for
            one, a function `(y_true, student_logits, teacher_logits)` that
            returns the loss of each sample, or a dict of these by the names of
            several outputs, `None` for one that learns from labels alone, or
            a list of one of these and `Features`, their sum.

    Returns:
        An `Objective`.

    Raises:
        ValueError: If the identifier stands for no objective.
    """
    if isinstance(identifier, Features):
        return added(identifier)
    if isinstance(identifier, Objective):
        return identifier
    if isinstance(identifier, (list, tuple)) and identifier:
        return added(*map(_term, identifier))
    if isinstance(identifier, str) and identifier.lower() in _BY_NAME:
        return _BY_NAME[identifier.lower()]()
    if isinstance(identifier, dict) and "class_name" in identifier:
        return get(keras.saving.deserialize_keras_object(identifier))
    if isinstance(identifier, dict) and identifier:
        return ByOutput(
            {k: v if v is None else get(v) for k, v in identifier.items()}
        )
    if isinstance(identifier, type) and issubclass(identifier, Objective):
        return identifier()
    if callable(identifier) and not isinstance(
        identifier, (type, keras.losses.Loss)
    ):
        return FunctionObjective(identifier)
    raise ValueError(
        "Unknown objective. Expected one of "
        f"{', '.join(map(repr, _BY_NAME))}, an instance of "
        "`keras_ban.objectives.Objective`, or a function `(y_true, "
        "student_logits, teacher_logits)` that returns the loss of each "
        f"sample. Received: {identifier!r}{_known_as(identifier)}"
    )


def _term(identifier):
    is_term = isinstance(identifier, Features)
    return identifier if is_term else get(identifier)


def _known_as(identifier):
    """What an objective of others is called here, in words."""
    kind = identifier if isinstance(identifier, type) else type(identifier)
    name = getattr(identifier, "name", None)
    if isinstance(identifier, str):
        name = identifier
    elif not isinstance(name, str):
        name = kind.__name__
    if re.search("(?i)feature", kind.__name__ + name):
        return (
            ". Features of inner layers are compared by `objectives.KD() + "
            "objectives.Features({'student_layer': 'teacher_layer'})`."
        )
    if not _OTHERS.search(kind.__name__ + " " + name):
        return ""
    temperature = getattr(identifier, "temperature", None)
    if not isinstance(temperature, (int, float)):
        temperature = 3.0
    return (
        f". The weighted mean of labels and soft targets is `objectives.KD("
        f"alpha=0.5, temperature={temperature})`, `alpha` the weight of the "
        "labels; the divergence alone, at temperature 1, is 'ban'."
    )
