"""The callbacks of a training that also save its state, and resume it."""

import math

import keras

from keras_ban.state.plain import decode
from keras_ban.state.plain import encode
from keras_ban.state.plain import metric
from keras_ban.state.variables import Variables


class Backup(keras.callbacks.CallbackList):
    """The callbacks of one generation, and its state on disk.

    It saves after each epoch, or after each `save_every` steps, when all
    callbacks are done, and goes on from what was saved. A step that was done
    is not repeated: its batch is read and left aside. So are all batches of
    earlier epochs, if training begins with such.

    Args:
        callbacks: A list of Keras callbacks.
        trained: The model or `Distiller` that is trained.
        states: `CallbackStates` of those that remember something.
        number: The number of the generation.
        run: The `OpenRun`.
        saved: What was `Saved`, or `None`.
        reading: Those of the callbacks that the data needs, in epochs whose
            batches are left aside too.
        seconds: Function that gives the seconds of training so far.
        **params: As in `keras.callbacks.CallbackList`.
    """

    def __init__(
        self,
        callbacks,
        trained,
        states,
        number,
        run,
        saved,
        reading=(),
        *,
        seconds,
        **params,
    ):
        self._variables = Variables(trained)
        self._states = states
        self._number = number
        self._run = run
        self._reading = reading
        self._train = None
        self._saved, self._arrays = saved or (None, None)
        self._epoch = self._step = self._skipped = 0
        self._total = self._saved["total"] if saved else 0
        self._logs = self._saved_logs = {}
        self._validation_cut = False
        self._seconds = seconds
        if saved:
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
        self._stop_reading()
        if self._is_done(epoch):
            for callback in self._reading:
                callback.on_epoch_begin(epoch, logs)
            self._skip(math.inf)
            return
        super().on_epoch_begin(epoch, logs)
        self._epoch, self._step, self._skipped = epoch, 0, 0
        if self._saved and self._saved["step"]:
            # What the callbacks have just done, they had done before.
            self._restore()
            self._skip(self._step)
        else:
            self._saved = None

    def _is_done(self, epoch):
        """Whether an epoch was finished before the state was saved."""
        return bool(self._saved) and epoch < self._saved["epoch"]

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
        stops = self._run.stops_now()
        if due or stops:
            self._save()

    def on_test_begin(self, logs=None):
        if not self._skips_epoch:
            super().on_test_begin(logs)

    def on_test_batch_begin(self, batch, logs=None):
        if not self._skips_epoch:
            super().on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch, logs=None):
        if self._skips_epoch:
            self.model.stop_evaluating = True
            return
        super().on_test_batch_end(batch, logs)
        if self._run.stops_now():
            self._validation_cut = True
            self.model.stop_evaluating = True

    def on_test_end(self, logs=None):
        if not self._skips_epoch:
            super().on_test_end(logs)

    @property
    def _skips_epoch(self):
        return self._skipped == math.inf

    def on_epoch_end(self, epoch, logs=None):
        if self._is_done(epoch):
            return
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
        stops = self._run.stops_now()
        if not self._run.save_every or stops:
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
            "logs": {k: encode(metric(v), arrays) for k, v in logs.items()},
            "seconds": self._seconds(),
            "steps_per_execution": self.model.steps_per_execution,
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

    def _skip(self, steps):
        """Reads past batches, instead of training on them.

        Args:
            steps: How many of them, of whole executions.
        """
        model, size = self.model, self.model.steps_per_execution
        logs, stopped = self._saved_logs, self._saved["stopped"]
        left = steps / size
        self._skipped, self._train = steps, model.train_function

        def read(iterator):
            nonlocal left
            count = sum(1 for _ in zip(range(size), iterator, strict=False))
            if not count and left < math.inf:
                # Data of unknown size, which ends nowhere but here.
                last = steps - round(left * size)
                raise self._run.beyond(self._number, steps, last)
            left -= 1
            if left <= 0:
                self._stop_reading()
                model.stop_training = stopped
            return logs

        model.train_function = read

    def _stop_reading(self):
        if self._train:
            self.model.train_function, self._train = self._train, None


def check_executions(saved, course, size):
    """Checks that a training can go on in executions of another size.

    Args:
        saved: The meta data of what was saved, a dict.
        course: Function from steps in an execution to the `Course` of the
            epochs, or `None`.
        size: Steps in an execution.

    Raises:
        ValueError: If the steps that were done are not those of whole
            executions, or if the epochs have other lengths now.
    """
    epoch, step = saved["epoch"], saved["step"]
    before = saved.get("steps_per_execution", size)
    courses = [course(before), course(size)]
    differs = None not in courses and any(
        courses[0].place(e) != courses[1].place(e) for e in (epoch, epoch + 1)
    )
    beyond = before != size and courses[1] and step > courses[1].whole
    if step % size or differs or beyond:
        raise ValueError(
            f"`steps_per_execution` was {before} when this generation was "
            f"interrupted, after step {step} of epoch {epoch + 1}, and steps "
            "would be lost or done twice with another one. Expected "
            f"{before} until the generation is finished. Received: {size}. "
            "Compile with the former one, or pass `overwrite=True` to begin "
            "anew."
        )


def check_callbacks(given):
    """Refuses callbacks that resume a training in a way of their own."""
    for one in given:
        if isinstance(one, keras.callbacks.BackupAndRestore):
            raise ValueError(
                "`BackupAndRestore` and `directory=` both resume a training. "
                "Expected one of them. Leave the callback out: the directory "
                "keeps the state of the running training."
            )
