"""What the benchmarks share: rounds in turn, and what a result says."""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import time

import keras

RESULTS = pathlib.Path(__file__).parent / "results"


class Clock(keras.callbacks.Callback):
    """Seconds of a step, the first of each call of `fit` left out."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            self.start = time.perf_counter()
        else:
            seconds = time.perf_counter() - self.start
            self.seconds = seconds / batch

    on_test_batch_end = on_train_batch_end


def in_turn(candidates, rounds, warm_up=1):
    """Times every candidate once in each round, in an order drawn anew.

    Args:
        candidates: Dict of names to functions that return a number.
        rounds: How many rounds count.
        warm_up: How many rounds before them do not. Defaults to `1`.

    Returns:
        Dict of names to lists of these numbers, one for each round.
    """
    found = {name: [] for name in candidates}
    draw = random.Random(0)
    for number in range(warm_up + rounds):
        for name in draw.sample(list(candidates), len(candidates)):
            value = candidates[name]()
            if number >= warm_up:
                found[name].append(value)
    return found


def summary(times):
    """Mean, standard deviation and median of each."""
    return {
        name: {
            "mean": statistics.mean(values),
            "standard deviation": statistics.stdev(values),
            "median": statistics.median(values),
            "rounds": len(values),
        }
        for name, values in times.items()
    }


def ratio(times, above, below):
    """One time divided by a sum of others, in each round.

    Args:
        times: What `in_turn` returns.
        above: A name.
        below: A list of names.

    Returns:
        The median over the rounds, and its quartiles.
    """
    sums = map(sum, zip(*(times[name] for name in below), strict=True))
    found = [a / b for a, b in zip(times[above], sums, strict=True)]
    low, middle, high = statistics.quantiles(found, method="inclusive")
    return {"median": middle, "quartiles": [low, high]}


def save(name, content):
    """Prints a result and writes it to `results/`, with what it was run on."""
    packages = ("keras", "tensorflow", "numpy", "torch", "keras_ban")
    content = {
        **content,
        "date": datetime.date.today().isoformat(),
        "device": f"{_processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {p: _version(p) for p in packages},
        "oneDNN": os.environ.get(
            "TF_ENABLE_ONEDNN_OPTS", "TensorFlow's choice"
        ),
        "commit": _commit(),
    }
    text = json.dumps(content, indent=1)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [x.split(":")[1] for x in lines if x.startswith("model name")]
    return names[0].strip() if names else platform.processor()


def _commit():
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=RESULTS.parent,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() or "unknown"
