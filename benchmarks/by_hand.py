"""The quickstart's generations with plain Keras alone.

Soft targets from `predict`, `fit` on them, the mean of the predictions.
"""

import argparse
import pathlib
import sys

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--generations", type=int, default=4)
parser.add_argument("--epochs", type=int, default=60)
args = parser.parse_args()
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))

import keras
import numpy as np
from quickstart import load_data
from quickstart import model_fn


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


def main():
    data = load_data()
    run(True, *data)
    run(False, *data)


if __name__ == "__main__":
    main()
