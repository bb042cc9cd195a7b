"""Signals that are kept back: by whom, for how long, and by whom not."""

import multiprocessing
import os
import signal
import threading
import time

import keras
import pytest
from builders import Batches
from lineages import FIT
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import model_fn
from weights import same

import keras_ban
from keras_ban.runs.signals import Signals
from keras_ban.tasks.classes import Classes
from keras_ban.teaching.store import Store


def forked(content):
    """The process id of a child that runs a function."""
    pid = os.fork()
    if not pid:
        try:
            content()
        finally:
            os._exit(3)
    return pid


def status(pid, seconds=10):
    """How a child has ended, which it must do in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "waits"


@pytest.mark.parametrize("wait", [0, 0.05])
@pytest.mark.parametrize("in_thread", [False, True])
def test_a_forked_child_ends_by_sigterm(wait, in_thread):
    pids = []

    def fork():
        pids.append(forked(lambda: time.sleep(60)))
        time.sleep(wait)
        os.kill(pids[-1], signal.SIGTERM)

    with Signals() as signals:
        for _ in range(10):
            thread = threading.Thread(target=fork)
            if in_thread:
                thread.start()
                thread.join()
            else:
                fork()
        assert {status(pid) for pid in pids} == {-signal.SIGTERM}
        assert signals.received is None
        assert signal.getsignal(signal.SIGTERM) == signals._receive
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_forked_child_has_the_users_handler():
    before = signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
    try:
        with Signals():
            pid = forked(lambda: time.sleep(60))
            os.kill(pid, signal.SIGTERM)
            assert status(pid) == 7
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_handler_that_was_set_meanwhile_stays():
    before = signal.getsignal(signal.SIGTERM)
    try:
        with Signals():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_second_signal_is_not_kept_back():
    def end():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with Signals():
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

    assert status(forked(end)) == -signal.SIGTERM


def test_of_a_run_within_another_the_outer_one_says_it(capfd):
    def end():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with Signals() as outer:
            with Signals() as inner:
                os.kill(os.getpid(), signal.SIGTERM)
                assert outer.received is None
                inner.stop(inner.received)
            os._exit(4)

    assert status(forked(end)) == -signal.SIGTERM
    assert capfd.readouterr().out.count("SIGTERM: the state is saved") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_a_second_thread_signals_do_what_they_did(number):
    seen = []
    before = signal.signal(number, lambda *_: seen.append(number))

    def hold():
        with Signals() as signals:
            signal.raise_signal(number)
            time.sleep(0.1)
            assert signals.received is None

    try:
        thread = threading.Thread(target=hold)
        thread.start()
        thread.join()
        assert seen == [number]
    finally:
        signal.signal(number, before)


STOPS = {
    "cache": (Store, "write"),
    "validation": (Classes, "predictions"),
}


@pytest.mark.parametrize("where", STOPS)
def test_what_is_not_training_ends_at_once(where, tmp_path, monkeypatch):
    """The first call is interrupted; what was trained before is kept."""

    def fit(**born):
        return keras_ban.BornAgain(model_fn, **born).fit(
            X,
            Y,
            generations=1,
            teacher_outputs="cached",
            validation_data=VALIDATION,
            **FIT,
        )

    calls, own = [], getattr(*STOPS[where])

    def interrupted(*args):
        calls.append(args)
        signal.raise_signal(signal.SIGTERM)
        return own(*args)

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(*STOPS[where], interrupted)
            with pytest.raises(SystemExit) as ended:
                fit(directory=tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 128 + signal.SIGTERM
    assert len(calls) == 1
    steps = []
    monkeypatch.setattr(
        keras.Model, "train_step", counted(keras.Model.train_step, steps)
    )
    for one, other in zip(fit(directory=tmp_path), fit(), strict=True):
        assert same(one.model, other.model)
        assert one.metrics == other.metrics
    # Generation 0 is trained for the second of them alone.
    assert len(steps) == 2 * FIT["epochs"]


def counted(function, calls):
    def call(*args):
        calls.append(args)
        return function(*args)

    return call


def test_data_that_is_read_by_processes_leaves_none_behind(tmp_path):
    data = Batches(X, Y)
    data.workers, data.use_multiprocessing = 2, True
    ban = keras_ban.BornAgain(model_fn, directory=tmp_path)
    ban.fit(data, generations=1, epochs=2, verbose=0)
    for child in multiprocessing.active_children():
        child.terminate()
        child.join(10)
        assert child.exitcode is not None
