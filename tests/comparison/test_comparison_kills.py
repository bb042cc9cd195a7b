"""A comparison that is killed, again and again, ends as one that was not."""

import random
import signal

import pytest

# Of each seed two networks on the labels and two students, of two epochs.
STEPS = 2 * 4 * 2 * 4
WHOLE = {"compare": 2}
# Of its methods the first.
SMALL = {"compare": 1, "epochs": 1}


@pytest.fixture(scope="module")
def whole(nursery, tmp_path_factory):
    """What it gives if nothing happens to it."""
    status, found, out = nursery.run(tmp_path_factory.mktemp("all"), **WHOLE)
    assert status == 0, out
    assert len(nursery.steps()) == STEPS
    return found


@pytest.fixture(scope="module")
def small(nursery, tmp_path_factory):
    """The same of fewer networks."""
    status, found, out = nursery.run(tmp_path_factory.mktemp("few"), **SMALL)
    assert status == 0, out
    return found


def killed(nursery, directory, faults, whole, **job):
    """Runs it until it ends; returns how often it was killed."""
    count = 0
    for fault in [*faults, None]:
        status, found, out = nursery.run(
            directory, fault=fault, **(job or WHOLE)
        )
        if status == 0:
            break
        assert status == -signal.SIGKILL, out
        count += 1
    assert status == 0, out
    assert found == whole
    return count


@pytest.mark.slow
def test_killed_in_two_trainings(nursery, whole, tmp_path):
    faults = [{"step": 11, "delay": 0.01}, {"step": 17, "delay": 0.02}]
    before = len(nursery.steps())
    assert killed(nursery, tmp_path, faults, whole) == len(faults)
    # All that was finished is there, and an epoch at most is lost.
    assert len(nursery.steps()) - before <= STEPS + len(faults) * 5


def test_killed_inside_writes(nursery, small, tmp_path):
    faults = [{"call": 1}, {"call": 5}]
    found = killed(nursery, tmp_path, faults, small, **SMALL)
    assert found == len(faults)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_many_random_moments(nursery, whole, tmp_path, seed):
    rng = random.Random(seed)
    faults = [{"kill_after": rng.uniform(1.5, 6)} for _ in range(14)]
    assert killed(nursery, tmp_path, faults, whole) >= 4


@pytest.mark.slow
def test_killed_in_every_epoch(nursery, whole, tmp_path):
    rng = random.Random(7)
    faults = [{"step": rng.randrange(7), "delay": 0} for _ in range(12)]
    assert killed(nursery, tmp_path, faults, whole) >= 10
