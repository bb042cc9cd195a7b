"""Keras' progress bar, as wide as the terminal at most."""

import math
import time

import keras
import numpy as np

from keras_ban.reporting import printed

# Of the bar itself, without the numbers of steps.
_BAR = 24
_INDENT = "     "


class Bar(keras.callbacks.ProgbarLogger):
    """Keras' bar, where the line that is written over is one line.

    Metrics for which there is no room stand below it when the epoch ends. The
    teacher's term is left out where it is all that the loss is.
    """

    def on_epoch_begin(self, epoch, logs=None):
        """Begins a bar."""
        self._start = time.perf_counter()
        self._step = 0
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """Shows what there is room for."""
        self._step = batch + 1
        super().on_train_batch_end(batch, self._fitting(_once(logs or {})))

    def on_epoch_end(self, epoch, logs=None):
        """Shows all metrics of the epoch."""
        logs = _once(logs or {})
        fitting = self._fitting(logs) if self.verbose == 1 else logs
        super().on_epoch_end(epoch, fitting)
        for line in _lines({k: v for k, v in logs.items() if k not in fitting}):
            printed.say(line)

    def _fitting(self, logs):
        """The metrics that fit beside the bar, the loss first, a dict."""
        room = printed.width() - _BAR - 2 * len(str(self.target or 10**4))
        room -= self._times()
        found = {}
        for name in sorted(logs, key=lambda name: name != "loss"):
            room -= len(_text(name, logs[name]))
            if room < 0:
                break
            found[name] = logs[name]
        return found

    def _times(self):
        """How wide the times are that Keras writes beside it."""
        passed = time.perf_counter() - self._start
        step = passed / max(1, self._step)
        left = max(passed, step * ((self.target or 0) - self._step))
        clock = (
            f"{left / 3600:.0f}:00:00" if left > 3600 else f"{left / 60:.0f}:00"
        )
        own = f"{step:.0f}s/step" if step >= 1 else "999ms/step"
        return max(len(clock), len(f"{passed:.0f}s")) + len(own)


def bars(verbose, given):
    """The bar of a training, a list; empty where Keras shows none, or another.

    Args:
        verbose: As `keras.Model.fit` takes it.
        given: The user's callbacks, a list.
    """
    others = keras.callbacks.ProgbarLogger, keras.callbacks.CallbackList
    has_own = any(isinstance(one, others) for one in given)
    return [] if has_own or verbose in (0, 2) else [Bar()]


def _once(logs):
    """The metrics without a teacher's term that is the whole loss."""
    terms = [logs.get("teacher_loss"), logs.get("loss")]
    if None in terms or not math.isclose(*terms, rel_tol=1e-5):
        return logs
    return {k: v for k, v in logs.items() if k != "teacher_loss"}


def _text(name, value):
    """A metric as Keras' bar writes it."""
    mean = float(np.mean(value))
    digits = ".4f" if abs(mean) > 1e-3 else ".4e"
    return f" - {name}: {mean:{digits}}"


def _lines(metrics):
    """Metrics in lines of the terminal's width, indented."""
    line = ""
    for text in (_text(*metric) for metric in metrics.items()):
        if line and len(_INDENT + line + text) > printed.width():
            yield _INDENT + line
            line = ""
        line += text if line else text.removeprefix(" - ")
    if line:
        yield _INDENT + line
