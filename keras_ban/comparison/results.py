"""What a comparison measured: scores by seed, and the rows of its table."""

import numpy as np

from keras_ban.comparison import measures
from keras_ban.comparison import methods
from keras_ban.comparison.statistics import estimate
from keras_ban.comparison.statistics import share
from keras_ban.comparison.statistics import standard_error
from keras_ban.objectives import get


class Results:
    """The scores of methods and ensembles on one data set.

    Args:
        design: The `Design`.
        seeds: The seeds, a list of integers.
        scores: For each name of an entry, a dict of arrays of shape
            `(seeds,)`: its `error`, `nll` and `ece`, or what its task has in
            their place.
        title: What the data is.

    Attributes:
        design: As given.
        seeds: As given.
        title: As given.
        judged: The `Measure`s that networks are judged by, the first most.
    """

    def __init__(self, design, seeds, scores, title):
        self.design = design
        self.seeds = list(seeds)
        self.title = title
        self._scores = {
            name: {k: np.asarray(v, "float64") for k, v in found.items()}
            for name, found in scores.items()
        }
        self._names = list(next(iter(scores.values())))
        self.judged = measures.judged(self._names)

    def scores(self, name, measure=None):
        """The scores of an entry, of shape `(seeds,)`."""
        return self._scores[name][measure or self.judged[0].name]

    def mean(self, name, measure=None):
        """The mean of the scores of an entry, a float."""
        return float(self.scores(name, measure).mean())

    def differences(self, name, other, measure=None):
        """Those of an entry minus those of another, seed by seed."""
        return self.scores(name, measure) - self.scores(other, measure)

    def difference(self, name, other, measure=None):
        """The `Estimate` of the difference to another entry."""
        return estimate(self.differences(name, other, measure))

    def strongest_on_labels(self, is_allowed, measure=None):
        """The training on the labels alone that is best, of one network.

        Args:
            is_allowed: Function of an `Entry`: whether it may be chosen. One
                at least is.
            measure: What it is best in. Defaults to `None`, the first of
                `judged`.

        Returns:
            An `Entry`.
        """
        found = [
            entry
            for entry in self.design.entries
            if entry.kind == "labels" and is_allowed(entry)
        ]
        return min(found, key=lambda e: self.mean(e.name, measure))

    def ensemble_of(self, entry):
        """The `Entry` of the ensemble of a method's teachers.

        It is that of all networks of their recipe, or `None` of a method that
        has not several teachers.
        """
        if entry.kind != "teachers" or entry.method.teachers == 1:
            return None
        return next(
            e
            for e in self.design.entries
            if e.kind == "ensemble" and e.recipe is entry.recipe
        )

    def kept(self, entry, measure=None):
        """The `Share` of its teachers' gain that a method's network keeps.

        Of the means over the seeds, (twin - network) / (twin - ensemble), with
        the twin of the method: of its views and its last length.

        Args:
            entry: The `Entry`.
            measure: What was gained. Defaults to `None`, the first of
                `judged`.

        Returns:
            A `Share`; `None` of a method that has not several teachers, or
            where the ensemble's gain cannot be told from 0.
        """
        ensemble = self.ensemble_of(entry)
        if ensemble is None:
            return None
        return share(
            self.differences(entry.twin, entry.name, measure),
            self.differences(entry.twin, ensemble.name, measure),
        )

    def best(self, measure=None):
        """The `Method` that costs least among those that may be best.

        Those are all whose mean is above the lowest by one standard error at
        most, that of the difference paired by seed (after Breiman et al.,
        "Classification and Regression Trees", 1984, Section 3.4.3).

        Args:
            measure: What they are best in. Defaults to `None`, the first of
                `judged`.
        """
        found = [e for e in self.design.entries if e.method is not None]
        means = {e.name: self.mean(e.name, measure) for e in found}
        first = min(means, key=means.get)
        near = []
        for entry in found:
            differences = self.differences(entry.name, first, measure)
            if differences.mean() <= standard_error(differences):
                near.append(entry)
        cost = [(e.prediction, e.training, means[e.name]) for e in near]
        return near[cost.index(min(cost))].method

    def rows(self):
        """A dict for each method and ensemble.

        Its `error` and `ece` are fractions, its `nll` is in nats; `rmse` and
        `mae` of values are in the unit of the labels: means over the seeds.
        For each of them, `error_interval` is the 95 % interval, a
        pair, `errors` (`nlls`, `eces`) are the values by seed; of several
        outputs `loss`, with `losses`, and `<output>_error` and the others;
        `error_difference` is the mean of the differences to the twin (`None`
        without one), and `error_difference_interval` its interval. `kept` and
        `nll_kept` are the shares of the teachers' gain in error and NLL, and
        `kept_interval` and `nll_kept_interval` their intervals, all `None`
        where `Results.kept` is.
        `augment` is what the network itself was shown, `teacher_augment` what
        its teachers were, both as texts, `None` for nothing.
        `training_cost` is in networks of the comparison's `epochs`,
        `prediction_cost` in networks.
        """
        return [self._row(entry) for entry in self.design.entries]

    def _row(self, entry):
        method, shown = entry.method, entry.recipe.augment
        row = {
            "name": entry.name,
            "kind": entry.kind,
            "objective": "labels",
            "augment": _named(method.augment if method else shown),
            "teacher_augment": None,
            "teachers": entry.recipe.count if method is None else 0,
            "generations": 0,
            "epochs": list(entry.epochs),
            "twin": entry.twin,
            "training_cost": entry.training,
            "prediction_cost": entry.prediction,
        }
        if entry.kind == "teachers":
            row["teacher_augment"] = _named(shown)
            row["objective"] = get(method.objective).name
            row["teachers"] = method.teachers
            row["generations"] = method.generations
        for measure in self._names:
            row |= self._measured(entry, measure)
        first, second = (measure.name for measure in self.judged)
        for name, measure in (("kept", first), (f"{second}_kept", second)):
            found = self.kept(entry, measure)
            row[name] = found and found.mean
            row[f"{name}_interval"] = found and (found.low, found.high)
        return row

    def _measured(self, entry, measure):
        values = self.scores(entry.name, measure)
        found = estimate(values)
        row = {
            measure: found.mean,
            f"{measure}_interval": (found.low, found.high),
            _several(measure): values.tolist(),
            f"{measure}_difference": None,
            f"{measure}_difference_interval": None,
        }
        if entry.twin:
            found = self.difference(entry.name, entry.twin, measure)
            row[f"{measure}_difference"] = found.mean
            row[f"{measure}_difference_interval"] = (found.low, found.high)
        return row


def _named(augment):
    return None if augment is None else methods.named(augment)


def _several(measure):
    """What rows call the values of a measure."""
    return f"{measure}es" if measure.endswith("s") else f"{measure}s"
