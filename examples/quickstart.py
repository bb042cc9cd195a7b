"""Born-again networks on digits with wrong labels, in two minutes.

Of 500 of scikit-learn's images of digits, six in ten have a label that was
drawn anew. A small dense network is trained on them: on the labels, with and
without views of the images, and from teachers of the same architecture.
`keras_ban.compare` trains each beside its twin, the same recipe on the labels
alone, for several seeds, and says what can be told.

Run it with `python examples/quickstart.py`. It needs no download, prints a
table and draws `quickstart.png`. Three seeds tell large differences alone;
`docs/comparisons.md` has what `--seeds 8 --long` shows, in six minutes more.
"""

import os

# Keeps down what TensorFlow says when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_ban
from keras_ban import views

BATCH = 50
METHODS = ["labels", "labels+views", "ban+views", "one from five"]


def load_data(rows=500):
    """8×8 images of digits: `rows` to train, 300 to validate, the rest to test.

    Returns:
        Three pairs of images, of shape `(rows, 8, 8, 1)` and from 0 to 1, and
        digits.
    """
    digits = load_digits()
    x = (digits.images[..., None] / 16).astype("float32")
    x, x_test, y, y_test = train_test_split(
        x,
        digits.target,
        train_size=rows + 300,
        stratify=digits.target,
        random_state=0,
    )
    x, x_val, y, y_val = train_test_split(
        x, y, test_size=300, stratify=y, random_state=0
    )
    return (x, y), (x_val, y_val), (x_test, y_test)


def with_wrong_labels(y, share=0.6):
    """The labels, a share of them drawn anew from the ten digits."""
    rng = np.random.default_rng(0)
    return np.where(rng.random(len(y)) < share, rng.integers(0, 10, len(y)), y)


def model_fn(epochs):
    """A small dense network, built and compiled anew by each call.

    `compare` says how long it will be trained, which the schedule needs.
    """
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ]
    )
    steps = epochs * 500 // BATCH
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(
        optimizer=keras.optimizers.AdamW(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=10,
    )
    return model


def moved():
    """A view of an image: moved and turned a little, another each epoch."""
    return views.layer(
        layers.Pipeline(
            [
                layers.RandomTranslation(0.08, 0.08, fill_mode="constant"),
                layers.RandomRotation(0.03, fill_mode="constant"),
            ]
        )
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument(
        "--long",
        action="store_true",
        help="train on the labels for as long as all six networks, too",
    )
    parser.add_argument("--picture", default="quickstart.png")
    parser.add_argument("--directory", help="keep the runs here, and resume")
    arguments = parser.parse_args()
    (x, y), validation, test = load_data()
    first, augment = arguments.first, [moved(), views.mixup(0.3)]
    methods = list(METHODS)
    if arguments.long:
        methods.append(
            keras_ban.Method("labels", augment, epochs="6x", name="labels 6x")
        )
    study = keras_ban.compare(
        model_fn,
        x,
        with_wrong_labels(y),
        methods,
        seeds=list(range(first, first + arguments.seeds)),
        epochs=arguments.epochs,
        batch_size=BATCH,
        augment=augment,
        validation_data=validation,
        validation_freq=arguments.epochs,
        directory=arguments.directory,
    )
    print(study.evaluate(*test, title="Test images"))
    print(f"\nTo take, by the validation images: {study.best.name!r}.")
    study.plot(arguments.picture)
    print(f"The picture is in {arguments.picture}.")


if __name__ == "__main__":
    main()
