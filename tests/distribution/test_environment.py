"""What the environment may say of a cluster, and what is refused."""

import json

import pytest

import keras_ban
from keras_ban.distribution import environment
from keras_ban.distribution import strategies

CLUSTER = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}
TASK = {"type": "worker", "index": 0}


def config(cluster=CLUSTER, task=TASK):
    return json.dumps({"cluster": cluster, "task": task})


MALFORMED = {
    "": "not JSON",
    "{": "not JSON",
    "[" * 100_000: "not JSON",
    "null": "no object",
    "[]": "no object",
    "3": "no object",
    json.dumps({"task": TASK}): "no `cluster`",
    json.dumps({"cluster": CLUSTER}): "no `task`",
    config(cluster=[]): "`cluster` is no object",
    config(cluster={"worker": "127.0.0.1:1"}): "no list of addresses",
    config(cluster={"worker": 2}): "no list of addresses",
    config(cluster={"worker": [1, 2]}): "address 1 is not 'host:port'",
    config(cluster={"worker": ["a:b", "c:2"]}): "'a:b' is not 'host:port'",
    config(cluster={"worker": ["a", "c:2"]}): "'a' is not 'host:port'",
    config(cluster={"worker": [":1", "c:2"]}): "':1' is not 'host:port'",
    config(cluster={"worker": ["a:-1", "c:2"]}): "'a:-1' is not",
    config(cluster={"worker": ["a:70000", "c:2"]}): "from 1 to 65535",
    config(cluster={"worker": ["a:0", "c:2"]}): "from 1 to 65535",
    config(cluster={"worker": ["a:1", "a:1"]}): "Two tasks have the address",
    config(cluster={"worker": {"1": "a:1", "2": "b:1"}}): "numbered from 0",
    config(cluster={"chief": ["a:1", "b:1"]}): "more than one chief",
    config(cluster={"master": ["a:1", "b:1"]}): "neither a chief nor workers",
    config(task=3): "`task` has no `type` and `index`",
    config(task={"type": "worker"}): "`task` has no `type` and `index`",
    config(task={"type": "worker", "index": 2}): "has no part in the training",
    config(task={"type": "worker", "index": -1}): "has no part in the",
    config(task={"type": ["worker"], "index": 0}): "has no part in the",
    config(task={"type": "ps", "index": 0}): "has no part in the training",
    config(task={"type": "worker", "index": "one"}): "index of the task is no",
    config(task={"type": "worker", "index": 0.5}): "index of the task is no",
    config(task={"type": "worker", "index": True}): "index of the task is no",
    config(task={"type": "worker", "index": None}): "index of the task is no",
}


def refused(monkeypatch, name, text):
    """The words in which `BornAgain` refuses a variable."""
    monkeypatch.setenv(name, text)
    with pytest.raises(ValueError) as error:
        keras_ban.BornAgain(lambda: None)
    said = str(error.value)
    assert f"environment variable {name}" in said
    assert "Expected" in said
    assert f"Received: {text!r}"[:100] in said
    assert "take it out of the environment" in said
    assert len(said) < 2000
    return said


@pytest.mark.parametrize("number", range(len(MALFORMED)))
def test_malformed_cluster_is_refused(number, monkeypatch):
    text, words = list(MALFORMED.items())[number]
    assert words in refused(monkeypatch, "TF_CONFIG", text)


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "0", "1.5", "inf", "nan", "1e3", "9" * 5000]
)
@pytest.mark.parametrize(
    "name", ["SLURM_STEP_NUM_TASKS", "KERAS_BAN_JOIN_SECONDS"]
)
def test_malformed_number_is_refused(name, text, monkeypatch):
    refused(monkeypatch, name, text)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        config(),
        config(task={"type": "worker", "index": "1"}),
        config(cluster={}),
        config(cluster={"worker": {"0": "a:1", "1": "b:1"}}),
        config(cluster={"worker": ["127.0.0.1:0"]}),
        config(cluster={"worker": ["[::1]:1", "[::1]:2"]}),
        config(cluster={"chief": ["a:1"], **CLUSTER, "ps": ["a:2"]}),
        json.dumps({"cluster": CLUSTER, "task": TASK, "rpc_layer": "grpc"}),
    ],
)
def test_what_tensorflow_takes_is_taken(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    monkeypatch.setenv("KERAS_BAN_JOIN_SECONDS", "600")
    environment.check()


def test_what_slurm_leaves_out_is_named(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setattr(strategies, "_cluster", strategies._cluster.__wrapped__)
    with pytest.raises(ValueError, match="Slurm tell of no cluster") as error:
        keras_ban.BornAgain(lambda: None)
    assert "{'SLURM_STEP_NUM_TASKS': '2'}" in str(error.value)
    assert "`srun`" in str(error.value)
