"""Born-again trees: one tree for a whole ensemble (extra `trees`)."""

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "`keras_ban.trees` needs scikit-learn, which is not installed. Run "
        '`pip install "keras_ban[trees]"`.'
    ) from error

from keras_ban.trees.estimators import BornAgainTreeClassifier
from keras_ban.trees.estimators import BornAgainTreeRegressor
from keras_ban.trees.smearing import smear

__all__ = ["BornAgainTreeClassifier", "BornAgainTreeRegressor", "smear"]
