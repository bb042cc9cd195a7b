"""Small data and small models for all tests."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf
from lineages import FIT
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import graph_fn
from lineages import run

import keras_ban

# What is distributed is spread over these; all else is on the first.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 4,
)

# Two workers end together if the longest files begin.
LONG = (
    "test_distribute.py",
    "test_workers.py",
    "test_kills.py",
    "test_resume.py",
    "test_documents.py",
    "test_examples.py",
    "test_run_directory.py",
    "test_workshop.py",
    "test_cache.py",
    "test_damage.py",
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG)


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


@pytest.fixture(scope="module")
def born():
    """A driver of a network with dropout and BatchNorm."""
    return keras_ban.BornAgain(graph_fn, seed=3)


@pytest.fixture(scope="module")
def lineage(born):
    """Its three generations, with validation data."""
    return born.fit(X, Y, 3, validation_data=VALIDATION, **FIT)


@pytest.fixture(scope="module")
def simple():
    """The run that `lineages.run` gives by default."""
    return run()
