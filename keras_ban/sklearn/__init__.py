"""Born-again networks as scikit-learn estimators (extra `sklearn`)."""

from keras_ban import checks

with checks.needing("scikit-learn", "sklearn", "`keras_ban.sklearn`"):
    import sklearn  # noqa: F401

from keras_ban.sklearn.estimators import BornAgainClassifier
from keras_ban.sklearn.estimators import BornAgainRegressor

__all__ = ["BornAgainClassifier", "BornAgainRegressor"]
