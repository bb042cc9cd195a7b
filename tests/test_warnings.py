"""Warnings name the line of the user's that caused them."""

import inspect
import warnings

import keras
import numpy as np
import pytest
from builders import linear
from lineages import FIT
from lineages import X
from lineages import Y
from lineages import graph_fn

import keras_ban


def caught(call):
    """The one warning of a call, and the line that made the call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", UserWarning)
        call()
    (one,) = [w for w in found if w.category is UserWarning]
    return one


def check(warning, call):
    lines, start = inspect.getsourcelines(call)
    assert warning.filename == __file__
    assert start <= warning.lineno < start + len(lines)


def fixed():
    """A network whose weights are the same in each call."""
    return linear(seed=1)


@pytest.fixture
def run(tmp_path):
    """A finished run, and a function that trains it (on)."""

    def fit(generations=1):
        ban = keras_ban.BornAgain(graph_fn, directory=tmp_path)
        return ban.fit(X, Y, generations, **FIT)

    fit()
    return tmp_path, fit


def test_fit_with_fixed_initial_weights():
    def call():
        keras_ban.BornAgain(fixed).fit(X, Y, 1, **FIT)

    warning = caught(call)
    assert "same initial weights" in str(warning.message)
    check(warning, call)


def test_load_of_a_damaged_run(run):
    path, _ = run
    (path / "run.json").write_text("{")

    def call():
        keras_ban.load(path)

    warning = caught(call)
    assert "run.json is missing or damaged" in str(warning.message)
    check(warning, call)


def test_fit_in_a_damaged_run(run):
    path, fit = run
    (path / "generation-1" / "history.json").write_text("{")
    warning = caught(fit)
    assert "history.json is missing or damaged" in str(warning.message)
    check(warning, fit)


def test_fit_with_a_damaged_state(run):
    path, fit = run
    folder = path / "generation-2"
    folder.mkdir()
    (folder / "backup.h5").write_bytes(b"no state")

    def call():
        assert len(fit(generations=2)) == 3

    warning = caught(call)
    assert "Generation 2 starts anew" in str(warning.message)
    check(warning, fit)


def test_fit_in_a_callback_names_the_callback():
    class Inner(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            if not seen:
                seen.append(None)
                keras_ban.BornAgain(fixed).fit(X, Y, 1, **FIT)

    seen = []

    def call():
        keras_ban.BornAgain(graph_fn).fit(
            X, Y, 1, callbacks=lambda number: [Inner()], **FIT
        )

    check(caught(call), Inner)
    assert np.array_equal(seen, [None])
