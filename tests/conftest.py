"""Small data and small models for all tests."""

import builtins
import gc
import os
import signal
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
import tensorflow as tf
from builders import learnable
from faults import Nursery
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

# Graphs are many small objects: each collection looks at all that are alive.
gc.set_threshold(20_000, 50, 100)

# A shell lets its jobs in the background ignore it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Two workers end together if the longest files begin.
LONG = (
    "test_distribute.py",
    "test_launched.py",
    "test_workers.py",
    "test_abreast.py",
    "test_kills.py",
    "test_resume.py",
    "test_documents.py",
    "test_docstrings.py",
    "test_examples.py",
    "test_export.py",
    "test_mixed_training.py",
    "test_plain_keras.py",
    "test_run_directory.py",
    "test_scikit_learn.py",
    "test_workshop.py",
    "test_compare.py",
    "test_several.py",
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
    return learnable(96)


@pytest.fixture
def uninstall(monkeypatch):
    """Makes a package one that is not installed, as it is called."""
    real = builtins.__import__

    def uninstall(package):
        def without(name, *rest, **options):
            if name.split(".")[0] == package:
                raise ImportError(f"No module named {name!r}")
            return real(name, *rest, **options)

        for name in [n for n in sys.modules if n.split(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(builtins, "__import__", without)

    return uninstall


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


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    """Where runs are processes of their own, that can be killed."""
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    yield nursery
    nursery.close()
