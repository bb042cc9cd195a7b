"""The ladder of `keras_ban.compare` on MNIST-1D, a small hard task.

Run it with `python benchmarks/compare.py`, after `pip install mnist1d`: eleven
minutes on two cores. It prints the tables of docs/compare.md.

Source of the data: Greydanus and Kobak, "Scaling Down Deep Learning with
MNIST-1D", 2024.
"""

import argparse

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seeds", type=int, default=4)
parser.add_argument("--epochs", type=int, default=300)
parser.add_argument("--rate", type=float, default=8e-3, help="at the start")
parser.add_argument("--directory", help="keep the runs here, and resume")
arguments = parser.parse_args()

import keras
from mnist1d.data import get_dataset_args
from mnist1d.data import make_dataset

import keras_ban

TRAIN, VALIDATION, ALL = 2000, 3000, 10_000
BATCH = 100


def load():
    """2,000 signals to train on, 1,000 to validate, 7,000 to test."""
    options = get_dataset_args()
    options.num_samples, options.train_split = ALL, VALIDATION / ALL
    found = make_dataset(options)
    x, y = found["x"].astype("float32"), found["y"]
    x_test = found["x_test"].astype("float32")
    return (
        (x[:TRAIN], y[:TRAIN]),
        (x[TRAIN:], y[TRAIN:]),
        (x_test, found["y_test"]),
    )


def model_fn(epochs):
    model = keras.Sequential(
        [
            keras.Input((40,)),
            keras.layers.Dense(128, "relu"),
            keras.layers.Dense(128, "relu"),
            keras.layers.Dense(10),
        ]
    )
    steps = epochs * TRAIN // BATCH
    rate = keras.optimizers.schedules.CosineDecay(arguments.rate, steps)
    model.compile(
        keras.optimizers.AdamW(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def main():
    train, validation, test = load()
    study = keras_ban.compare(
        model_fn,
        *train,
        seeds=arguments.seeds,
        epochs=arguments.epochs,
        batch_size=BATCH,
        validation_data=validation,
        validation_freq=arguments.epochs,
        directory=arguments.directory,
    )
    print(study)
    print("\nTo take, by the validation data:", study.best.name, end="\n\n")
    print(study.evaluate(*test, title="test signals"))


if __name__ == "__main__":
    main()
