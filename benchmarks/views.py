"""Milliseconds of a step with `augment="mixup"`, and without.

Of an MLP of two hidden layers of 128 units, batch 100, and of
Wide-ResNet-16-1, batch 128, trained on arrays: on the labels alone, and by a
teacher that runs online.

With `--cpu`, of the processor's time, of all threads: beside other work it is
the steadier one, and says what is computed, hidden behind the step or not.

python benchmarks/views.py --network mlp
"""

import argparse
import os
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--network", default="mlp")
parser.add_argument("--augment", default="mixup")
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--rounds", type=int, default=9)
parser.add_argument("--cpu", action="store_true")
args = parser.parse_args()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measuring
import networks
import numpy as np

import keras_ban
from keras_ban.feeding.feed import feed
from keras_ban.feeding.views import Views

now = time.process_time if args.cpu else time.perf_counter


def batch_size():
    return 100 if args.network == "mlp" else 128


def network():
    if args.network != "mlp":
        return networks.compiled(args.network, 10)
    hidden = [keras.layers.Dense(128, "relu") for _ in range(2)]
    model = keras.Sequential(
        [keras.Input((40,)), *hidden, keras.layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], jit_compile=False)
    return model


class Clock(keras.callbacks.Callback):
    """Times what comes after the first batch of an epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            self.start = now()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = now() - self.start


def stepping(x, y, objective, augment):
    """A function that trains for an epoch; milliseconds of a step."""
    student = network()
    teacher = network() if objective != "labels" else None
    distiller = keras_ban.Distiller(student, teacher, objective)
    # As generations are trained: without teacher and views by Keras itself.
    fit = distiller.fit_unchecked if teacher or augment else student.fit
    data = feed({"x": x, "y": y, "batch_size": batch_size(), "verbose": 0})
    views = Views(augment, pool=data.train.pool()) if augment else None

    def run():
        clock = Clock()
        fit(**{**data.generation(0, 1, 0, views), "callbacks": [clock]})
        return 1000 * clock.seconds / (args.steps - 1)

    return run


def main():
    rng = np.random.default_rng(0)
    row = (40,) if args.network == "mlp" else (32, 32, 3)
    shape = (args.steps * batch_size(), *row)
    x = rng.normal(size=shape).astype("float32")
    y = rng.integers(0, 10, len(x))
    objectives, augments = ("labels", "ban"), (None, args.augment)
    candidates = {
        f"{objective}, {augment}": stepping(x, y, objective, augment)
        for objective in objectives
        for augment in augments
    }
    times = measuring.in_turn(candidates, args.rounds)
    measuring.save(
        f"views-{args.network}{'-cpu' * args.cpu}",
        {
            "settings": vars(args),
            "milliseconds": measuring.summary(times),
            # What disturbs a round makes it longer, never shorter.
            "fastest": {name: min(values) for name, values in times.items()},
            "ratios": {
                f"{o}, with / without": measuring.ratio(
                    times, f"{o}, {args.augment}", [f"{o}, None"]
                )
                for o in objectives
            },
        },
    )


if __name__ == "__main__":
    main()
