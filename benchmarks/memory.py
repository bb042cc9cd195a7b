"""Peak memory of a training: plain, online and cached, each its own process.

python benchmarks/memory.py
"""

import argparse
import os
import resource
import subprocess
import sys

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--network", default="wide_resnet_16_1")
parser.add_argument("--rows", type=int, default=2560)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--only", help="train so in this process, print MiB")
args = parser.parse_args()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CLASSES = 100
PLAIN = "plain"
FORWARD = "plain, and one forward pass of the teacher"


def train(kind):
    """Trains one epoch, and prints the process' peak memory in MiB."""
    import keras
    import networks
    import numpy as np

    import keras_ban

    rng = np.random.default_rng(0)
    x = rng.normal(size=(args.rows, 32, 32, 3)).astype("float32")
    y = rng.integers(0, CLASSES, args.rows)
    student = networks.compiled(args.network, CLASSES)
    options = {"batch_size": args.batch, "verbose": 0}
    if kind in (PLAIN, FORWARD):
        student.fit(x, y, **options)
    if kind != PLAIN:
        teacher = networks.compiled(args.network, CLASSES)
    if kind == FORWARD:
        teacher.predict(x, **options)
    if kind in ("online", "cached"):
        distiller = keras_ban.Distiller(student, teacher, "ban+l")
        keras.utils.set_random_seed(0)
        distiller.fit(x, y, teacher_outputs=kind, **options)
    # Linux counts in KiB.
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


def peak(kind):
    def run():
        command = [sys.executable, __file__, *sys.argv[1:], "--only", kind]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True
        )
        return float(done.stdout.split()[-1])

    return run


def main():
    import measuring

    kinds = (PLAIN, FORWARD, "online", "cached")
    found = measuring.in_turn({k: peak(k) for k in kinds}, args.rounds, 0)
    cache = args.rows * (CLASSES * 4 + 8) / 2**20
    found["the cache, as documented"] = [cache] * args.rounds
    measuring.save(
        "memory",
        {
            "settings": vars(args),
            "peak MiB": measuring.summary(found),
            "ratios": {
                "online / plain and a forward pass": measuring.ratio(
                    found, "online", [FORWARD]
                ),
                "cached / plain and the cache": measuring.ratio(
                    found, "cached", [PLAIN, "the cache, as documented"]
                ),
            },
        },
    )


if __name__ == "__main__":
    train(args.only) if args.only else main()
