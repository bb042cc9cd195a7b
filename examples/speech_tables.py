"""The table of the spoken digits, beside the published figures.

Intervals are of 95 %, Student's t; differences are paired by seed.
"""

import numpy as np

from keras_ban.comparison.statistics import estimate
from keras_ban.comparison.statistics import share

BASELINE = "one of the ensemble"
TWIN = "twin: labels, masked, longer"
HARD, SOFT = "few recordings, hard targets", "few recordings, soft targets"
# Frame accuracy and word error rate, in percent: Hinton et al., 2015, Tables 1
# and 5. Their one model is of the best of the temperatures.
PUBLISHED = {
    "one": ("58.9", "10.9"),
    "mean": ("61.1", "10.7"),
    "distilled": ("60.8", "10.7"),
    "hard": ("44.5", ""),
    "soft": ("57.0", ""),
}
_MEASURES = "frames", "digits", "strings"
_HEAD = (
    f"{'':<36}{'frames right':>15}{'to its twin':>16}"
    f"{'word errors':>15}{'in strings':>15}   Hinton et al."
)


def ensemble(count):
    """What the mean of the networks on the labels is called."""
    return f"mean of {count}"


def distilled(temperature):
    """What the student of all at a temperature is called."""
    return f"distilled, T = {temperature:g}"


def table(lines, title):
    """The lines of `speech_ensemble.Study` as a text.

    Args:
        lines: List of dicts with `name`, `seed`, and in percent `frames` and
            `validation`, the accuracy on frames, `digits` and `strings`, the
            word error rates.
        title: What they are of.
    """
    scores = Scores(lines)
    text = [
        f"{title}, {len(scores.seeds)} seeds, test recordings: percent, mean "
        "+- half of the 95 % interval",
        _HEAD,
    ]
    for name in scores.names:
        twin = scores.twin(name)
        row = [f"{name:<36}", _told(scores.of(name, "frames"), 15)]
        difference = None
        if twin:
            difference = scores.of(name, "frames") - scores.of(twin, "frames")
        row.append(_told(difference, 16, "+"))
        row += [_told(scores.of(name, m), 15) for m in _MEASURES[1:]]
        row.append("   " + " / ".join(filter(None, _published(scores, name))))
        text.append("".join(row).rstrip())
    return "\n".join([*text, "", *kept(scores)])


def kept(scores):
    """What one distilled network keeps, in words.

    Its temperature is chosen on the validation recordings.
    """
    best = scores.best()
    if best is None:
        return []
    mean = scores.of(scores.mean, "frames")
    return [
        f"To take, by the validation recordings: {best!r}.",
        *(
            f"It keeps of what the {scores.mean} gains over {what}, in frames: "
            f"{share(scores.of(best, 'frames') - below, mean - below) or '?'}."
            for what, below in (
                ("one of its networks (Hinton: 0.86)", scores.of(BASELINE)),
                ("its twin", scores.of(TWIN)),
            )
        ),
    ]


class Scores:
    """Scores of all networks by seed.

    Attributes:
        names: Of the networks, in their order.
        seeds: Those that all have.
        mean: The name of the ensemble.
    """

    def __init__(self, lines):
        self._found = {}
        for line in lines:
            self._found.setdefault(line["name"], {})[line["seed"]] = line
        self.names = list(self._found)
        self.seeds = sorted(set.intersection(*map(set, self._found.values())))
        self.mean = next(n for n in self.names if n.startswith("mean of "))

    def of(self, name, measure="frames"):
        """The scores of a network, of shape `(seeds,)`."""
        lines = self._found[name]
        return np.array([lines[seed][measure] for seed in self.seeds])

    def best(self):
        """The student of all that is right most often in validation."""
        found = [n for n in self.names if n.startswith("distilled")]
        return max(
            found,
            key=lambda n: self.of(n, "validation").mean(),
            default=None,
        )

    def twin(self, name):
        """The same training on the labels alone; of a mean, one of its own."""
        if name in (BASELINE, TWIN, HARD):
            return None
        return {self.mean: BASELINE, SOFT: HARD}.get(name, TWIN)


def _published(scores, name):
    known = {
        BASELINE: "one",
        scores.mean: "mean",
        scores.best(): "distilled",
        HARD: "hard",
        SOFT: "soft",
    }
    return PUBLISHED.get(known.get(name), ())


def _told(values, width, sign=""):
    if values is None:
        return " " * width
    found = estimate(values)
    # A spread of nothing has no interval.
    half = "" if found.half != found.half else f" +- {found.half:.2f}"
    return f"{found.mean:{sign}.2f}{half}".rjust(width)
