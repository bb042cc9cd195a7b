"""Regression, several labels and two heads, each beside its twin.

`python benchmarks/tasks.py` trains small networks on four data sets that need
no download: scikit-learn's diabetes data; a generated
regression (Friedman's first); handwritten digits as ten labels, a sigmoid each;
and digits that were turned, with two heads: which digit it is, and by how many
degrees it was turned. Students learn by "ban", by "ban+l", and by
`KD(0.5)` from the mean of five, over seeds; each stands beside its twin, of the
same length, on the labels alone. Every data set adds an entry to
`results/tasks.json`; what is there is not trained again. `--table` prints what
is there.
"""

import argparse
import json
import pathlib

import keras
import numpy as np
import scipy.ndimage
from sklearn import datasets

import keras_ban
from keras_ban import objectives

RESULT = pathlib.Path(__file__).parent / "results" / "tasks.json"
METHODS = {
    "ban": keras_ban.Method("ban", name="ban"),
    "ban+l": keras_ban.Method("ban+l", name="ban+l"),
    "one from five": keras_ban.Method(
        objectives.KD(0.5), teachers=5, name="one from five"
    ),
}
DEGREES = 40


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--result", default=RESULT)
    parser.add_argument("--table", action="store_true", help="print, no more")
    arguments = parser.parse_args()
    path = pathlib.Path(arguments.result)
    for name in () if arguments.table else arguments.sets:
        if name not in read(path):
            rows = measured(name, arguments.seeds, arguments.epochs)
            path.write_text(json.dumps(read(path) | {name: rows}, indent=1))
    print(table(read(path)))


def measured(name, seeds, epochs):
    """The rows of all methods on a data set, a list of dicts."""
    model_fn, parts = SETS[name]()
    (x, y), validation, test = parts
    study = keras_ban.compare(
        model_fn,
        x,
        y,
        list(METHODS.values()),
        seeds=seeds,
        validation_data=validation,
        epochs=epochs,
        verbose=0,
    )
    rows = study.evaluate(*test)
    print(rows)
    kept = ("name", "twin", "training_cost")
    scores = [k for k in rows[0] if f"{k}_interval" in rows[0]]
    scores = [k for k in scores if not k.endswith(("kept", "_difference"))]
    return [
        {k: row[k] for k in kept}
        | {
            key: row[key]
            for score in scores
            for key in (
                score,
                f"{score}_difference",
                f"{score}_difference_interval",
            )
        }
        | {"seeds": seeds, "epochs": epochs}
        for row in rows
    ]


def read(path):
    """What is there, a dict."""
    return json.loads(path.read_text()) if path.exists() else {}


def table(found):
    """What methods differ by from their twins, in Markdown."""
    lines = ["| data | method | score | mean | to the twin |", "|---" * 5 + "|"]
    for name, rows in found.items():
        for row in rows:
            for score in SCORES[name]:
                difference = "-"
                if row["twin"]:
                    low, high = row[f"{score}_difference_interval"]
                    middle, half = (low + high) / 2, (high - low) / 2
                    difference = f"{middle:+.4f} ± {half:.4f}"
                cells = name, row["name"], score, f"{row[score]:.4f}"
                lines.append(f"| {' | '.join((*cells, difference))} |")
    return "\n".join(lines)


def diabetes():
    """Ten measurements of 442 people, and how far their illness went on."""
    x, y = datasets.load_diabetes(return_X_y=True)
    return _regressor(x.shape[1]), _parts(20 * x, y / y.std())


def friedman():
    """Friedman's first function of five of ten numbers, and noise."""
    x, y = datasets.make_friedman1(4000, noise=1.0, random_state=0)
    return _regressor(10), _parts(x, y / y.std(), 500, 250)


def digits():
    """Handwritten digits, a mark for each of ten labels."""
    x, y = datasets.load_digits(return_X_y=True)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    marks = np.eye(10, dtype="float32")[y]
    return _perceptron(64, 10, loss), _parts(x / 16, marks, 500, 250)


def turned():
    """Digits turned by up to 40 degrees: which, and by how much."""
    x, y = datasets.load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    angles = rng.uniform(-DEGREES, DEGREES, len(x)).astype("float32")
    turned = [
        scipy.ndimage.rotate(one.reshape(8, 8), angle, reshape=False, order=1)
        for one, angle in zip(x, angles, strict=True)
    ]
    x = np.reshape(turned, (len(x), -1)) / 16

    def model_fn():
        inputs = keras.Input((64,))
        hidden = keras.layers.Dense(64, "relu")(inputs)
        hidden = keras.layers.Dense(64, "relu")(hidden)
        outputs = {
            "digit": keras.layers.Dense(10)(hidden),
            "angle": keras.layers.Dense(1)(hidden),
        }
        model = keras.Model(inputs, outputs)
        losses = {
            "digit": keras.losses.SparseCategoricalCrossentropy(
                from_logits=True
            ),
            "angle": "mse",
        }
        model.compile("adam", losses)
        return model

    parts = _parts(x, np.stack([y, angles / DEGREES], 1), 700, 300)
    return model_fn, [
        (x, {"digit": y[:, 0].astype("int32"), "angle": y[:, 1:]})
        for x, y in parts
    ]


def _regressor(columns):
    return _perceptron(columns, 1, "mse")


def _perceptron(columns, outputs, loss):
    def model_fn():
        model = keras.Sequential(
            [
                keras.Input((columns,)),
                keras.layers.Dense(64, "relu"),
                keras.layers.Dense(64, "relu"),
                keras.layers.Dense(outputs),
            ]
        )
        model.compile("adam", loss)
        return model

    return model_fn


def _parts(x, y, train=None, held_out=None):
    """Rows to train on, to choose by, and to report on."""
    order = np.random.default_rng(1).permutation(len(x))
    x, y = x[order].astype("float32"), y[order].astype("float32")
    train = train or len(x) * 6 // 10
    stop = train + (held_out or len(x) * 2 // 10)
    places = slice(train), slice(train, stop), slice(stop, None)
    return [(x[place], y[place]) for place in places]


SETS = {
    "diabetes": diabetes,
    "friedman": friedman,
    "digits": digits,
    "turned": turned,
}
SCORES = {
    "diabetes": ("rmse", "mae"),
    "friedman": ("rmse", "mae"),
    "digits": ("error", "nll"),
    "turned": ("loss", "digit_error", "angle_rmse"),
}


if __name__ == "__main__":
    main()
