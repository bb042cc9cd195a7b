"""Workers that are told to end, and end at the same moment."""

import concurrent.futures
import random
import threading
import time

import pytest
import tensorflow as tf

from keras_ban.distribution import ending
from keras_ban.distribution.ending import Ending


class Service:
    """TensorFlow's coordination service, as far as it is used."""

    def __init__(self):
        self._known, self._changed = {}, threading.Condition()

    def context(self):
        return self

    def set_config_key_value(self, key, value):
        with self._changed:
            if key in self._known:
                raise tf.errors.AlreadyExistsError(None, None, key)
            self._known[key] = value
            self._changed.notify_all()

    def get_config_key_value(self, key, milliseconds):
        with self._changed:
            seconds = milliseconds / 1000 or None
            if self._changed.wait_for(lambda: key in self._known, seconds):
                return self._known[key]
        raise tf.errors.DeadlineExceededError(None, None, key)


class Member:
    """One of several workers, and what it has in common with the others."""

    several = True

    def __init__(self, number, size):
        self.number, self.size = number, size

    def numbers(self, number):
        return [7] * self.size


@pytest.fixture
def service(monkeypatch):
    found = Service()
    monkeypatch.setattr(ending, "context", found)
    return found


def trained(members, asked, moments=400):
    """The moment at which each has ended, or `None`.

    Workers wait for each other before each moment, as for a reduction.
    """
    wall = threading.Barrier(len(members))
    rng = random.Random(0)
    pauses = [[rng.uniform(0, 1e-3) for _ in members] for _ in range(moments)]

    def train(member):
        with Ending(member) as found:
            for moment in range(moments):
                wall.wait(20)
                time.sleep(pauses[moment][member.number])
                if found.due(moment >= asked.get(member.number, moments)):
                    return moment
        return None

    with concurrent.futures.ThreadPoolExecutor(len(members)) as pool:
        return list(pool.map(train, members))


@pytest.mark.parametrize(
    "asked", [{0: 5}, {2: 40}, {0: 9, 1: 9, 2: 9}, {1: 3, 2: 4}], ids=str
)
@pytest.mark.usefixtures("service")
def test_all_end_at_one_moment_soon(asked):
    found = trained([Member(k, 3) for k in range(3)], asked)
    assert len(set(found)) == 1
    # What is written takes a while to arrive, a few steps here.
    assert min(asked.values()) <= found[0] < 100 + min(asked.values())


@pytest.mark.usefixtures("service")
def test_nobody_ends_early_who_was_asked_at_the_end():
    found = trained([Member(k, 3) for k in range(3)], {1: 49}, moments=50)
    assert len(set(found)) == 1
    assert found[0] in (None, 49)


@pytest.mark.usefixtures("service")
def test_nobody_ends_who_was_not_asked():
    members = [Member(k, 2) for k in range(2)]
    assert trained(members, {}, moments=50) == [None, None]


def test_a_worker_that_is_gone_ends_nobody_else(service, monkeypatch):
    monkeypatch.setattr(ending, "_SOON", 300)
    with Ending(Member(0, 2)) as found:
        begin = time.monotonic()
        assert not any(found.due(True) for _ in range(20_000))
        assert time.monotonic() - begin < 5


def test_one_worker_ends_at_once():
    alone = Member(0, 1)
    alone.several = False
    with Ending(alone) as found:
        assert [found.due(is_asked) for is_asked in (False, True)] == [
            False,
            True,
        ]
