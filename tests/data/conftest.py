"""The corpus of the tests, read."""

import pytest
from texts import FOLDER

from keras_ban.data import text


@pytest.fixture(scope="module")
def corpus():
    return text.from_folder(FOLDER)
