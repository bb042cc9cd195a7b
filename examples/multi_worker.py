"""Born-again networks on one process, or on as many workers as there are.

The script is the same on one CPU, on several GPUs and on several machines:

    python examples/multi_worker.py
    python -m keras_ban.launch --workers 2 examples/multi_worker.py

The second starts two workers on this machine; on a cluster, start it without
`--workers` once for each worker, with `TF_CONFIG` or under Slurm's `srun`. All
print the same table, up to rounding. With `--directory`, the chief keeps the
run there: start the workers again, and it goes on where it stood.
"""

import os

# Keeps down what TensorFlow says when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse

import keras
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_ban


def load_data():
    """8×8 images of digits: 1,000 to train, 797 to test."""
    digits = load_digits()
    x = (digits.images[..., None] / 16).astype("float32")
    return train_test_split(
        x, digits.target, test_size=797, stratify=digits.target, random_state=0
    )


def model_fn():
    """A small convolutional network, built and compiled anew by each call."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            # Statistics of the whole batch, however many share it.
            layers.BatchNormalization(momentum=0.9, synchronized=True),
            layers.ReLU(),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--generations", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--directory", help="keep the run here, and resume")
    arguments = parser.parse_args()

    x, x_test, y, y_test = load_data()
    ban = keras_ban.BornAgain(model_fn, directory=arguments.directory)
    lineage = ban.fit(
        x,
        y,
        generations=arguments.generations,
        epochs=arguments.epochs,
        # Of all workers together; each has its share of it.
        batch_size=arguments.batch_size,
        verbose=0,
    )
    print(lineage.evaluate(x_test, y_test, title="test images"))


if __name__ == "__main__":
    main()
