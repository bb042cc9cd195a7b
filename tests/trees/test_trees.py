"""Born-again trees: what they recover, are and say."""

import numpy as np
import pytest
from forests import FOREST
from forests import LABELS
from forests import VALUE_FOREST
from forests import VALUES
from forests import X
from forests import classifier
from forests import regressor
from matplotlib import figure
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matrices import pairs
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree import export_text
from sklearn.tree import plot_tree
from sklearn.utils.estimator_checks import parametrize_with_checks

from keras_ban.trees import BornAgainTreeClassifier
from keras_ban.trees import BornAgainTreeRegressor
from keras_ban.trees import smear


@parametrize_with_checks(
    [
        BornAgainTreeClassifier(
            DecisionTreeClassifier(random_state=0), max_samples=2000
        ),
        BornAgainTreeRegressor(
            DecisionTreeRegressor(random_state=0), max_samples=2000
        ),
    ]
)
def test_scikit_learn_accepts_them(estimator, check):
    check(estimator)


@pytest.mark.parametrize("leaves, p_alter", pairs([4, 60], ["auto", 0.5]))
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
