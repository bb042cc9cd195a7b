"""Four generations and their control, with plain Keras alone.

Soft targets from `predict`, `fit` on them, the mean of the predictions. With
`--package` the same by keras_ban.
"""

import argparse
import pathlib
import sys

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--generations", type=int, default=4)
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument("--package", action="store_true")
args = parser.parse_args()
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))

import keras
import numpy as np
from keras import layers
from quickstart import load_data


def model_fn():
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


def error(probabilities, y):
    return np.mean(probabilities.argmax(-1) != y)


def run(distills, train, validation, test):
    (x, y), (x_val, y_val), (x_test, y_test) = train, validation, test
    hot = keras.utils.to_categorical
    targets, found = hot(y, 10), []
    for number in range(args.generations + 1):
        keras.utils.set_random_seed(number)
        model = model_fn()
        model.compile(
            optimizer=model.optimizer,
            loss=keras.losses.CategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        model.fit(
            x,
            targets,
            epochs=args.epochs,
            validation_data=(x_val, hot(y_val, 10)),
            verbose=0,
        )
        if distills:
            logits = model.predict(x, verbose=0)
            targets = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
        logits = model.predict(x_test, verbose=0)
        found.append(keras.ops.convert_to_numpy(keras.ops.softmax(logits)))
        print(number, error(found[-1], y_test))
    for last in (2, 3, len(found)):
        print("ensemble", last, error(np.mean(found[-last:], 0), y_test))


def run_by_package(objective, train, validation, test):
    import keras_ban

    lineage = keras_ban.BornAgain(model_fn, objective, seed=0).fit(
        *train,
        generations=args.generations,
        epochs=args.epochs,
        validation_data=validation,
        verbose=0,
    )
    print(lineage.evaluate(*test))


def main():
    data = load_data(200)
    if args.package:
        run_by_package("ban", *data)
        run_by_package("labels", *data)
    else:
        run(True, *data)
        run(False, *data)


if __name__ == "__main__":
    main()
