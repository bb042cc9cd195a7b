"""The table of the spoken digits, beside the published figures.

Intervals are of 95 %, Student's t; differences are paired by seed.
"""

import numpy as np

from keras_ban.comparison.statistics import estimate
from keras_ban.comparison.statistics import share

BASELINE = "one of the ensemble"
TWIN = "twin: labels, masked, longer"
HARD, SOFT = "few recordings, hard targets", "few recordings, soft targets"
# Of frames right and word errors, in percent: their Tables 1 and 5.
PUBLISHED = """\
Hinton et al. (2015), frames right / word errors: one network 58.9 / 10.9,
mean of ten 61.1 / 10.7, one distilled from it 60.8 / 10.7; with 3 % of the
data, frames right: hard targets 44.5, soft targets 57.0."""
_HEAD = (
    f"{'':<29}{'frames right':>12}{'to its twin':>13}"
    f"{'word errors':>12}{'in strings':>13}"
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
        f"{title}, {len(scores.seeds)} seeds, test recordings",
        "in percent, mean +- half of the 95 % interval",
        "",
        _HEAD,
    ]
    for name in scores.names:
        twin = scores.twin(name)
        row = [f"{name:<29}", _told(scores.of(name, "frames"), 12)]
        difference = None
        if twin:
            difference = scores.of(name, "frames") - scores.of(twin, "frames")
        row.append(_told(difference, 13, "+"))
        row.append(_told(scores.of(name, "digits"), 12))
        row.append(_told(scores.of(name, "strings"), 13))
        text.append("".join(row).rstrip())
    return "\n".join([*text, "", PUBLISHED, "", *kept(scores)])


def kept(scores):
    """What one distilled network keeps, in words.

    Its temperature is chosen on the validation recordings.
    """
    best = scores.best()
    if best is None:
        return []
    mean = scores.of(scores.mean, "frames")
    gains = {
        "one of its networks (Hinton: 0.86)": scores.of(BASELINE),
        "its twin": scores.of(TWIN),
    }
    return [
        f"To take, by the validation recordings: {best!r}. In frames it keeps",
        f"of what the {scores.mean} gains",
        *(
            f"- over {what}: "
            f"{share(scores.of(best) - below, mean - below) or '?'}"
            for what, below in gains.items()
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


def _told(values, width, sign=""):
    if values is None:
        return " " * width
    found = estimate(values)
    # A spread of nothing has no interval.
    half = "" if found.half != found.half else f" +- {found.half:.1f}"
    return f"{found.mean:{sign}.1f}{half}".rjust(width)
