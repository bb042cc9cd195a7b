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
from keras_ban.distribution import strategies

# What is told of processes alone needs no workers that are connected.
PLAIN = """
import sys
from keras_ban import launch
launch._command = lambda script, rest: [sys.executable, "-u", script, *rest]
sys.exit(launch.main())
"""


def start(tmp_path, content, workers=2):
    script = tmp_path / "script.py"
    script.write_text(content)
    command = [sys.executable, "-c", PLAIN]
    command += ["--workers", str(workers), str(script)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    def command(script, rest):
        return [sys.executable, "-u", script, *rest]

    monkeypatch.setattr(launch, "_command", command)


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


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM],
)
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


@pytest.mark.parametrize(
    "heeds", [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_workers_end_when_the_launcher_is_killed(tmp_path, heeds):
    told = tmp_path / "told"
    content = f"""
import os, pathlib, signal, sys, time
from keras_ban import launch
def end(number, frame):
    pathlib.Path({str(told)!r}).touch()
    if {heeds}:
        sys.exit()
signal.signal(signal.SIGTERM, end)
launch._GRACE = 1
launch._end_with_launcher()
print('pid', os.getpid(), flush=True)
time.sleep(100)
"""
    with start(tmp_path, content, workers=1) as process:
        lines = (line.split() for line in process.stdout)
        worker = int(next(words[-1] for words in lines if "pid" in words))
        process.kill()
    end = time.monotonic() + 30
    while os.path.exists(f"/proc/{worker}") and time.monotonic() < end:
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{worker}")
    # Told first, so that it can save what it has.
    assert told.exists()


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


@pytest.fixture
def unknown(monkeypatch):
    """The environment of a process that is told of no cluster."""
    for name in [k for k in os.environ if k.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setattr(strategies, "_cluster", strategies._cluster.__wrapped__)


@pytest.mark.usefixtures("unknown")
def test_a_script_is_run_as_python_runs_it(tmp_path, capsys, monkeypatch):
    # A cluster of one, as platforms tell of it.
    config = {
        "cluster": {"worker": ["127.0.0.1:0"]},
        "task": {"type": "worker", "index": 0},
    }
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    monkeypatch.setattr(sys, "argv", ["launch"])
    monkeypatch.setattr(sys, "path", ["elsewhere", *sys.path[1:]])
    (tmp_path / "beside_the_script.py").write_text("NUMBER = 3")
    script = tmp_path / "script.py"
    script.write_text(
        "import pickle, sys; from beside_the_script import NUMBER\n"
        "class Own: pass\n"
        "pickle.loads(pickle.dumps(Own()))\n"
        "print(__name__, NUMBER, sys.argv, __file__)\n"
    )
    assert launch.main([str(script), "--workers", "2"]) == 0
    assert capsys.readouterr().out == (
        f"__main__ 3 {[str(script), '--workers', '2']} {script}\n"
    )
    script.write_text("import sys; sys.exit(7)")
    with pytest.raises(SystemExit) as ended:
        launch.main([str(script)])
    assert ended.value.code == 7


@pytest.mark.usefixtures("unknown")
def test_a_worker_that_is_told_of_none_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        launch.main([str(tmp_path / "script.py")])
    said = capsys.readouterr().err
    assert "neither TF_CONFIG nor Slurm tells of other workers" in said
    assert "--workers" in said


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
    assert "`python -m keras_ban.launch script.py`" in out
    assert "create `keras_ban.BornAgain` first" in out


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
