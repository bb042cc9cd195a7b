"""Cost-complexity pruning of a grown tree, and what it leaves.

A tree here is what scikit-learn keeps as `tree_`: arrays, a number for each
node. A subtree is an array of booleans: which of the nodes still split.

Source: Breiman, Friedman, Olshen and Stone, "Classification and Regression
Trees", 1984, Chapter 3.
"""

import numpy as np

_HALVINGS = 60
_PRICES = 48


def levels(tree):
    """The nodes that split, an array for each depth, the deepest first."""
    found, nodes = [], np.zeros(1, "int64")
    while len(nodes := nodes[tree.children_left[nodes] >= 0]):
        found.append(nodes)
        nodes = np.concatenate(
            [tree.children_left[nodes], tree.children_right[nodes]]
        )
    return found[::-1]


def sums(tree, ends, values):
    """Sums of values over the rows below each node.

    Args:
        tree: The tree.
        ends: The leaf of each row, of shape `(rows,)`.
        values: Values of the rows, of shape `(rows, columns)`.

    Returns:
        An array of shape `(nodes, columns)`.
    """
    count = tree.node_count
    found = np.stack(
        [np.bincount(ends, column, count) for column in values.T], axis=1
    )
    for nodes in levels(tree):
        left, right = tree.children_left[nodes], tree.children_right[nodes]
        found[nodes] = found[left] + found[right]
    return found


class Pruner:
    """Finds the subtrees that cost least, at some price of a leaf.

    Args:
        tree: The tree.
        cost: What each node costs as a leaf, of shape `(nodes,)`.
    """

    def __init__(self, tree, cost):
        self._left, self._right = tree.children_left, tree.children_right
        self._levels, self._cost = levels(tree), cost

    def at(self, price):
        """The subtree of least cost, and of these the smallest.

        Args:
            price: What a leaf costs beside its own cost, a number from 0 up.

        Returns:
            Which nodes split, of shape `(nodes,)`.
        """
        best = self._cost + price
        splits = np.zeros(len(best), bool)
        for nodes in self._levels:
            apart = best[self._left[nodes]] + best[self._right[nodes]]
            splits[nodes] = apart < best[nodes]
            best[nodes] = np.minimum(apart, best[nodes])
        for nodes in self._levels[::-1]:
            closed = nodes[~splits[nodes]]
            splits[self._left[closed]] = False
            splits[self._right[closed]] = False
        return splits

    def within(self, max_leaf_nodes):
        """The largest of these subtrees that has no more than so many leaves.

        Args:
            max_leaf_nodes: Most leaves that it may have.

        Returns:
            Which nodes split, of shape `(nodes,)`.
        """
        low, high = 0.0, 2 * self._cost[0]
        found = self.at(low)
        if found.sum() < max_leaf_nodes:
            return found
        found = self.at(high)
        for _ in range(_HALVINGS):
            # Prices differ by orders of magnitude.
            middle = np.sqrt(low * high) if low else high / 1e4
            splits = self.at(middle)
            if splits.sum() >= max_leaf_nodes:
                low = middle
            else:
                high, found = middle, splits
        return found

    def path(self):
        """Subtrees from the whole tree to its root, for a row of prices.

        Returns:
            A list of arrays as of `at`, none twice.
        """
        prices = [0.0, *(np.geomspace(1e-7, 1, _PRICES) * self._cost[0])]
        found = {int(splits.sum()): splits for splits in map(self.at, prices)}
        return [found[count] for count in sorted(found, reverse=True)]


def leaves(tree, splits):
    """Which nodes are the leaves of a subtree, of shape `(nodes,)`."""
    kept = np.zeros(len(splits), bool)
    kept[0] = True
    kept[tree.children_left[splits]] = True
    kept[tree.children_right[splits]] = True
    return kept & ~splits


def subtree(tree, splits, value, impurity):
    """A plain scikit-learn tree of the nodes that are left.

    Args:
        tree: The tree, grown by scikit-learn.
        splits: Which of its nodes split, of shape `(nodes,)`.
        value: Each node's value, of shape `(nodes, outputs, classes)`, with
            one class for regression.
        impurity: Each node's impurity, of shape `(nodes,)`.

    Returns:
        The tree, and the numbers of its nodes in the given one.
    """
    kept = splits | leaves(tree, splits)
    numbers, renumbered = np.flatnonzero(kept), np.cumsum(kept) - 1
    nodes = tree.__getstate__()["nodes"][numbers]
    nodes["impurity"] = impurity[numbers]
    inner = splits[numbers]
    for side in ("left_child", "right_child"):
        nodes[side] = np.where(inner, renumbered[nodes[side]], -1)
    # What scikit-learn writes into leaves.
    nodes["feature"][~inner] = -2
    nodes["threshold"][~inner] = -2.0
    nodes["missing_go_to_left"][~inner] = 0
    outputs, classes = value.shape[1:]
    # A tree is made from arrays in no other way than that of its pickles.
    made = type(tree)(
        tree.n_features, np.full(outputs, classes, np.intp), outputs
    )
    state = {
        "max_depth": 0,
        "node_count": len(nodes),
        "nodes": nodes,
        "values": np.ascontiguousarray(value[numbers], "float64"),
    }
    made.__setstate__(state)
    made.__setstate__(state | {"max_depth": len(levels(made))})
    return made, numbers
