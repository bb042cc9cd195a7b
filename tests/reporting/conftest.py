"""Four networks that nobody trained, and their table."""

import pytest
from families import X
from families import Y
from families import whole_family


@pytest.fixture(scope="module")
def whole():
    return whole_family()


@pytest.fixture
def table(whole):
    return whole.evaluate(X, Y)
