"""What a comparison found, in words.

An interval is that of Student's t for the differences within each seed. A
method has helped where it lies on one side of 0.
"""

from keras_ban.comparison.statistics import LEVEL
from keras_ban.comparison.statistics import MOST_SEEDS
from keras_ban.comparison.statistics import POWER
from keras_ban.comparison.statistics import seeds_needed
from keras_ban.comparison.table import plus_minus

_PERCENT = round(100 * LEVEL)
# One teacher and two students; the twin alone is half of less.
_DEAR = 3
_AS_WELL = (
    "is better than",
    "is as good as",
    "is not shown to be worse than",
)


def verdict(results):
    """The paragraphs of the verdict.

    Args:
        results: The `Results`.

    Returns:
        A list of texts: first of the methods that training on the labels
        alone equals, then what helped, what did not, what cannot be told,
        and what there was to gain.
    """
    entries = [e for e in results.design.entries if e.kind == "teachers"]
    judged = [Judged(results, entry) for entry in entries]
    return [
        *_beside_labels(judged),
        *(one.beside_twin() for one in sorted(judged, key=_order)),
        *_by_chance(judged),
        *_not_compared(results, judged),
        *_headroom(results, judged),
    ]


class Judged:
    """A method with teachers, beside those on the labels.

    Args:
        results: The `Results`.
        entry: Its `Entry`.

    Attributes:
        entry: As given.
        to_twin: The `Estimate` of the difference to its twin.
    """

    def __init__(self, results, entry):
        self.entry = entry
        self.to_twin = results.difference(entry.name, entry.twin)
        self._results = results

    def rivals(self):
        """The strongest on the labels of the same length, and of the cost.

        Yields:
            What they have in common with the method, in words, and an
            `Entry`. One that is both is given once, the twin never.
        """
        length, cost = self.entry.epochs[-1], self.entry.training
        same_length = self._results.strongest_on_labels(
            lambda e: e.epochs[-1] == length
        )
        same_cost = self._results.strongest_on_labels(
            lambda e: e.training <= cost * (1 + 1e-9)
        )
        if same_length.name != self.entry.twin:
            yield "at the same length", same_length
        given = (None, self.entry.twin, same_length.name)
        if same_cost and same_cost.name not in given:
            yield "at no higher cost", same_cost

    def beside_labels(self):
        """Yields where labels alone do as well as the method.

        Yields:
            How well, a place in `_AS_WELL`; and in words the training on the
            labels, what it has in common with the method, and the difference.
        """
        for words, rival in self.rivals():
            found = self._results.difference(self.entry.name, rival.name)
            if found.is_negative:
                continue
            yield (
                0 if found.is_positive else 1 if found.mean >= 0 else 2,
                f"{rival.name!r} ({_times(rival.training)} of training)",
                words,
                f"{self.entry.name!r} ({_times(self.entry.training)}), which "
                f"errs {_points(found)}",
            )

    def _beyond_labels(self):
        """Yields where the method does better than labels alone."""
        for words, rival in self.rivals():
            found = self._results.difference(self.entry.name, rival.name)
            if found.is_negative:
                yield (
                    f" It errs {_points(found)} than {rival.name!r}, the "
                    f"strongest training on the labels {words} "
                    f"({_times(rival.training)})."
                )

    def beside_twin(self):
        """Whether it helped beside its twin, and at what price."""
        name, twin = repr(self.entry.name), repr(self.entry.twin)
        found, cost = self.to_twin, _times(self.entry.training)
        if found.is_negative:
            return (
                f"Helped: {name} errs {_points(found)} than its twin {twin}, "
                f"for {cost} of training." + "".join(self._beyond_labels())
            )
        if found.is_positive:
            return (
                f"Harmed: {name} errs {_points(found)} than its twin {twin}, "
                f"for {cost} of training."
            )
        return (
            f"Cannot be told: {name} errs {_points(found)} than its twin "
            f"{twin}, for {cost} of training. {self._how_many()}"
        )

    def _how_many(self):
        results = self._results
        differences = results.differences(self.entry.name, self.entry.twin)
        if self.to_twin.half != self.to_twin.half:
            return (
                "The difference is the same for all seeds, so its spread is "
                "finer than this data shows: measure on more examples."
            )
        count = seeds_needed(differences)
        if count is None:
            return f"More than {MOST_SEEDS:,} seeds would not show it."
        return (
            f"If that is the true difference, {count} seeds would show it in "
            f"{100 * POWER:.0f} % of all cases (paired t test); there are "
            f"{len(results.seeds)}."
        )


def _beside_labels(judged):
    """Yields where labels alone do as well, the same for several at once."""
    groups = {}
    for one in judged:
        for verb, rival, words, text in one.beside_labels():
            groups.setdefault((verb, rival, words), []).append(text)
    for verb, rival, words in sorted(groups):
        yield (
            f"Labels alone: {rival}, the strongest training on the labels "
            f"{words}, {_AS_WELL[verb]} "
            f"{'; '.join(groups[verb, rival, words])}."
        )


def _order(judged):
    """What helped comes first, then what harmed, then the rest."""
    found = judged.to_twin
    return 0 if found.is_negative else 1 if found.is_positive else 2


def _by_chance(judged):
    """A reminder where many intervals are looked at."""
    told = [j for j in judged if j.to_twin.is_negative or j.to_twin.is_positive]
    if told and len(judged) > 1:
        yield (
            f"Had none of the {len(judged)} methods any effect, one of the "
            f"intervals would still lie beside 0 with a probability of up to "
            f"{min(100, len(judged) * (100 - _PERCENT))} %."
        )


def _not_compared(results, judged):
    """Where nothing on the labels alone costs nearly as much as a method."""
    spent = [e.training for e in results.design.entries if e.kind == "labels"]
    dearest = max(judged, key=lambda j: j.entry.training, default=None)
    cost = dearest.entry.training if dearest else 0
    if cost > _DEAR and max(c for c in spent if c <= cost) < cost / 2:
        yield (
            "Not compared: no training on the labels here costs as much as "
            f"{dearest.entry.name!r} ({_times(cost)}). Add one that is as long "
            f"in all, Method('labels', ..., epochs='{round(cost)}x')."
        )


def _headroom(results, judged):
    """What an ensemble gains over one network: what there is to learn."""
    ensembles = [e for e in results.design.entries if e.kind == "ensemble"]
    gains = [results.difference(e.name, e.twin) for e in ensembles]
    which = "here" if not any(g.is_negative for g in gains) else "they teach"
    for entry, found in zip(ensembles, gains, strict=True):
        if found.is_negative:
            yield (
                f"Headroom: {entry.name!r}, their mean prediction, errs "
                f"{_points(found)} than one of them, at {entry.prediction} "
                "times its cost of prediction."
                + _kept(results, entry, found, judged)
            )
        else:
            yield (
                f"Headroom: {entry.name!r}, their mean prediction, errs "
                f"{_points(found)} than one of them. That is no gain that can "
                "be told from 0: where an ensemble gains nothing, no method "
                f"{which} is likely to help."
            )
    if not ensembles and judged:
        yield (
            "Headroom: unknown, as no method here trains several networks on "
            "the labels. Add 'one from five', or a method with teachers=5: "
            "what an ensemble gains is what its students can learn."
        )


def _kept(results, entry, gain, judged):
    """The shares of an ensemble's gain that one network of it keeps."""
    texts = []
    for one in judged:
        is_of_it = one.entry.recipe is entry.recipe
        if is_of_it and one.entry.method.teachers > 1:
            lost = results.mean(one.entry.name) - results.mean(entry.twin)
            share = lost / gain.mean
            texts.append(f" {one.entry.name!r} keeps {share:.2f} of it.")
    return "".join(texts)


def _points(found):
    """A difference of errors, as "1.20 +-0.35 points more"."""
    text = plus_minus(100 * abs(found.mean), 100 * found.half, 2)
    return f"{text} points {'more' if found.mean > 0 else 'less'}"


def _times(cost):
    return f"{cost:.1f} networks" if cost != 1 else "1.0 network"
