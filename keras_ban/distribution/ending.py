"""Workers that end at the same step when one of them is told to end.

Nothing is exchanged until then. What is written to TensorFlow's coordination
service, which the chief runs for as long as the workers are connected, all can
read; TensorFlow itself has its workers agree so before their machines go.
"""

import contextlib
import threading

import numpy as np
import tensorflow as tf

# No public name reads or writes what the service keeps.
from tensorflow.python.eager import context

# Milliseconds for what all write at once.
_SOON = 30_000
_ASKED, _OVER = "asked", "over"


class Ending:
    """Where all workers end together: a moment that none has passed.

    Each counts the moments at which it could end, which are the same in all.
    Once one is told to end, each says how many it has passed, and passes none
    until it knows of all others; then all end at the one after the furthest.
    A context, for as long as there are moments.

    Args:
        cluster: The `Cluster` of workers.
    """

    def __init__(self, cluster):
        self._cluster = cluster
        self._passed = 0
        self._last = None
        self._has_asked = False
        self._is_held = False
        self._lock = threading.Lock()
        self._is_known = threading.Event()
        self._thread = None

    def __enter__(self):
        if self._cluster.several:
            own = int(np.random.default_rng().integers(2**62))
            # Of this run alone: what was written once cannot be changed.
            self._name = f"keras_ban/{self._cluster.numbers(own)[0]}"
            # It may wait for a worker that is gone, which nothing can end.
            self._thread = threading.Thread(target=self._listen, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind, *error):
        if self._thread:
            # The first one that gets here has passed all moments there are.
            self._write(_OVER)
            if kind is None:
                self._thread.join(_SOON / 1000)

    def due(self, is_asked):
        """Counts a moment; returns whether all workers end there.

        Args:
            is_asked: Whether this one was told to end.
        """
        if self._thread is None:
            return is_asked
        if is_asked and not self._has_asked:
            self._has_asked = True
            self._write(_ASKED)
        with self._lock:
            if not self._is_held:
                self._passed += 1
                return False
        self._is_known.wait()
        self._passed += 1
        return self._last is not None and self._passed >= self._last

    def _listen(self):
        """Waits until somebody asks, and finds out where all end."""
        with contextlib.suppress(tf.errors.OpError):
            if self._read("", 0) == _ASKED:
                with self._lock:
                    self._is_held = True
                self._write(str(self._passed), f"/{self._cluster.number}")
                found = [
                    int(self._read(f"/{number}", _SOON))
                    for number in range(self._cluster.size)
                ]
                self._last = max(found) + 1
        # Where another one is gone, what is trained next says so.
        self._is_known.set()

    def _read(self, key, milliseconds):
        return context.context().get_config_key_value(
            self._name + key, milliseconds
        )

    def _write(self, value, key=""):
        # Somebody may have been first.
        with contextlib.suppress(tf.errors.OpError):
            context.context().set_config_key_value(self._name + key, value)
