"""Born-again networks for Keras 3: generation after generation."""

import importlib

from keras_ban import callbacks
from keras_ban import data
from keras_ban import metrics
from keras_ban import models
from keras_ban import objectives
from keras_ban import recipes
from keras_ban import tasks
from keras_ban import views
from keras_ban.born_again import BornAgain
from keras_ban.comparison.comparison import Comparison
from keras_ban.comparison.methods import Method
from keras_ban.comparison.running import compare
from keras_ban.distiller import Distiller
from keras_ban.lineage import Lineage
from keras_ban.networks.ensembles import ensemble
from keras_ban.reporting.generation import Generation
from keras_ban.runs.directory import load
from keras_ban.teaching.cache import TeacherCache
from keras_ban.version import __version__

__all__ = [
    "BornAgain",
    "Comparison",
    "Distiller",
    "Generation",
    "Lineage",
    "Method",
    "TeacherCache",
    "__version__",
    "callbacks",
    "compare",
    "data",
    "ensemble",
    "load",
    "metrics",
    "models",
    "objectives",
    "recipes",
    "sklearn",
    "tasks",
    "trees",
    "views",
]


def __getattr__(name):
    # They need scikit-learn, which is an extra.
    if name in ("sklearn", "trees"):
        return importlib.import_module(f"keras_ban.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
