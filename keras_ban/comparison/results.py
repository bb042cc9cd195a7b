"""What a comparison measured: scores by seed, and the rows of its table."""

import numpy as np

from keras_ban.comparison import methods
from keras_ban.comparison.statistics import estimate
from keras_ban.comparison.statistics import standard_error
from keras_ban.objectives import get

MEASURES = ("error", "nll", "ece")


class Results:
    """The scores of methods and ensembles on one data set.

    Args:
        design: The `Design`.
        seeds: The seeds, a list of integers.
        scores: For each name of an entry, a dict of arrays of shape
            `(seeds,)`: its `error`, `nll` and `ece`.
        title: What the data is.

    Attributes:
        design: As given.
        seeds: As given.
        title: As given.
    """

    def __init__(self, design, seeds, scores, title):
        self.design = design
        self.seeds = list(seeds)
        self.title = title
        self._scores = {
            name: {k: np.asarray(found[k], "float64") for k in MEASURES}
            for name, found in scores.items()
        }

    def scores(self, name, measure="error"):
        """The scores of an entry, of shape `(seeds,)`."""
        return self._scores[name][measure]

    def mean(self, name, measure="error"):
        """The mean of the scores of an entry, a float."""
        return float(self.scores(name, measure).mean())

    def differences(self, name, other, measure="error"):
        """Those of an entry minus those of another, seed by seed."""
        return self.scores(name, measure) - self.scores(other, measure)

    def difference(self, name, other, measure="error"):
        """The `Estimate` of the difference to another entry."""
        return estimate(self.differences(name, other, measure))

    def strongest_on_labels(self, is_allowed):
        """The training on the labels alone that errs least, of one network.

        Args:
            is_allowed: Function of an `Entry`: whether it may be chosen.

        Returns:
            An `Entry`, or `None` if none is allowed.
        """
        found = [
            entry
            for entry in self.design.entries
            if entry.kind == "labels" and is_allowed(entry)
        ]
        return min(found, key=lambda e: self.mean(e.name), default=None)

    def best(self):
        """The `Method` that costs least among those that may err least.

        Those are all whose mean error is above the lowest by one standard
        error at most, that of the difference paired by seed (after Breiman et
        al., "Classification and Regression Trees", 1984, Section 3.4.3).
        """
        found = [e for e in self.design.entries if e.method is not None]
        first = min(found, key=lambda e: self.mean(e.name))
        near = []
        for entry in found:
            differences = self.differences(entry.name, first.name)
            if differences.mean() <= standard_error(differences):
                near.append(entry)
        cost = [(e.prediction, e.training, self.mean(e.name)) for e in near]
        return near[cost.index(min(cost))].method

    def rows(self):
        """A dict for each method and ensemble.

        Its `error` and `ece` are fractions, its `nll` is in nats: means over
        the seeds. For each of them, `error_interval` is the 95 % interval, a
        pair, `errors` (`nlls`, `eces`) are the values by seed,
        `error_difference` is the mean of the differences to the twin (`None`
        without one), and `error_difference_interval` its interval.
        `training_cost` is in networks of the comparison's `epochs`,
        `prediction_cost` in networks.
        """
        return [self._row(entry) for entry in self.design.entries]

    def _row(self, entry):
        method = entry.method
        row = {
            "name": entry.name,
            "kind": entry.kind,
            "objective": "labels",
            "augment": None,
            "teachers": entry.recipe.count if method is None else 0,
            "generations": 0,
            "epochs": list(entry.epochs),
            "twin": entry.twin,
            "training_cost": entry.training,
            "prediction_cost": entry.prediction,
        }
        if entry.recipe.augment is not None:
            row["augment"] = methods.named(entry.recipe.augment)
        if entry.kind == "teachers":
            row["objective"] = get(method.objective).name
            row["teachers"] = method.teachers
            row["generations"] = method.generations
        for measure in MEASURES:
            row |= self._measured(entry, measure)
        return row

    def _measured(self, entry, measure):
        values = self.scores(entry.name, measure)
        found = estimate(values)
        row = {
            measure: found.mean,
            f"{measure}_interval": (found.low, found.high),
            f"{measure}s": values.tolist(),
            f"{measure}_difference": None,
            f"{measure}_difference_interval": None,
        }
        if entry.twin:
            found = self.difference(entry.name, entry.twin, measure)
            row[f"{measure}_difference"] = found.mean
            row[f"{measure}_difference_interval"] = (found.low, found.high)
        return row
