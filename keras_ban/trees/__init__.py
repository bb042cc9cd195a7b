"""Born-again trees: one tree for a whole ensemble (extra `trees`)."""

from keras_ban import checks

with checks.needing("scikit-learn", "trees", "`keras_ban.trees`"):
    import sklearn  # noqa: F401

from keras_ban.trees.estimators import BornAgainTreeClassifier
from keras_ban.trees.estimators import BornAgainTreeRegressor
from keras_ban.trees.smearing import smear

__all__ = ["BornAgainTreeClassifier", "BornAgainTreeRegressor", "smear"]
