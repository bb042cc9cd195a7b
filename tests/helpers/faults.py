"""A small run in a process of its own, and what can happen to it.

As a script it is a nursery: it imports Keras once, and forks a process for
each job that it reads from its standard input, one JSON object a line. A job
trains in `directory`; `fault` may kill the process at a moment, so long after
a step, or inside a call of the operating system, or let such a call fail. The
answer, a line too, is the exit status, negative for a signal.
"""

import builtins
import errno
import hashlib
import io
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import traceback

PARTS = slice(64), slice(64, None)
CALLS = ("replace", "fsync", "mkdir", "unlink", "write")


class Nursery:
    """The nursery, from the side of a test."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, directory, **job):
        """Runs a job to its end; returns status, results and output."""
        out = self._folder / "out.txt"
        result = self._folder / "result.json"
        result.unlink(missing_ok=True)
        job |= {"directory": str(directory), "folder": str(self._folder)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        found = json.loads(result.read_text()) if result.exists() else None
        return status, found, out.read_text()

    def steps(self):
        """All steps so far as (attempt, generation, epoch, step)."""
        log = self._folder / "steps.txt"
        lines = log.read_text().splitlines() if log.exists() else []
        return [tuple(map(int, line.split())) for line in lines]

    def close(self):
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def of_kind(kind, x):
    """A function that makes a network of a task's kind, labels, objective."""
    import keras

    import keras_ban
    from keras_ban import objectives

    targets = (x[:, :2] * 2).astype("float32")
    binary = keras.losses.BinaryCrossentropy(from_logits=True)
    outputs, losses, y = {
        "values": ({"a": 2}, {"a": "mae"}, {"a": targets}),
        "gaussians": (
            {"a": 4},
            {"a": keras_ban.tasks.GaussianNLL()},
            {"a": targets},
        ),
        "several labels": ({"a": 3}, {"a": binary}, {"a": x[:, :3] > 0}),
        "several outputs": (
            {"a": 2, "b": 3},
            {"a": "huber", "b": binary},
            {"a": targets, "b": x[:, :3] > 0},
        ),
    }[kind]

    def model_fn():
        inputs = keras.Input((6,))
        hidden = keras.layers.Dense(8, "tanh", name="hidden")(inputs)
        hidden = keras.layers.Dropout(0.3)(hidden)
        found = {
            name: keras.layers.Dense(n, name=name, dtype="float32")(hidden)
            for name, n in outputs.items()
        }
        is_one = len(found) == 1
        model = keras.Model(inputs, found["a"] if is_one else found)
        model.compile("adam", loss=losses["a"] if is_one else losses)
        return model

    objective = objectives.KD(0.3) + objectives.Features({"hidden": "hidden"})
    return model_fn, y["a"] if len(y) == 1 else y, objective


def train(job):
    import keras
    import numpy as np

    import keras_ban

    keras.config.set_dtype_policy("mixed_float16")
    # Data of which no training stops early: all its steps are counted.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 6)).astype("float32")
    y = (x @ rng.normal(size=(6, 4))).argmax(-1)
    log = open(pathlib.Path(job["folder"], "steps.txt"), "a")
    attempt = job.get("attempt", 0)
    fault = job.get("fault") or {}
    steps = itertools.count()

    def model_fn():
        model = keras.Sequential(
            [
                keras.Input((6,)),
                keras.layers.Dense(8, "relu"),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.3),
                keras.layers.Dense(4, dtype="float32"),
            ]
        )
        model.compile(
            optimizer=keras.optimizers.Adam(0.02),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model

    class Log(keras.callbacks.Callback):
        def __init__(self, number):
            super().__init__()
            self.number = number

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            line = f"{attempt} {self.number} {self.epoch} {batch}\n"
            os.write(log.fileno(), line.encode())
            if next(steps) == fault.get("step"):
                kill = os.kill, (os.getpid(), signal.SIGKILL)
                threading.Timer(fault["delay"], *kill).start()
            if job.get("signal_at") == [self.number, self.epoch, batch]:
                os.kill(os.getpid(), job["signal"])

        def on_test_batch_end(self, batch, logs=None):
            if job.get("signal_at") == [self.number, self.epoch, "test"]:
                os.kill(os.getpid(), job["signal"])

    def callbacks(number):
        monitor, patience = "val_loss", 1
        plateau = keras.callbacks.ReduceLROnPlateau(monitor, 0.5, patience)
        stopping = keras.callbacks.EarlyStopping(
            monitor, patience=2, restore_best_weights=True
        )
        return [plateau, stopping, Log(number)]

    def teacher(rows):
        return np.asarray(rows) @ np.linspace(-1, 1, 24).reshape(6, 4)

    objective = job.get("objective", "dkpp")
    if job.get("kind"):
        model_fn, y, objective = of_kind(job["kind"], x)
    labels = [keras.tree.map_structure(lambda a, p=p: a[p], y) for p in PARTS]
    teachers = {"function": teacher, "predictions": teacher(x[:64])}
    _prepare(fault)
    if job.get("compare"):
        found = keras_ban.compare(
            model_fn,
            x[:64],
            y[:64],
            ["ban", keras_ban.Method("dkpp", teachers=2, name="two")][
                : job["compare"]
            ],
            seeds=2,
            epochs=job.get("epochs", 2),
            batch_size=16,
            validation_data=(x[64:], y[64:]),
            callbacks=callbacks,
            directory=job["directory"],
            verbose=0,
        )
        _prepare({})
        return compared(found)
    lineage = keras_ban.BornAgain(
        model_fn,
        objective=objective,
        directory=job["directory"],
        save_every=job.get("save_every"),
        seed=3,
        from_logits=True,
    ).fit(
        x[:64],
        labels[0],
        teacher=teachers.get(job.get("teacher")),
        generations=job.get("generations", 3),
        epochs=job.get("epochs", 4),
        batch_size=16,
        validation_data=(x[64:], labels[1]),
        callbacks=callbacks,
        verbose=0,
    )
    _prepare({})
    return summary(lineage)


def compared(study):
    """The table of a comparison, and the networks of each method and seed."""
    networks = {
        name: [summary(lineage) for lineage in lineages]
        for name, lineages in study.lineages.items()
    }
    return {"table": str(study), "rows": study.rows, "networks": networks}


def summary(lineage):
    """Weights as checksums, histories, metrics: what must be the same."""
    return [
        {
            "weights": hashlib.sha256(
                b"".join(w.tobytes() for w in g.model.get_weights())
            ).hexdigest()
            if g.model
            else None,
            "history": g.history,
            "metrics": g.metrics,
            "seed": g.seed,
        }
        for g in lineage
    ]


def _prepare(fault):
    """Lets the n-th call of the operating system kill, or fail."""
    for name in CALLS:
        if hasattr(os, f"_{name}"):
            setattr(os, name, getattr(os, f"_{name}"))
    if "call" not in fault:
        return
    counter, lock = itertools.count(), threading.Lock()

    def happen(half):
        with lock:
            if next(counter) != fault["call"]:
                return
        half()
        if "errno" in fault:
            number = getattr(errno, fault["errno"])
            raise OSError(number, os.strerror(number))
        os.kill(os.getpid(), signal.SIGKILL)

    def wrap(name, function):
        def call(*args, **kwargs):
            happen(lambda: None)
            return function(*args, **kwargs)

        setattr(os, f"_{name}", function)
        setattr(os, name, call)

    for name in ("replace", "fsync", "mkdir", "unlink"):
        wrap(name, getattr(os, name))

    # What Python writes to a file goes through here; half of it arrives.
    class Half(io.BufferedWriter):
        def write(self, data):
            def half():
                super(Half, self).write(bytes(data)[: len(data) // 2])
                self.flush()

            happen(half)
            return super().write(data)

    def opened(path, mode="r", *args, **kwargs):
        if mode in ("w", "wb"):
            raw = Half(io.FileIO(path, "wb"))
            return raw if "b" in mode else io.TextIOWrapper(raw, "utf-8")
        return plain(path, mode, *args, **kwargs)

    plain = open
    pathlib.Path.open = builtins.open = opened
    pathlib.Path.write_bytes = lambda self, data: _write(self, data)
    pathlib.Path.write_text = lambda self, data, **_: _write(
        self, data.encode()
    )


def _write(path, data):
    with path.open("wb") as file:
        return file.write(data)


def child(job):
    folder = pathlib.Path(job["folder"])
    out = os.open(folder / "out.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found = train(job)
    (folder / "result.json").write_text(json.dumps(found))


def main():
    import keras  # noqa: F401

    import keras_ban  # noqa: F401

    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if not pid:
            status = 1
            try:
                child(job)
                status = 0
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                sys.stdout.flush()
                os.kill(os.getpid(), signal.SIGINT)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            sys.stdout.flush()
            os._exit(status)
        seconds = (job.get("fault") or {}).get("kill_after")
        if seconds:
            time.sleep(seconds)
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
