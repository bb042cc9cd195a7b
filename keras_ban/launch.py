"""Starts several workers on this machine, to try out what runs on many.

python -m keras_ban.launch --workers 2 script.py --its=arguments
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading

_GRACE = 10


def main(arguments=None):
    """Runs a script in several workers; returns the exit status.

    Each worker is given a `TF_CONFIG` with addresses on 127.0.0.1, and its
    lines are printed with its number before them. When one fails, or this
    process is told to end, all end.

    Args:
        arguments: Those of the command line. Defaults to `sys.argv[1:]`.

    Returns:
        0, or the status of the first worker that failed: as in a shell, 128
        and the number of the signal that ended it.
    """
    parser = argparse.ArgumentParser(
        prog="python -m keras_ban.launch", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--workers", type=_positive, default=2)
    parser.add_argument("script", help="a Python script")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    command = [sys.executable, "-u", given.script, *given.rest]
    with _Workers(command, given.workers) as workers:
        return workers.wait()


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
        self._changed = threading.Condition()
        self._status = {}
        self._told = None
        self._processes = [
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            for environment in environments(count)
        ]
        self._threads = [
            threading.Thread(target=self._forward, args=(k, process))
            for k, process in enumerate(self._processes)
        ]

    def __enter__(self):
        self._before = {
            number: signal.signal(number, self._tell)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._end()
        for thread in self._threads:
            thread.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self):
        """Waits for all, or for the first that fails; returns the status."""
        count = len(self._processes)
        while len(self._status) < count and not any(self._status.values()):
            if self._told:
                return 128 + self._told
            with self._changed:
                # Signals are seen in between.
                self._changed.wait(0.2)
        for number, status in list(self._status.items()):
            if status:
                self._say(number, f"ended with status {status}")
                return status
        return 0

    def _tell(self, number, frame):
        self._told = number

    def _forward(self, number, process):
        with process.stdout as lines:
            for line in lines:
                self._say(number, line.rstrip("\n"))
        status = process.wait()
        with self._changed:
            self._status[number] = 128 - status if status < 0 else status
            self._changed.notify_all()

    def _say(self, number, line):
        with self._changed:
            print(f"[worker {number}] {line}", flush=True)

    def _end(self):
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(self._told or signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    sys.exit(main())
