"""How much a run has to train, and when it will be finished."""

import math
import time

import keras
import numpy as np

from keras_ban.reporting import printed

# A step with a teacher takes a forward pass more, a third of what one without
# takes, where both networks are alike. What was measured comes before it.
_TAUGHT = 4 / 3
_AGAIN = 60.0
_SHORT = 10.0
_LONG = 60.0


class Outlook:
    """What is left to train, and how long that takes.

    The time that is left follows from the epochs of the network that is being
    trained, without its first one, unless that is long or the only one.

    Args:
        verbose: As `BornAgain.fit` takes it.
    """

    def __init__(self, verbose):
        self._verbose = verbose
        # By the place of a network.
        self._tasks = {}
        self._left = {}
        self._pace = self._said = None

    def expect(self, place, epochs, steps, is_taught):
        """Adds a training.

        Args:
            place: The number of its network.
            epochs: The `range` of its epochs.
            steps: The number of steps of an epoch, or `None`.
            is_taught: Whether a teacher takes part.
        """
        cost = (steps or 1) * (_TAUGHT if is_taught else 1)
        self._tasks[place] = epochs, steps, cost
        self._left[place] = len(epochs) * cost

    def finished(self, places):
        """Takes out what is finished.

        Args:
            places: Numbers of networks.
        """
        for place in places:
            self._left.pop(place, None)

    def _begin(self):
        """Says once what is left to train."""
        if self._said is not None or not self._left:
            return
        self._said = -math.inf
        tasks = [self._tasks[place] for place in self._left]
        counts = [round(self._left[p] / self._tasks[p][2]) for p in self._left]
        text = f"{_counted(len(tasks), 'network')} to train"
        if len(set(counts)) == 1:
            text += f", {_counted(counts[0], 'epoch')}"
            text += " each" * (len(tasks) > 1)
        if all(steps for _, steps, _ in tasks):
            pairs = zip(counts, tasks, strict=True)
            total = sum(count * steps for count, (_, steps, _) in pairs)
            text += f": {_counted(total, 'step')}"
        self._say(text)

    def announce(self, training, place, epoch, resumption):
        """Says that a training begins, or goes on.

        Args:
            training: The `Training`.
            place: Its place among those of the run, in words.
            epoch: The epoch that it begins with, counted from 0.
            resumption: How it goes on, in words, or `None` if it does not.
        """
        watch, teacher = training.watch, training.teacher
        self.passed([watch.place], epoch, None)
        self._begin()
        if resumption is not None:
            epochs = self._tasks[watch.place][0].stop
            printed.say(
                f"resuming {watch.name} at epoch {min(epoch + 1, epochs)} of "
                f"{epochs}{resumption}"
            )
        elif self._verbose == 2:
            return
        elif training.phase.is_first:
            source = (
                f"{teacher.name} by {training.trained.objective.name!r}"
                if teacher
                else "the labels"
            )
            self._say(
                f"{watch.name}, {place}, learns from {source} (seed "
                f"{watch.seed})"
            )
        else:
            self._say(f"{watch.name} is changed, from epoch {epoch + 1} on")

    def clock(self, places, is_last):
        """A callback that counts the time of networks trained side by side.

        Args:
            places: Their numbers.
            is_last: Whether they are trained when the callback ends.
        """
        return _Clock(self, [p for p in places if p in self._left], is_last)

    def passed(self, places, epoch, seconds):
        """Notes that networks were trained up to an epoch.

        Args:
            places: Their numbers.
            epoch: How many epochs are done, or `None` for all.
            seconds: What one of them took, or `None` if that is not known.
        """
        cost = 0
        for place in places:
            epochs, _, own = self._tasks[place]
            left = 0 if epoch is None else len(range(epoch, epochs.stop))
            self._left[place] = left * own
            cost += own
        if seconds is not None:
            self._pace = seconds / cost

    @property
    def is_open(self):
        """Whether no time is known yet."""
        return self._pace is None

    def to_go(self, since=0.0):
        """The time that is left, in words; empty if it is short or unknown.

        Args:
            since: Seconds that have passed since the last epoch. Defaults to
                `0.0`.
        """
        seconds = sum(self._left.values()) * (self._pace or 0) - since
        if seconds < _SHORT:
            return ""
        end = time.localtime(time.time() + seconds)
        is_today = end[:3] == time.localtime()[:3]
        moment = time.strftime("%H:%M" if is_today else "%a %H:%M", end)
        return f"about {printed.duration(seconds)} to go, until {moment}"

    def remind(self):
        """Says the time that is left, once an epoch has told, each minute."""
        now, text = time.perf_counter(), self.to_go()
        if text and now - self._said > _AGAIN and self._verbose != 2:
            self._said = now
            self._say(text)

    def tell(self, watch, history, seconds):
        """Says that a generation is trained.

        Args:
            watch: Its `Watch`.
            history: Its metrics by epoch, a dict of lists.
            seconds: What it took.
        """
        parts = [f"{watch.name}: {printed.duration(seconds)}"]
        for name, values in history.items():
            parts.append(f"{name} {np.mean(values[-1]):.4g}")
        self._say("; ".join(filter(None, [", ".join(parts), self.to_go()])))

    def _say(self, text):
        if self._verbose != 0:
            printed.say(text)


def _counted(count, name):
    return f"{count:,} {name}{'' if count == 1 else 's'}"


class _Clock(keras.callbacks.Callback):
    """Counts the time of epochs for an `Outlook`."""

    def __init__(self, outlook, places, is_last):
        super().__init__()
        self._is_last = is_last
        self._outlook = outlook
        self._places = places
        self._seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self._outlook.remind()
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self._seconds.append(time.perf_counter() - self._start)
        first, *others = self._seconds
        mean = sum(others) / len(others) if others else None
        # In the first epoch TensorFlow compiles, which short ones are lost in.
        is_alone = epoch + 1 == self.params["epochs"]
        if not others and (first > _LONG or is_alone):
            mean = first if self._outlook.is_open else None
        self._outlook.passed(self._places, epoch + 1, mean)

    def on_train_end(self, logs=None):
        if self._is_last:
            self._outlook.passed(self._places, None, None)


def stopped(interrupt, lineage, way_on):
    """What a `KeyboardInterrupt` says, a tuple.

    Args:
        interrupt: As it was raised.
        lineage: The `Lineage` of what is finished.
        way_on: How the run goes on, in words.
    """
    if interrupt.args:
        return interrupt.args
    names = ", ".join(generation.name for generation in lineage)
    done = f"`lineage` of the BornAgain has {names}, finished"
    start = done if names else "No generation is finished yet"
    return (f"{start}. {way_on}",)
