"""A run whose third generation was broken off, and what reads it."""

import functools

import keras
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import model_fn

import keras_ban
from keras_ban.feeding.passes import Course
from keras_ban.generations.guards import Finite
from keras_ban.runs.backup import check_executions
from keras_ban.state.callbacks import CallbackStates

HISTORY = "generation-1/history.json"
STATE = "generation-2/backup.h5"
MODEL = "generation-1/model.keras"


class Data:
    """What is read of the data of a run: checksums of its values."""

    epochs = 2

    def __init__(self, samples=None, initial_epoch=0):
        self._samples = samples or {}
        self.initial_epoch = initial_epoch

    def samples(self):
        return dict(self._samples)

    def sample_anew(self, name):
        return self._samples[name]

    def for_generation(self, number):
        return self


class Interrupt(keras.callbacks.Callback):
    def __init__(self, number):
        super().__init__()
        self.is_last = number == 2
        self.seen = [1.0]

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)
        if self.is_last and epoch == 1:
            raise KeyboardInterrupt


def fit(directory, callback=Interrupt, **born):
    return keras_ban.BornAgain(model_fn, directory=directory, **born).fit(
        X,
        Y,
        generations=2,
        epochs=2,
        verbose=0,
        validation_data=VALIDATION,
        callbacks=callback,
    )


def resumed(run, trained):
    """What was saved of generation 2, given to all that it is for."""
    saved, history = run.saved(2), keras.callbacks.History()
    states = CallbackStates([Finite("BAN-2"), history, Interrupt(2)])
    run.resumption(saved, states)
    if saved:
        check_executions(saved.meta, functools.partial(Course, None, 2), 1)
    given = {"verbose": 0, "epochs": 2, "steps": 2}
    given["seconds"] = float
    try:
        callbacks = run.callbacks([history], trained, states, 2, saved, **given)
        callbacks.on_train_begin()
        callbacks.on_epoch_begin(1)
    finally:
        trained.train_function = None
    history.on_epoch_end(1, {"loss": 1.0, "val_loss": 2.0})
    assert all(type(column) is list for column in history.history.values())
    return saved


class Seen(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = [1.0]
