"""The callbacks of a training that also save its state, and resume it."""

import math
import time

import keras
import numpy as np

from keras_ban.state.plain import decode
from keras_ban.state.plain import encode
from keras_ban.state.variables import Variables


class Backup(keras.callbacks.CallbackList):
    """The callbacks of one generation, and its state on disk.

    It saves after each epoch, or after each `save_every` steps, when all
    callbacks are done, and goes on from what was saved. A step of the epoch
    that was interrupted is not repeated: its batch is read and left aside.

    Args:
        callbacks: A list of Keras callbacks.
        trained: The model or `Distiller` that is trained.
        states: `CallbackStates` of `callbacks`.
        number: The number of the generation.
        run: The `OpenRun`.
        saved: What was `Saved`, or `None`.
        **params: As in `keras.callbacks.CallbackList`.
    """

    def __init__(
        self,
        callbacks,
        trained,
        states,
        number,
        run,
        saved=None,
        **params,
    ):
        self._variables = Variables(trained)
        self._states = states
        self._number = number
        self._run = run
        self._saved, self._arrays = saved or (None, None)
        self._epoch = self._step = self._skipped = 0
        self._total = self._saved["total"] if saved else 0
        self._logs = self._saved_logs = {}
        self._validation_cut = False
        self._start = time.perf_counter()
        if saved:
            self._start -= self._saved["seconds"]
            held = self._arrays[self._saved["variables"] :]
            self._saved_logs = {
                k: decode(v, held) for k, v in self._saved["logs"].items()
            }
        super().__init__(
            callbacks,
            add_progbar=params["verbose"] != 0,
            model=trained,
            **params,
        )

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        if self._saved:
            self._restore()

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self._epoch, self._step, self._skipped = epoch, 0, 0
        if self._saved and self._saved["step"]:
            # What the callbacks have just done, they had done before.
            self._restore()
            self._skip()
        else:
            self._saved = None

    def on_train_batch_begin(self, batch, logs=None):
        if batch >= self._skipped:
            super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        if batch < self._skipped:
            return
        super().on_train_batch_end(batch, logs)
        self._run.wait()
        before = self._total
        self._total += batch + 1 - self._step
        self._step, self._logs = batch + 1, logs
        every = self._run.save_every
        due = every and self._total // every > before // every
        if due or self._run.stops_now:
            self._save()

    def on_test_batch_end(self, batch, logs=None):
        super().on_test_batch_end(batch, logs)
        if self._run.stops_now:
            self._validation_cut = True
            self.model.stop_evaluating = True

    def on_epoch_end(self, epoch, logs=None):
        if self._validation_cut:
            # The epoch is trained, and validated when the run goes on.
            self._logs = {
                k: v for k, v in logs.items() if not k.startswith("val_")
            }
            self._save()
        if self._saved:
            # If all steps were skipped, nothing else knows their metrics.
            logs = {**self._saved_logs, **logs}
            if self._step == self._saved["step"]:
                logs |= self._saved_logs
            self._saved = None
        super().on_epoch_end(epoch, logs)
        self._epoch, self._step, self._logs = epoch + 1, 0, {}
        if not self._run.save_every or self._run.stops_now:
            self._save()

    def _save(self):
        states, arrays = self._states.get()
        logs = self._logs or {}
        values = self._variables.values(metrics=self._step > 0)
        meta = {
            "epoch": self._epoch,
            "step": self._step,
            "total": self._total,
            "stopped": bool(self.model.stop_training),
            "logs": {k: encode(_metric(v), arrays) for k, v in logs.items()},
            "seconds": time.perf_counter() - self._start,
            "callbacks": states,
            "variables": len(values),
        }
        self._run.save(self._number, meta, values + arrays)
        if self._run.save_every:
            self._run.wait()
        self._run.stop_if_asked()

    def _restore(self):
        count = self._saved["variables"]
        step = self._saved["step"]
        self._variables.assign(self._arrays[:count], metrics=step > 0)
        self._states.set(self._saved["callbacks"], self._arrays[count:])
        self._step = step

    def _skip(self):
        """Reads past the batches that the saved steps have trained on."""
        model, size = self.model, self.model.steps_per_execution
        train, logs = model.train_function, self._saved_logs
        stopped = self._saved["stopped"]
        left = math.ceil(self._step / size)
        self._skipped = self._step

        def read(iterator):
            nonlocal left
            for _ in zip(range(size), iterator, strict=False):
                pass
            left -= 1
            if not left:
                model.train_function = train
                model.stop_training = stopped
            return logs

        model.train_function = read


def _metric(value):
    """The value of a metric: a number, or an array if it has several."""
    found = np.asarray(keras.ops.convert_to_numpy(value))
    return found if found.ndim else float(found)


def check_callbacks(given):
    """Refuses callbacks that resume a training in a way of their own."""
    for one in given:
        if isinstance(one, keras.callbacks.BackupAndRestore):
            raise ValueError(
                "`BackupAndRestore` and `directory=` both resume a training. "
                "Expected one of them. Leave the callback out: the directory "
                "keeps the state of the running training."
            )
