"""Pruning against scikit-learn's own, and against every subtree there is."""

import itertools

import numpy as np
import pytest
from sklearn.datasets import make_friedman1
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree import DecisionTreeRegressor

from keras_ban.trees.pruning import Pruner
from keras_ban.trees.pruning import leaves as leaves_of
from keras_ban.trees.pruning import subtree
from keras_ban.trees.pruning import sums

X, VALUES = make_friedman1(300, random_state=0)
LABELS = np.digitize(VALUES, [10, 15, 18])


def cost(tree):
    return tree.impurity * tree.weighted_n_node_samples / tree.n_node_samples[0]


@pytest.mark.parametrize(
    ("kind", "y"),
    [(DecisionTreeClassifier, LABELS), (DecisionTreeRegressor, VALUES)],
)
def test_subtrees_are_those_of_scikit_learn(kind, y):
    whole = kind(random_state=0).fit(X, y)
    tree = whole.tree_
    pruner = Pruner(tree, cost(tree))
    alphas = whole.cost_complexity_pruning_path(X, y).ccp_alphas
    for alpha in [0.0, *np.quantile(alphas, [0.3, 0.7, 0.9, 0.97])]:
        # Between two of its steps, where rounding decides nothing.
        price = alpha * 1.0000001 + 1e-12
        theirs = kind(random_state=0, ccp_alpha=price).fit(X, y).tree_
        ours, _ = subtree(tree, pruner.at(price), tree.value, tree.impurity)
        for name in ("children_left", "children_right", "feature", "threshold"):
            expected = getattr(theirs, name)
            np.testing.assert_array_equal(getattr(ours, name), expected)
        np.testing.assert_array_equal(ours.value, theirs.value)
        assert ours.max_depth == theirs.max_depth
        assert ours.n_leaves == theirs.n_leaves
        x = X.astype("float32")
        np.testing.assert_array_equal(ours.predict(x), theirs.predict(x))
        np.testing.assert_array_equal(ours.apply(x), theirs.apply(x))


def every_subtree(tree, node=0):
    """All sets of splitting nodes below a node."""
    yield frozenset()
    left, right = tree.children_left[node], tree.children_right[node]
    if left >= 0:
        for one, other in itertools.product(
            every_subtree(tree, left), every_subtree(tree, right)
        ):
            yield one | other | {node}


@pytest.mark.parametrize("seed", range(5))
def test_no_subtree_costs_less(seed):
    rng = np.random.default_rng(seed)
    tree = (
        DecisionTreeRegressor(max_leaf_nodes=9, random_state=0)
        .fit(rng.normal(size=(60, 3)), rng.normal(size=60))
        .tree_
    )
    costs = cost(tree)
    pruner = Pruner(tree, costs)

    def total(splits, price):
        mask = np.isin(np.arange(tree.node_count), list(splits))
        return (costs + price)[leaves_of(tree, mask)].sum()

    everyone = list(every_subtree(tree))
    for price in (0.0, *rng.uniform(0, costs[0] / 2, 4)):
        found = frozenset(np.flatnonzero(pruner.at(price)).tolist())
        best = min(total(splits, price) for splits in everyone)
        assert total(found, price) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("leaves", [1, 2, 3, 17, 60, 10_000])
def test_a_budget_gives_the_largest_subtree_within_it(leaves):
    tree = DecisionTreeRegressor(random_state=0).fit(X, VALUES).tree_
    pruner = Pruner(tree, cost(tree))
    splits = pruner.within(leaves)
    count = int(leaves_of(tree, splits).sum())
    assert count <= leaves
    sizes = sorted(int(s.sum()) + 1 for s in pruner.path())
    assert count >= max(size for size in sizes if size <= leaves)
    if leaves > tree.n_leaves:
        assert count == tree.n_leaves


def test_a_path_goes_from_the_whole_tree_to_its_root():
    tree = DecisionTreeRegressor(random_state=0).fit(X, VALUES).tree_
    path = Pruner(tree, cost(tree)).path()
    assert path[0].sum() == tree.n_leaves - 1
    assert not path[-1].any()
    for larger, smaller in itertools.pairwise(path):
        assert (smaller <= larger).all() and smaller.sum() < larger.sum()


def test_sums_are_those_of_the_rows_below():
    tree = DecisionTreeRegressor(max_depth=4, random_state=0)
    tree.fit(X, VALUES)
    below = tree.decision_path(X).toarray().astype(bool)
    values = np.random.default_rng(0).normal(size=(len(X), 2))
    expected = [values[rows].sum(0) for rows in below.T]
    found = sums(tree.tree_, tree.apply(X), values)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_tree_of_one_leaf_stays_one():
    tree = DecisionTreeRegressor().fit(X, np.zeros(len(X))).tree_
    pruner = Pruner(tree, cost(tree))
    assert not pruner.within(5).any()
    made, numbers = subtree(tree, pruner.at(0.0), tree.value, tree.impurity)
    assert made.node_count == 1 and made.max_depth == 0
    assert numbers.tolist() == [0]
