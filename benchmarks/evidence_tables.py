"""Tables of what `evidence.py` measured, from its lines.

Run it with `python benchmarks/evidence_tables.py`. It prints Markdown.

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


class Cell:
    """A set, a network and a setting: scores of all methods by seed."""

    def __init__(self, lines):
        self.lines = collections.defaultdict(dict)
        for line in lines:
            self.lines[line["name"]][line["seed"]] = line
        self.seeds = sorted(set.intersection(*map(set, self.lines.values())))

    def scores(self, name, measure):
        found = [self.lines[name][seed][measure] for seed in self.seeds]
        return np.array(found)

    def one(self, name):
        """Any line of a method, for what does not change by seed."""
        return self.lines[name][self.seeds[0]]

    def strongest(self, measure, length=1):
        """The training on the labels that does best on validation data."""
        names = [
            name
            for name in self.lines
            if self.one(name)["kind"] == "labels"
            and self.one(name)["length"] == length
        ]
        return min(
            names, key=lambda n: self.scores(n, f"validation_{measure}").mean()
        )

    def difference(self, name, other, measure):
        """The `Estimate` of a difference, in points or nats."""
        found = self.scores(name, measure) - self.scores(other, measure)
        return estimate(MEASURES.get(measure, 1) * found)

    def ensemble(self):
        """The name of the mean of the five that teach."""
        names = [n for n in self.lines if self.one(n)["kind"] == "ensemble"]
        return names[-1]


def cells(study="methods", path=LINES):
    """The `Cell`s of a study, by set, network and what is varied."""
    found = collections.defaultdict(list)
    for line in map(json.loads, pathlib.Path(path).read_text().splitlines()):
        if line["study"] == study:
            keys = ("set", "network", *Setting._fields)
            found[tuple(line.get(key) for key in keys)].append(line)
    return {key: Cell(lines) for key, lines in found.items()}


def gains(found, name=BEST):
    """Markdown: a method beside its twin and the strongest on the labels."""
    yield (
        "| set | network | seeds | "
        + " | ".join(
            (
                "error % of the strongest on labels",
                "to it",
                "to its twin",
                "NLL of the strongest on labels",
                "to it",
                "to its twin",
                "kept",
            )
        )
        + " |"
    )
    yield "|" + "---|" * 10
    for (where, network, *_), cell in found.items():
        row = [where, network, str(len(cell.seeds))]
        for measure, scale in MEASURES.items():
            rival = cell.strongest(measure)
            row.append(f"{scale * cell.scores(rival, measure).mean():.3g}")
            twin = cell.one(name)["twin"]
            for other in (rival, twin):
                row.append(_told(cell.difference(name, other, measure)))
        yield "| " + " | ".join([*row, _kept(cell, name)]) + " |"


def methods(found):
    """Markdown: how each method does over all sets and networks."""
    names = list(next(iter(found.values())).lines)
    yield "| method | training | better / worse in error | mean | in NLL | |"
    yield "|---|---|---|---|---|---|"
    for name in names:
        rows = [cell for cell in found.values() if name in cell.lines]
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
            row.append(f"{better} / {worse} of {len(rows)}")
            row.append(f"{np.mean([one.mean for one in all_of]):+.3f}")
        yield "| " + " | ".join(row) + " |"


def _told(found):
    star = "**" if found.is_negative else ""
    return f"{star}{found.mean:+.2g} ± {found.half:.1g}{star}"


def _kept(cell, name):
    """The share of the ensemble's gain over the twin, where there is one."""
    twin = cell.scores(cell.one(name)["twin"], "error")
    parts = twin - cell.scores(name, "error")
    found = share(parts, twin - cell.scores(cell.ensemble(), "error"))
    return "-" if found is None else f"{found.mean:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--lines", default=LINES)
    arguments = parser.parse_args()
    found = cells(path=arguments.lines)
    print("\n".join([*gains(found), "", *methods(found)]))


if __name__ == "__main__":
    main()
