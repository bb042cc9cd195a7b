"""Seconds of a training step: plain, online, cached, and what else there is.

python benchmarks/train_step.py --network wide_resnet_16_1
"""

import argparse
import os
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--network", default="wide_resnet_16_1")
parser.add_argument("--teacher", default=None, help="default: the network")
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--steps", type=int, default=4, help="in each round")
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--threads", type=int, default=0, help="0: all")
parser.add_argument("--xla", action="store_true")
parser.add_argument("--result", default=None, help="name of the result file")
args = parser.parse_args()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if args.threads:
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(args.threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = str(args.threads)

import keras
import measuring
import networks
import numpy as np
import tensorflow as tf

import keras_ban

try:
    import torch_peer
except ImportError:
    torch_peer = None

CLASSES = 100


def network(name):
    return networks.compiled(name, CLASSES, jit_compile=args.xla)


def fitting(model, x, y, fit=None, **kwargs):
    """A function that trains some steps and returns the seconds of one."""

    def run():
        clock = measuring.Clock()
        (fit or model.fit)(
            x, y, verbose=0, callbacks=[clock], batch_size=args.batch, **kwargs
        )
        return clock.seconds

    return run


def evaluating(model, x, y):
    def run():
        clock = measuring.Clock()
        model.evaluate(
            x, y, verbose=0, callbacks=[clock], batch_size=args.batch
        )
        return clock.seconds

    return run


def forward(model, x):
    call = tf.function(lambda x: model(x, training=False), jit_compile=args.xla)

    def run():
        call(x[: args.batch])
        start = time.perf_counter()
        for step in range(args.steps):
            call(x[step * args.batch : (step + 1) * args.batch])
        return (time.perf_counter() - start) / args.steps

    return run


def built_in(x, y):
    """Keras' own distiller, with an instance as its loss."""
    distiller = keras.distillation.Distiller(
        network(args.teacher),
        network(args.network),
        distillation_losses=keras.distillation.LogitsDistillation(
            temperature=1.0, loss=keras.losses.KLDivergence()
        ),
    )
    distiller.compile(
        optimizer=networks.sgd(),
        loss=networks.cross_entropy(),
        metrics=["accuracy"],
        jit_compile=args.xla or "auto",
    )
    return fitting(distiller, x, y)


def main():
    args.teacher = args.teacher or args.network
    rng = np.random.default_rng(0)
    rows = args.batch * (args.steps + 1)
    x = tf.constant(rng.normal(size=(rows, 32, 32, 3)), "float32")
    y = tf.constant(rng.integers(0, CLASSES, rows))
    plain, teacher = network(args.network), network(args.teacher)
    online, cached = (
        keras_ban.Distiller(network(args.network), teacher, "ban+l")
        for _ in range(2)
    )
    kept = keras_ban.TeacherCache(tempfile.mkdtemp())
    candidates = {
        "plain": fitting(plain, x, y),
        "teacher forward": forward(teacher, x),
        "online": fitting(online, x, y),
        "cached": fitting(cached, x, y, teacher_outputs=kept),
        "evaluate, student's own": evaluating(plain, x, y),
        "evaluate": evaluating(online, x, y),
        "built-in distiller": built_in(x, y),
    }
    if torch_peer:
        candidates |= torch_peer.candidates(args, x.numpy(), y.numpy(), CLASSES)
    times = measuring.in_turn(candidates, args.rounds)
    ratios = {
        "online / (plain + teacher forward)": measuring.ratio(
            times, "online", ["plain", "teacher forward"]
        ),
        "cached / plain": measuring.ratio(times, "cached", ["plain"]),
        "online / cached": measuring.ratio(times, "online", ["cached"]),
        "evaluate / the student's own": measuring.ratio(
            times, "evaluate", ["evaluate, student's own"]
        ),
        "online / built-in": measuring.ratio(
            times, "online", ["built-in distiller"]
        ),
        "cached / built-in": measuring.ratio(
            times, "cached", ["built-in distiller"]
        ),
    }
    for name in ("plain", "online"):
        peer = f"PyTorch {name}"
        ratios[f"{name} / {peer}"] = (
            measuring.ratio(times, name, [peer])
            if torch_peer
            else "PyTorch is not installed"
        )
    threads = args.threads or "all"
    name = f"train_step-{args.network}-threads-{threads}"
    measuring.save(
        args.result or name + ("-xla" if args.xla else ""),
        {
            "settings": vars(args),
            "seconds": measuring.summary(times),
            "ratios": ratios,
        },
    )


if __name__ == "__main__":
    main()
