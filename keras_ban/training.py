"""The training of one generation: seeded, guarded, resumable."""

import time

import keras

from keras_ban import guards
from keras_ban import stream
from keras_ban.backup import Backup
from keras_ban.callback_states import CallbackStates
from keras_ban.state import Variables


class Training:
    """How one generation is trained, whatever the network is.

    Args:
        run_seed: The seed of the run.
        number: The number of the generation.
        name: Its name.
        callbacks: The user's Keras callbacks, a list.

    Attributes:
        name: As given.
        seed: The seed of the generation, an integer.
        remembered: `CallbackStates` of the user's callbacks.
    """

    def __init__(self, run_seed, number, name, callbacks):
        self.name = name
        self.seed = guards.seed(run_seed, number)
        self.remembered = CallbackStates(callbacks)
        self._number = number
        self._callbacks = [
            guards.Seeded(run_seed, number),
            *callbacks,
            guards.Finite(name),
            keras.callbacks.History(),
        ]
        self._states = CallbackStates(self._callbacks)

    def fit(
        self,
        fit,
        trained,
        batch,
        arguments,
        views=None,
        run=None,
        saved=None,
    ):
        """Trains, from the beginning or from what was saved.

        Args:
            fit: `keras.Model.fit` of what is trained, or what stands for it.
            trained: The model or `Distiller`.
            batch: A batch of inputs and its labels, or `None` for these.
            arguments: The arguments of `fit`, as `stream.prepare` gave them.
            views: The `Views` of its examples. Defaults to `None`.
            run: The open `RunDirectory`, if there is one. Defaults to `None`.
            saved: What it has saved of this training. Defaults to `None`.

        Returns:
            The history, a dict, and the seconds it took.
        """
        epoch = first_epoch(arguments, saved)
        arguments = stream.of(arguments, self._number, self.seed, epoch, views)
        arguments = {**arguments, "initial_epoch": epoch}
        if saved:
            Variables(trained).build(*batch)
            if saved[0]["stopped"] and not saved[0]["step"]:
                arguments["epochs"] = epoch
        start = time.perf_counter()
        if run is None:
            with stream.clear_errors(self.name):
                history = fit(callbacks=self._callbacks, **arguments)
            return history.history, time.perf_counter() - start
        backup = Backup(
            self._callbacks,
            trained,
            self._states,
            self._number,
            run,
            saved,
            verbose=arguments["verbose"],
            epochs=arguments.get("epochs", 1),
            steps=stream.steps(arguments),
        )
        with stream.clear_errors(self.name):
            history = fit(callbacks=backup, **arguments)
        return history.history, backup.seconds


def first_epoch(arguments, saved):
    """The epoch to begin with, counted from 0."""
    return saved[0]["epoch"] if saved else arguments.get("initial_epoch", 0)
