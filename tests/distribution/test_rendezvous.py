"""Workers that wait for each other, and not for ever."""

import concurrent.futures
import json
import os
import socket
import subprocess
import sys
import time

import pytest

from keras_ban import launch
from keras_ban.distribution import rendezvous
from keras_ban.distribution import strategies


@pytest.fixture
def addresses():
    config = launch.environments(3)[0]["TF_CONFIG"]
    return json.loads(config)["cluster"]["worker"]


def test_all_meet_and_leave_their_ports_free(addresses):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [
            pool.submit(rendezvous.meet, addresses, k) for k in range(3)
        ]:
            done.result(30)
    for address in addresses:
        with socket.create_server(("", int(address.rsplit(":")[1]))):
            pass


def test_missing_worker_is_named(addresses, monkeypatch):
    monkeypatch.setenv("KERAS_BAN_JOIN_SECONDS", "1")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = [pool.submit(rendezvous.meet, addresses, k) for k in (0, 1)]
        for number, future in enumerate(found):
            message = (
                f"Worker {number} has waited 1 seconds .*Missing: "
                f"{addresses[2]}\\. .*KERAS_BAN_JOIN_SECONDS"
            )
            with pytest.raises(RuntimeError, match=message):
                future.result(30)


def test_the_chief_ends_when_the_others_have(addresses):
    server = socket.create_server(("", int(addresses[1].rsplit(":")[1])))
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = pool.submit(rendezvous.outlast, addresses[1:], 20)
        time.sleep(0.7)
        assert not done.done()
        server.close()
        done.result(10)
    assert time.monotonic() - begin < 5
    with socket.create_server(("", int(addresses[1].rsplit(":")[1]))):
        rendezvous.outlast(addresses[1:], 0.3)


def test_port_that_is_taken_is_named(addresses, monkeypatch):
    monkeypatch.setenv("KERAS_BAN_JOIN_SECONDS", "0")
    with socket.create_server(("", int(addresses[0].rsplit(":")[1]))):
        message = f"cannot listen at {addresses[0]}: .*in use"
        with pytest.raises(RuntimeError, match=message):
            rendezvous.meet(addresses, 0)


def test_process_that_begins_no_cluster_ends():
    code = """
import time
from keras_ban.distribution import rendezvous
from keras_ban.distribution import strategies
with rendezvous.watchdog():
    time.sleep(100)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BAN_JOIN_SECONDS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Timeout (0:00:01)!" in done.stderr


@pytest.mark.parametrize("cluster", [{}, {"worker": ["127.0.0.1:1"]}])
def test_a_cluster_of_one_needs_no_strategy(cluster, monkeypatch):
    config = {"cluster": cluster} if cluster else {}
    if cluster:
        config["task"] = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    monkeypatch.setattr(strategies, "_cluster", strategies._cluster.__wrapped__)
    assert strategies.get("auto") is None


@pytest.mark.parametrize(
    "task", [{"type": "evaluator", "index": 0}, {"type": "worker", "index": 5}]
)
def test_a_task_outside_of_the_cluster_is_refused(task, monkeypatch):
    cluster = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}
    config = json.dumps({"cluster": cluster, "task": task})
    monkeypatch.setenv("TF_CONFIG", config)
    monkeypatch.setattr(strategies, "_cluster", strategies._cluster.__wrapped__)
    with pytest.raises(ValueError, match=f"Received: .*'{task['type']}'"):
        strategies.get("auto")
