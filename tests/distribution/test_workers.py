"""Real workers on this machine: the same as one process, and safe together."""

import json
import random
import signal
import time

import numpy as np
import pytest
import tensorflow as tf
import workers
from objective_cases import ALL
from workers import Workers

from keras_ban import files

NAMES = [objective.short_name for objective in ALL]


def close(found, expected, name="", tolerance=1e-5):
    """Equal structures, and equal numbers up to rounding."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            close(found[key], value, f"{name}/{key}", tolerance)
    elif isinstance(expected, list) and isinstance(expected[0], dict):
        for number, pair in enumerate(zip(found, expected, strict=True)):
            close(*pair, f"{name}/{number}", tolerance)
    else:
        for a, b in zip(_leaves(found), _leaves(expected), strict=True):
            difference = np.linalg.norm(a - b)
            assert difference <= tolerance * np.linalg.norm(b), name


def _leaves(values):
    try:
        return [np.asarray(values, "float64")]
    except ValueError:  # arrays of different shapes
        return [leaf for value in values for leaf in _leaves(value)]


def alone(job, **arguments):
    """What this process finds by itself, as it would leave it."""
    found = getattr(workers, job)(tf.distribute.get_strategy(), **arguments)
    return json.loads(json.dumps(found, default=float))


@pytest.mark.parametrize(
    "count, names",
    [
        (2, ["cwtm"]),
        pytest.param(2, NAMES, marks=pytest.mark.slow),
        pytest.param(3, NAMES, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_objectives_are_those_of_one_process(count, names, tmp_path):
    arguments = {"names": names}
    expected = alone("objectives", **arguments)
    with Workers(count, "objectives", tmp_path / "many", **arguments) as many:
        for found in many.found():
            close(found, expected)


@pytest.mark.parametrize(
    "count, outputs",
    [
        pytest.param(2, "in a folder", marks=pytest.mark.slow),
        pytest.param(2, "in folders", marks=pytest.mark.slow),
        pytest.param(2, "online", marks=pytest.mark.slow),
        pytest.param(3, "cached", marks=pytest.mark.slow),
    ],
)
def test_generations_are_those_of_one_process(count, outputs, tmp_path):
    expected = alone("generations", cache="online")
    folder = tmp_path / "cache"
    folders = {"in a folder": str(folder), "in folders": f"{folder}/{{}}"}
    cache = folders.get(outputs, outputs)
    # Of two teachers each.
    shared = [outputs == "in a folder"] * (0 if outputs == "online" else 2)
    assert expected.pop("shared") == []
    with Workers(count, "generations", tmp_path / "many", cache=cache) as many:
        for found in many.found():
            assert found.pop("shared") == shared
            close(found, expected)
    if outputs in folders:
        # All are given what the chief has there already.
        with Workers(2, "generations", tmp_path / "again", cache=cache) as many:
            for found in many.found():
                assert found.pop("shared") == shared
                close(found, expected)
        left = {p.suffix for p in folder.rglob("*") if p.is_file()}
        assert left == {".npy", ".json", ""}


@pytest.mark.slow
def test_moving_averages_are_the_same_on_all_workers(tmp_path):
    with Workers(2, "averages", tmp_path) as both:
        one, other = both.found()
    assert one == other


@pytest.mark.slow
def test_keras_still_needs_help(tmp_path):
    with Workers(2, "plain", tmp_path) as both:
        found = both.found()
    assert "trained" not in found, (
        "Keras trains on several workers now: see whether `Distributed` in "
        "distribution/exact.py can go (keras issue 20585)."
    )


def undisturbed(folder, **job):
    """What a run of two workers gives that nothing happens to."""
    directory = str(folder / "run")
    with Workers(2, "run", folder / "logs", directory=directory, **job) as both:
        one, other = both.found()
    assert one == other
    return one


def survive(faults, tmp_path, whole, **job):
    """Starts a run again until it ends; a worker is killed in each attempt.

    Returns how often that was.
    """
    killed = 0
    job = {"directory": str(tmp_path / "run"), **job}
    for attempt, fault in enumerate([*faults, None]):
        with Workers(2, "run", tmp_path / f"{attempt}", **job) as workers:
            if fault is None:
                assert workers.found() == [whole, whole]
                break
            victim, due = fault
            while not due(workers):
                if workers.processes[victim].poll() is not None:
                    break
                time.sleep(0.05)
            if workers.processes[victim].poll() is not None:
                # Too late: this attempt ended the run.
                assert workers.found() == [whole, whole]
                break
            workers.processes[victim].kill()
            begin = time.monotonic()
            other = workers.processes[1 - victim]
            if other.wait(120) == 0:
                # It had all it needed before.
                continue
            seconds = time.monotonic() - begin
            said = workers.said()[1 - victim]
            print(f"worker {victim} killed, the other after {seconds:.1f} s")
            assert seconds <= 60
            reason = "another one is gone", "has waited", "in _workers"
            assert any(text in said for text in reason), said
            killed += 1
    return killed


def after(epochs):
    """When the chief has finished so many epochs."""
    return lambda workers: workers.said()[0].count("epoch") >= epochs


@pytest.mark.slow
def test_a_run_goes_on_when_a_worker_was_killed(tmp_path):
    small = {"generations": 1, "epochs": 2, "save_every": 5}
    whole = undisturbed(tmp_path / "whole", **small)
    assert survive([(0, after(1))], tmp_path, whole, **small) == 1


@pytest.mark.slow
def test_another_number_of_workers_goes_on_and_says_so(tmp_path):
    small = {"generations": 1, "epochs": 2, "save_every": 5}
    job = {"directory": str(tmp_path / "run"), **small}
    with Workers(2, "run", tmp_path / "two", **job) as two:
        due = after(1)
        while not due(two):
            time.sleep(0.05)
        two.processes[1].kill()
        two.processes[0].wait(120)
    with Workers(0, "run", tmp_path / "one", **job) as one:
        found = one.found()[0]
    assert "with 1 replicas where 2 began" in one.said()[0]
    assert len(found) == 2


@pytest.mark.slow
def test_a_run_goes_on_whenever_a_worker_is_killed(tmp_path):
    whole = undisturbed(tmp_path / "whole")
    rng, killed, run = random.Random(0), 0, 0
    while killed < 20:
        faults = [
            (rng.randrange(2), rng.uniform(0, 40)) for _ in range(20 - killed)
        ]
        found = [
            (victim, _from_the_start(seconds)) for victim, seconds in faults
        ]
        arguments = {"save_every": 5} if run % 2 else {}
        killed += survive(found, tmp_path / f"{run}", whole, **arguments)
        run += 1
    print(f"killed {killed} times in {run} runs")


def _from_the_start(seconds):
    begin = None

    def due(workers):
        nonlocal begin
        begin = begin or time.monotonic()
        return time.monotonic() - begin >= seconds

    return due


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_signal_to_one_worker_ends_all_at_one_step(victim, tmp_path):
    # Saved after each epoch alone, of 19 steps.
    small = {"generations": 1, "epochs": 2}
    whole = undisturbed(tmp_path / "whole", **small)
    job = {"directory": str(tmp_path / "run"), **small}
    with Workers(2, "run", tmp_path / "first", pause=0.1, **job) as both:
        while "step 4" not in both.said()[1]:
            time.sleep(0.05)
        both.processes[victim].send_signal(signal.SIGTERM)
        assert both.wait(60) == [-signal.SIGTERM] * 2, both.said()
        assert all("SIGTERM: the state is saved" in s for s in both.said())
        steps = [s.split("step ")[-1].split()[0] for s in both.said()]
    assert steps[0] == steps[1]
    assert 4 <= int(steps[0]) < 18
    with Workers(2, "run", tmp_path / "second", **job) as both:
        assert both.found() == [whole, whole]
        step = int(steps[0]) + 1
        assert (
            f"resuming Teacher at epoch 1 of 2, after step {step}"
            in (both.said()[0])
        )


@pytest.mark.slow
def test_a_directory_that_is_in_use_is_refused_on_all(tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    with files.lock(directory / "lock"):
        with Workers(2, "run", tmp_path, directory=str(directory)) as both:
            assert both.wait(60) == [1, 1]
            for said in both.said():
                assert "Another process is training" in said
