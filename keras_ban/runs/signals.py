"""SIGINT and SIGTERM, kept back until the state is saved."""

import signal
import sys
import threading


class Stopped(BaseException):
    """A signal asked for the end, and the state is saved."""


class Signals:
    """Keeps SIGINT and SIGTERM back until the state is saved.

    A context: when it ends, a signal that came meanwhile is raised again, so
    that the process ends as that signal says. A second one is not kept back.
    Outside the main thread, where Python allows no handlers, it does nothing.

    Attributes:
        received: The number of the signal that came, or `None`.
    """

    def __init__(self):
        self.received = None
        self._previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                previous = signal.getsignal(number)
                if previous not in (None, signal.SIG_IGN):
                    self._previous[number] = previous
                    signal.signal(number, self._receive)
        return self

    def _receive(self, number, frame):
        self.received = number
        self._give_back()

    def _give_back(self):
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        self._previous = {}

    def stop(self, number):
        """Ends the context, and the process, as this signal says."""
        self.received = number
        raise Stopped

    def __exit__(self, kind, error, traceback):
        self._give_back()
        if self.received:
            name = signal.Signals(self.received).name
            if kind in (None, Stopped):
                print(f"{name}: the state is saved; run again to go on.")
            else:
                # The signal is about to hide why it could not be.
                print(
                    f"{name}, after {kind.__name__}: {error}. What was saved "
                    "before is intact; run again to go on from there."
                )
            sys.stdout.flush()
            sys.stderr.flush()
            signal.raise_signal(self.received)
            # The user's own handler came back: end as Python would.
            raise SystemExit(128 + self.received)
