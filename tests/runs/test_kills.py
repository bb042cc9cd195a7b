"""A run that is killed, again and again, ends as one that was not."""

import errno
import random
import signal

import pytest
from matrices import names

import keras_ban

STEPS = 4
SMALL = {"generations": 1, "epochs": 2}


@pytest.fixture(scope="module")
def whole(nursery, tmp_path_factory):
    """What a run gives that nothing happens to."""
    status, found, out = nursery.run(tmp_path_factory.mktemp("whole"))
    assert status == 0, out
    return found


@pytest.fixture(scope="module")
def finished(nursery, tmp_path_factory):
    """The directory of a run of two short generations, and what it gives."""
    directory = tmp_path_factory.mktemp("small")
    before = len(nursery.steps())
    status, found, out = nursery.run(directory, **SMALL)
    assert status == 0, out
    assert len(nursery.steps()) - before == 2 * 2 * STEPS
    return directory, found


@pytest.fixture(scope="module")
def small(finished):
    return finished[1]


def survive(nursery, directory, faults, whole, **job):
    """Runs a job until it ends, a fault in each attempt while there are any.

    Returns the number of attempts that were killed.
    """
    before = len(nursery.steps())
    killed = 0
    for attempt, fault in enumerate([*faults, None]):
        finished = done(directory)
        status, found, out = nursery.run(
            directory, attempt=attempt, fault=fault, **job
        )
        steps = nursery.steps()[before:]
        now = [step for number, *step in steps if number == attempt]
        earlier = [step for number, *step in steps if number < attempt]
        assert all(step[0] >= finished for step in now)
        redone = [step for step in now if step in earlier]
        # The state is written beside the first step of the next epoch.
        allowed = job.get("save_every", STEPS + 1)
        assert len(redone) <= allowed, (attempt, redone, out)
        if status == 0:
            break
        assert status == -signal.SIGKILL, out
        killed += 1
    assert status == 0, out
    assert found == whole
    if killed:
        count = 1 + job.get("generations", 3)
        assert "resuming " in out or done(directory) == count
    print(f"killed {killed} times")
    return killed


def check(nursery, tmp_path, faults, **job):
    """Kills a small job at each of the faults, and compares it with a whole."""
    job = {**SMALL, **job}
    status, whole, out = nursery.run(tmp_path / "whole", **job)
    assert status == 0, out
    killed = survive(nursery, tmp_path / "killed", faults, whole, **job)
    assert killed == len(faults)


def done(directory):
    try:
        return len(keras_ban.load(directory))
    except ValueError:
        return 0


def test_a_finished_run_is_not_trained_again(nursery, finished):
    directory, small = finished
    before = len(nursery.steps())
    status, found, _ = nursery.run(directory, **SMALL)
    assert (status, found) == (0, small)
    assert len(nursery.steps()) == before


def test_killed_at_two_moments(nursery, small, tmp_path):
    faults = [{"step": 9, "delay": 0.0}, {"step": 5, "delay": 0.0}]
    assert survive(nursery, tmp_path, faults, small, **SMALL) == len(faults)


@pytest.mark.slow
def test_killed_at_any_moment(nursery, whole, tmp_path):
    faults = [{"step": 9, "delay": 0.01}, {"step": 23, "delay": 0.03}]
    assert survive(nursery, tmp_path, faults, whole) == len(faults)


def test_killed_inside_writes(nursery, small, tmp_path):
    faults = [{"call": n} for n in (3, 12)]
    assert survive(nursery, tmp_path, faults, small, **SMALL) == len(faults)


@pytest.mark.slow
@pytest.mark.parametrize("teacher", ["function", "predictions"])
def test_killed_while_something_else_than_a_network_teaches(
    nursery, tmp_path, teacher
):
    faults = [{"step": 5, "delay": 0.0}, {"call": 3}]
    check(nursery, tmp_path, faults, teacher=teacher)


@pytest.mark.parametrize(
    "kind",
    names(
        ["several outputs", "gaussians", "several labels", "values"],
        "several outputs",
    ),
)
def test_killed_with_a_task_of_each_kind(nursery, tmp_path, kind):
    faults = [{"step": 9, "delay": 0.0}, {"call": 4}]
    check(nursery, tmp_path, faults, kind=kind)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_many_random_moments(nursery, whole, tmp_path, seed):
    rng = random.Random(seed)
    faults = [{"kill_after": rng.uniform(1.2, 3.5)} for _ in range(12)]
    assert survive(nursery, tmp_path, faults, whole) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("first", range(12))
def test_killed_inside_every_write(nursery, whole, tmp_path, first):
    faults = [{"call": n} for n in range(first, 140, 12)]
    assert survive(nursery, tmp_path, faults, whole) >= 4


@pytest.mark.slow
def test_killed_between_steps_that_are_saved(nursery, whole, tmp_path):
    faults = [{"kill_after": 1.5 + n / 4} for n in range(8)]
    assert survive(nursery, tmp_path, faults, whole, save_every=3) >= 4


def test_failing_write(nursery, small, tmp_path):
    assert check_failing_write(nursery, small, tmp_path, "ENOSPC", 14)


@pytest.mark.slow
@pytest.mark.parametrize("code", ["ENOSPC", "EACCES"])
@pytest.mark.parametrize("call", range(48))
def test_failing_at_each_write(nursery, small, tmp_path, code, call):
    check_failing_write(nursery, small, tmp_path, code, call)


def check_failing_write(nursery, whole, directory, code, call):
    """Returns whether the run ended by it."""
    fault = {"call": call, "errno": code}
    status, found, out = nursery.run(directory, fault=fault, **SMALL)
    if status == 0:  # what failed was the removal of a temporary file
        assert found == whole, out
        return False
    assert status == 1
    last = out.strip().splitlines()[-1]
    assert "OSError" in last or "PermissionError" in last, out
    assert "Cannot write" in last and "is intact" in last, out
    assert str(getattr(errno, code)) in last
    for generation in keras_ban.load(directory) if done(directory) else ():
        assert generation.model.get_weights()
    status, found, out = nursery.run(directory, **SMALL)
    assert (status, found) == (0, whole), out
    return True


def test_sigterm(nursery, small, tmp_path):
    where = [1, 1, 2]
    check_signal(nursery, small, tmp_path, signal.SIGTERM, where, **SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", [[0, 0, 0], [3, 3, 3], [2, 2, "test"]])
def test_signals(nursery, whole, tmp_path, number, where):
    check_signal(nursery, whole, tmp_path, number, where)


def check_signal(nursery, whole, tmp_path, number, where, **job):
    before = len(nursery.steps())
    status, _, out = nursery.run(
        tmp_path, attempt=1, signal=int(number), signal_at=where, **job
    )
    assert status == -number, out
    assert f"{signal.Signals(number).name}: the state is saved" in out
    status, found, out = nursery.run(tmp_path, attempt=2, **job)
    assert (status, found) == (0, whole), out
    name = f"BAN-{where[0]}" if where[0] else "Teacher"
    epochs = job.get("epochs", 4)
    assert f"resuming {name} at epoch {where[1] + 1} of {epochs}" in out
    steps = [step for _, *step in nursery.steps()[before:]]
    assert len(steps) == len({tuple(step) for step in steps})
