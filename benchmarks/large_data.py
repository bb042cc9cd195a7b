"""Data that does not fit into memory: resident memory, and who waits for whom.

`python benchmarks/large_data.py --folder FOLDER` makes files of so many
gigabytes, trains two generations on them, the teacher's outputs kept in the
folder, each example in a view, kills the process in the middle of the second
one and goes on. A process that is killed leaves the files; they are used again.
`--device 60` stands for an accelerator that takes so many milliseconds of each
step and no core. What a step waits for its batch is taken from TensorFlow's
profile of a hundred steps; on few cores a step also takes longer beside the
reading, as both compute.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from measuring import Clock
from measuring import save
from tensorflow.tsl.profiler.protobuf import xplane_pb2

import keras_ban
from keras_ban import views

SIDE, CLASSES = 128, 10
SIZE = SIDE * SIDE * 3
FILES = 20
EVERY = 25
# The steps whose waiting is looked at.
FIRST, LAST = 50, 150


def make(folder, gigabytes):
    """Files of images as bytes, each after its label; their paths."""
    count = int(gigabytes * 2**30) // (SIZE + 1) // FILES
    paths = [folder / f"{number}.images" for number in range(FILES)]
    for number, path in enumerate(paths):
        if path.exists() and path.stat().st_size == count * (SIZE + 1):
            continue
        rng = np.random.default_rng(number)
        with open(path, "wb") as file:
            for start in range(0, count, 256):
                rows = min(256, count - start)
                held = rng.integers(0, 256, (rows, SIZE + 1), "uint8")
                held[:, 0] = held[:, 1:].mean(-1) * CLASSES / 256
                file.write(held.tobytes())
    return list(map(str, paths)), count * FILES


def data(paths, count, batch):
    """The examples of all files in batches, of which the number is said."""
    ds = tf.data.FixedLengthRecordDataset(paths, SIZE + 1)
    ds = ds.batch(batch, drop_remainder=True)

    def decode(rows):
        held = tf.io.decode_raw(rows, "uint8", fixed_length=None)
        images = tf.reshape(held[:, 1:], (batch, SIDE, SIDE, 3))
        return tf.cast(images, "float32") / 255, tf.cast(held[:, 0], "int32")

    ds = ds.map(decode, num_parallel_calls=2, deterministic=True)
    ds = ds.apply(tf.data.experimental.assert_cardinality(count // batch))
    return ds.prefetch(2)


def model_fn():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(16, 5, strides=4, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return model


def memory():
    """MiB that are resident, those of files that are mapped left out."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    found = dict(line.split(":") for line in lines)
    return int(found["RssAnon"].split()[0]) / 2**10


class Noted(keras.callbacks.Callback):
    """Prints every so many steps what is resident, and the time."""

    def __init__(self, number):
        super().__init__()
        self.number, self.step = number, 0

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step % EVERY == 0:
            noted = self.number, self.step, memory(), time.perf_counter()
            print("noted", json.dumps(noted), flush=True)


class Waiting(keras.callbacks.Callback):
    """Prints the milliseconds that steps wait for their batch."""

    def __init__(self, number):
        super().__init__()
        self.number, self.step, self.folder = number, 0, None

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step == FIRST:
            self.folder = tempfile.TemporaryDirectory()
            tf.profiler.experimental.start(self.folder.name)
        if self.step == LAST:
            tf.profiler.experimental.stop()
            with self.folder as folder:
                found = [self.number, waits(pathlib.Path(folder))]
            print("waited", json.dumps(found), flush=True)


def waits(folder):
    """Milliseconds of each call for the next batch in a profile."""
    (path,) = folder.rglob("*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    return [
        event.duration_ps / 1e9
        for plane in space.planes
        for line in plane.lines
        for event in line.events
        if plane.event_metadata[event.metadata_id].name
        == "IteratorGetNextOp::DoCompute"
    ]


class Device(keras.callbacks.Callback):
    """Takes so many milliseconds of each step, and no core."""

    def __init__(self, milliseconds):
        super().__init__()
        self._seconds = milliseconds / 1000

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(self._seconds)


def callbacks(device, number):
    noted = Noted(number)
    # A profile takes memory of its own.
    return [Device(device), noted, Waiting(number)] if device else [noted]


def train(given, paths, count):
    ds = data(paths, count, given.batch)
    ban = keras_ban.BornAgain(
        model_fn, "kd", directory=given.folder / "run", save_every=200
    )
    ban.fit(
        ds,
        generations=1,
        epochs=1,
        augment=views.crop_and_flip(8),
        views=1,
        teacher_outputs=given.folder / "outputs",
        callbacks=lambda number: callbacks(given.device, number),
        verbose=0,
    )


def step_alone(given, paths, count):
    """Seconds of a step of a student on batches that are in memory."""
    student, teacher = model_fn(), model_fn()
    few = data(paths, count, given.batch).take(4).cache()
    clock = Clock()
    keras_ban.Distiller(student, teacher, "kd").fit(
        few.repeat(),
        steps_per_epoch=100,
        verbose=0,
        callbacks=[Device(given.device), clock],
    )
    return clock.seconds


def attempt(kill_at=None):
    """What a process notes, how it ends; killed at a step of generation 1."""
    command = [sys.executable, __file__, *sys.argv[1:], "--train"]
    noted, waited = [], {}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        for line in process.stdout:
            if line.startswith("waited"):
                number, found = json.loads(line.split(" ", 1)[1])
                waited[f"generation {number}"] = quantiles(found)
            if line.startswith("noted"):
                noted.append(json.loads(line.split(" ", 1)[1]))
                number, step, *_ = noted[-1]
                if kill_at and number == 1 and step >= kill_at:
                    process.send_signal(signal.SIGKILL)
                    break
    return noted, waited, process.wait()


def quantiles(waited):
    """The median, the 90th percentile and the most, in milliseconds."""
    found = np.quantile(waited, [0.5, 0.9, 1]).round(2).tolist()
    return dict(zip(("median", "90 %", "most"), found, strict=True))


def trainings(noted):
    """Of each generation: steps, MiB along the way, seconds of a step."""
    found = {}
    for number in sorted({n for n, *_ in noted}):
        rows = [row for row in noted if row[0] == number]
        held = [m for _, _, m, _ in rows]
        half = held[len(held) // 2 :]
        seconds = np.diff([t for *_, t in rows]) / EVERY
        found[f"generation {number}"] = {
            "steps": rows[-1][1],
            "resident MiB along the way": np.round(
                held[:: max(1, len(held) // 20)]
            ).tolist(),
            "most / least in the second half": max(half) / min(half),
            "seconds of a step": float(np.median(seconds)),
        }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", type=float, default=0, help="milliseconds")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    paths, count = make(given.folder, given.gigabytes)
    if given.train:
        train(given, paths, count)
        return
    for name in ("run", "outputs"):
        shutil.rmtree(given.folder / name, ignore_errors=True)
    steps = count // given.batch
    first, waited, status = attempt(kill_at=steps // 2)
    assert status == -signal.SIGKILL, status
    second, _, status = attempt()
    assert status == 0, status
    save(
        "large_data_device" if given.device else "large_data",
        {
            "settings": {**vars(given), "folder": None, "examples": count},
            "until it was killed": trainings(first),
            "milliseconds that a step waits for its batch": waited,
            "after it went on": trainings(second),
            "seconds of a step on batches in memory": step_alone(
                given, paths, count
            ),
        },
    )


if __name__ == "__main__":
    main()
