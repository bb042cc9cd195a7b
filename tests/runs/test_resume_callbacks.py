"""What callbacks remember is there again when a run is resumed."""

import keras
import numpy as np
import pytest
from interruptions import Interrupted
from interruptions import check
from interruptions import optimized
from interruptions import run
from lineages import VALIDATION
from weights import same

from keras_ban.state import file


class Memory(keras.callbacks.Callback):
    """Acts on what it remembers, in a list, an array and a dict."""

    def __init__(self):
        super().__init__()
        self.losses = []
        self.mean = np.zeros(3)
        self.counts = {"epochs": 0, 3: (1, 2)}

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])
        self.mean = 0.9 * self.mean + logs["loss"]

    def on_epoch_end(self, epoch, logs=None):
        self.counts["epochs"] += 1
        optimizer = self.model.optimizer
        rate = 0.1 / (1 + np.mean(self.losses) + self.mean.sum())
        optimizer.learning_rate = rate / self.counts["epochs"]


def stopping():
    # It stops early: the loss never falls by so much.
    return keras.callbacks.EarlyStopping(
        "val_loss", 5.0, patience=0, restore_best_weights=True
    )


def shared(make):
    def callbacks():
        made = make()
        return lambda number: [made]

    return callbacks


def separate(make):
    return lambda: lambda number: [make()]


CALLBACKS = {
    "own": separate(Memory),
    "shared": shared(Memory),
    "schedule": separate(
        lambda: keras.callbacks.LearningRateScheduler(lambda e, r: 0.7 * r)
    ),
    "plateau": separate(
        lambda: keras.callbacks.ReduceLROnPlateau("loss", 0.5, 0, min_delta=9)
    ),
    "best weights": separate(
        lambda: keras.callbacks.EarlyStopping(
            "val_loss", patience=2, restore_best_weights=True
        )
    ),
}


@pytest.mark.parametrize(
    ("name", "save_every"),
    [
        ("shared", 3),
        ("best weights", None),
        *(
            pytest.param(name, every, marks=pytest.mark.slow)
            for name, every in [
                ("own", None),
                ("schedule", 3),
                ("plateau", 3),
                ("best weights", 3),
            ]
        ),
    ],
)
def test_callbacks(tmp_path, name, save_every):
    check(
        tmp_path,
        [(0, 1, 1), (1, 2, 1)],
        model=optimized(),
        callbacks=CALLBACKS[name],
        born={"save_every": save_every},
        epochs=3,
        validation_data=VALIDATION,
    )


class Counts(keras.callbacks.Callback):
    """Acts on what it remembers of all generations: list, scalar, array."""

    def __init__(self):
        super().__init__()
        self.losses = []
        self.total = np.float32(0)
        self.each = np.zeros(3)

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["loss"])
        self.total += np.float32(logs["loss"])
        self.each = 0.5 * self.each + logs["loss"]
        self.model.optimizer.learning_rate = 0.1 / (self.total + self.each[0])


def test_shared_memory_goes_from_generation_to_generation(tmp_path):
    made = []

    def callbacks():
        made.append(Counts())
        return lambda number: [made[-1]]

    # The second before anything of the new generation is saved.
    check(tmp_path, [(0, 1, 1), (1, 0, 2)], callbacks=callbacks)
    whole, *_, last = made
    assert last.losses == whole.losses
    assert last.total == whole.total == np.sum(whole.losses, dtype="float32")
    assert len(last.losses) == 4


def test_a_training_that_had_stopped_stays_stopped(tmp_path):
    """The process dies after the last epoch, before the model is saved."""
    ends = []

    def callbacks():
        def train_end(logs):
            ends.append(None)
            if len(ends) == 3:
                raise Interrupted

        end = keras.callbacks.LambdaCallback(on_train_end=train_end)
        return lambda number: [stopping(), end]

    kwargs = {
        "callbacks": callbacks,
        "epochs": 3,
        "validation_data": VALIDATION,
    }
    expected, _ = run(**kwargs)
    assert [len(g.history["loss"]) for g in expected] == [2, 2]
    actual, count = run(tmp_path, **kwargs)
    assert count == 1
    assert [g.history for g in actual] == [g.history for g in expected]
    assert same(actual[0].model, expected[0].model)
    assert same(actual[1].model, expected[1].model)


class Log(keras.callbacks.Callback):
    pass


def lists_in_turn(*makers):
    """Another list in each attempt, and what the last one holds."""
    makers = iter(makers)
    return lambda: next(makers)()


def whole_lists():
    made = Counts()
    return lambda number: [made, stopping()]


def other_lists():
    made, stop = Counts(), stopping()
    history = keras.callbacks.History()
    return lambda number: [Log(), history, stop, made]


@pytest.mark.parametrize(
    "save_every", [pytest.param(None, marks=pytest.mark.slow), 3]
)
def test_another_list_of_callbacks(tmp_path, capsys, save_every):
    """In another order, with more of them, shared or not."""
    kwargs = {
        "epochs": 4,
        "validation_data": VALIDATION,
        "model": optimized(),
    }
    expected, _ = run(callbacks=whole_lists, **kwargs)
    capsys.readouterr()
    actual, count = run(
        tmp_path,
        [(1, 1, 1)],
        {"save_every": save_every},
        callbacks=lists_in_turn(whole_lists, other_lists),
        **kwargs,
    )
    assert count == 1
    assert [len(g.history["loss"]) for g in expected] == [2, 2]
    for one, other in zip(actual, expected, strict=True):
        assert one.history == other.history
        assert same(one.model, other.model)
    said = capsys.readouterr().out
    assert said.startswith("resuming BAN-1 at epoch ")
    assert said.endswith("; nothing was saved of Log, History\n")


def test_callbacks_that_are_gone_are_told(tmp_path, capsys):
    def none():
        return lambda number: []

    for lists in (separate(Counts), shared(Counts)):
        directory = tmp_path / str(lists)[-5:-1]
        run(directory, [(1, 1, 2)], callbacks=lists_in_turn(lists, none))
        said = capsys.readouterr().out
        assert said.endswith("; what was saved of Counts is left\n")


def test_a_generation_begins_with_another_list(tmp_path, capsys):
    """Nothing of it was saved yet: what its callbacks know is of the last."""
    lists = lists_in_turn(whole_lists, other_lists)
    kwargs = {"epochs": 4, "validation_data": VALIDATION}
    expected, _ = run(callbacks=whole_lists, **kwargs)
    capsys.readouterr()
    actual, _ = run(tmp_path, [(1, 0, 1)], callbacks=lists, **kwargs)
    assert all(map(same, *([g.model for g in n] for n in (actual, expected))))
    said = capsys.readouterr().out
    assert said == "resuming BAN-1 at epoch 1 of 4; nothing was saved of Log\n"


def test_states_of_an_earlier_version(tmp_path):
    """Its backups hold the user's callbacks between the package's own."""
    kwargs = {"epochs": 3, "validation_data": VALIDATION}
    expected, _ = run(callbacks=whole_lists, **kwargs)

    def earlier():
        for path in tmp_path.glob("generation-*/backup.h5"):
            meta, arrays = file.unpack(path.read_bytes())
            first, finite, history, *given = meta["callbacks"]
            meta["callbacks"] = [first, *given, finite, history]
            path.write_bytes(file.pack(meta, arrays))
        return whole_lists()

    actual, count = run(
        tmp_path,
        [(1, 1, 1)],
        callbacks=lists_in_turn(whole_lists, earlier),
        **kwargs,
    )
    assert count == 1
    for one, other in zip(actual, expected, strict=True):
        assert one.history == other.history
        assert same(one.model, other.model)
