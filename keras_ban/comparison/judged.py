"""A method beside its twin, and beside the strongest on the labels alone."""

from typing import NamedTuple

from keras_ban.comparison.design import Entry
from keras_ban.comparison.statistics import MOST_SEEDS
from keras_ban.comparison.statistics import POWER
from keras_ban.comparison.statistics import seeds_needed

# By whether it is better in a measure, and whether it is worse in one.
_HEADS = {
    (True, False): "Helped",
    (True, True): "Helped and harmed",
    (False, True): "Harmed",
    (False, False): "Cannot be told",
}
_AS_WELL = (
    "is better than",
    "is at least as good as",
    "is not shown to be worse than",
)


class Beside:
    """How one does beside another.

    Args:
        results: The `Results`.
        name: The name of its entry.
        other: The name of the other's.
        measures: The `Measure`s. Defaults to `None`, all.

    Attributes:
        found: For each measure the `Estimate` of the difference.
        better: The measures in which it is told to be better.
        worse: The measures in which it is told to be worse.
        told: Both, the better ones first.
    """

    def __init__(self, results, name, other, measures=None):
        self.found = {
            measure: results.difference(name, other, measure.name)
            for measure in measures or results.judged
        }
        self.better = [m for m, e in self.found.items() if e.is_negative]
        self.worse = [m for m, e in self.found.items() if e.is_positive]
        self.told = self.better + self.worse

    def verbs(self, measures):
        """The differences, as "errs 1.2 +-0.3 points less and has ..."."""
        directions = {self.found[measure].mean > 0 for measure in measures}
        return (" and " if len(directions) == 1 else " but ").join(
            f"{measure.verb} {measure.amount(self.found[measure])}"
            for measure in measures
        )

    def untold(self, other):
        """Clauses on the measures that do not tell it from `other`."""
        return [
            f"its {measure.title} cannot be told from that of {other} "
            f"({measure.amount(found)})"
            for measure, found in self.found.items()
            if measure not in self.told
        ]


class Rival(NamedTuple):
    """A training on the labels alone that a method has to beat.

    Attributes:
        entry: Its `Entry`.
        limit: What was allowed to it, in words.
        beside: How the method does `Beside` it, in what it is strongest in.
        is_beaten: Whether the method is better than the strongest of this
            limit in a measure, be it in another than those of `beside`.
    """

    entry: Entry
    limit: str
    beside: Beside
    is_beaten: bool

    def described(self):
        """What it is, in words."""
        measures = list(self.beside.found)
        which = "" if len(measures) > 1 else f" in {measures[0].title}"
        return (
            f"{self.entry.name!r} ({times(self.entry.training)} of training), "
            f"the strongest training on the labels{which} {self.limit}"
        )

    def does(self):
        """How well it does beside the method, best first, and in words."""
        places = [
            0 if found.is_positive else 1 if found.mean >= 0 else 2
            for found in self.beside.found.values()
        ]
        return max(places), _AS_WELL[max(places)]

    def beaten(self):
        """A sentence on the method that is better."""
        beside, clauses = self.beside, []
        other = self.described()
        if beside.told:
            clauses = [f"it {beside.verbs(beside.told)} than {other}"]
            other = repr(self.entry.name)
        text = "; ".join([*clauses, *beside.untold(other)])
        return f"{text[0].upper()}{text[1:]}."


class Judged:
    """A method with teachers, beside those on the labels.

    Args:
        results: The `Results`.
        entry: Its `Entry`.

    Attributes:
        entry: As given.
        to_twin: How it does `Beside` its twin.
    """

    def __init__(self, results, entry):
        self.entry = entry
        self.to_twin = Beside(results, entry.name, entry.twin)
        self._results = results

    @property
    def place(self):
        """Where it stands: what helped first, then what harmed."""
        key = bool(self.to_twin.better), bool(self.to_twin.worse)
        return list(_HEADS).index(key)

    def rivals(self):
        """The strongest on the labels of the same length, and of the cost.

        Yields:
            A `Rival`, for each training that is the strongest in a measure,
            the same in both ways once. The twin is none.
        """
        length, cost = self.entry.epochs[-1], self.entry.training
        limits = {
            "at the same length": lambda e: e.epochs[-1] == length,
            "at no higher cost": lambda e: e.training <= cost * (1 + 1e-9),
        }
        known = set()
        for limit, is_allowed in limits.items():
            strongest = self._strongest(is_allowed)
            is_beaten = any(
                self._beside(name, measures).better
                for name, measures in strongest.items()
            )
            for name, measures in strongest.items():
                new = [m for m in measures if (name, m, is_beaten) not in known]
                known |= {(name, m, is_beaten) for m in new}
                if new and name != self.entry.twin:
                    entry = self._results.design.entry(name)
                    beside = self._beside(name, new)
                    yield Rival(entry, limit, beside, is_beaten)

    def _strongest(self, is_allowed):
        """Names of trainings on the labels, and what they are strongest in."""
        found = {}
        for measure in self._results.judged:
            entry = self._results.strongest_on_labels(is_allowed, measure.name)
            found.setdefault(entry.name, []).append(measure)
        return found

    def _beside(self, other, measures):
        return Beside(self._results, self.entry.name, other, measures)

    def beside_rival(self, rival):
        """What it does beside a `Rival`, in words."""
        verbs = rival.beside.verbs(rival.beside.found)
        return (
            f"{self.entry.name!r} ({times(self.entry.training)}), which {verbs}"
        )

    def beside_twin(self):
        """Whether it helped, in what and at what price."""
        found = self.to_twin
        text = (
            f"{list(_HEADS.values())[self.place]}: {self.entry.name!r} "
            f"{found.verbs(found.told or self._results.judged)} than its twin "
            f"{self.entry.twin!r}, for {times(self.entry.training)} of training"
        )
        if found.told:
            sentences = ["; ".join([text, *found.untold("the twin")]) + "."]
        else:
            sentences = [f"{text}.", *self._how_many()]
        beaten = [r.beaten() for r in self.rivals() if r.is_beaten]
        return " ".join(sentences + beaten)

    def _how_many(self):
        """Sentences on the seeds that would tell it from its twin."""
        counts = []
        for measure, found in self.to_twin.found.items():
            if found.half != found.half:
                yield (
                    f"The difference in {measure.title} is the same for all "
                    "seeds, so its spread is finer than this data shows: "
                    "measure on more examples."
                )
                continue
            count = seeds_needed(
                self._results.differences(
                    self.entry.name, self.entry.twin, measure.name
                )
            )
            some = f"{count}" if count else f"more than {MOST_SEEDS:,}"
            counts.append(f"{some} seeds to show it in {measure.title}")
        if counts:
            yield (
                f"If that is the true difference, it takes "
                f"{' and '.join(counts)}, in {100 * POWER:.0f} % of all cases "
                f"(paired t test); there are {len(self._results.seeds)}."
            )


def times(cost):
    """A cost in words, as "2.0 networks"."""
    return f"{cost:.1f} networks" if cost != 1 else "1.0 network"
