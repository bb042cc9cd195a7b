"""Whole runs: traces, pauses between generations, time and memory.

python benchmarks/generations.py
"""

import argparse
import os
import statistics
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--network", default="densenet_100_12", help="for pauses")
parser.add_argument("--small", default="wide_resnet_10_1", help="for the rest")
parser.add_argument("--generations", type=int, default=5)
parser.add_argument("--many", type=int, default=20)
args = parser.parse_args()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measuring
import numpy as np

import keras_ban

CLASSES = 10


def model_fn(name, shape=(32, 32, 3)):
    kind, depth, width = name.rsplit("_", 2)

    def make():
        model = getattr(keras_ban.models, kind)(
            int(depth), int(width), CLASSES, input_shape=shape
        )
        model.compile(
            optimizer=keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,
        )
        return model

    return make


def data(rows, shape=(32, 32, 3)):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, *shape)).astype("float32")
    return x, rng.integers(0, CLASSES, rows)


class Watch(keras.callbacks.Callback):
    """When each generation took its first and its last step."""

    def __init__(self):
        super().__init__()
        self.first, self.last, self.memory = {}, {}, {}
        self.number = 0

    def __call__(self, number):
        watch = self

        class Steps(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                now = time.perf_counter()
                watch.first.setdefault(number, now)
                watch.last[number] = now
                watch.memory[number] = resident()

        return [Steps()]


def resident():
    """Resident memory of this process in MiB."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def count_traces():
    found = []
    for cls in (keras.Model, keras_ban.Distiller):
        plain = cls.train_step

        def step(self, batch, plain=plain):
            found.append(type(self).__name__)
            return plain(self, batch)

        cls.train_step = step
    return found


def run(make, x, y, generations, **kwargs):
    watch = Watch()
    start = time.perf_counter()
    keras_ban.BornAgain(make).fit(
        x, y, generations, callbacks=watch, verbose=0, **kwargs
    )
    return watch, start


def pauses():
    """Seconds to the first step, and from a generation to the next."""
    traces = count_traces()
    watch, start = run(
        model_fn(args.network), *data(64), args.generations, batch_size=16
    )
    numbers = range(1, args.generations + 1)
    return {
        "traces of the training function": traces,
        "seconds to the first step": watch.first[0] - start,
        "seconds from generation to generation": [
            watch.first[k] - watch.last[k - 1] for k in numbers
        ],
        "median from generation 1 on / to the first step": statistics.median(
            watch.first[k] - watch.last[k - 1] for k in numbers[1:]
        )
        / (watch.first[0] - start),
    }


def many():
    """Seconds and memory of many generations of a small network."""
    watch, _ = run(
        model_fn(args.small), *data(2048), args.many, batch_size=128, epochs=2
    )
    numbers = range(args.many + 1)
    seconds = [watch.last[k] - watch.first[k] for k in numbers]
    third = len(seconds) // 3
    return {
        "seconds of a generation": seconds,
        "median of the last third / of the first": statistics.median(
            seconds[-third:]
        )
        / statistics.median(seconds[1 : third + 1]),
        "resident MiB": watch.memory,
        "resident memory, last generation / generation 3": watch.memory[
            args.many
        ]
        / watch.memory[3],
    }


def sizes():
    """Seconds of an example, from few examples to many."""
    found = {}
    for rows in (1_000, 10_000, 100_000):
        x, y = data(rows, (8, 8, 3))
        watch, _ = run(model_fn(args.small, (8, 8, 3)), x, y, 1, batch_size=100)
        # The first step is left out, as it is compiled.
        found[rows] = (watch.last[1] - watch.first[1]) / (rows - 100)
    return {"seconds of an example": found}


def main():
    measuring.save(
        "generations",
        {
            "settings": vars(args),
            "pauses": pauses(),
            "many generations": many(),
            "examples": sizes(),
        },
    )


if __name__ == "__main__":
    main()
