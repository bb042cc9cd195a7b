"""What a model's output is, and what follows from it."""

from keras_ban.tasks.base import Task
from keras_ban.tasks.classes import Binary
from keras_ban.tasks.classes import Classes
from keras_ban.tasks.gaussian import Gaussian
from keras_ban.tasks.gaussian import GaussianNLL
from keras_ban.tasks.multilabel import MultiLabel
from keras_ban.tasks.values import Values

__all__ = [
    "Binary",
    "Classes",
    "Gaussian",
    "GaussianNLL",
    "MultiLabel",
    "Task",
    "Values",
]
