"""What is drawn for each example: by its seed alone, by its distribution."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_ban.views import draws

ROWS = 50_000


def seeds(rows=ROWS, view=3, seed=7):
    numbers = tf.range(rows, dtype="int64")
    second = tf.fill([rows], tf.constant((seed << 24) + view, "int64"))
    return tf.stack([numbers, second], axis=1)


def uniforms(given=None, count=2):
    given = seeds() if given is None else given
    return draws.uniform(draws.bits(given, count)).numpy()


def test_the_generator_is_split_mix_64():
    # The first outputs of SplitMix64 from the state 1234567.
    state, expected = 1234567, [6457827717110365317, 3203168211198807973]
    step = 0x9E3779B97F4A7C15
    states = np.array([(state + k * step) % 2**64 for k in (1, 2)], "uint64")
    found = draws._mixed(tf.constant(states)).numpy()
    assert found.tolist() == expected


def test_an_example_draws_the_same_in_any_batch():
    whole = draws.bits(seeds(20), 5).numpy()
    some = np.array([17, 2, 9])
    part = draws.bits(tf.gather(seeds(20), some), 5).numpy()
    np.testing.assert_array_equal(part, whole[some])
    fewer = draws.bits(seeds(20), 3).numpy()
    np.testing.assert_array_equal(fewer, whole[:, :3])


def test_uniform_numbers_are_uniform_and_apart():
    one, two = uniforms().T
    others = [
        two,
        np.roll(one, 1),
        uniforms(seeds(view=4))[:, 0],
        uniforms(seeds(seed=8))[:, 0],
        uniforms(draws.fold(seeds(), 0))[:, 0],
        uniforms(draws.fold(seeds(), 1))[:, 0],
    ]
    assert 0 < one.min() and one.max() < 1
    for drawn in (one, *others):
        assert stats.kstest(drawn, "uniform").pvalue > 1e-4
    for other in others:
        # Standard deviation of a correlation of nothing: 0.0045.
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.02
        assert not np.array_equal(one, other)


@pytest.mark.parametrize("count", [1, 3, 1000])
def test_integers_are_equally_likely(count):
    drawn = draws.integers(draws.bits(seeds(), 1), count).numpy()[:, 0]
    assert drawn.min() == 0 and drawn.max() == count - 1
    if count > 1:
        counts = np.bincount(drawn, minlength=count)
        assert stats.chisquare(counts).pvalue > 1e-4


def test_normal_numbers_are_normal():
    drawn = draws.normal(draws.bits(seeds(), 1)).numpy()[:, 0]
    assert stats.kstest(drawn, "norm").pvalue > 1e-4


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.9, 1.0, 1.5, 8.0])
def test_shares_have_their_beta_distribution(alpha):
    drawn = draws.beta(seeds(), alpha).numpy()
    assert np.isfinite(drawn).all() and (drawn >= 0).all()
    # Where it is steep, float32 has many shares that are 0 or 1.
    inside = (drawn > 1e-6) & (drawn < 1 - 1e-6)
    law = stats.beta(alpha, alpha)
    expected = law.cdf(1 - 1e-6) - law.cdf(1e-6)
    assert inside.mean() == pytest.approx(expected, abs=0.01)
    low = law.cdf(1e-6)
    places = (law.cdf(drawn[inside].astype("float64")) - low) / expected
    assert stats.kstest(places, "uniform").pvalue > 1e-4
