"""A pretrained backbone, fine-tuned in two phases, born again.

A small backbone learns the digits 0 to 4 of scikit-learn's images. Then
networks on it learn the digits 5 to 9 from 250 images, of which four in ten
have a label that was drawn anew: first the head alone, with the backbone
frozen, then all of it at a lower rate. Each network begins from the same
backbone and a head of its own. A student learns from the mean of five such
networks, its twin from the labels, as long and in the same phases.

    python examples/pretrained.py

takes a minute and a half on two cores, and needs no download.
"""

import os

# Keeps down what TensorFlow says when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import functools
import pathlib
import tempfile

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

import keras_ban

BATCH = 25
METHODS = ["labels", keras_ban.Method("ban", teachers=5, name="one from five")]
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def load_data(rows):
    """Images of 0 to 4 for the backbone, and of 5 to 9 for the networks.

    Returns:
        Four pairs of images, of shape `(n, 8, 8, 1)`, and classes 0 to 4: for
        the backbone, to train (`rows` of them), to validate (150), to test.
    """
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    x = (digits.images[order, ..., None] / 16).astype("float32")
    y = digits.target[order]
    few, many = y >= 5, y < 5
    x_few, y_few = x[few], y[few] - 5
    ends = np.cumsum([rows, 150])
    parts = zip(np.split(x_few, ends), np.split(y_few, ends), strict=True)
    return (x[many], y[many]), *parts


def with_wrong_labels(y, share=0.4):
    """The labels, a share of them drawn anew from the five classes."""
    rng = np.random.default_rng(0)
    return np.where(rng.random(len(y)) < share, rng.integers(0, 5, len(y)), y)


def backbone():
    """Two convolutions, and their mean over the image."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.GlobalMaxPooling2D(),
        ],
        name="backbone",
    )


def with_head(features):
    """The backbone's features, and the logits of five classes."""
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, layers.Dense(5)(features(inputs)))


def pretrain(x, y, path):
    """Trains a backbone, and writes its weights."""
    features = backbone()
    model = with_head(features)
    model.compile("adam", LOSS)
    model.fit(x, y, epochs=20, batch_size=BATCH, verbose=0)
    features.save_weights(path)


def model_fn(path):
    """A fresh head on the pretrained backbone, which is frozen."""
    features = backbone()
    features.load_weights(path)
    features.trainable = False
    model = with_head(features)
    model.compile(keras.optimizers.Adam(1e-2), LOSS, metrics=["accuracy"])
    return model


def unfreeze(model):
    """All of it, at a lower rate."""
    model.get_layer("backbone").trainable = True
    model.compile(keras.optimizers.Adam(1e-3), LOSS, metrics=["accuracy"])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=250)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--head", type=int, default=20, help="epochs")
    parser.add_argument("--whole", type=int, default=40, help="epochs")
    arguments = parser.parse_args()
    others, (x, y), validation, test = load_data(arguments.rows)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "backbone.weights.h5")
        pretrain(*others, path)
        study = keras_ban.compare(
            functools.partial(model_fn, path),
            x,
            with_wrong_labels(y),
            METHODS,
            seeds=arguments.seeds,
            epochs=arguments.head + arguments.whole,
            phases={arguments.head: unfreeze},
            batch_size=BATCH,
            validation_data=validation,
            validation_freq=arguments.head + arguments.whole,
        )
        print(study.evaluate(*test, title="Test images"))


if __name__ == "__main__":
    main()
