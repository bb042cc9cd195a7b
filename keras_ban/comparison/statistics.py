"""What a few seeds tell: intervals, and how many seeds it would take.

Sources: Student, "The Probable Error of a Mean", 1908; Fieller, "Some Problems
in Interval Estimation", 1954; Cohen, "Statistical Power Analysis for the
Behavioral Sciences", 1988, Chapter 2.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95
POWER = 0.8
# Who needs more seeds than these will not train them.
MOST_SEEDS = 10_000


class Estimate(NamedTuple):
    """A mean over seeds.

    Attributes:
        mean: The mean.
        half: Half of the width of its 95 % interval; NaN if the values are
            all the same, as their spread then says only how coarse they are.
    """

    mean: float
    half: float

    @property
    def low(self):
        """The lower end of the interval."""
        return self.mean - self.half

    @property
    def high(self):
        """The upper end of the interval."""
        return self.mean + self.half

    @property
    def is_negative(self):
        """Whether the whole interval lies below 0."""
        return self.high < 0

    @property
    def is_positive(self):
        """Whether the whole interval lies above 0."""
        return self.low > 0


class Share(NamedTuple):
    """A part of a gain, of means over seeds.

    Attributes:
        mean: The mean of the parts in that of the gains.
        low: The lower end of its 95 % interval; NaN if the parts are all the
            same, as their spread then says only how coarse they are.
        high: The upper end.
    """

    mean: float
    low: float
    high: float

    def __str__(self):
        """In ASCII, as "0.62 (0.40 to 0.85)"."""
        ends = ["?" if e != e else f"{e:.2f}" for e in (self.low, self.high)]
        return f"{self.mean:.2f} ({ends[0]} to {ends[1]})"


def estimate(values):
    """The mean of values, with its interval.

    The values are taken as draws of a normal distribution. To compare two
    methods, give the differences of their values within each seed: that is
    the interval of the paired t test.

    Args:
        values: Array of shape `(seeds,)`, at least two.

    Returns:
        An `Estimate`.
    """
    error = standard_error(values)
    quantile = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)
    half = quantile * error if error > 0 else math.nan
    return Estimate(float(np.mean(values)), float(half))


def standard_error(values):
    """The standard error of a mean; 0 if the values differ by rounding alone.

    Args:
        values: Array of shape `(seeds,)`, at least two.
    """
    values = np.asarray(values, "float64")
    if np.ptp(values) <= 1e-12 * max(1.0, np.abs(values).max()):
        return 0.0
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def share(parts, gains):
    """How large a mean is in another one, with its interval.

    The interval has each number r for which the paired t test does not tell
    the mean of `parts - r * gains` from 0 (Fieller, 1954). It is longer on the
    side that is less certain. It has two ends only where the mean of the gains
    is told from 0.

    Args:
        parts: Array of shape `(seeds,)`, at least two.
        gains: Array of shape `(seeds,)`.

    Returns:
        A `Share`; `None` where the gain is not told to be above 0.
    """
    part, gain = estimate(parts), estimate(gains)
    if not gain.is_positive:
        return None
    mean = part.mean / gain.mean
    if part.half != part.half:
        return Share(mean, math.nan, math.nan)
    # As in Fieller's equation, a quadratic one for r.
    both = np.corrcoef(parts, gains)[0, 1] * part.half * gain.half
    square = gain.mean**2 - gain.half**2
    linear = part.mean * gain.mean - both
    constant = part.mean**2 - part.half**2
    root = math.sqrt(max(0.0, linear**2 - square * constant))
    low, high = (linear - root) / square, (linear + root) / square
    return Share(mean, float(low), float(high))


def power(effect, seeds):
    """How often a paired t test finds a difference that is there.

    Args:
        effect: The true mean of the differences, in their standard deviation.
        seeds: Number of differences, at least two.

    Returns:
        A probability, from a test of both sides at the level of 5 %.
    """
    critical = stats.t.ppf((1 + LEVEL) / 2, seeds - 1)
    shift = abs(effect) * math.sqrt(seeds)
    distribution = stats.nct(seeds - 1, shift)
    # Far from 0 SciPy has no number for the tail of the wrong sign.
    wrong = np.nan_to_num(distribution.cdf(-critical))
    return float(distribution.sf(critical) + wrong)


def seeds_needed(differences):
    """How many seeds would show the difference that was observed.

    Args:
        differences: Array of shape `(seeds,)`, at least two.

    Returns:
        The least number of seeds with which a paired t test finds a
        difference of this mean and spread in 80 % of all cases; `None` if it
        is more than 10,000, or if the differences are all the same.
    """
    error = standard_error(differences)
    if not error:
        return None
    effect = np.mean(differences) / (error * math.sqrt(len(differences)))
    if power(effect, MOST_SEEDS) < POWER:
        return None
    low, high = 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        if power(effect, middle) < POWER:
            low = middle
        else:
            high = middle
    return high
