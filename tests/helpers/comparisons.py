"""Made-up results of comparisons, and what a comparison trains."""

import keras
import numpy as np

from keras_ban.comparison.design import Design
from keras_ban.comparison.methods import chosen
from keras_ban.comparison.results import Results
from keras_ban.comparison.table import Rows
from keras_ban.comparison.verdict import verdict

# Five draws of mean 0 and standard deviation 1, and others without a
# correlation to them.
SPREAD = np.array([-1.26, -0.63, 0.0, 0.63, 1.26])
OTHER = np.array([0.75, -1.5, 0.0, 0.0, 0.75])


def results(
    errors, methods=None, nlls=(), seeds=5, epochs=30, title="made-up data"
):
    """`Results` of made-up scores by name: a mean, or a list by seed.

    Errors are in points, NLLs in nats, by default 3 where all is wrong.
    """
    design = Design(chosen(methods), epochs)
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
