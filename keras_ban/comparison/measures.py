"""What methods are judged by, as the error and the NLL. Lower is better."""

from typing import NamedTuple

from keras_ban.comparison.table import decimals
from keras_ban.comparison.table import plus_minus
from keras_ban.tasks import scores


class Measure(NamedTuple):
    """A score of networks, and how differences of it are told.

    Attributes:
        name: What rows call it.
        title: What texts call it.
        scale: By what it is multiplied where it is shown.
        digits: How many decimals are shown; `None` for three digits of what
            has the unit of the labels.
        verb: What a network does that has it.
        less: What follows the amount of a difference below 0.
        more: What follows that of one above 0.
        unit: What it is shown in.
        difference_unit: What differences are shown in.
    """

    name: str
    title: str
    scale: int
    digits: int | None
    verb: str
    less: str
    more: str
    unit: str
    difference_unit: str

    def amount(self, found):
        """The `Estimate` of a difference, as "1.20 +-0.35 points less"."""
        mean, half = self.scale * abs(found.mean), self.scale * found.half
        text = plus_minus(mean, half, decimals(mean, self.digits))
        return f"{text} {self.more if found.mean > 0 else self.less}"


ERROR = Measure(
    name="error",
    title="error",
    scale=100,
    digits=2,
    verb="errs",
    less="points less",
    more="points more",
    unit="%",
    difference_unit="points of error",
)
NLL = Measure(
    name="nll",
    title="NLL",
    scale=1,
    digits=3,
    verb="has an NLL",
    less="lower",
    more="higher",
    unit="nats",
    difference_unit="nats",
)
RMSE = Measure(
    name="rmse",
    title="RMSE",
    scale=1,
    digits=None,
    verb="has an RMSE",
    less="lower",
    more="higher",
    unit="unit of the labels",
    difference_unit="unit of the labels",
)
MAE = RMSE._replace(name="mae", title="MAE", verb="has an MAE")
LOSS = NLL._replace(name="loss", title="loss", verb="has a loss", unit="")
_KNOWN = {one.name: one for one in (ERROR, NLL, RMSE, MAE, LOSS)}


def judged(names):
    """The `Measure`s that networks are judged by, the first most.

    Args:
        names: Names of the scores that there are.
    """
    return tuple(map(_known, scores.judged(names)))


def _known(name):
    """The `Measure` of a name, be it of one of several outputs."""
    if name in _KNOWN:
        return _KNOWN[name]
    output, _, score = name.rpartition("_")
    found = _KNOWN[score]
    return found._replace(
        name=name,
        title=f"{output} {found.title}",
        verb=f"{found.verb} in {output}",
    )


def measure(argument, name, known):
    """The `Measure` of a name.

    Args:
        argument: Which argument it was given as.
        name: Its name, or `None` for the first.
        known: The `Measure`s that there are.

    Raises:
        ValueError: If it is none of these.
    """
    if name is None:
        return known[0]
    for one in known:
        if one.name == name:
            return one
    names = " or ".join(repr(one.name) for one in known)
    raise ValueError(
        f"Invalid value for argument `{argument}`. Expected {names}. "
        f"Received: {name!r}"
    )
