"""Seconds of an LSTM's training step: plain, by a teacher online, by top-k.

python benchmarks/language_step.py --units 200
"""

import argparse
import os
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--units", type=int, default=200)
parser.add_argument("--words", type=int, default=10_000)
parser.add_argument("--batch", type=int, default=20)
parser.add_argument("--unroll", type=int, default=35)
parser.add_argument("--top-k", type=int, default=64)
parser.add_argument("--steps", type=int, default=12, help="in each round")
parser.add_argument("--rounds", type=int, default=9)
parser.add_argument("--result", default="language_step")
args = parser.parse_args()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measuring
import numpy as np
import tensorflow as tf

import keras_ban
from keras_ban.data import text


def network():
    model = keras_ban.models.lstm_lm(
        args.words, args.units, dropout=0.5, rows=args.batch
    )
    model.compile(
        keras.optimizers.SGD(1.0, global_clipnorm=5.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def fitting(model, data, **kwargs):
    """A function that trains some steps and returns the seconds of one."""

    def run():
        clock = measuring.Clock()
        model.fit(data, verbose=0, callbacks=[clock], **kwargs)
        return clock.seconds

    return run


def forward(model, batches):
    call = tf.function(lambda x: model(x, training=False))

    def run():
        call(batches[0][0])
        start = time.perf_counter()
        for x, *_ in batches[1:]:
            call(x)
        return (time.perf_counter() - start) / (len(batches) - 1)

    return run


def main():
    rng = np.random.default_rng(0)
    count = args.batch * args.unroll * args.steps + 1
    data = text.batches(
        rng.integers(0, args.words, count),
        args.batch,
        args.unroll,
        starts=True,
    )
    teacher = network()
    online, cached = (
        keras_ban.Distiller(network(), teacher, "ban+l") for _ in range(2)
    )
    kept = keras_ban.TeacherCache(tempfile.mkdtemp(), top_k=args.top_k)
    candidates = {
        "plain": fitting(network(), data),
        "teacher forward": forward(teacher, list(data)),
        "online": fitting(online, data),
        "cached": fitting(cached, data, teacher_outputs=kept),
    }
    times = measuring.in_turn(candidates, args.rounds)
    floor = ["plain", "teacher forward"]
    measuring.save(
        args.result,
        {
            "settings": vars(args),
            "seconds": measuring.summary(times),
            "ratios": {
                "online / (plain + teacher forward)": measuring.ratio(
                    times, "online", floor
                ),
                "cached / plain": measuring.ratio(times, "cached", ["plain"]),
            },
        },
    )


if __name__ == "__main__":
    main()
