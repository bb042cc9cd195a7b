"""Whole runs: traces, pauses between generations, time and memory.

Each part runs in a process of its own.

python benchmarks/generations.py
"""

import argparse
import concurrent.futures
import ctypes
import gc
import multiprocessing
import operator
import os
import statistics
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--network", default="densenet_100_12", help="for pauses")
parser.add_argument("--small", default="wide_resnet_10_1", help="for the rest")
parser.add_argument("--generations", type=int, default=5)
parser.add_argument("--many", type=int, default=20)
parser.add_argument("--epochs", type=int, default=5, help="of many")
parser.add_argument("--rounds", type=int, default=3, help="of sizes")
args = parser.parse_args()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measuring
import networks
import numpy as np

import keras_ban

CLASSES = 10


def data(rows, shape=(32, 32, 3)):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, *shape)).astype("float32")
    return x, rng.integers(0, CLASSES, rows)


class Watch:
    """When each generation took its steps, and the memory at its end."""

    def __init__(self):
        self.start = time.perf_counter()
        self.steps, self.resident, self.allocated = {}, {}, {}

    def __call__(self, number):
        steps = self.steps[number] = []

        def step(batch, logs):
            steps.append(time.perf_counter())

        def end(logs):
            gc.collect()
            self.resident[number] = resident()
            self.allocated[number] = allocated()

        return [
            keras.callbacks.LambdaCallback(
                on_train_batch_end=step, on_train_end=end
            )
        ]

    def pause(self, number):
        """Seconds before a generation's first step, a usual step left out."""
        before = self.steps[number - 1][-1] if number else self.start
        steps = self.steps[number]
        usual = statistics.median(map(operator.sub, steps[1:], steps))
        return steps[0] - before - usual

    def seconds(self, number):
        """Seconds of a generation, from its first step on."""
        return self.steps[number][-1] - self.steps[number][0]


def resident():
    """Resident memory of this process in MiB."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def allocated():
    """MiB that this process holds of the C library, or `None` without glibc.

    Resident memory has in it what the library keeps of what was freed.
    """

    class Mallinfo(ctypes.Structure):
        _fields_ = [(f"field_{k}", ctypes.c_size_t) for k in range(10)]

    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = Mallinfo
    found = library.mallinfo2()
    # Mapped blocks, and those of the heaps.
    return (found.field_4 + found.field_7) / 2**20


def count_traces():
    found = []
    for cls in (keras.Model, keras_ban.Distiller):
        plain = cls.train_step

        def step(self, batch, plain=plain):
            found.append(type(self).__name__)
            return plain(self, batch)

        cls.train_step = step
    return found


def run(name, x, y, generations, kept=None, **kwargs):
    watch = Watch()
    keras_ban.BornAgain(
        lambda: networks.compiled(name, CLASSES, x.shape[1:]), **kept or {}
    ).fit(x, y, generations, callbacks=watch, verbose=0, **kwargs)
    return watch


def pauses():
    """Seconds before the first step, and from a generation to the next."""
    traces = count_traces()
    watch = run(args.network, *data(64), args.generations, batch_size=16)
    first, *others = map(watch.pause, range(args.generations + 1))
    return {
        "traces of the training function": list(traces),
        "seconds before the first step": first,
        "seconds from generation to generation": others,
        "median from generation 1 on / before the first step": (
            statistics.median(others[1:]) / first
        ),
    }


def many():
    """Seconds and memory of many generations of a small network.

    Two models are kept, so that memory shows what else would stay behind.
    """
    options = {"batch_size": 128, "epochs": args.epochs}
    with tempfile.TemporaryDirectory() as folder:
        kept = {"directory": folder, "keep": 2}
        watch = run(args.small, *data(2048), args.many, kept, **options)
    seconds = [watch.seconds(k) for k in range(1, args.many + 1)]
    slope = statistics.linear_regression(range(1, args.many + 1), seconds).slope
    return {
        "seconds of a generation": seconds,
        "change over all, relative": slope
        * args.many
        / statistics.median(seconds),
        "resident MiB": watch.resident,
        "allocated MiB": watch.allocated,
        "last generation / generation 3": {
            "resident": watch.resident[args.many] / watch.resident[3],
            "allocated": (
                watch.allocated[3]
                and watch.allocated[args.many] / watch.allocated[3]
            ),
        },
    }


def sizes():
    """Microseconds of an example, for few examples and for many."""

    def reading(rows, epochs):
        x, y = data(rows, (8, 8, 3))

        def once():
            watch = run(args.small, x, y, 1, batch_size=100, epochs=epochs)
            # The first step is left out, as it is compiled.
            return 1e6 * watch.seconds(1) / (rows * epochs - 100)

        return once

    found = measuring.in_turn(
        {
            f"{rows:,}": reading(rows, 100_000 // rows)
            for rows in (1_000, 10_000, 100_000)
        },
        args.rounds,
        warm_up=0,
    )
    return {
        "microseconds of an example": measuring.summary(found),
        "100,000 / 1,000": measuring.ratio(found, "100,000", ["1,000"]),
        "100,000 / 10,000": measuring.ratio(found, "100,000", ["10,000"]),
    }


def main():
    parts = {"pauses": pauses, "many generations": many, "examples": sizes}
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as processes:
        found = {
            name: processes.submit(part).result()
            for name, part in parts.items()
        }
    measuring.save("generations", {"settings": vars(args), **found})


if __name__ == "__main__":
    main()
