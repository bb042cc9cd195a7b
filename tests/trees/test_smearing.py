"""Smeared rows: each column's distribution, and what columns have in common."""

import numpy as np
import pandas as pd
import pytest

from keras_ban.trees import smear

RNG = np.random.default_rng(0)
ROWS = 200_000


def shares(column):
    values, counts = np.unique(column, return_counts=True)
    return dict(zip(values.tolist(), counts / len(column), strict=True))


@pytest.mark.parametrize("p_alter", [0.1, 0.5, 1.0])
def test_columns_keep_their_distributions(p_alter):
    X = np.stack(
        [RNG.integers(0, 4, 300), RNG.geometric(0.4, 300), RNG.normal(size=300)]
    ).T
    drawn = smear(X, ROWS, p_alter, random_state=1)
    assert drawn.shape == (ROWS, 3)
    for real, synthetic in zip(X.T, drawn.T, strict=True):
        expected, found = shares(real), shares(synthetic)
        assert found.keys() <= expected.keys()
        for value, share in expected.items():
            error = np.sqrt(share * (1 - share) / ROWS)
            assert found.get(value, 0) == pytest.approx(share, abs=5 * error)


@pytest.mark.parametrize("p_alter", [0.1, 0.25, 0.5, 0.75, 1.0])
def test_what_columns_have_in_common_is_broken_as_p_alter_says(p_alter):
    x = RNG.normal(size=1000)
    drawn = smear(np.stack([x, x, -x]).T, ROWS, p_alter, random_state=2)
    found = np.corrcoef(drawn.T)
    kept = (1 - p_alter) ** 2
    assert found[0, 1] == pytest.approx(kept, abs=0.015)
    assert found[0, 2] == pytest.approx(-kept, abs=0.015)
    # Two values of the same row stay together with that probability, or by
    # chance, as do all three.
    together = np.mean(drawn[:, 0] == drawn[:, 1])
    assert together == pytest.approx(kept, abs=0.01)
    all_three = (drawn[:, 0] == drawn[:, 1]) & (drawn[:, 0] == -drawn[:, 2])
    assert np.mean(all_three) == pytest.approx((1 - p_alter) ** 3, abs=0.01)


def test_a_replaced_value_comes_from_another_row_each_time():
    # With all replaced, a pair of neighbours is as likely as any other pair.
    x = np.arange(20)
    drawn = smear(np.stack([x, x]).T, ROWS, 1.0, random_state=3)
    counts = np.zeros((20, 20))
    np.add.at(counts, tuple(drawn.T), 1)
    assert abs(counts - 500).max() < 5 * np.sqrt(500)


def test_a_seed_repeats_the_rows():
    X = RNG.normal(size=(50, 4))
    one, again, other = (smear(X, 100, 0.5, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    generator = np.random.default_rng(7)
    np.testing.assert_array_equal(smear(X, 100, 0.5, generator), one)
    assert not np.array_equal(smear(X, 100, 0.5, generator), one)


@pytest.mark.parametrize(
    "X",
    [
        RNG.integers(0, 5, (30, 2)),
        RNG.integers(0, 2, (30, 2)).astype(bool),
        RNG.normal(size=(30, 2)).astype("float32"),
        np.array([["a", "b"], ["c", "d"]], dtype=object),
    ],
    ids=lambda X: str(X.dtype),
)
def test_values_keep_their_type(X):
    drawn = smear(X, 200, 0.5, random_state=0)
    assert drawn.dtype == X.dtype
    for real, synthetic in zip(X.T, drawn.T, strict=True):
        assert set(synthetic.tolist()) <= set(real.tolist())


def test_missing_values_are_values():
    X = np.where(RNG.random((1000, 2)) < [0.3, 0.0], np.nan, 1.0)
    drawn = smear(X, ROWS, 0.5, random_state=0)
    expected = np.isnan(X).mean(0)
    np.testing.assert_allclose(np.isnan(drawn).mean(0), expected, atol=0.01)


def test_frames_keep_columns_and_types():
    frame = pd.DataFrame(
        {
            "age": RNG.integers(20, 60, 40),
            "job": RNG.choice(["baker", "pilot"], 40),
            "size": pd.Categorical(
                RNG.choice(["S", "M"], 40), categories=["S", "M", "L"]
            ),
            7: np.where(RNG.random(40) < 0.5, np.nan, 0.5),
        },
        index=np.arange(100, 140),
    )
    drawn = smear(frame, 500, 0.5, random_state=0)
    assert list(drawn.columns) == list(frame.columns)
    assert (drawn.dtypes == frame.dtypes).all()
    assert drawn.index.tolist() == list(range(500))
    values = smear(frame.to_numpy(), 500, 0.5, random_state=0)
    pd.testing.assert_frame_equal(
        drawn, pd.DataFrame(values, columns=frame.columns).astype(frame.dtypes)
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"p_alter": 0}, "`p_alter`.*above 0, 1 at most.*Received: 0"),
        ({"p_alter": 1.01}, "`p_alter`.*Received: 1.01"),
        ({"p_alter": "half"}, "`p_alter`.*Received: 'half'"),
        ({"p_alter": float("nan")}, "`p_alter`.*nan"),
        ({"n_samples": 0}, "`n_samples`.*at least 1.*Received: 0"),
        ({"X": np.zeros((0, 3))}, r"nothing to smear.*\(0, 3\)"),
        ({"X": np.zeros(3)}, r"nothing to smear.*\(3,\)"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        smear(**{"X": np.zeros((5, 2)), "n_samples": 3} | arguments)
