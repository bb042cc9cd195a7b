"""What a student is trained on: the labels, its teacher, or both."""

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
from keras_ban.objectives.names import BUILT_IN
from keras_ban.objectives.names import get
from keras_ban.objectives.relations import DIST

__all__ = [
    "BAN",
    "BUILT_IN",
    "CWTM",
    "DIST",
    "DKD",
    "DKPP",
    "KD",
    "BANWithLabels",
    "ByOutput",
    "Features",
    "FunctionObjective",
    "Labels",
    "LogitRegression",
    "Objective",
    "get",
]
