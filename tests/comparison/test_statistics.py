"""Intervals and numbers of seeds, beside SciPy's tests and simulations."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_ban.comparison.statistics import estimate
from keras_ban.comparison.statistics import power
from keras_ban.comparison.statistics import seeds_needed
from keras_ban.comparison.statistics import share
from keras_ban.comparison.statistics import standard_error

DRAWS = 4000


def test_interval_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    for seeds in (2, 5, 30):
        one, other = rng.normal(40, 2, (2, seeds))
        found = estimate(one - other)
        expected = stats.ttest_rel(one, other).confidence_interval(0.95)
        np.testing.assert_allclose(
            [found.low, found.high], [expected.low, expected.high], rtol=1e-12
        )
        assert found.is_positive == (expected.low > 0)
        assert found.is_negative == (expected.high < 0)


def test_interval_by_hand():
    # Student's t of 0.975 and 4 degrees of freedom is 2.776 in his table.
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = estimate(values)
    assert found.mean == 3.0
    assert found.half == pytest.approx(2.776445 * math.sqrt(2.5 / 5), rel=1e-6)


# Errors of a data set of few examples are multiples of 1 / examples: here of
# so many standard deviations of what a seed changes.
@pytest.mark.parametrize("step", [0, 0.1, 0.5, 1.0])
def test_interval_covers_the_difference(step):
    rng = np.random.default_rng(1)
    truth = 0.3
    shared = rng.normal(40, 2, (DRAWS, 5))
    one, other = (
        shared + mean + rng.normal(0, 0.7, (DRAWS, 5)) for mean in (truth, 0)
    )
    if step:
        # Rounded at random to a neighbour, which keeps the mean.
        one, other = (
            step * np.floor(a / step + rng.random(a.shape))
            for a in (one, other)
        )
    found = [estimate(row) for row in one - other]
    covers = [not (e.low > truth or e.high < truth) for e in found]
    assert 0.92 <= np.mean(covers) <= 0.98


def test_equal_differences_have_no_interval():
    for values in ([0.0] * 5, [0.3] * 5, [0.1 + 0.2, 0.3]):
        found = estimate(values)
        assert math.isnan(found.half)
        assert not found.is_positive and not found.is_negative
        assert standard_error(values) == 0
        assert seeds_needed(values) is None


def test_a_share_ends_where_the_paired_t_test_tells():
    rng = np.random.default_rng(3)
    for seeds in (2, 5, 30):
        gains = rng.normal(4, 0.1 if seeds == 2 else 1, seeds)
        parts = 0.6 * gains + rng.normal(0, 0.3, seeds)
        found = share(parts, gains)
        assert found.mean == pytest.approx(parts.mean() / gains.mean())
        assert found.low < found.mean < found.high
        for end in (found.low, found.high):
            test = stats.ttest_1samp(parts - end * gains, 0)
            assert test.pvalue == pytest.approx(0.05)


def test_a_share_by_hand():
    # Means 3 and 10, of which the variances are 0.5 and 1.2 and the covariance
    # 0.5; the square of Student's t is that of 2.776, as above. The ends r are
    # where (3 - 10 r)² = t² (0.5 - 2 · 0.5 r + 1.2 r²).
    squared = 2.776445**2
    parts = [1.0, 2.0, 3.0, 4.0, 5.0]
    gains = [10 + 2 * k for k in (-1, -1, 0, 2, 0)]
    found = share(parts, gains)
    for r in (found.low, found.high):
        variance = 0.5 - r + 1.2 * r**2
        assert (3 - 10 * r) ** 2 == pytest.approx(squared * variance, rel=1e-6)
    assert found.mean == 0.3


@pytest.mark.parametrize("truth", [-0.2, 0.6, 1.3])
def test_a_share_is_covered(truth):
    rng = np.random.default_rng(4)
    gains = rng.normal(4, 1.5, (DRAWS, 5))
    parts = truth * 4 + 0.5 * (gains - 4) + rng.normal(0, 1, (DRAWS, 5))
    found = [share(*both) for both in zip(parts, gains, strict=True)]
    told = [s for s in found if s]
    assert len(told) > 0.9 * DRAWS
    covers = [s.low <= truth <= s.high for s in told]
    assert 0.93 <= np.mean(covers) <= 0.97


def test_a_share_of_nothing_that_is_told():
    rng = np.random.default_rng(5)
    parts = rng.normal(0, 1, 5)
    for mean in (-4.0, 0.0, 1.0):
        gains = mean + np.array([-1.5, -0.5, 0.0, 0.5, 1.5])
        assert share(parts, gains) is None
    # Without a spread nothing says how sure the gain is.
    assert share(parts, [4.0] * 5) is None


def test_equal_parts_have_no_interval():
    found = share([2.0] * 5, [3.0, 3.5, 4.0, 4.5, 5.0])
    assert found.mean == 0.5
    assert math.isnan(found.low) and math.isnan(found.high)
    assert str(found) == "0.50 (? to ?)"


@pytest.mark.parametrize(("effect", "seeds"), [(0.5, 5), (1.5, 5), (-0.3, 40)])
def test_power_is_that_of_simulated_tests(effect, seeds):
    rng = np.random.default_rng(2)
    draws = rng.normal(effect, 1, (DRAWS, seeds))
    found = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    margin = 3 * math.sqrt(0.25 / DRAWS)
    assert power(effect, seeds) == pytest.approx(found.mean(), abs=margin)


def test_power_is_a_number_for_any_effect():
    for effect in (0, 1e-6, 0.1, 1, 5, 28, 500):
        found = [power(effect, seeds) for seeds in (2, 3, 10, 100, 10_000)]
        assert all(0.0499 <= p <= 1 + 1e-9 for p in found)
        assert np.all(np.diff(found) >= -1e-9)


def test_seeds_needed_are_the_first_that_are_enough():
    for mean in (0.2, -0.7, 2.0):
        values = mean + np.array([-1.5, -0.5, 0.0, 0.2, 0.5, 1.3])
        effect = values.mean() / values.std(ddof=1)
        found = seeds_needed(values)
        assert power(effect, found) >= 0.8
        assert found == 2 or power(effect, found - 1) < 0.8
    # What G*Power gives for d = 0.5 of a paired test.
    values = 0.5 + np.array([-1.0, 1.0]) / math.sqrt(2)
    assert seeds_needed(values) == 34


def test_seeds_needed_may_be_too_many():
    assert seeds_needed([1.0, -1.0, 1e-4]) is None
