"""The teacher whose outputs are kept."""

import keras
import pytest
from builders import compiled
from builders import mlp


@pytest.fixture(scope="module")
def teacher():
    keras.utils.set_random_seed(7)
    return compiled(mlp(16, hidden="relu"))
