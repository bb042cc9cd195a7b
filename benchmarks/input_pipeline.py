"""Seconds to read an epoch of arrays: ours against Keras' own, no network.

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
import numpy as np
import tensorflow as tf

from keras_ban import stream
from keras_ban.views import Views


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


def flipped(image, seed):
    return tf.image.stateless_random_flip_left_right(image, seed)


def main():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(args.rows, 32, 32, 3)).astype("float32")
    y = rng.integers(0, 10, args.rows)
    arguments = {"x": x, "y": y, "batch_size": args.batch, "epochs": 1}
    prepared = stream.prepare(arguments)
    candidates = {
        "Keras": reading(arguments),
        "ours": reading(stream.of(prepared, 0, 1, 0)),
        "ours, with augment": reading(
            stream.of(prepared, 0, 1, 0, Views(flipped))
        ),
    }
    times = measuring.in_turn(candidates, args.rounds)
    measuring.save(
        "input_pipeline",
        {
            "settings": vars(args),
            "seconds": measuring.summary(times),
            "ratios": {
                "ours / Keras": measuring.ratio(times, "ours", ["Keras"])
            },
        },
    )


if __name__ == "__main__":
    main()
