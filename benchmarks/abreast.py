"""Seconds of trainings side by side, and of the same ones one after another.

python benchmarks/abreast.py
"""

import argparse
import os
import time
from unittest import mock

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--members", type=int, default=5)
parser.add_argument("--units", type=int, default=128)
parser.add_argument("--images", action="store_true", help="convolutions")
parser.add_argument("--steps", type=int, default=20, help="of an epoch")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--validation", type=int, default=0, help="rows")
parser.add_argument("--rounds", type=int, default=9)
parser.add_argument("--result", default="abreast")
args = parser.parse_args()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measuring
import numpy as np

import keras_ban
from keras_ban.generations import hindrances
from keras_ban.generations.abreast import Abreast
from keras_ban.generations.abreast import Part
from keras_ban.lineage import Lineage
from keras_ban.runs.unkept import Unkept

BATCH = 100
FEATURES = (16, 16, 1) if args.images else (40,)


def model_fn():
    if args.images:
        hidden = [
            keras.layers.Conv2D(args.units, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
        ]
    else:
        hidden = [keras.layers.Dense(args.units, "relu") for _ in range(2)]
    model = keras.Sequential(
        [keras.Input(FEATURES), *hidden, keras.layers.Dense(10)]
    )
    steps = args.steps * args.epochs
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(
        keras.optimizers.AdamW(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def trainers():
    rng = np.random.default_rng(0)
    rows = args.steps * BATCH
    x = rng.normal(size=(rows, *FEATURES)).astype("float32")
    y = rng.integers(0, 10, rows)
    held_out = slice(args.validation)
    fit = {
        "generations": 1,
        "epochs": args.epochs,
        "batch_size": BATCH,
        "verbose": 0,
        "validation_data": (x[held_out], y[held_out])
        if args.validation
        else None,
    }
    found = []

    def untrained(trainer, *_):
        found.append(trainer)
        return False

    # All networks are made ready as ever; only their training is timed.
    with mock.patch("keras_ban.born_again.train", untrained):
        for seed in range(args.members):
            keras_ban.BornAgain(model_fn, "labels", seed=seed).fit(x, y, **fit)
    return found


def timed(function, processor):
    """Times a function, and notes the seconds of all cores."""

    def run():
        start, begun = time.perf_counter(), time.process_time()
        function()
        processor.append(time.process_time() - begun)
        return time.perf_counter() - start

    return run


def main():
    # Measured where it would not be done, too.
    hindrances._LARGE = float("inf")
    hindrances._STEPS = 0
    one, several = trainers(), trainers()
    abreast = Abreast()
    parts = [Part(t, 0, Lineage(), Unkept()) for t in several]
    assert hindrances.hindrance(parts)[0] is None
    processor = {"one after another": [], "side by side": []}
    candidates = {
        "one after another": timed(
            lambda: [t.generation(0, Lineage(), Unkept()) for t in one],
            processor["one after another"],
        ),
        "side by side": timed(
            lambda: list(abreast.generations(parts)),
            processor["side by side"],
        ),
    }
    first = {name: candidate() for name, candidate in candidates.items()}
    times = measuring.in_turn(candidates, args.rounds)
    # As of the times, the first round and what was compiled do not count.
    processor = {name: found[2:] for name, found in processor.items()}
    measuring.save(
        args.result,
        {
            "settings": vars(args),
            "seconds": measuring.summary(times),
            "seconds of the first, compiled too": first,
            "seconds of all cores": measuring.summary(processor),
            "ratios": {
                "side by side / one after another": measuring.ratio(
                    times, "side by side", ["one after another"]
                ),
                "the same, of all cores": measuring.ratio(
                    processor, "side by side", ["one after another"]
                ),
            },
        },
    )


if __name__ == "__main__":
    main()
