"""Several replicas: bytes reduced, time of a step, and weak scaling.

`python benchmarks/distribute.py` runs on CPUs alone. Replicas on logical
devices share the cores of this machine; workers have a core each.
"""

import argparse
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from measuring import in_turn
from measuring import ratio
from measuring import save
from measuring import summary
from networks import compiled

import keras_ban
from keras_ban import launch

NETWORK = "wide_resnet_16_1"


def data(rows, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 32, 32, 3)).astype("float32")
    return x, rng.integers(0, 10, rows)


@functools.cache
def devices(count):
    """A strategy of so many logical devices of the one CPU."""
    if count == 1:
        return tf.distribute.get_strategy()
    names = [d.name for d in tf.config.list_logical_devices("CPU")[:count]]
    # A process can have one group of devices that reduces collectively.
    ops = None if count == 2 else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(names, ops)


def training(strategy, kind):
    """What `fit` is called on: the plain student, or what distils it."""
    with strategy.scope():
        student = compiled(NETWORK, 10)
        if kind == "plain":
            return student
        teacher = compiled(NETWORK, 10)
    return keras_ban.Distiller(student, teacher)


class Clock(keras.callbacks.Callback):
    """The time of a step, without the first ones."""

    def __init__(self, warm_up=2):
        super().__init__()
        self.warm_up = warm_up

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.warm_up - 1:
            self.start = time.perf_counter()
        self.steps, self.end = batch + 1, time.perf_counter()

    @property
    def seconds(self):
        return (self.end - self.start) / (self.steps - self.warm_up)


def step_seconds(model, x, y, batch, steps=8):
    clock = Clock()
    ds = tf.data.Dataset.from_tensor_slices((x[:batch], y[:batch]))
    ds = ds.batch(batch).repeat(steps)
    model.fit(ds, shuffle=False, verbose=0, callbacks=[clock])
    return clock.seconds


class Counted(tf.distribute.ReductionToOneDevice):
    """Counts the bytes that each replica gives, as a step is traced."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def _count(self, value):
        first = value.values[0] if hasattr(value, "values") else value
        self.bytes += first.shape.num_elements() * first.dtype.size

    def reduce_implementation(self, op, value, *args, **kwargs):
        self._count(value)
        return super().reduce_implementation(op, value, *args, **kwargs)

    def batch_reduce_implementation(self, op, pairs, *args, **kwargs):
        before = self.bytes
        found = super().batch_reduce_implementation(op, pairs, *args, **kwargs)
        # By itself it goes through `reduce_implementation`, or does not.
        self.bytes = before
        for value, _ in pairs:
            self._count(value)
        return found


def bytes_of(kind, x, y):
    """Bytes reduced in a step of two replicas."""
    ops = Counted()
    names = [d.name for d in tf.config.list_logical_devices("CPU")[:2]]
    model = training(tf.distribute.MirroredStrategy(names, ops), kind)
    model.fit(x[:32], y[:32], batch_size=32, verbose=0)
    return ops.bytes


def worker(folder, batch, steps):
    """One of the workers, on a core of its own: seconds of a step."""
    config = json.loads(os.environ["TF_CONFIG"])
    strategy = tf.distribute.get_strategy()
    if len(config["cluster"]["worker"]) > 1:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    model = training(strategy, "distil")
    path = pathlib.Path(folder, f"{config['task']['index']}.json")
    path.write_text(json.dumps(step_seconds(model, *data(batch), batch, steps)))


def workers(count, batch, steps=10):
    """Seconds of a step of `count` workers, each with its share of a batch."""
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        for number, environment in enumerate(launch.environments(count)):
            command = [sys.executable, __file__, "--worker", folder]
            command += ["--batch", str(batch * count), "--steps", str(steps)]
            processes.append(
                subprocess.Popen(
                    ["taskset", "-c", str(number % os.cpu_count()), *command],
                    env=environment,
                )
            )
        assert not any([process.wait(600) for process in processes])
        found = [
            json.loads(p.read_text()) for p in pathlib.Path(folder).glob("*")
        ]
    return max(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        worker(given.worker, given.batch, given.steps)
        return
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 4,
    )
    x, y = data(given.batch)
    sizes = {kind: bytes_of(kind, x, y) for kind in ("plain", "distil")}
    models = {
        f"{kind}, {count} replicas": training(devices(count), kind)
        for kind in ("plain", "distil")
        for count in (1, 2, 4)
    }
    times = in_turn(
        {
            name: lambda m=model: step_seconds(
                m, x, y, given.batch, given.steps
            )
            for name, model in models.items()
        },
        given.rounds,
    )
    weak = in_turn(
        {
            f"{count} workers": lambda n=count: workers(n, given.batch // 2)
            for count in (1, 2)
        },
        given.rounds,
        warm_up=0,
    )
    names = {
        f"{kind}, {count} replicas / 1": (f"{kind}, {count} replicas", kind)
        for kind in ("plain", "distil")
        for count in (2, 4)
    }
    save(
        "distribute",
        {
            "settings": {"network": NETWORK, **vars(given)},
            "bytes reduced in a step": {
                **sizes,
                "distil / plain": sizes["distil"] / sizes["plain"],
            },
            "seconds of a step": summary(times),
            "one global batch": {
                name: ratio(times, above, [f"{kind}, 1 replicas"])
                for name, (above, kind) in names.items()
            },
            "a batch for each worker, a core each": {
                "seconds of a step": summary(weak),
                "2 / 1": ratio(weak, "2 workers", ["1 workers"]),
            },
        },
    )


if __name__ == "__main__":
    main()
