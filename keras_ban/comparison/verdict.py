"""What a comparison found, in words.

An interval is that of Student's t for the differences within each seed. A
method has helped where it lies below 0, in error or in NLL.
"""

from keras_ban.comparison.judged import Beside
from keras_ban.comparison.judged import Judged
from keras_ban.comparison.judged import times
from keras_ban.comparison.statistics import LEVEL

_PERCENT = round(100 * LEVEL)
# One teacher and two students; the twin alone is half of less.
_DEAR = 3


def verdict(results):
    """The paragraphs of the verdict.

    Args:
        results: The `Results`.

    Returns:
        A list of texts: first of the methods that training on the labels
        alone equals in error and NLL, then what helped, what did not, what
        cannot be told, and what there was to gain.
    """
    entries = [e for e in results.design.entries if e.kind == "teachers"]
    judged = [Judged(results, entry) for entry in entries]
    return [
        *_beside_labels(judged),
        *(one.beside_twin() for one in sorted(judged, key=lambda j: j.place)),
        *_by_chance(results, judged),
        *_not_compared(results, judged),
        *_headroom(results, judged),
    ]


def _beside_labels(judged):
    """Yields where labels alone do as well, the same for several at once."""
    groups = {}
    for one in judged:
        for rival in one.rivals():
            if not rival.is_beaten:
                place, does = rival.does()
                key = place, f"{rival.described()}, {does}"
                groups.setdefault(key, []).append(one.beside_rival(rival))
    for key in sorted(groups):
        yield f"Labels alone: {key[1]} {'; '.join(groups[key])}."


def _by_chance(results, judged):
    """A reminder where many intervals are looked at."""
    count = len(results.judged) * len(judged)
    if any(one.to_twin.told for one in judged):
        yield (
            f"Had no method any effect, one of the {count} intervals of "
            "differences to twins would still lie beside 0 with a probability "
            f"of up to {min(100, count * (100 - _PERCENT))} %."
        )


def _not_compared(results, judged):
    """Where nothing on the labels alone costs nearly as much as a method."""
    spent = [e.training for e in results.design.entries if e.kind == "labels"]
    dearest = max(judged, key=lambda j: j.entry.training, default=None)
    cost = dearest.entry.training if dearest else 0
    if cost > _DEAR and max(c for c in spent if c <= cost) < cost / 2:
        yield (
            "Not compared: no training on the labels here costs as much as "
            f"{dearest.entry.name!r} ({times(cost)}). Add one that is as long "
            f"in all, Method('labels', ..., epochs='{round(cost)}x')."
        )


def _headroom(results, judged):
    """What an ensemble gains over one network: what there is to learn."""
    ensembles = [e for e in results.design.entries if e.kind == "ensemble"]
    gains = [Beside(results, e.name, e.twin) for e in ensembles]
    which = "they teach" if any(gain.better for gain in gains) else "here"
    for entry, gain in zip(ensembles, gains, strict=True):
        text = (
            f"Headroom: {entry.name!r}, their mean prediction, "
            f"{gain.verbs(gain.told or results.judged)} than one of them, at "
            f"{entry.prediction} times its cost of prediction"
        )
        if gain.told:
            text = "; ".join([text, *gain.untold("one of them")])
        if not gain.better:
            text += (
                ". That is no gain that can be told from 0: where an ensemble "
                f"gains nothing, no method {which} is likely to help"
            )
        yield f"{text}.{_kept(results, entry, judged)}"
    if not ensembles and judged:
        yield (
            "Headroom: unknown, as no method here trains several networks on "
            "the labels. Add 'one from five', or a method with teachers=5: "
            "what an ensemble gains is what its students can learn."
        )


def _kept(results, ensemble, judged):
    """The shares of an ensemble's gain that its students keep."""
    texts = []
    for one in judged:
        if results.ensemble_of(one.entry) is not ensemble:
            continue
        shares = {m: results.kept(one.entry, m.name) for m in results.judged}
        told = [
            f"{share} in {measure.title}"
            for measure, share in shares.items()
            if share
        ]
        if told:
            texts.append(
                f" Of its gain over {one.entry.twin!r}, {one.entry.name!r} "
                f"keeps {' and '.join(told)}."
            )
    return "".join(texts)
