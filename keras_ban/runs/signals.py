"""SIGINT and SIGTERM, kept back until the state is saved."""

import os
import signal
import sys
import threading

from keras_ban.reporting import printed

_NUMBERS = signal.SIGINT, signal.SIGTERM
_open = []
_masks = threading.local()


class Stopped(BaseException):
    """A signal asked for the end, and the state is saved."""


class Signals:
    """Keeps SIGINT and SIGTERM back until the state is saved.

    A context: when it ends, a signal that came meanwhile is raised again, so
    that the process ends as that signal says. A second one is not kept back.
    Outside the main thread, where Python allows no handlers, it does nothing;
    nor in processes that are forked meanwhile.

    Attributes:
        received: The number of the signal that came, or `None`.
    """

    def __init__(self):
        self.received = None
        self._previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            _open.append(self)
            for number in _NUMBERS:
                previous = signal.getsignal(number)
                if previous not in (None, signal.SIG_IGN):
                    self._previous[number] = previous
                    signal.signal(number, self._receive)
        return self

    def _receive(self, number, frame):
        self.received = number
        self.give_back()

    def give_back(self):
        """Lets signals do again what they did before."""
        for number, previous in self._previous.items():
            # A callback may have set a handler of its own since.
            if signal.getsignal(number) == self._receive:
                signal.signal(number, previous)
        self._previous = {}

    def stop(self, number):
        """Ends the context, and the process, as this signal says."""
        self.received = number
        raise Stopped

    def __exit__(self, kind, error, traceback):
        self.give_back()
        if self in _open:
            _open.remove(self)
        if self.received and _open and kind in (None, Stopped):
            # One run within another: the outer one says that it ends.
            _open[-1].stop(self.received)
        if self.received:
            name = signal.Signals(self.received).name
            if kind in (None, Stopped):
                printed.say(f"{name}: the state is saved; run again to go on.")
            else:
                # The signal is about to hide why it could not be.
                printed.say(
                    f"{name}, after {kind.__name__}: {error}. What was saved "
                    "before is intact; run again to go on from there."
                )
            sys.stdout.flush()
            sys.stderr.flush()
            signal.raise_signal(self.received)
            # The user's own handler came back: end as Python would.
            raise SystemExit(128 + self.received)


def _hold():
    """Keeps signals from a child that still has its parent's handlers."""
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)


def _release():
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _release_child():
    # What is kept back in a child would never be raised again: whoever ends
    # it, as a pool of processes does, would wait for it without an end.
    while _open:
        signals = _open.pop()
        signals.received = None
        signals.give_back()
    _release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_hold, after_in_parent=_release, after_in_child=_release_child
    )
