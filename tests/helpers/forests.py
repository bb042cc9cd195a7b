"""Forests, and born-again trees that learn from them."""

import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.ensemble import RandomForestClassifier
from sklearn.ensemble import RandomForestRegressor

from keras_ban.trees import BornAgainTreeClassifier
from keras_ban.trees import BornAgainTreeRegressor

X, VALUES = make_friedman1(400, n_features=6, noise=0.5, random_state=0)
LABELS = np.array(["low", "mid", "top"])[np.digitize(VALUES, [12, 17])]
FOREST = RandomForestClassifier(30, random_state=0).fit(X, LABELS)
VALUE_FOREST = RandomForestRegressor(30, random_state=0).fit(X, VALUES)
HOLES = np.where(np.arange(6) == 2, np.nan, X)


def classifier(teacher=None, **options):
    options = {"max_samples": 10_000, "random_state": 0, **options}
    return BornAgainTreeClassifier(teacher, **options)


def regressor(teacher=None, **options):
    options = {"max_samples": 10_000, "random_state": 0, **options}
    return BornAgainTreeRegressor(teacher, **options)
