"""Real workers on this machine, and what they do.

As a script, `python workers.py JOB FOLDER ARGUMENTS`, it is one of them, told
by `TF_CONFIG` which; or it is alone. What it finds it leaves in the folder.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from builders import compiled
from builders import learnable
from builders import mlp
from faults import summary

import keras_ban
from keras_ban import launch
from keras_ban.teaching import filling

X, Y = learnable(381)
VALIDATION = learnable(21, 2)
WEIGHT = np.linspace(0, 2, len(X)).astype("float32")
# 20 steps; the last has a row, fewer than there are workers.
FIT = {"epochs": 1, "batch_size": 20, "shuffle": False, "verbose": 0}


class Workers:
    """Processes that were started, each printing to a file.

    Args:
        count: How many, or 0 for a process that knows of no cluster.
        job: The name of a function below.
        folder: Where to leave what they find.
        **arguments: Those of the function.
    """

    def __init__(self, count, job, folder, **arguments):
        folder.mkdir(exist_ok=True, parents=True)
        command = [sys.executable, "-u", __file__, job, str(folder)]
        command.append(json.dumps(arguments))
        self.logs = [folder / f"log-{k}.txt" for k in range(count or 1)]
        self._folder = folder
        self.processes = []
        places = launch.environments(count) if count else [dict(os.environ)]
        for environment, log in zip(places, self.logs, strict=True):
            with open(log, "w") as file:
                self.processes.append(
                    subprocess.Popen(
                        command,
                        env={**environment, "TF_CPP_MIN_LOG_LEVEL": "2"},
                        stdout=file,
                        stderr=subprocess.STDOUT,
                    )
                )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes:
            process.kill()
            process.wait()

    def wait(self, seconds=300):
        """The statuses, when all have ended."""
        end = time.monotonic() + seconds
        return [
            p.wait(max(0.1, end - time.monotonic())) for p in self.processes
        ]

    def said(self):
        """What they have printed, a text for each."""
        return [log.read_text(errors="replace") for log in self.logs]

    def found(self):
        """What they found, a dict for each."""
        assert self.wait() == [0] * len(self.processes), self.said()
        return [
            json.loads((self._folder / f"found-{k}.json").read_text())
            for k in range(len(self.processes))
        ]


def student(rate=0.3):
    keras.utils.set_random_seed(1)
    return compiled(
        mlp(l2=0.01),
        eager=False,
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        weighted_metrics=["sparse_categorical_accuracy"],
    )


def values(model):
    return [w.tolist() for w in model.get_weights()]


def objectives(strategy, names):
    """What a `Distiller` makes of each objective."""
    found = {}
    for name in names:
        with strategy.scope():
            # Where gradients are steep, larger steps make much of a rounding.
            model = student(0.01 if name in ("dkd", "dist") else 0.3)
            keras.utils.set_random_seed(2)
            teacher = mlp()
        distiller = keras_ban.Distiller(model, teacher, name)
        keras.utils.set_random_seed(3)
        history = distiller.fit(
            X, Y, sample_weight=WEIGHT, validation_data=VALIDATION, **FIT
        ).history
        found[name] = {
            "weights": values(model),
            "history": history,
            "evaluate": distiller.evaluate(X, Y, batch_size=20, verbose=0),
            "predict": distiller.predict(X, batch_size=20, verbose=0).tolist(),
        }
    return found


def averages(strategy):
    """What a `Distiller` makes of moving averages of each worker's rows."""
    with strategy.scope():
        keras.utils.set_random_seed(1)
        layer = keras.layers.BatchNormalization()
        model = compiled(mlp(8, layer), eager=False)
    distiller = keras_ban.Distiller(model, None, "labels")
    history = distiller.fit(X, Y, validation_data=VALIDATION, **FIT).history
    return {"weights": values(model), "history": history}


def generations(strategy, cache):
    """What `BornAgain` makes of arrays, and the table of its ensembles."""
    stores, kind = [], filling.Store

    def noted(*arguments):
        stores.append(kind(*arguments))
        return stores[-1]

    filling.Store = noted
    number, _ = launch.place()
    ban = keras_ban.BornAgain(_plain, "cwtm", seed=3)
    lineage = ban.fit(
        X[:81],
        Y[:81],
        2,
        validation_data=VALIDATION,
        teacher_outputs=cache.format(number),
        **{**FIT, "epochs": 2},
    )
    table = lineage.evaluate(*VALIDATION)
    return {
        "weights": [values(g.model) for g in lineage],
        "history": [g.history for g in lineage],
        "metrics": [g.metrics for g in lineage],
        "table": [[row["accuracy"], row["nll"]] for row in table],
        "shared": [store.is_shared for store in stores],
    }


def _plain(*between):
    layer = keras.layers.BatchNormalization(synchronized=True)
    return compiled(
        mlp(16, layer, *between),
        eager=False,
        optimizer=keras.optimizers.Adam(0.01, epsilon=1e-3),
    )


def _drawn():
    return _plain(keras.layers.Dropout(0.2))


def plain(strategy):
    """Whether Keras itself can train on several workers."""
    with strategy.scope():
        model = student()
    try:
        model.fit(X, Y, **FIT)
    except Exception as error:
        return repr(error)
    return "trained"


class Slow(keras.callbacks.Callback):
    def __init__(self, pause):
        super().__init__()
        self.pause = pause

    def on_train_batch_end(self, batch, logs=None):
        print("step", batch)
        time.sleep(self.pause)

    def on_epoch_end(self, epoch, logs=None):
        print("epoch", epoch)


def run(strategy, directory, generations=2, epochs=4, pause=0.01, **arguments):
    """A run on disk, long enough to be killed."""
    ban = keras_ban.BornAgain(
        _drawn, "dkpp", directory=directory, seed=3, **arguments
    )

    def callbacks(number):
        plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1)
        return [plateau, Slow(pause)]

    lineage = ban.fit(
        *learnable(300),
        generations=generations,
        epochs=epochs,
        batch_size=16,
        validation_data=VALIDATION,
        callbacks=callbacks,
        verbose=0,
    )
    return summary(lineage)


def main(job, folder, arguments):
    task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
    strategy = tf.distribute.get_strategy()
    if task and job in ("objectives", "averages", "plain"):
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    found = globals()[job](strategy, **json.loads(arguments))
    path = pathlib.Path(folder) / f"found-{task.get('index', 0)}.json"
    path.write_text(json.dumps(found, default=float))


if __name__ == "__main__":
    main(*sys.argv[1:])
