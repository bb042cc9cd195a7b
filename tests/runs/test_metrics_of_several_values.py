"""Metrics that give an array are saved, resumed and loaded."""

import signal

import keras
import numpy as np
import pytest
from builders import compiled
from builders import linear
from interruptions import run
from lineages import VALIDATION
from lineages import X
from lineages import Y
from weights import same

import keras_ban
from keras_ban.runs.signals import Signals

HOT = keras.utils.to_categorical(Y, 4)
KWARGS = {
    "x": X,
    "y": HOT,
    "batch_size": 16,
    "validation_data": (
        VALIDATION[0],
        keras.utils.to_categorical(VALIDATION[1], 4),
    ),
}


def scored():
    return compiled(
        linear(loss=None),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.F1Score(), "accuracy"],
    )


def assert_same_histories(one, other):
    assert list(one) == list(other)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])
        assert np.shape(values) == np.shape(other[name])
        assert {type(v) for v in values} == {type(v) for v in other[name]}


@pytest.fixture(scope="module")
def whole():
    lineage, _ = run(model=scored, **KWARGS)
    assert np.shape(lineage[1].history["f1_score"]) == (2, 4)
    assert np.shape(lineage[1].history["val_f1_score"]) == (2, 4)
    assert "BAN-1" in str(lineage)
    return lineage


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_resumed_run_is_the_same(tmp_path, whole, step):
    """In mid-epoch, and after its last step, of which the saved logs tell."""
    actual, count = run(
        tmp_path,
        [(0, 1, 3), (1, 1, step)],
        {"save_every": 4 if step == 3 else 3},
        model=scored,
        **KWARGS,
    )
    assert count == 2
    loaded = keras_ban.load(tmp_path)
    assert "BAN-1" in str(loaded)
    for expected, *others in zip(whole, actual, loaded, strict=True):
        for other in others:
            assert same(other.model, expected.model)
            assert_same_histories(other.history, expected.history)


def test_generation_0_is_plain_keras(whole):
    keras.utils.set_random_seed(whole[0].seed)
    lineage, _ = run(model=scored, shuffle=False, **KWARGS)
    keras.utils.set_random_seed(whole[0].seed)
    history = scored().fit(**KWARGS, epochs=2, shuffle=False, verbose=0).history
    for name in ("f1_score", "val_f1_score", "loss"):
        np.testing.assert_array_equal(lineage[0].history[name], history[name])


def test_what_is_not_saved_is_not_said_to_be(capsys):
    with pytest.raises(KeyboardInterrupt), Signals():
        signal.raise_signal(signal.SIGINT)
        raise TypeError("the state holds a function")
    said = capsys.readouterr().out
    assert "state is saved" not in said
    assert said.startswith("SIGINT, after TypeError: the state holds a functio")


class Signal(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            signal.raise_signal(signal.SIGINT)


def test_what_is_said_to_be_saved_is_there(tmp_path, whole, capsys):
    with pytest.raises(KeyboardInterrupt):
        run(
            tmp_path,
            model=scored,
            callbacks=lambda: lambda k: [Signal()],
            **KWARGS,
        )
    assert capsys.readouterr().out.startswith("SIGINT: the state is saved")
    found, _ = run(tmp_path, model=scored, **KWARGS)
    said = capsys.readouterr().out
    assert said.startswith("resuming Teacher at epoch 1 of 2, after step 2")
    for one, other in zip(found, whole, strict=True):
        assert same(one.model, other.model)
        assert_same_histories(one.history, other.history)
