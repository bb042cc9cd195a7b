"""Seconds of a step with two pairs of features, beside Keras' own distiller.

python benchmarks/features_step.py

Once with a teacher of twice the width, and so a projector for each pair; once
with one like the student, as Keras' own distiller has no projectors.
"""

import argparse
import os
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--network", default="wide_resnet_16_1")
parser.add_argument("--teacher", default="wide_resnet_16_2")
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--steps", type=int, default=4, help="in each round")
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--result", default="features_step")
args = parser.parse_args()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measuring
import networks
import numpy as np
import tensorflow as tf

import keras_ban
from keras_ban.objectives import Features

CLASSES = 100
# The ends of two groups of blocks.
LAYERS = 1, 3


def network(name):
    return networks.compiled(name, CLASSES)


def sums(model):
    """The names of the layers that are compared, and what they give."""
    found = [a for a in model.layers if isinstance(a, keras.layers.Add)]
    return [found[number] for number in LAYERS]


def fitting(model, x, y):
    """A function that trains some steps and returns the seconds of one."""

    def run():
        clock = measuring.Clock()
        model.fit(x, y, verbose=0, callbacks=[clock], batch_size=args.batch)
        return clock.seconds

    return run


def repeated(step):
    def run():
        step()
        start = time.perf_counter()
        for _ in range(args.steps):
            step()
        return (time.perf_counter() - start) / args.steps

    return run


def forward(model, x):
    call = tf.function(lambda x: model(x, training=False))
    return repeated(lambda: call(x[: args.batch]))


def projecting(student, teacher):
    """What projectors cost alone: forward, back, their loss and update."""
    rng = np.random.default_rng(0)
    pairs = []
    for one, other in zip(sums(student), sums(teacher), strict=True):
        shapes = [(args.batch, *a.output.shape[1:]) for a in (one, other)]
        pairs.append(
            [tf.constant(rng.normal(size=s), "float32") for s in shapes]
        )
    layers = [keras.layers.Dense(t.shape[-1]) for _, t in pairs]
    optimizer = networks.sgd()
    for layer, (features, _) in zip(layers, pairs, strict=True):
        layer.build(features.shape)
    variables = [v for layer in layers for v in layer.trainable_weights]
    optimizer.build(variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            # The way back goes on into the student.
            tape.watch([features for features, _ in pairs])
            loss = 0.0
            for layer, (features, target) in zip(layers, pairs, strict=True):
                loss += tf.reduce_mean(tf.square(layer(features) - target))
        inputs = [features for features, _ in pairs]
        found = tape.gradient(loss, [*variables, *inputs])
        optimizer.apply(found[: len(variables)], variables)
        return found[len(variables) :]

    return repeated(step)


def ours(student, teacher):
    pairs = zip(sums(student), sums(teacher), strict=True)
    features = Features({one.name: other.name for one, other in pairs})
    return keras_ban.Distiller(student, teacher, ["ban+l", features])


def built_in(student, teacher):
    """Keras' own distiller, by the same logits and features."""
    distiller = keras.distillation.Distiller(
        teacher,
        student,
        distillation_losses=[
            keras.distillation.LogitsDistillation(
                temperature=1.0, loss=keras.losses.KLDivergence()
            ),
            *(
                keras.distillation.FeatureDistillation(
                    loss=keras.losses.MeanSquaredError(),
                    teacher_layer_name=other.name,
                    student_layer_name=one.name,
                )
                for one, other in zip(sums(student), sums(teacher), strict=True)
            ),
        ],
    )
    distiller.compile(
        optimizer=networks.sgd(),
        loss=networks.cross_entropy(),
        metrics=["accuracy"],
    )
    return distiller


def main():
    rng = np.random.default_rng(0)
    rows = args.batch * (args.steps + 1)
    x = tf.constant(rng.normal(size=(rows, 32, 32, 3)), "float32")
    y = tf.constant(rng.integers(0, CLASSES, rows))
    wide, alike = network(args.teacher), network(args.network)
    candidates = {
        "plain": fitting(network(args.network), x, y),
        "wide teacher forward": forward(wide, x),
        "teacher forward": forward(alike, x),
        "projectors": projecting(network(args.network), wide),
        "projected": fitting(ours(network(args.network), wide), x, y),
        "features": fitting(ours(network(args.network), alike), x, y),
        "built-in": fitting(built_in(network(args.network), alike), x, y),
    }
    times = measuring.in_turn(candidates, args.rounds)
    floor = ["plain", "teacher forward"]
    measuring.save(
        args.result,
        {
            "settings": vars(args),
            "seconds": measuring.summary(times),
            "ratios": {
                "projected / (plain + teacher forward + projectors)": (
                    measuring.ratio(
                        times,
                        "projected",
                        ["plain", "wide teacher forward", "projectors"],
                    )
                ),
                "features / (plain + teacher forward)": measuring.ratio(
                    times, "features", floor
                ),
                "built-in / (plain + teacher forward)": measuring.ratio(
                    times, "built-in", floor
                ),
            },
        },
    )


if __name__ == "__main__":
    main()
