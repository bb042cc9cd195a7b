"""What methods are judged by: the error, and the NLL. Lower is better."""

from typing import NamedTuple

from keras_ban.comparison.table import plus_minus


class Measure(NamedTuple):
    """A score of networks, and how differences of it are told.

    Attributes:
        name: What rows call it.
        title: What texts call it.
        scale: By what it is multiplied where it is shown.
        digits: How many decimals are shown.
        verb: What a network does that has it.
        less: What follows the amount of a difference below 0.
        more: What follows that of one above 0.
        unit: What it is shown in.
        difference_unit: What differences are shown in.
    """

    name: str
    title: str
    scale: int
    digits: int
    verb: str
    less: str
    more: str
    unit: str
    difference_unit: str

    def amount(self, found):
        """The `Estimate` of a difference, as "1.20 +-0.35 points less"."""
        mean, half = self.scale * abs(found.mean), self.scale * found.half
        text = plus_minus(mean, half, self.digits)
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
JUDGED = (ERROR, NLL)


def measure(argument, name):
    """The `Measure` of a name.

    Args:
        argument: Which argument it was given as.
        name: "error" or "nll".

    Raises:
        ValueError: If it is none of these.
    """
    known = {one.name: one for one in JUDGED}
    if isinstance(name, str) and name in known:
        return known[name]
    raise ValueError(
        f"Invalid value for argument `{argument}`. Expected 'error' or 'nll'. "
        f"Received: {name!r}"
    )
