"""Seconds of an ensemble's predictions, and of its members'.

python benchmarks/ensemble.py
"""

import argparse
import os
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--members", type=int, default=3)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--steps", type=int, default=8, help="in each round")
parser.add_argument("--rounds", type=int, default=9)
args = parser.parse_args()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measuring
import numpy as np

import keras_ban


def predicting(model, x):
    def run():
        start = time.perf_counter()
        model.predict(x, batch_size=args.batch, verbose=0)
        return time.perf_counter() - start

    return run


def main():
    rows = args.batch * args.steps
    x = np.random.default_rng(0).normal(size=(rows, 32, 32, 3))
    x = x.astype("float32")
    models = [
        keras_ban.models.wide_resnet(16, 1, 100) for _ in range(args.members)
    ]
    for model in models:
        model.compile(jit_compile=False)
    bane = keras_ban.ensemble(models)
    candidates = {f"member {i}": predicting(m, x) for i, m in enumerate(models)}
    names = list(candidates)
    candidates["ensemble"] = predicting(bane, x)
    times = measuring.in_turn(candidates, args.rounds)
    measuring.save(
        "ensemble",
        {
            "settings": vars(args),
            "seconds": measuring.summary(times),
            "ratios": {
                "ensemble / sum of the members": measuring.ratio(
                    times, "ensemble", names
                )
            },
        },
    )


if __name__ == "__main__":
    main()
