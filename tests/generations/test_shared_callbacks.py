"""Callbacks of Keras in a list that all generations share."""

import keras
import numpy as np
import pytest
from builders import compiled
from builders import linear
from builders import mlp
from lineages import VALIDATION
from lineages import run
from refusals import Untouched
from refusals import refused
from weights import assert_same

from keras_ban.generations.places import check_places


def averaged():
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)
    return compiled(mlp(), optimizer=optimizer)


def stopping(kind=keras.callbacks.EarlyStopping):
    # The loss never falls by so much, but for the first time.
    return kind("val_loss", 5.0, patience=1, restore_best_weights=True)


def plateau():
    return keras.callbacks.ReduceLROnPlateau("loss", 0.5, 1, min_delta=9)


def halving():
    return keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)


# Those that keep something, or nothing, and write to no file.
KEEPING = {
    "EarlyStopping": stopping,
    "History": keras.callbacks.History,
    "LambdaCallback": keras.callbacks.LambdaCallback,
    "LearningRateScheduler": halving,
    "ProgbarLogger": keras.callbacks.ProgbarLogger,
    "ReduceLROnPlateau": plateau,
    "RemoteMonitor": keras.callbacks.RemoteMonitor,
    "SwapEMAWeights": lambda: keras.callbacks.SwapEMAWeights(True),
    "TerminateOnNaN": keras.callbacks.TerminateOnNaN,
}
WRITING = {
    "BackupAndRestore": "backup_dir",
    "CSVLogger": "filename",
    "ModelCheckpoint": "filepath",
    "OrbaxCheckpoint": "directory",
    "TensorBoard": "log_dir",
}


def test_every_callback_of_keras_is_known():
    """A new one is to be looked at: does it begin anew, and does it write?"""
    known = {*KEEPING, *WRITING, "Callback", "CallbackList"}
    assert set(vars(keras.callbacks)) - known <= {"__builtins__"} | {
        name for name in vars(keras.callbacks) if name.startswith("__")
    }


def three(callbacks):
    return run(
        averaged,
        generations=2,
        epochs=3,
        validation_data=VALIDATION,
        callbacks=callbacks,
    )


@pytest.mark.parametrize(
    "alone",
    [
        "EarlyStopping",
        pytest.param("SwapEMAWeights", marks=pytest.mark.slow),
        # All but the first.
        None,
    ],
)
def test_each_begins_anew(alone, monkeypatch):
    """As those do that each generation gets anew."""
    sent = []
    names = [alone] if alone else sorted({*KEEPING} - {"EarlyStopping"})

    def made():
        return {name: KEEPING[name]() for name in names}

    monkeypatch.setattr(
        "requests.post", lambda *args, **kwargs: sent.append(args)
    )
    shared = made()
    found = three([*shared.values()])
    expected = three(lambda number: [*made().values()])
    for one, other in zip(found, expected, strict=True):
        assert_same(one.model, other.model)
        assert one.history == other.history
    if alone == "EarlyStopping":
        assert [len(g.history["loss"]) for g in found] == [2, 2, 2]
    if alone is None:
        losses = shared["History"].history["loss"]
        assert losses == found[2].history["loss"]
        assert len(sent) == 2 * 3 * 3


def test_what_a_subclass_adds_goes_on():
    class Counting(keras.callbacks.SwapEMAWeights):
        def __init__(self):
            super().__init__(swap_on_epoch=True)
            self.epochs = []

        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            self.epochs.append(epoch)

    counting = Counting()
    found = three([counting])
    expected = three(lambda number: [Counting()])
    assert counting.epochs == [0, 1, 2] * 3
    for one, other in zip(found, expected, strict=True):
        assert_same(one.model, other.model)


class Checkpoint(keras.callbacks.ModelCheckpoint):
    """A subclass writes where its base does."""


def writing(name, path, kind=None):
    """A callback that would write there; none of them writes as it is made."""
    kind = kind or getattr(keras.callbacks, name)
    found = object.__new__(kind)
    setattr(found, WRITING[name], path)
    return found


@pytest.mark.parametrize("name", WRITING)
def test_one_place_for_two_generations_is_refused(name):
    if not hasattr(keras.callbacks, name):
        pytest.skip("not in this version of Keras")
    shared = writing(name, "out/{epoch}.keras")
    with pytest.raises(ValueError, match=f"`{name}` of the generations 0") as e:
        check_places({0: [shared], 1: [], 2: [shared]})
    assert f'keras.callbacks.{name}(f"out/{{number}}-' in str(e.value)
    assert "callbacks=lambda number: [" in str(e.value)
    check_places({1: [shared]})
    check_places({k: [writing(name, f"out/{k}.keras")] for k in range(3)})
    same = [writing(name, p) for p in ("out/a", "out/b/../a")]
    with pytest.raises(ValueError, match="writes to one place"):
        check_places(dict(enumerate([[one] for one in same])))


def test_a_subclass_that_writes_is_refused():
    shared = writing("ModelCheckpoint", "a.keras", Checkpoint)
    with pytest.raises(ValueError, match=r"lambda number: \[Checkpoint\("):
        check_places({0: [shared], 1: [shared]})


def test_refused_before_training(tmp_path):
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv", append=True)
    for callbacks in ([Untouched(), log], lambda number: [Untouched(), log]):
        refused("CSVLogger", "lambda number", callbacks=callbacks)
    assert list(tmp_path.iterdir()) == []


def test_callbacks_in_a_list_of_keras(tmp_path):
    held = keras.callbacks.CallbackList
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "a.keras")
    words = "generations 0 and 1", "{number}-a.keras"
    refused(*words, callbacks=held([held([checkpoint]), Untouched()]))
    alone = run(callbacks=[stopping(), plateau()], validation_data=VALIDATION)
    shared = run(
        callbacks=held([stopping(), plateau()]), validation_data=VALIDATION
    )
    for one, other in zip(alone, shared, strict=True):
        assert_same(one.model, other.model)
        assert one.history == other.history


def test_a_file_for_each_generation(tmp_path):
    """The columns are those of each generation; a teacher needs no file."""

    def callbacks(number):
        return [keras.callbacks.CSVLogger(tmp_path / f"{number}.csv")]

    found = run(linear, generations=1, callbacks=callbacks)
    for generation in found:
        path = tmp_path / f"{generation.number}.csv"
        table = np.genfromtxt(path, delimiter=",", names=True)
        np.testing.assert_allclose(table["loss"], generation.history["loss"])
        assert set(generation.history) <= set(table.dtype.names)
    one = keras.callbacks.CSVLogger(tmp_path / "one.csv")
    run(linear, generations=1, teacher=found[0].model, callbacks=[one])
    assert len((tmp_path / "one.csv").read_text().splitlines()) == 3
