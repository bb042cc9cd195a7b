"""Grows one tree on synthetic rows that a teacher labels."""

import numpy as np
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import Bunch

from keras_ban.trees.pruning import Pruner
from keras_ban.trees.pruning import leaves
from keras_ban.trees.pruning import sums
from keras_ban.trees.smearing import smear

# Rows that are made and labelled at a time.
_BATCH = 16_384
_FIRST, _FACTOR = 1_000, 4
_P_ALTER = (0.1, 0.25, 0.5, 0.75)
# Shares of all rows: for each trial of a `p_alter`, and held out.
_TRIAL, _HELD_OUT = 0.05, 0.1


class Grower:
    """Draws rows, has them labelled, and grows trees on them.

    Args:
        X: Real rows, as the teacher takes them.
        teacher: Function of rows that gives targets of shape `(rows,
            teacher.outputs)`.
        numbers: Function of rows that gives what the tree takes.
        votes: Whether targets are probabilities of classes.
        settings: What has `p_alter`, `max_samples`, `max_leaf_nodes`,
            `min_samples_leaf` and `tol`, as the estimator.
        rng: A `numpy.random.Generator`.

    Attributes:
        p_alter: The probability with which values are replaced.
        n_samples: How many synthetic rows the teacher has labelled.
        real: The real rows as numbers, and the teacher's targets.
        center: What is taken off the targets, of shape `(outputs,)`: 0 for
            classes.
        scale: What they are then divided by: 1 for classes.
    """

    def __init__(self, X, teacher, numbers, votes, settings, rng):
        self._teacher, self._numbers = teacher, numbers
        self._votes, self._settings, self._rng = votes, settings, rng
        self._X, self.n_samples = X, 0
        self.center, self.scale = np.zeros(teacher.outputs), 1.0
        self.real = self._room(len(X))
        for part in _parts(0, len(X)):
            self._put(self.real, part, X[part])
        if not votes:
            self._standardise()
        self.p_alter = settings.p_alter
        if self.p_alter == "auto":
            losses = {
                p_alter: self._loss_on_real_rows(p_alter)
                for p_alter in _P_ALTER
            }
            self.p_alter = min(losses, key=losses.get)

    def grow(self):
        """Grows trees on more and more rows, until that no longer helps.

        Returns:
            The last tree, `Grown` and pruned, and rows that neither growing
            nor pruning has seen.
        """
        choosing, fresh = self._held_out()
        most = max(self._settings.max_samples - self.n_samples, 2)
        sizes = [most]
        while sizes[0] >= _FACTOR * _FIRST:
            sizes.insert(0, sizes[0] // _FACTOR)
        # Of these, no more memory is taken than is written to.
        rows, done, before = self._room(most), 0, -np.inf
        for size in sizes:
            self._fill(rows, self._X, self.p_alter, done, size)
            done = size
            grown = self._grown(_some(rows, slice(done)))
            grown.prune(choosing, self._settings.max_leaf_nodes)
            fidelity = grown.fidelity(choosing)
            if fidelity - before < self._settings.tol:
                break
            before = fidelity
        return grown, fresh

    def _held_out(self):
        rows = self._room(self._share(_HELD_OUT))
        self._fill(rows, self._X, self.p_alter, 0, len(rows.x))
        half = len(rows.x) // 2
        return _some(rows, slice(half)), _some(rows, slice(half, None))

    def _room(self, count):
        return Bunch(
            x=np.empty((count, self._X.shape[1]), "float32"),
            targets=np.empty((count, self._teacher.outputs)),
        )

    def _fill(self, rows, X, p_alter, start, stop):
        for part in _parts(start, stop):
            count = part.stop - part.start
            self._put(rows, part, smear(X, count, p_alter, self._rng))
            self.n_samples += count

    def _put(self, rows, part, drawn):
        targets = self._teacher(drawn)
        if targets.shape[1] != self._teacher.outputs:
            raise ValueError(
                "The teacher must always give as much for a row. Expected "
                f"{self._teacher.outputs} {self._teacher.kind}, as at first. "
                f"Received: {targets.shape[1]}"
            )
        rows.x[part] = _float32(self._numbers(drawn))
        rows.targets[part] = (targets - self.center) / self.scale

    def _standardise(self):
        """Keeps what is summed near 1, or squares would lose all digits."""
        self.center = self.real.targets.mean(0)
        self.real.targets -= self.center
        spread = np.sqrt(np.square(self.real.targets).sum(1).mean())
        self.scale = spread if spread else 1.0
        self.real.targets /= self.scale

    def _share(self, share):
        return max(int(share * self._settings.max_samples), 2)

    def _grown(self, rows):
        return Grown(rows, self._votes, self._settings.min_samples_leaf)

    def _loss_on_real_rows(self, p_alter):
        """How far a tree is from the teacher on rows that are not smeared.

        Half of all rows are smeared in turn, and the others are these rows.
        """
        half = self._rng.permutation(len(self._X)) % 2 == 1
        loss = 0.0
        for smeared in (half, ~half):
            rows = self._room(self._share(_TRIAL / 2))
            part = self._X[smeared]
            self._fill(rows, part, p_alter, 0, len(rows.x))
            grown = self._grown(rows)
            other = _some(self.real, ~smeared)
            grown.prune(other, self._settings.max_leaf_nodes)
            loss += grown.loss(other) * len(other.x)
        return loss


class Grown:
    """A tree that was grown to its end, and the part of it that is kept.

    For classes it splits by the mean of the teacher's probabilities and of
    its vote for the most probable class: of each alone, smaller trees come
    out less accurate. Its values are the mean probabilities.

    Args:
        rows: What it is grown on.
        votes: Whether targets are probabilities of classes.
        min_samples_leaf: Least number of rows in a leaf.

    Attributes:
        tree: The whole tree, as of scikit-learn.
        splits: Which nodes split.
        value: Mean target of each node, of shape `(nodes, outputs)`.
        spread: Mean squared distance of each node's targets from it, summed
            over the outputs, of shape `(nodes,)`.
        cost: What each node costs as a leaf, for pruning.
    """

    def __init__(self, rows, votes, min_samples_leaf):
        self._votes = votes
        # Trees of scikit-learn draw the order of columns, which decides ties.
        self.tree = (
            DecisionTreeRegressor(
                min_samples_leaf=min_samples_leaf, random_state=0
            )
            .fit(rows.x, _with_votes(rows.targets) if votes else rows.targets)
            .tree_
        )
        share = self.tree.n_node_samples / len(rows.x)
        self.cost = self.tree.impurity * share
        self._pruner = Pruner(self.tree, self.cost)
        self.splits = self.tree.children_left >= 0
        total, squares = self._sums(rows, rows.targets, np.square(rows.targets))
        count = self.tree.n_node_samples[:, None]
        self.value = total / count
        distance = squares / count - np.square(self.value)
        self.spread = np.maximum(distance, 0).sum(1)

    def prune(self, rows, max_leaf_nodes):
        """Keeps the subtree that does best on rows it was not grown on."""
        subtrees = self._pruner.path()
        if max_leaf_nodes is not None:
            subtrees = [
                splits for splits in subtrees if splits.sum() < max_leaf_nodes
            ]
            subtrees.insert(0, self._pruner.within(max_leaf_nodes))
        losses = self._squares(rows)
        # Of equal ones the smallest.
        self.splits = min(
            reversed(subtrees),
            key=lambda splits: self._in_leaves(losses, splits),
        )

    def loss(self, rows):
        """Mean squared distance from the targets, summed over the outputs."""
        return self._in_leaves(self._squares(rows), self.splits)

    def fidelity(self, rows):
        """Agreement with the teacher: 1 minus the `misses` of the leaves."""
        return 1 - self._in_leaves(self.misses(rows), self.splits)

    def misses(self, rows):
        """What each node, as a leaf, takes off the agreement with the teacher.

        Returns:
            Of shape `(nodes,)`. For classes the share of the rows that are
            given another class than the teacher's; for values that of their
            variance which is not explained.
        """
        if not self._votes:
            variance = rows.targets.var(0).sum()
            return self._squares(rows) / (variance if variance else 1.0)
        classes = np.arange(rows.targets.shape[1])
        named = rows.targets.argmax(1)[:, None] == classes
        ones = np.ones((len(rows.x), 1))
        voted, count = self._sums(rows, named, ones)
        agreed = np.take_along_axis(voted, self.value.argmax(1)[:, None], 1)
        return (count - agreed)[:, 0] / len(rows.x)

    def _squares(self, rows):
        """For each node the rows' squared distances from it, over all rows."""
        ones = np.ones((len(rows.x), 1))
        total, squares, count = self._sums(
            rows, rows.targets, np.square(rows.targets), ones
        )
        distance = (
            squares - 2 * self.value * total + count * np.square(self.value)
        )
        return np.maximum(distance, 0).sum(1) / len(rows.x)

    def _sums(self, rows, *values):
        ends = self.tree.apply(rows.x)
        return [sums(self.tree, ends, columns) for columns in values]

    def _in_leaves(self, losses, splits):
        return float(losses[leaves(self.tree, splits)].sum())


def _parts(start, stop):
    """Slices of a batch each."""
    for at in range(start, stop, _BATCH):
        yield slice(at, min(at + _BATCH, stop))


def _some(rows, part):
    """Those rows that a slice or a mask names, and their targets."""
    return Bunch(x=rows.x[part], targets=rows.targets[part])


def _float32(rows):
    if hasattr(rows, "iloc"):
        return rows.to_numpy("float32", na_value=np.nan)
    return np.asarray(rows, "float32")


def _with_votes(probabilities):
    """The mean of probabilities and of a vote for the most probable class."""
    votes = 0.5 * probabilities
    votes[np.arange(len(votes)), probabilities.argmax(1)] += 0.5
    # Of two classes, one says it all.
    return votes[:, 1] if votes.shape[1] == 2 else votes
