"""Tables of what `evidence.py` measured, from its lines.

`python benchmarks/evidence_tables.py` prints, as Markdown, how much one network
from five gains on each set, and how each method does over all of them; with
`--study noise`, say, all methods in each setting of a study.

The strongest training on the labels of the same length is chosen on the
validation data: by its mean error for differences of the error, by its mean
NLL for those of the NLL. Intervals are of 95 %, Student's t, paired by seed.
"""

import argparse
import collections
import json
import pathlib

import numpy as np
from evidence_sets import Setting

from keras_ban.comparison.statistics import estimate
from keras_ban.comparison.statistics import share

LINES = pathlib.Path(__file__).parent / "results" / "evidence.jsonl"
BEST = "one from five"
MEASURES = {"error": 100, "nll": 1}
DIGITS = {"error": 2, "nll": 3}
NAMES = {"error": "error %", "nll": "NLL"}


class Cell:
    """A set, a network and a setting: scores of all methods by seed.

    Args:
        where: The set, the network and what is varied, in words.
        lines: Lines of `evidence.py`.
    """

    def __init__(self, where, lines):
        self.where = where
        self.lines = collections.defaultdict(dict)
        for line in lines:
            self.lines[line["name"]][line["seed"]] = line

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
    """The `Cell`s of a study, by set, network and what is varied."""
    found = collections.defaultdict(list)
    for line in map(json.loads, pathlib.Path(path).read_text().splitlines()):
        if line["study"] == study:
            given = {k: line[k] for k in Setting._fields if k in line}
            varied = ", ".join(f"{k} {v:g}" for k, v in given.items())
            found[line["set"], line["network"], varied].append(line)
    return [Cell(where, lines) for where, lines in sorted(found.items())]


def gains(found, name=BEST):
    """Markdown: a method beside its twin and the strongest on the labels."""
    columns = ["set, network", "seeds"]
    for title in NAMES.values():
        columns += [f"{title} on labels", "to it", "to the twin"]
    yield from _head([*columns, "kept"])
    for cell in found:
        row = [", ".join(cell.where[:2]), str(len(cell.seeds(name)))]
        twin = cell.one(name)["twin"]
        for measure in MEASURES:
            rival = cell.strongest(measure)
            mean = cell.scores(rival, measure).mean()
            row.append(f"{mean:.{DIGITS[measure]}f}")
            for other in (rival, twin):
                row.append(told(cell.difference(name, other, measure), measure))
        kept = cell.kept(name)
        yield _row([*row, "-" if kept is None else f"{kept.mean:.2f}"])


def methods(found):
    """Markdown: how each method does over all sets and networks."""
    yield from _head(
        ["method", "networks", "error: better, worse", "mean", "NLL", "mean"]
    )
    for name in dict.fromkeys(name for cell in found for name in cell.lines):
        rows = [cell for cell in found if name in cell.lines]
        if rows[0].one(name)["kind"] != "teachers":
            continue
        row = [name, f"{rows[0].one(name)['cost']:g}"]
        for measure in MEASURES:
            all_of = [
                cell.difference(name, cell.strongest(measure), measure)
                for cell in rows
            ]
            better = sum(one.is_negative for one in all_of)
            worse = sum(one.is_positive for one in all_of)
            row.append(f"{better}, {worse} of {len(rows)}")
            mean = np.mean([one.mean for one in all_of])
            row.append(f"{mean:+.{DIGITS[measure]}f}")
        yield _row(row)


def settings(found):
    """Markdown: all methods in each setting, beside the strongest."""
    yield from _head(
        ["set, network, setting", "method", "seeds"]
        + [text for n in NAMES.values() for text in (n, "to labels")]
    )
    for cell in found:
        for name in cell.lines:
            row = [", ".join(filter(None, cell.where)), name]
            row.append(str(len(cell.seeds(name))))
            for measure in MEASURES:
                own = estimate(cell.scores(name, measure))
                row.append(f"{own.mean:.{DIGITS[measure]}f}")
                rival = cell.strongest(measure)
                against = cell.difference(name, rival, measure)
                row.append("" if name == rival else told(against, measure))
            yield _row(row)


def told(found, measure):
    """An `Estimate` in words, bold where it is told from 0 and better."""
    digits = DIGITS[measure]
    text = f"{found.mean:+.{digits}f} ± {found.half:.{digits}f}"
    return f"**{text}**" if found.is_negative else text


def _head(columns):
    yield _row(columns)
    yield "|" + "---|" * len(columns)


def _row(texts):
    return "| " + " | ".join(texts) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--study", help="all methods in each of its settings")
    parser.add_argument("--lines", default=LINES)
    arguments = parser.parse_args()
    if arguments.study:
        lines = settings(cells(arguments.study, arguments.lines))
    else:
        found = cells(path=arguments.lines)
        lines = [*gains(found), "", *methods(found)]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
