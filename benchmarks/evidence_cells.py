"""The lines of `evidence.py`, by set, network and setting."""

import collections
import json
import pathlib

import numpy as np
from evidence_sets import Setting

from keras_ban.comparison.statistics import estimate
from keras_ban.comparison.statistics import share

LINES = pathlib.Path(__file__).parent / "results" / "evidence.jsonl"
MEASURES = {"error": 100, "nll": 1}


class Cell:
    """A set, a network and a setting: scores of all methods by seed.

    Args:
        where: The set and the network, a tuple.
        lines: Lines of `evidence.py`, of one `Setting`.

    Attributes:
        where: As given.
        setting: The `Setting`.
    """

    def __init__(self, where, lines):
        self.where = where
        known = {k: v for k, v in lines[0].items() if k in Setting._fields}
        self.setting = Setting(**known)
        self.lines = collections.defaultdict(dict)
        for line in lines:
            self.lines[line["name"]][line["seed"]] = line

    def beside(self, other):
        """A `Cell` with the methods of another one too."""
        lines = [
            line
            for cell in (self, other)
            for by_seed in cell.lines.values()
            for line in by_seed.values()
        ]
        return Cell(self.where, lines)

    def seeds(self, *names):
        """The seeds of which all these are measured."""
        return sorted(set.intersection(*(set(self.lines[n]) for n in names)))

    def one(self, name):
        """Any line of a method, for what does not change by seed."""
        return next(iter(self.lines[name].values()))

    def scores(self, name, measure, seeds=None):
        """Scores in the unit of the tables, an array."""
        seeds = self.seeds(name) if seeds is None else seeds
        found = [self.lines[name][seed][measure] for seed in seeds]
        return MEASURES[measure.removeprefix("validation_")] * np.array(found)

    def strongest(self, measure):
        """The training on the labels that does best on validation data.

        Of those as long as the methods with teachers train each network.
        """
        names = [
            name
            for name in self.lines
            if self.one(name)["kind"] == "labels"
            and self.one(name)["length"] == 1
        ]
        seeds = self.seeds(*names)
        return min(
            names,
            key=lambda n: self.scores(n, f"validation_{measure}", seeds).mean(),
        )

    def difference(self, name, other, measure):
        """The `Estimate` of a difference, in points or nats."""
        seeds = self.seeds(name, other)
        own = self.scores(name, measure, seeds)
        return estimate(own - self.scores(other, measure, seeds))

    def ratio(self, name, measure):
        """A method's mean / that of the strongest on the labels.

        Args:
            name: The method.
            measure: A name of `MEASURES`, or one of the validation data.
        """
        rival = self.strongest(measure.removeprefix("validation_"))
        seeds = self.seeds(name, rival)
        own = self.scores(name, measure, seeds).mean()
        return own / self.scores(rival, measure, seeds).mean()

    def kept(self, name):
        """The `Estimate` of the share of the ensemble's gain in error.

        `None` where the ensemble does not gain a point over the twin.
        """
        twin, five = self.one(name)["twin"], self.ensemble()
        seeds = self.seeds(name, twin, five)
        twins = self.scores(twin, "error", seeds)
        whole = twins - self.scores(five, "error", seeds)
        if whole.mean() < 1:
            return None
        return share(twins - self.scores(name, "error", seeds), whole)

    def ensemble(self):
        """The name of the mean of the five that teach."""
        names = [n for n in self.lines if self.one(n)["kind"] == "ensemble"]
        return names[-1]


def cells(study="methods", path=LINES):
    """The `Cell`s of a study, by set, network and setting.

    Args:
        study: The name of the study.
        path: The file of the lines.
    """
    found = collections.defaultdict(list)
    for line in map(json.loads, pathlib.Path(path).read_text().splitlines()):
        if line["study"] == study:
            given = tuple(line.get(k) for k in Setting._fields)
            found[line["set"], line["network"], given].append(line)
    return [
        Cell(where[:2], lines)
        for where, lines in sorted(found.items(), key=lambda i: str(i[0]))
    ]
