"""Born-again trees: whom they learn from, what they are, what they say."""

import builtins
import importlib
import json
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from matplotlib import figure
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_friedman1
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree import export_text
from sklearn.tree import plot_tree
from sklearn.utils.estimator_checks import parametrize_with_checks

import keras_ban
from keras_ban.trees import BornAgainTreeClassifier
from keras_ban.trees import BornAgainTreeRegressor
from keras_ban.trees import smear

X, VALUES = make_friedman1(400, n_features=6, noise=0.5, random_state=0)
LABELS = np.array(["low", "mid", "top"])[np.digitize(VALUES, [12, 17])]
FOREST = RandomForestClassifier(30, random_state=0).fit(X, LABELS)
VALUE_FOREST = RandomForestRegressor(30, random_state=0).fit(X, VALUES)


def classifier(teacher=None, **options):
    options = {"max_samples": 10_000, "random_state": 0, **options}
    return BornAgainTreeClassifier(teacher, **options)


def regressor(teacher=None, **options):
    options = {"max_samples": 10_000, "random_state": 0, **options}
    return BornAgainTreeRegressor(teacher, **options)


@parametrize_with_checks(
    [
        BornAgainTreeClassifier(max_samples=2000),
        BornAgainTreeRegressor(max_samples=2000),
    ]
)
def test_scikit_learn_accepts_them(estimator, check):
    check(estimator)


@pytest.mark.parametrize("leaves", [4, 60])
@pytest.mark.parametrize("p_alter", ["auto", 0.5])
def test_a_tree_is_recovered(leaves, p_alter):
    teacher = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=1)
    teacher.fit(X, LABELS)
    found = classifier(teacher, p_alter=p_alter, max_samples=60_000).fit(X)
    assert min(found.fidelity_.values()) >= 0.99
    rows = smear(X, 20_000, found.p_alter_, random_state=99)
    agreed = found.predict(rows) == teacher.predict(rows)
    assert np.mean(agreed) >= 0.99
    # Pruning gives back the rows that a tree does not need.
    assert found.get_n_leaves() <= 12 * leaves


def test_a_tree_of_values_is_recovered():
    teacher = DecisionTreeRegressor(max_leaf_nodes=40, random_state=1)
    teacher.fit(X, VALUES)
    found = regressor(teacher, max_samples=60_000).fit(X)
    assert min(found.fidelity_.values()) >= 0.99


@pytest.mark.parametrize(
    ("make", "teacher"),
    [(classifier, FOREST), (regressor, VALUE_FOREST)],
    ids=["classes", "values"],
)
class TestBoth:
    def test_a_fitted_teacher_is_used_as_it_is_without_labels(
        self, make, teacher
    ):
        before = teacher.estimators_[0]
        found = make(teacher).fit(X)
        assert found.teacher_ is teacher
        assert teacher.estimators_[0] is before
        assert found.fidelity_.real > 0.7

    def test_a_teacher_that_is_not_fitted_is_cloned_and_fitted(
        self, make, teacher
    ):
        fresh = clone(teacher)
        y = LABELS if make is classifier else VALUES
        found = make(fresh).fit(X, y)
        assert not hasattr(fresh, "estimators_")
        np.testing.assert_array_equal(
            found.teacher_.predict(X), teacher.predict(X)
        )
        # The same rows and labels, the same tree.
        other = make(teacher).fit(X)
        np.testing.assert_array_equal(found.tree_.value, other.tree_.value)

    def test_it_is_an_ordinary_tree(self, make, teacher):
        found = make(teacher, max_leaf_nodes=8).fit(X)
        assert isinstance(
            found, (DecisionTreeClassifier, DecisionTreeRegressor)
        )
        text = export_text(found)
        assert text.count("class:") + text.count("value:") == 8
        picture = figure.Figure()
        FigureCanvasAgg(picture)
        shown = plot_tree(found, ax=picture.subplots())
        assert len(shown) >= found.tree_.node_count == 15
        leaves = found.apply(X)
        assert set(leaves) <= set(np.flatnonzero(found.tree_.feature < 0))
        assert found.decision_path(X)[np.arange(len(X)), leaves].all()
        assert found.get_depth() == found.tree_.max_depth
        assert found.feature_importances_.sum() == pytest.approx(1)
        at_root = found.tree_.impurity[0]
        assert at_root > found.tree_.impurity[found.tree_.feature < 0].max()

    def test_the_seed_decides(self, make, teacher):
        one, again = (make(teacher, random_state=3).fit(X) for _ in range(2))
        other = make(teacher, random_state=4).fit(X)
        np.testing.assert_array_equal(one.tree_.value, again.tree_.value)
        np.testing.assert_array_equal(one.predict(X), again.predict(X))
        assert not np.array_equal(one.tree_.threshold, other.tree_.threshold)

    def test_fewer_leaves_are_less_faithful(self, make, teacher):
        whole = make(teacher).fit(X)
        half, few, pair = map(whole.pruned, (whole.get_n_leaves() // 2, 12, 2))
        assert half.get_n_leaves() <= whole.get_n_leaves() // 2
        assert few.get_n_leaves() in (11, 12)
        assert pair.get_n_leaves() == 2
        for kind in ("fresh", "real"):
            found = [t.fidelity_[kind] for t in (whole, half, few, pair)]
            # On rows that were not grown on, half as many may do as well.
            assert found[0] > found[1] - 0.02
            assert found[1:] == sorted(found[1:], reverse=True)
        assert whole.get_n_leaves() > 100
        assert clone(few).max_leaf_nodes == 12
        with pytest.raises(ValueError, match=r"`max_leaf_nodes`.*at least 2"):
            whole.pruned(1)

    def test_a_budget_is_kept(self, make, teacher):
        for leaves in (2, 25):
            found = make(teacher, max_leaf_nodes=leaves).fit(X)
            assert 2 <= found.get_n_leaves() <= leaves

    def test_the_report_shows_leaves_against_accuracy(self, make, teacher):
        found = make(teacher).fit(X)
        plain = found.report()
        leaves = [row["leaves"] for row in plain]
        assert leaves[0] == found.get_n_leaves() and leaves[-1] == 2
        assert leaves == sorted(set(leaves), reverse=True)
        assert plain[0]["fidelity"] == found.fidelity_.fresh
        assert plain[0]["real_fidelity"] == found.fidelity_.real
        y = LABELS if make is classifier else VALUES
        table = found.report(X, y)
        name = "accuracy" if make is classifier else "r2"
        assert table[0][name] == found.score(X, y)
        assert table[-1][name] == found.pruned(2).score(X, y)
        assert "leaves" in str(table) and "fidelity %" in str(table)

    def test_the_teacher_never_labels_many_rows_at_once(self, make, teacher):
        sizes = []

        def counted(rows):
            sizes.append(len(rows))
            if make is regressor:
                return rows[:, 0]
            return (rows[:, 0] > 0.5).astype(float)

        many = np.random.default_rng(0).uniform(size=(30_000, 2))
        found = make(counted, max_samples=40_000).fit(many)
        assert max(sizes) <= 16_384
        # The real rows once, and a few to try the teacher.
        real = sum(sizes) - found.n_samples_ - len(many)
        assert 0 < real <= 16
        assert found.n_samples_ <= 40_000
        assert found.fidelity_.real > 0.98


def test_fidelity_is_the_agreement_on_rows():
    found = classifier(FOREST, max_leaf_nodes=20).fit(X)
    agreed = np.mean(found.predict(X) == FOREST.predict(X))
    assert found.fidelity_.real == pytest.approx(agreed, abs=1e-12)
    rows = smear(X, 50_000, found.p_alter_, random_state=5)
    agreed = np.mean(found.predict(rows) == FOREST.predict(rows))
    assert found.fidelity_.fresh == pytest.approx(agreed, abs=0.06)


def test_fidelity_of_values_is_the_variance_explained():
    found = regressor(VALUE_FOREST, max_leaf_nodes=20).fit(X)
    taught = VALUE_FOREST.predict(X)
    left = np.square(taught - found.predict(X)).sum()
    expected = 1 - left / np.square(taught - taught.mean()).sum()
    assert found.fidelity_.real == pytest.approx(expected, abs=1e-9)


def test_leaves_hold_the_mean_of_the_teachers_probabilities():
    drawn = []

    def teacher(rows):
        p = FOREST.predict_proba(rows)
        drawn.append((rows.copy(), p))
        return p

    found = classifier(teacher, p_alter=0.5, max_samples=3000).fit(X)
    # After a try on real rows come all of these, then 300 that are held out,
    # then those that the tree is grown on.
    rows, p = (np.concatenate(parts[3:]) for parts in zip(*drawn, strict=True))
    assert len(rows) == 2700
    leaves = found.apply(rows)
    for leaf in np.unique(leaves):
        expected = p[leaves == leaf].mean(0)
        value = found.tree_.value[leaf, 0]
        np.testing.assert_allclose(value, expected, atol=1e-12)
        gini = 1 - np.square(expected).sum()
        assert found.tree_.impurity[leaf] == pytest.approx(gini)
    shown = found.predict_proba(rows)
    np.testing.assert_allclose(shown, found.tree_.value[leaves, 0])
    assert set(np.unique(shown.max(1).round(3)).tolist()) - {0.0, 1.0}


def test_soft_targets_say_more_than_votes():
    x = np.random.default_rng(0).uniform(size=(300, 1))

    def unsure(rows):
        return 0.6 + 0.3 * (rows[:, 0] > 0.4)

    found = classifier(unsure, p_alter=1.0).fit(x)
    # All votes are for class 1, so only probabilities tell the halves apart.
    assert set(found.predict(x)) == {1}
    expected = unsure(x)
    np.testing.assert_allclose(found.predict_proba(x)[:, 1], expected)
    assert found.get_n_leaves() == 2


@pytest.mark.parametrize(
    "ending", ["logits", "softmax", "sigmoid", "one logit"]
)
def test_keras_classifiers(ending):
    keras.utils.set_random_seed(0)
    outputs = {"logits": 3, "softmax": 3}.get(ending, 1)
    activation = ending if ending in ("softmax", "sigmoid") else None
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(outputs, activation=activation),
        ]
    )
    weights = [w.copy() for w in model.get_weights()]
    found = classifier(model).fit(X)
    z = np.asarray(model(X.astype("float32")))
    if ending == "one logit":
        classes = (z[:, 0] > 0).astype(int)
    elif ending == "sigmoid":
        classes = (z[:, 0] > 0.5).astype(int)
    else:
        classes = z.argmax(1)
    assert np.mean(found.predict(X) == classes) > 0.85
    assert found.classes_.tolist() == list(range(max(outputs, 2)))
    for one, other in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_ensemble_of_generations_and_the_names_of_its_classes():
    def network():
        model = keras.Sequential(
            [
                keras.Input((6,)),
                keras.layers.Dense(16, activation="relu"),
                keras.layers.Dense(3),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss)
        return model

    numbers = np.unique(LABELS, return_inverse=True)[1]
    ban = keras_ban.BornAgain(network)
    lineage = ban.fit(X, numbers, generations=1, epochs=2, verbose=0)
    bane = lineage.ensemble()
    found = classifier(bane).fit(X, LABELS)
    assert found.classes_.tolist() == ["low", "mid", "top"]
    expected = np.unique(LABELS)[bane.predict(X, verbose=0).argmax(1)]
    assert np.mean(found.predict(X) == expected) > 0.8


def test_teachers_of_other_kinds():
    def probability(rows):
        return 1 / (1 + np.exp(-20 * (rows[:, 0] - 0.5)))

    found = classifier(probability).fit(X)
    assert np.mean(found.predict(X) == (X[:, 0] > 0.5)) > 0.97
    # Votes alone, and classes that are words.
    votes = LinearSVC(random_state=0).fit(X, LABELS)
    found = classifier(votes).fit(X)
    assert found.fidelity_.real > 0.75
    assert set(found.predict(X)) <= {"low", "mid", "top"}
    # Without a teacher: a random forest.
    assert isinstance(
        classifier().fit(X, LABELS).teacher_, RandomForestClassifier
    )
    assert isinstance(
        regressor().fit(X, VALUES).teacher_, RandomForestRegressor
    )
    # Another born-again tree.
    again = classifier(found.pruned(10)).fit(X)
    assert again.fidelity_.real >= 0.99


def test_keras_regressors_and_several_values():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    found = regressor(model).fit(X)
    taught = model.predict(X, verbose=0)
    assert found.predict(X).shape == taught.shape == (400, 2)
    assert found.fidelity_.real > 0.7
    both = LinearRegression().fit(X, np.stack([VALUES, -VALUES]).T)
    found = regressor(both).fit(X)
    one, other = found.predict(X).T
    np.testing.assert_allclose(one, -other, atol=1e-9)
    assert regressor(lambda rows: rows[:, 0]).fit(X).predict(X).shape == (400,)


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


def test_a_fit_that_fails_leaves_no_tree_of_other_columns():
    found = classifier(FOREST).fit(X)
    with pytest.raises(ValueError, match="does not fit the columns"):
        found.fit(X[:, :3])
    with pytest.raises(NotFittedError):
        found.predict(X[:, :3])


def test_a_teacher_that_changes_its_mind_is_refused():
    widths = iter([2, 2, 3, 3, 3])
    with pytest.raises(ValueError, match=r"always.*Expected 2 values.*: 3"):
        regressor(lambda rows: np.ones((len(rows), next(widths)))).fit(X)


def test_a_report_needs_rows_and_labels():
    found = regressor(lambda rows: rows[:, 0]).fit(X)
    with pytest.raises(ValueError, match=r"both `X` and `y`, or none"):
        found.report(X)
    assert json.dumps(found.report())


def test_networks_take_no_missing_values():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"network.*missing values.*Fill"):
        classifier(model).fit(HOLES)


def test_columns_that_never_change():
    constant = np.ones((50, 3))
    found = classifier(lambda rows: np.full(len(rows), 0.7)).fit(constant)
    assert found.get_n_leaves() == 1
    assert found.fidelity_ == {"fresh": 1.0, "real": 1.0}
    assert len(found.report()) == 1
    values = regressor(lambda rows: np.full(len(rows), 3.0)).fit(constant)
    assert values.predict(constant).tolist() == [3.0] * 50
    assert values.fidelity_.real == 1.0


class Numb(LogisticRegression):
    def predict_proba(self, X):
        return np.full((len(X), 3), np.nan)


class Network(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3, activation="softmax")

    def call(self, x):
        return self.dense(x)


HOLES = np.where(np.arange(6) == 2, np.nan, X)


@pytest.mark.parametrize(
    ("teacher", "fit", "error", "words"),
    [
        (
            RandomForestClassifier(),
            {},
            ValueError,
            r"RandomForestClassifier is not fitted.*y.*Give `fit\(X, y\)`",
        ),
        (None, {}, ValueError, "RandomForestClassifier is not fitted"),
        (RandomForestClassifier, {}, TypeError, "Received: the class Random"),
        (3, {}, TypeError, "`teacher`.*estimator, a Keras model.*Received: 3"),
        (VALUE_FOREST, {}, ValueError, "is a regressor.*Expected a classifier"),
        (
            FOREST,
            {"X": X[:, :4]},
            ValueError,
            "Expected 6 columns.*Received: 4",
        ),
        (
            FOREST,
            {"y": np.where(LABELS == "mid", "odd", LABELS)},
            ValueError,
            r"all classes of `y`.*\['low', 'mid', 'top'\].*'odd'",
        ),
        (
            lambda rows: np.full((len(rows), 2), 0.5),
            {"y": np.arange(400) % 3},
            ValueError,
            r"all classes of `y`.*\[0, 1\].*\[0, 1, 2\]",
        ),
        (FOREST, {"X": X[:1]}, ValueError, "minimum of 2 is required"),
        (
            LogisticRegression(max_iter=1000).fit(X, LABELS),
            {"X": HOLES},
            ValueError,
            "cannot predict on `X`.*6 columns, with missing.*contains NaN",
        ),
        (
            Numb(max_iter=1000).fit(X, LABELS),
            {},
            ValueError,
            "finite probabilities.*NaN or infinity",
        ),
        (
            lambda rows: rows[:, :3],
            {},
            ValueError,
            "sum to 1 in each row.*logits, give a function",
        ),
        (
            lambda rows: np.ones(3),
            {},
            ValueError,
            r"one row of probabilities for each row.*\(3, 1\) for 8",
        ),
        (
            lambda: 1,
            {},
            ValueError,
            "cannot predict on `X`.*takes 0 positional",
        ),
        (Network(), {"X": X}, ValueError, "Cannot tell for certain"),
        (FOREST, {"X": np.where(X > 0.9, np.inf, X)}, ValueError, "infinity"),
        (
            RandomForestClassifier(),
            {"y": VALUES},
            ValueError,
            "Unknown label type: continuous",
        ),
        (
            RandomForestClassifier(),
            {"y": LABELS[:9]},
            ValueError,
            "inconsistent",
        ),
    ],
)
def test_bad_teachers_and_rows(teacher, fit, error, words):
    with pytest.raises(error, match=words):
        classifier(teacher).fit(**{"X": X} | fit)


def test_columns_of_other_names():
    names = [f"c{k}" for k in range(6)]
    frame = pd.DataFrame(X, columns=names)
    teacher = RandomForestClassifier(5).fit(frame, LABELS)
    assert classifier(teacher).fit(frame).feature_names_in_.tolist() == names
    with pytest.raises(ValueError, match=r"does not fit the columns.*c0.*c5"):
        classifier(teacher).fit(frame[names[::-1]])


def test_a_classifier_teaches_no_values():
    with pytest.raises(ValueError, match=r"is a classifier.*regressor"):
        regressor(FOREST).fit(X)
    with pytest.raises(ValueError, match="finite values"):
        regressor(lambda rows: np.full(len(rows), np.inf)).fit(X)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"p_alter": 0}, "`p_alter`.*above 0, 1 at most.*Received: 0"),
        ({"p_alter": 1.5}, "`p_alter`.*Received: 1.5"),
        ({"p_alter": "some"}, "`p_alter`.*Received: 'some'"),
        ({"max_samples": 10}, "`max_samples`.*at least 100.*Received: 10"),
        ({"max_samples": 1e6}, "`max_samples`.*Received: 1000000.0"),
        ({"max_leaf_nodes": 1}, "`max_leaf_nodes`.*at least 2"),
        ({"min_samples_leaf": 0}, "`min_samples_leaf`.*at least 1"),
        ({"tol": -1}, "`tol`.*not negative"),
    ],
    ids=str,
)
def test_bad_options(options, words):
    def never(rows):
        raise AssertionError("The teacher was asked.")

    with pytest.raises(ValueError, match=words):
        classifier(never, **options).fit(X)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == "sklearn":
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest, **options)

    for name in [n for n in sys.modules if n.startswith("keras_ban.trees")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"keras_ban\[trees\]"):
        importlib.import_module("keras_ban.trees")
    with pytest.raises(AttributeError, match="no attribute 'forests'"):
        _ = keras_ban.forests
