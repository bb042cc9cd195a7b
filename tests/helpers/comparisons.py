"""Made-up results of comparisons, and what a comparison trains."""

import keras
import numpy as np

from keras_ban import Method
from keras_ban.comparison.design import Design
from keras_ban.comparison.methods import chosen
from keras_ban.comparison.results import Results
from keras_ban.comparison.table import Rows
from keras_ban.comparison.verdict import verdict

# Five draws of mean 0 and standard deviation 1, and others without a
# correlation to them.
SPREAD = np.array([-1.26, -0.63, 0.0, 0.63, 1.26])
OTHER = np.array([0.75, -1.5, 0.0, 0.0, 0.75])

# Errors of five networks, their ensemble and its student; the student's NLL is
# 0.1 nats below that of its twin.
FIVE = {"labels+mixup": 42.0, "5 of labels+mixup": 39.0, "one from five": 40.0}
NLLS = {
    "labels+mixup": 1.3 + 0.01 * SPREAD,
    "5 of labels+mixup": 1.1 + 0.01 * OTHER,
    "one from five": 1.2 + 0.01 * OTHER,
}
LONG = Method("labels", "mixup", epochs="5x", name="long")
LADDER = [
    "labels",
    "labels+views",
    "labels+views long",
    "ban",
    "ban+l",
    "ban+views",
    "ban+l+views",
    "one from five",
]


def results(
    errors, methods=None, nlls=(), seeds=5, epochs=30, title="made-up data"
):
    """`Results` of made-up scores by name: a mean, or a list by seed.

    Errors are in points, NLLs in nats, by default 3 where all is wrong.
    """
    design = Design(chosen(methods, "mixup"), epochs)
    assert set(errors) == {entry.name for entry in design.entries}
    scores = {}
    for name, found in errors.items():
        found = np.broadcast_to(np.asarray(found, "float64"), (seeds,)) / 100
        scores[name] = {"error": found, "nll": 3 * found, "ece": found / 4}
    for name, found in dict(nlls).items():
        scores[name]["nll"] = np.broadcast_to(found, (seeds,))
    return Results(design, range(seeds), scores, title)


def around(mean, half=0.2, spread=SPREAD):
    """Five errors of a mean, and a spread."""
    return mean + half * spread


def five(**changed):
    """Errors by seed as in `FIVE`, but for some that are given."""
    names = dict(zip(("twin", "ensemble", "student"), FIVE, strict=True))
    found = {
        "twin": around(42.0),
        "ensemble": around(39.0, spread=OTHER),
        "student": around(40.0, spread=OTHER),
    }
    found |= changed
    return {names[k]: v for k, v in found.items()}


def words(*args, **kwargs):
    """The verdict on made-up scores, in one text."""
    return "\n".join(verdict(results(*args, **kwargs)))


def table(*args, **kwargs):
    found = results(*args, **kwargs)
    return Rows(found.rows(), found.title, "Notes.", verdict(found))


class Count:
    """Counts the networks that are trained."""

    def __init__(self):
        self.networks = 0

    def __call__(self, number):
        return keras.callbacks.LambdaCallback(on_train_begin=self._add)

    def _add(self, logs):
        self.networks += 1
