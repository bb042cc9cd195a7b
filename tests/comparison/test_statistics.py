"""Intervals and numbers of seeds, beside SciPy's tests and simulations."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_ban.comparison.statistics import estimate
from keras_ban.comparison.statistics import power
from keras_ban.comparison.statistics import seeds_needed
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
