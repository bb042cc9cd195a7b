"""Workers that wait for each other, not for ever, before TensorFlow does.

TensorFlow's chief waits without an end for a worker that never comes, and
nothing of Python runs meanwhile.
"""

import contextlib
import faulthandler
import os
import socket
import sys
import time

_SECONDS = 40
# Between two looks for the others, in seconds.
_PAUSE = 0.1


def meet(addresses, number):
    """Waits until every worker has been reached.

    For `KERAS_BAN_JOIN_SECONDS`, 40 by default.

    Args:
        addresses: Those of all workers, as "host:port".
        number: Which of them this is.

    Raises:
        RuntimeError: If one is missing, or if this one's port is taken.
    """
    seconds = _seconds()
    end = time.monotonic() + seconds
    own = addresses[number]
    missing = [a for a in addresses if a != own]
    taken = None
    with contextlib.ExitStack() as stack:
        listening = False
        while not listening or missing:
            if not listening:
                # A worker that is just ending may have it still.
                try:
                    place = ("", _port(own))
                    stack.enter_context(socket.create_server(place))
                    listening = True
                except OSError as error:
                    taken = error
            missing = [a for a in missing if not _answers(a)]
            if time.monotonic() > end:
                break
            time.sleep(_PAUSE)
        if not missing:
            # Those that were found may have looked here before, and look again.
            time.sleep(10 * _PAUSE)
    if not listening:
        raise RuntimeError(
            f"Worker {number} cannot listen at {own}: {taken.strerror}. "
            "Expected a free port. End what uses it, or give another address."
        )
    if missing:
        raise RuntimeError(
            f"Worker {number} has waited {seconds} seconds for others. "
            f"Expected {len(addresses)} workers. Missing: "
            f"{', '.join(missing)}. Start all of them, see that they can "
            "reach each other, or set KERAS_BAN_JOIN_SECONDS to wait longer."
        )


def outlast(addresses, seconds=10):
    """Waits until nobody answers at these addresses, or so many seconds.

    A worker whose chief ends first is aborted by TensorFlow on the spot.

    Args:
        addresses: Those of the other workers, as "host:port".
        seconds: How long to wait at most. Defaults to `10`.
    """
    end = time.monotonic() + seconds
    while any(map(_answers, addresses)) and time.monotonic() < end:
        time.sleep(0.1)


@contextlib.contextmanager
def watchdog():
    """Ends the process if the workers lose each other as TensorFlow begins.

    Nothing is trained yet, and no thread of Python could end it.
    """
    faulthandler.dump_traceback_later(
        _seconds(), exit=True, file=sys.__stderr__
    )
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _seconds():
    return int(os.environ.get("KERAS_BAN_JOIN_SECONDS", _SECONDS))


def _port(address):
    return int(address.rsplit(":", 1)[1])


def _answers(address):
    place = (address.rsplit(":", 1)[0].strip("[]"), _port(address))
    try:
        with socket.create_connection(place, timeout=2) as found:
            # A socket can be connected to itself where nobody listens.
            return found.getsockname() != found.getpeername()
    except OSError:
        return False
