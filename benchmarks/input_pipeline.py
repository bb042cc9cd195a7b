"""Seconds to read an epoch of arrays: ours against Keras' own, no network.

With the recipe's augmentation too, against the training of Wide-ResNet-16-1.

python benchmarks/input_pipeline.py
"""

import argparse
import os
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--rows", type=int, default=50_000)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--rounds", type=int, default=9)
args = parser.parse_args()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measuring
import networks
import numpy as np
import tensorflow as tf

from keras_ban.data import vision
from keras_ban.feeding.feed import feed
from keras_ban.feeding.views import Views

STEPS = 20


@keras.saving.register_keras_serializable("benchmarks")
class Reading(keras.Model):
    """Reads batches, and does nothing with them."""

    def train_step(self, batch):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        return {"loss": tf.reduce_sum(tf.cast(y, "float32")) + x[0, 0, 0, 0]}


def reading(arguments):
    model = Reading()
    model.built = True
    model.compile(optimizer="sgd", jit_compile=False)

    def run():
        start = time.perf_counter()
        model.fit(**arguments, verbose=0)
        return time.perf_counter() - start

    return run


def training(x, y):
    """Seconds in which Wide-ResNet-16-1 is trained on all images."""
    model = networks.compiled("wide_resnet_16_1", 10)
    rows = STEPS * args.batch

    def run():
        start = time.perf_counter()
        model.fit(x[:rows], y[:rows], batch_size=args.batch, verbose=0)
        return (time.perf_counter() - start) * len(x) / rows

    return run


def main():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(args.rows, 32, 32, 3)).astype("float32")
    y = rng.integers(0, 10, args.rows)
    arguments = {"x": x, "y": y, "batch_size": args.batch, "epochs": 1}
    ours = feed(arguments)
    cropped = Views(vision.crop_and_flip())
    candidates = {
        "Keras": reading(arguments),
        "ours": reading(ours.generation(0, 1, 0)),
        "ours, cropped and flipped": reading(ours.generation(0, 1, 0, cropped)),
        "training": training(x, y),
    }
    times = measuring.in_turn(candidates, args.rounds)
    measuring.save(
        "input_pipeline",
        {
            "settings": vars(args),
            "seconds": measuring.summary(times),
            "ratios": {
                "ours / Keras": measuring.ratio(times, "ours", ["Keras"]),
                "images read a second / images trained on": measuring.ratio(
                    times, "training", ["ours, cropped and flipped"]
                ),
            },
        },
    )


if __name__ == "__main__":
    main()
