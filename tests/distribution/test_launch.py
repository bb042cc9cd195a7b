"""The launcher of local workers."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from keras_ban import launch


def start(tmp_path, content, workers=2):
    script = tmp_path / "script.py"
    script.write_text(content)
    command = [sys.executable, "-m", "keras_ban.launch"]
    command += ["--workers", str(workers), str(script)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def run(tmp_path, capsys, content, *arguments, workers=2):
    """The status of the launcher in this process, and what it prints."""
    script = tmp_path / "script.py"
    script.write_text(content)
    status = launch.main(["--workers", str(workers), str(script), *arguments])
    return status, capsys.readouterr().out


def test_each_worker_is_told_who_it_is(tmp_path, capsys):
    content = "import os, sys; print(os.environ['TF_CONFIG'], sys.argv[1:])"
    status, out = run(tmp_path, capsys, content, "--epochs", "3", workers=3)
    assert status == 0
    lines = sorted(out.splitlines())
    clusters = []
    for number, line in enumerate(lines):
        prefix = f"[worker {number}] "
        assert line.startswith(prefix)
        text, rest = line.removeprefix(prefix).rsplit(" [", 1)
        assert rest == "'--epochs', '3']"
        known = json.loads(text)
        assert known["task"] == {"type": "worker", "index": number}
        clusters.append(known["cluster"]["worker"])
    assert clusters[0] == clusters[1] == clusters[2]
    assert len(set(clusters[0])) == 3
    assert all(a.startswith("127.0.0.1:") for a in clusters[0])


def test_all_end_when_one_fails(tmp_path, capsys):
    content = """
import json, os, sys, time
if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 1:
    print("oh", file=sys.stderr)
    sys.exit(7)
time.sleep(100)
"""
    begin = time.monotonic()
    status, out = run(tmp_path, capsys, content)
    assert status == 7
    assert "[worker 1] oh" in out
    assert "[worker 1] ended with status 7" in out
    assert time.monotonic() - begin < 30


def test_a_killed_worker_is_told_by_its_signal(tmp_path, capsys):
    content = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    status, out = run(tmp_path, capsys, content)
    assert status == 128 + signal.SIGKILL
    assert f"ended with status {128 + signal.SIGKILL}" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_workers(tmp_path, number):
    content = """
import signal, sys, time
def end(number, frame):
    print("got", number, flush=True)
    sys.exit(1)
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(100)
"""
    process = start(tmp_path, content)
    for _ in range(2):
        assert "ready" in process.stdout.readline()
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    for worker in (0, 1):
        assert f"[worker {worker}] got {int(number)}" in out


STUBBORN = """
import signal, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(100)
"""


def test_workers_that_ignore_signals_are_killed_together(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(launch, "_GRACE", 2)
    content = f"""
import json, os, sys, time
if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 3:
    time.sleep(2)
    sys.exit(5)
{STUBBORN}"""
    begin = time.monotonic()
    status, _ = run(tmp_path, capsys, content, workers=4)
    assert status == 5
    assert time.monotonic() - begin < 8


def test_a_second_signal_kills(tmp_path, capsys):
    timers = [
        threading.Timer(s, os.kill, (os.getpid(), signal.SIGTERM))
        for s in (1.5, 2)
    ]
    for timer in timers:
        timer.start()
    begin = time.monotonic()
    status, _ = run(tmp_path, capsys, STUBBORN)
    for timer in timers:
        timer.join()
    assert status == 128 + signal.SIGTERM
    assert time.monotonic() - begin < launch._GRACE / 2


@pytest.mark.parametrize("status", [0, 3])
def test_what_a_worker_leaves_behind_is_not_waited_for(
    status, tmp_path, capsys
):
    # It holds the worker's output open. The other worker lives on, if it may.
    content = f"""
import json, os, subprocess, sys, time
if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0:
    left = subprocess.Popen(["sleep", "100"])
    print(left.pid, flush=True)
    sys.exit({status})
time.sleep(1 if {status} == 0 else 100)
print("done", flush=True)
"""
    begin = time.monotonic()
    found, out = run(tmp_path, capsys, content)
    seconds = time.monotonic() - begin
    os.kill(int(out.split("[worker 0] ")[1].split()[0]), signal.SIGKILL)
    assert found == status
    assert ("[worker 1] done" in out) == (status == 0)
    assert seconds < 10


@pytest.mark.slow
def test_workers_end_when_nobody_reads_what_they_say(
    tmp_path, capsys, monkeypatch
):
    def broken(*args, **kwargs):
        raise BrokenPipeError

    monkeypatch.setattr(launch.printed, "say", broken)
    content = "import time; print(1, flush=True); time.sleep(100)"
    begin = time.monotonic()
    assert run(tmp_path, capsys, content)[0] == 128 + signal.SIGPIPE
    assert time.monotonic() - begin < 10


def test_a_signal_of_the_terminal_reaches_workers_once(tmp_path, capsys):
    # It goes to all of a group: not to the workers, to which it is sent on.
    content = "import os; print('group', os.getpgrp())"
    _, out = run(tmp_path, capsys, content)
    assert out.count("group") == 2
    assert f"group {os.getpgrp()}\n" not in out


@pytest.mark.parametrize("workers", ["0", "-1", "two"])
def test_bad_number_of_workers_is_refused(workers, capsys):
    with pytest.raises(SystemExit):
        launch.main(["--workers", workers, "script.py"])
    assert "--workers" in capsys.readouterr().err


def test_tensorflow_that_has_begun_is_too_late(tmp_path):
    content = """
import tensorflow as tf
tf.constant(0)
import keras_ban
keras_ban.BornAgain(lambda: None)
"""
    process = start(tmp_path, content)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "TensorFlow has begun already" in out
    assert "Create `keras_ban.BornAgain` first" in out


def test_slurm_is_found(tmp_path):
    script = """
import keras_ban
from keras_ban.distribution import strategies
from keras_ban.distribution.cluster import Cluster
cluster = Cluster(strategies.get("auto"))
print(cluster.size, cluster.number, cluster.numbers(cluster.number + 5))
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "SLURM_PROCID": f"{number}",
                "SLURM_STEP_NODELIST": "127.0.0.1",
                "SLURM_STEP_NUM_TASKS": "2",
                "SLURM_STEP_TASKS_PER_NODE": "2",
            },
        )
        for number in range(2)
    ]
    for number, process in enumerate(processes):
        out, err = process.communicate(timeout=100)
        assert out == f"2 {number} [5, 6]\n", err
