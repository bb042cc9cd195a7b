"""Runs a script as one of several workers, connected before it begins.

On each machine, told by `TF_CONFIG` or Slurm:

    python -m keras_ban.launch script.py --its=arguments

Several workers on this machine, to try out what runs on many:

    python -m keras_ban.launch --workers 2 script.py --its=arguments
"""

import argparse
import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time

import tensorflow as tf

from keras_ban.distribution import strategies
from keras_ban.distribution.cluster import Cluster
from keras_ban.reporting import printed

_TOLD_BY = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
]
_HAS_GROUPS = hasattr(os, "killpg")
_UNREAD = getattr(signal, "SIGPIPE", signal.SIGTERM)
# Seconds: until workers are killed, for their last lines, between two looks.
_GRACE = 10
_LAST_LINES = 1
_PAUSE = 0.1
# Where a worker finds the end of a pipe that its launcher holds.
_LINE = "KERAS_BAN_LAUNCHER"


def main(arguments=None):
    """Runs a script as a worker, or in several; returns the exit status.

    Without `--workers` this process is a worker: it takes the cluster from
    `TF_CONFIG` or Slurm, connects, and runs the script, which finds the other
    workers connected whatever it does first.

    With `--workers` it starts so many such processes. Each is given a
    `TF_CONFIG` with addresses on 127.0.0.1, and its lines are printed with
    its number before them. When one fails, or this process is told to end,
    all are told so at once, and those that still run 10 seconds later, or at
    a second signal, are killed. What a worker has started, and left running,
    is not waited for. Workers read nothing from the terminal. Where this
    process is killed, they are told to end by that, but on Windows.

    Args:
        arguments: Those of the command line. Defaults to `sys.argv[1:]`.

    Returns:
        0, or the status of the first worker that failed: as in a shell, 128
        and the number of the signal that ended it; or so of the signal that
        told this process to end.

    Raises:
        ValueError: If the environment tells of a cluster in a way that is
            malformed.
        RuntimeError: If another worker is missing.
    """
    parser = argparse.ArgumentParser(
        prog="python -m keras_ban.launch", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        help="start so many on this machine; else this process is one of "
        "those that TF_CONFIG or Slurm tell of",
    )
    parser.add_argument("script", help="a Python script")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    if given.workers:
        command = _command(given.script, given.rest)
        with _Workers(command, given.workers) as workers:
            return workers.wait()
    if not strategies.is_told():
        parser.error(
            "neither TF_CONFIG nor Slurm tells of other workers: set "
            "TF_CONFIG on each machine, start the tasks by srun, or pass "
            "--workers to start them on this machine"
        )
    _end_with_launcher()
    strategies.get("auto")
    _run(given.script, given.rest)
    return 0


def strategy():
    """The strategy of the workers that are connected.

    For what is trained without `BornAgain`. Another one of one's own would
    connect them anew, which TensorFlow does not stand.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: If the environment tells of a cluster in a way that is
            malformed.
        RuntimeError: If TensorFlow has begun already, or a worker is missing.

    Example:
    >>> with keras_ban.launch.strategy().scope():
    ...     student, teacher = model_fn(), model_fn()
    >>> distiller = keras_ban.Distiller(student, teacher)
    """
    return strategies.get("auto") or tf.distribute.get_strategy()


def place():
    """Which worker this is, and how many there are.

    Returns:
        The number of this worker, from 0, and the number of all.

    Raises:
        ValueError: As `strategy` does.
        RuntimeError: As `strategy` does.

    Example:
    >>> number, count = keras_ban.launch.place()
    >>> part = ds.shard(count, number)
    """
    found = Cluster(strategy())
    return found.number, found.size


def _command(script, rest):
    """What starts a worker that is told the others by its environment."""
    worker = [sys.executable, "-u", "-m", "keras_ban.launch"]
    return [*worker, script, *rest]


def _end_with_launcher():
    """Lets this worker be told to end when its launcher is gone."""
    line = os.environ.pop(_LINE, None)
    if line is not None:
        threading.Thread(target=_listen, args=[int(line)], daemon=True).start()


def _listen(line):
    # Nothing is written: it ends when the launcher does, however it does.
    os.read(line, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def _run(script, rest):
    """Runs a script in this process, as `python script` does."""
    sys.argv = [script, *rest]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, not {number}")
    return number


def environments(workers):
    """The environment of each worker, a dictionary with its `TF_CONFIG`."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(workers)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        cluster = {
            "worker": [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
        }
    return [
        {
            **os.environ,
            "TF_CONFIG": json.dumps(
                {"cluster": cluster, "task": {"type": "worker", "index": k}}
            ),
        }
        for k in range(workers)
    ]


class _Workers:
    """Processes that live and end together."""

    def __init__(self, command, count):
        self._command = command
        self._count = count
        self._lock = threading.Lock()
        self._told = None
        self._is_urgent = False
        self._is_over = False
        self._processes = []
        self._threads = []
        self._line = ()

    def __enter__(self):
        self._before = {
            number: signal.signal(number, self._tell) for number in _TOLD_BY
        }
        if _HAS_GROUPS:
            self._line = os.pipe()
        try:
            for number, environment in enumerate(environments(self._count)):
                self._start(number, environment)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, number, environment):
        read = self._line[:1]
        told = {_LINE: str(read[0])} if read else {}
        process = subprocess.Popen(
            self._command,
            env=environment | told,
            pass_fds=read,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A terminal's Ctrl-C comes once, from here: a second one would
            # end a worker before its state is saved.
            process_group=0 if _HAS_GROUPS else None,
        )
        self._processes.append(process)
        # What a worker started may hold its output open for ever.
        thread = threading.Thread(
            target=self._forward, args=(number, process.stdout), daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def __exit__(self, *error):
        self._end()
        end = time.monotonic() + _LAST_LINES
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))
        with self._lock:
            self._is_over = True
        for end in self._line:
            os.close(end)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self):
        """Waits for all, or for the first that fails; returns the status."""
        while not self._told:
            found = [process.poll() for process in self._processes]
            for number, status in enumerate(found):
                if status:
                    status = 128 - status if status < 0 else status
                    self._threads[number].join(_LAST_LINES)
                    self._say(number, f"ended with status {status}")
                    return status
            if None not in found:
                return 0
            time.sleep(_PAUSE)
        return 128 + self._told

    def _tell(self, number, frame):
        self._is_urgent = bool(self._told)
        self._told = number

    def _forward(self, number, output):
        with output as lines:
            for line in lines:
                self._say(number, line.rstrip("\n"))

    def _say(self, number, line):
        with self._lock:
            if self._is_over:
                return
            try:
                printed.say(f"[worker {number}] {line}")
            except OSError:
                # Nobody reads any more. A worker whose lines nobody takes
                # would wait for ever.
                self._told = self._told or _UNREAD

    def _end(self):
        """Ends all at once, and kills together those that do not."""
        told = self._told if self._told in _TOLD_BY else signal.SIGTERM
        for process in self._processes:
            process.send_signal(told)
        end = time.monotonic() + _GRACE
        while self._alive() and time.monotonic() < end:
            if self._is_urgent:
                break
            time.sleep(_PAUSE)
        for process in self._alive():
            if _HAS_GROUPS:
                # With what it has started, which would outlive it.
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        for process in self._processes:
            process.wait()

    def _alive(self):
        return [p for p in self._processes if p.poll() is None]


if __name__ == "__main__":
    sys.exit(main())
