"""Born-again networks on scikit-learn's digits, in under three minutes.

A small convolutional network is trained on the labels; then four fresh copies
of it, each from the one before. The control is trained beside it: as many
networks on the labels alone, and their ensemble.

Run it with `python examples/quickstart.py`. It needs no download, prints a
table of each of the two runs and draws `quickstart.png`.
"""

import argparse
from pathlib import Path

import keras
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_ban


def load_data():
    """8×8 images of digits: 200 to train, 300 to validate, 1,297 to test."""
    digits = load_digits()
    x = (digits.images[..., None] / 16).astype("float32")
    x, x_test, y, y_test = train_test_split(
        x, digits.target, test_size=1297, stratify=digits.target, random_state=0
    )
    x, x_val, y, y_val = train_test_split(
        x, y, test_size=300, stratify=y, random_state=0
    )
    return (x, y), (x_val, y_val), (x_test, y_test)


def model_fn():
    """A small convolutional network, built and compiled anew by each call."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.5),
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generations", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", default="quickstart.png")
    parser.add_argument("--directory", help="keep the runs here, and resume")
    arguments = parser.parse_args()
    (x, y), validation, test = load_data()
    options = {
        "generations": arguments.generations,
        "epochs": arguments.epochs,
        "validation_data": validation,
        "verbose": 0,
    }

    print("Training the born-again networks ...", flush=True)
    ban = born_again_run("ban", arguments)
    lineage = ban.fit(x, y, **options)
    born_again = lineage.evaluate(*test, title="Born again: test images")
    print(born_again)

    print("\nTraining the control, on the labels alone ...", flush=True)
    ban = born_again_run("labels", arguments)
    control = ban.fit(x, y, **options)
    control = control.evaluate(*test, title="Control: test images")
    print(control)

    print("\n" + findings(born_again, control))
    lineage.plot(arguments.picture)
    print(f"The picture is in {arguments.picture}.")


def born_again_run(objective, arguments):
    """The driver; the run has a directory of its own if one is given."""
    directory = arguments.directory
    if directory:
        directory = Path(directory, objective)
    return keras_ban.BornAgain(
        model_fn, objective, directory, seed=arguments.seed
    )


def findings(born_again, control):
    """What the two tables say, whatever it is."""
    ours = {row["name"]: row for row in born_again}
    theirs = {row["name"]: row for row in control}
    students = [row for name, row in ours.items() if name.startswith("BAN")]
    retrained = [r for n, r in theirs.items() if n.startswith("Labels")][1:]
    lines = [
        f"{'mean test error':<24}{'born again':>12}{'labels alone':>14}",
        _line("one network", _mean(students), _mean(retrained)),
    ]
    for name in ours:
        if name.startswith("Ens"):
            lines.append(
                _line(name, ours[name]["error"], theirs[name]["error"])
            )
    lines.append(
        "One seed is one draw: repeat with --seed before you conclude."
    )
    return "\n".join(lines)


def _mean(rows):
    return sum(row["error"] for row in rows) / len(rows)


def _line(name, ours, theirs):
    return f"{name:<24}{100 * ours:>10.2f} %{100 * theirs:>12.2f} %"


if __name__ == "__main__":
    main()
