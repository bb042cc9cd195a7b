"""Workers that the launcher connects: what they may do, and may not differ in.

One pair of workers does it all.
"""

import json
import pathlib
import signal
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[1] / "helpers" / "launched.py"
# What worker 1 is given, and the chief.
DIFFERS = {
    "epochs": ("epochs=2", "epochs=1"),
    "batch_size": ("batch_size=16", "batch_size=32"),
    "seed": ("seed=2", "seed=1"),
    "objective": ('objective.class="KD"', 'objective.class="BAN"'),
    "directory": ('directory="one"', "directory=null"),
    "units": ("units=5", "units=4"),
    "rows": ("data.rows=95", "data.rows=96"),
    "callbacks": ("callbacks[0]=[{", "callbacks[0]=[]"),
    "shift": ("values of data.x=", "values of data.x="),
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What two workers have said."""
    folder = tmp_path_factory.mktemp("launched")
    command = [sys.executable, "-m", "keras_ban.launch", "--workers", "2"]
    done = subprocess.run(
        [*command, str(SCRIPT), str(folder / "run")],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def found(lines):
    """What each has found, a list of dicts."""
    return [
        json.loads(line.split("] found ")[1])
        for line in sorted(lines)
        if "] found " in line
    ]


def test_a_script_may_do_as_it_likes_before_it_trains(found):
    assert len(found) == 2
    assert found[0]["same"] == found[1]["same"]
    assert len(found[0]["same"]) == 4


@pytest.mark.parametrize("name", DIFFERS)
def test_what_one_worker_was_given_otherwise_is_named(name, found):
    one, other = DIFFERS[name]
    for each in found:
        said = each["others"][name]
        assert said.startswith("Worker 1 was given "), said
        first, second = said.split(". Expected")[0].split(", the chief ")
        assert one in first
        assert other in second
        assert first.split("=")[-1] != second.split("=")[-1]


def test_rows_of_arrays_are_gathered_in_shares_with_the_same_bits(found):
    for each in found:
        assert each["shares"] == each["whole"]
        # Of 96, and what is read ahead: buffers of a few batches of 2.
        assert 48 <= each["rows"] < 90


def test_a_step_is_one_sum_and_asks_nobody_for_its_batch(found):
    for each in found:
        assert each["sums"] == ["CollectiveReduceV2"]


def test_arrays_are_checked_in_shares_and_refused_on_all(found):
    said = "NaN or infinity in `x`"
    assert found[0]["checks"]["spoiled"].startswith("Worker 1: " + said)
    assert found[1]["checks"]["spoiled"].startswith(said)
    for each in found:
        assert each["checks"]["read"] == 48
        assert len(each["checks"]["sorted"]) == 4
        assert "the class 0 everywhere" in each["checks"]["one"]


def test_own_parts_of_global_batches_give_the_same_bits(found):
    for each in found:
        assert each["files"] == each["data"] == each["shares"]
        # Of 96 twice, to check and to train on, and as Keras looks at it.
        assert 2 * 48 <= each["read"] <= 2 * 48 + 20 * 2


def test_parts_of_other_lengths_are_refused(found):
    said = "Worker 1 was given data.batches=23, the chief data.batches=24"
    for each in found:
        assert said in each["uneven"]


def test_a_signal_to_one_ends_all_at_one_step_soon(lines):
    said = "SIGTERM: the state is saved; run again to go on."
    steps = []
    for number in range(2):
        own = f"[worker {number}] "
        assert own + said in lines
        steps.append([line for line in lines if line.startswith(own + "step")])
    # Of 24, the third of which it was told at.
    assert 3 <= len(steps[0]) < 24
    assert len(steps[0]) == len(steps[1])
