"""Knowledge distillation as compression: a small student, a large teacher.

The same small network is trained on scikit-learn's digits several times over:
on the labels (hard targets), on the teacher (soft targets), on both, as
`KD(alpha, temperature)`, and on the teacher with more images, which need no
labels then. Each is repeated over seeds; the table gives the mean test error
with its standard error.

Run it with `python examples/compression.py`. It needs no download.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
Network", 2015.
"""

import os

# Keeps down what TensorFlow says when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse

import keras
import numpy as np
from keras import layers
from quickstart import load_data

import keras_ban


def network(width):
    """A network of one hidden layer: the student."""
    return compiled(
        [
            layers.Flatten(),
            layers.Dense(width, activation="relu"),
            layers.Dense(10),
        ],
        learning_rate=1e-2,
    )


def convolutional_teacher():
    """Two wide convolutions with dropout."""
    return compiled(
        [
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Conv2D(128, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10),
        ],
        learning_rate=1e-3,
    )


def compiled(stack, learning_rate):
    """A sequential classifier of 8×8 images that gives logits."""
    model = keras.Sequential([keras.Input((8, 8, 1)), *stack])
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    train, (unlabelled, _), test = load_data(200)
    more = (np.concatenate([train[0], unlabelled]),)

    keras.utils.set_random_seed(0)
    teacher = convolutional_teacher()
    teacher.fit(*train, epochs=arguments.epochs, verbose=0)
    loss, accuracy = teacher.evaluate(*test, verbose=0)
    student = network(arguments.width)
    print(
        f"Teacher: {teacher.count_params():,} parameters, test error "
        f"{100 * (1 - accuracy):.2f} %, NLL {loss:.3f}. Student: "
        f"{student.count_params():,} parameters.\n"
    )
    print(f"{'the student learns from':<36}{'test error':>16}{'NLL':>9}")
    for name, objective, data in (
        ("the labels alone", "labels", train),
        ("the teacher alone, T = 1", "ban", train),
        ("labels and teacher, T = 2", keras_ban.objectives.KD(0.5, 2.0), train),
        ("labels and teacher, T = 5", keras_ban.objectives.KD(0.5, 5.0), train),
        ("the teacher, 300 images more", "ban", more),
    ):
        results = []
        for seed in range(arguments.seeds):
            keras.utils.set_random_seed(seed)
            student = network(arguments.width)
            distiller = keras_ban.Distiller(student, teacher, objective)
            distiller.fit(*data, epochs=arguments.epochs, verbose=0)
            loss, accuracy = student.evaluate(*test, verbose=0)
            results.append((100 * (1 - accuracy), loss))
        (error, nll), spread = np.mean(results, 0), np.std(results, 0, ddof=1)
        spread = spread[0] / np.sqrt(len(results))
        print(
            f"{name:<36}{error:>7.2f} ± {spread:.2f} %{nll:>9.3f}", flush=True
        )


if __name__ == "__main__":
    main()
