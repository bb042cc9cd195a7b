"""Small data and small models for all tests."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _seed_and_policy():
    """Every test starts from one seed and leaves no dtype policy behind."""
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()
    floatx = keras.config.floatx()
    yield
    keras.config.set_dtype_policy(policy)
    keras.config.set_floatx(floatx)


@pytest.fixture
def data():
    """96 samples of 6 features whose class, of 4, a network can learn."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 6)).astype("float32")
    y = (x @ rng.normal(size=(6, 4))).argmax(-1)
    return x, y
