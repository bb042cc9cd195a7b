"""Columns of all kinds that born-again trees split on."""

import numpy as np
import pandas as pd
import pytest
from forests import LABELS
from forests import VALUES
from forests import X
from forests import classifier
from forests import regressor
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import export_text


def test_missing_values():
    holes = X.copy()
    holes[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    teacher = HistGradientBoostingClassifier(max_iter=10).fit(holes, LABELS)
    found = classifier(teacher, max_samples=30_000).fit(holes)
    assert found.fidelity_.real > 0.7
    # A tree that asks whether a value is missing.
    asks = classifier(lambda rows: np.isnan(rows[:, 2]).astype(float))
    asks.fit(holes)
    expected = np.isnan(holes[:, 2])
    np.testing.assert_array_equal(asks.predict(holes), expected)
    values = HistGradientBoostingRegressor(max_iter=10).fit(holes, VALUES)
    assert regressor(values).fit(holes).fidelity_.real > 0.6


def test_whole_numbers_stay_whole_for_the_teacher():
    rng = np.random.default_rng(0)
    whole = np.stack([rng.integers(0, 4, 300), 10 * rng.integers(1, 9, 300)]).T

    def teacher(rows):
        assert rows.dtype == whole.dtype
        assert set(np.unique(rows[:, 0])) <= {0, 1, 2, 3}
        assert not (rows[:, 1] % 10).any()
        return (rows[:, 0] == 2).astype(float)

    found = classifier(teacher).fit(whole)
    np.testing.assert_array_equal(found.predict(whole), whole[:, 0] == 2)


def test_frames_with_columns_that_are_no_numbers():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 60, 400),
            "job": rng.choice(["baker", "pilot", "smith"], 400),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], 400)),
        }
    )
    y = ((frame["job"] == "pilot") & (frame["age"] > 40)).to_numpy()
    encoder = make_column_transformer(
        (OneHotEncoder(), ["job", "size"]), remainder="passthrough"
    )
    teacher = make_pipeline(encoder, LogisticRegression(max_iter=1000))
    found = classifier(teacher, max_samples=5000).fit(frame, y)
    assert found.fidelity_.real > 0.97
    assert list(found.categories_) == ["job", "size"]
    assert found.categories_["job"].tolist() == ["baker", "pilot", "smith"]
    assert "job <= 1.50" in export_text(
        found.pruned(8), feature_names=list(frame.columns)
    )
    shuffled = frame.sample(50, random_state=0)
    np.testing.assert_array_equal(
        found.predict(shuffled), found.predict(frame)[shuffled.index]
    )
    unseen = frame.assign(job="astronaut").astype({"size": object})
    assert found.predict_proba(unseen).shape == (400, 2)
    with pytest.raises(ValueError, match=r"\['job', 'size'\] are no numbers"):
        classifier().fit(frame, y)


def test_frames_of_objects_dates_and_gaps():
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(
        rng.integers(0, 900, 300), "D"
    )
    count = pd.array(rng.integers(0, 9, 300), "Int64")
    count[::7] = pd.NA
    frame = pd.DataFrame(
        {
            "size": rng.uniform(size=300).astype(object),
            "day": days,
            "count": count,
        }
    )

    def teacher(rows):
        late = rows["day"] > pd.Timestamp("2021-01-01")
        large = rows["size"].astype(float) > 0.3
        return (late & large & rows["count"].notna()).astype(float)

    found = classifier(teacher).fit(frame)
    assert found.categories_ == {}
    assert found.fidelity_.real > 0.98
    # Values that were never seen lie between those that were.
    new = frame.assign(
        size=frame["size"] + 1e-4, day=frame["day"] + pd.Timedelta("1h")
    )
    assert np.mean(found.predict(new) == teacher(new)) > 0.98


@pytest.mark.parametrize("offset", [0.0, 1e8, -1e9])
@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e10])
def test_values_far_from_zero_and_of_any_size(offset, scale):
    x = np.random.default_rng(0).normal(size=(300, 2))

    def values(rows):
        return scale * (offset + 3 * rows[:, 0] + rows[:, 1])

    found = regressor(values).fit(x)
    assert min(found.fidelity_.values()) > 0.97
    assert found.score(x, values(x)) > 0.97


def test_columns_that_never_change():
    constant = np.ones((50, 3))
    found = classifier(lambda rows: np.full(len(rows), 0.7)).fit(constant)
    assert found.get_n_leaves() == 1
    assert found.fidelity_ == {"fresh": 1.0, "real": 1.0}
    assert len(found.report()) == 1
    values = regressor(lambda rows: np.full(len(rows), 3.0)).fit(constant)
    assert values.predict(constant).tolist() == [3.0] * 50
    assert values.fidelity_.real == 1.0


def test_columns_of_other_names():
    names = [f"c{k}" for k in range(6)]
    frame = pd.DataFrame(X, columns=names)
    teacher = RandomForestClassifier(5).fit(frame, LABELS)
    assert classifier(teacher).fit(frame).feature_names_in_.tolist() == names
    with pytest.raises(ValueError, match=r"does not fit the columns.*c0.*c5"):
        classifier(teacher).fit(frame[names[::-1]])
