"""What both born-again trees do, above a decision tree of scikit-learn."""

import copy

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from sklearn.utils.validation import validate_data

from keras_ban import checks
from keras_ban.reporting.table import Table
from keras_ban.trees import teachers
from keras_ban.trees.columns import Columns
from keras_ban.trees.growing import Grower
from keras_ban.trees.pruning import Pruner
from keras_ban.trees.pruning import subtree
from keras_ban.trees.smearing import check_p_alter

_SEEDS = 2**31 - 1


class _BornAgainTree:
    """A decision tree of scikit-learn that is grown to a teacher.

    It stands before `DecisionTreeClassifier` or `DecisionTreeRegressor`. A
    class of it says by `_votes` whether the teacher gives probabilities, by
    `_forest` who teaches where nobody is given, by `_targets` and
    `_learn_from` what it learns, and by `_value_and_impurity` what
    scikit-learn keeps of a node.
    """

    # What scikit-learn asks of any of its trees.
    splitter, monotonic_cst = "best", None

    def __init__(
        self,
        teacher=None,
        *,
        p_alter="auto",
        max_samples=200_000,
        max_leaf_nodes=None,
        min_samples_leaf=5,
        tol=1e-3,
        random_state=None,
    ):
        self.teacher = teacher
        self.p_alter = p_alter
        self.max_samples = max_samples
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.tol = tol
        self.random_state = random_state

    def fit(self, X, y=None):
        """Grows the tree.

        Args:
            X: Real rows of shape `(rows, columns)`, two at least: an array, or
                a pandas `DataFrame`, whose columns need be no numbers if the
                teacher takes them.
            y: Labels or values, for a teacher that is yet to be fitted.
                Defaults to `None`.

        Returns:
            The estimator.

        Raises:
            TypeError: If the teacher is none.
            ValueError: If an argument is outside its bounds, if the teacher
                cannot predict on `X`, or if it has to be fitted and `y` is
                missing.
        """
        self._check_parameters()
        # Whatever happens, no old tree stands beside new columns.
        self.__dict__.pop("tree_", None)
        if not hasattr(X, "columns"):
            X = self._checked(X)
        self._columns = Columns(X)
        numbers = self._checked(self._columns.numbers(X), "float32")
        self.categories_ = self._columns.categories
        y = None if y is None else self._targets(numbers, y)
        state = check_random_state(self.random_state)
        rng = np.random.default_rng(state.randint(_SEEDS))
        self.teacher_ = self._fitted_teacher(X, y, state)
        teacher = self._learn_from(X, y)
        grower = Grower(
            X, teacher, self._columns.numbers, self._votes, self, rng
        )
        grown, fresh = grower.grow()
        value, impurity = self._value_and_impurity(
            grown.value * grower.scale + grower.center,
            grown.spread * grower.scale**2,
        )
        evidence = {
            "cost": grown.cost,
            "fresh": grown.misses(fresh),
            "real": grown.misses(grower.real),
        }
        self._keep(grown.tree, grown.splits, value, impurity, evidence)
        self.p_alter_, self.n_samples_ = grower.p_alter, grower.n_samples
        return self

    def predict(self, X, check_input=True):
        """As of a decision tree of scikit-learn, on rows like those of `fit`.

        Args:
            X: Rows of shape `(rows, columns)`.
            check_input: As in scikit-learn. Defaults to `True`.

        Returns:
            Classes or values of shape `(rows,)`, or `(rows, outputs)`.
        """
        return super().predict(self._numbers(X), check_input)

    def apply(self, X, check_input=True):
        """The number of the leaf that each row ends in, of shape `(rows,)`.

        Args:
            X: Rows of shape `(rows, columns)`.
            check_input: As in scikit-learn. Defaults to `True`.
        """
        return super().apply(self._numbers(X), check_input)

    def decision_path(self, X, check_input=True):
        """The nodes that each row passes, a sparse `(rows, nodes)`.

        Args:
            X: Rows of shape `(rows, columns)`.
            check_input: As in scikit-learn. Defaults to `True`.
        """
        return super().decision_path(self._numbers(X), check_input)

    def pruned(self, max_leaf_nodes):
        """A copy with fewer leaves, by cost-complexity pruning.

        Args:
            max_leaf_nodes: Most leaves it may have, 2 at least.

        Returns:
            An estimator, fitted. It shares the teacher.

        Raises:
            ValueError: If the argument is no such number.
        """
        check_is_fitted(self)
        checks.integer("max_leaf_nodes", max_leaf_nodes, 2)
        tree = self.tree_
        splits = Pruner(tree, self._evidence["cost"]).within(max_leaf_nodes)
        made = copy.copy(self)
        made.max_leaf_nodes = max_leaf_nodes
        made._keep(tree, splits, tree.value, tree.impurity, self._evidence)
        return made

    def report(self, X=None, y=None):
        """What fewer leaves cost.

        Args:
            X: Rows of shape `(rows, columns)` to measure accuracy on, such as
                those of a test. Defaults to `None`.
            y: Their labels or values. Defaults to `None`.

        Returns:
            A table, a list of dicts for trees of half as many leaves, and so
            on: `leaves`, `depth`, `fidelity` and `real_fidelity`, as in
            `fidelity_`, and with `X` and `y` the `accuracy`, for values `r2`.

        Raises:
            ValueError: If one of `X` and `y` is given without the other.
        """
        check_is_fitted(self)
        if (X is None) != (y is None):
            raise ValueError(
                "`report` measures on rows and their labels. Expected both "
                "`X` and `y`, or none. Received: one of them."
            )
        sizes, rows = [self.get_n_leaves()], []
        while sizes[-1] > 2:
            sizes.append(max(sizes[-1] // 2, 2))
        for size in sizes:
            tree = self.pruned(max(size, 2))
            row = {
                "leaves": int(tree.get_n_leaves()),
                "depth": int(tree.get_depth()),
                "fidelity": tree.fidelity_.fresh,
                "real_fidelity": tree.fidelity_.real,
            }
            if X is not None:
                row["accuracy" if self._votes else "r2"] = tree.score(X, y)
            # Some sizes are those of no subtree.
            if not rows or row["leaves"] < rows[-1]["leaves"]:
                rows.append(row)
        return Table(rows, f"born again from {teachers.name(self.teacher_)}")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "tree_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.target_tags.required = teachers.needs_fit(self.teacher)
        return tags

    def _check_parameters(self):
        checks.keras_3("teacher", self.teacher)
        if self.p_alter != "auto":
            check_p_alter(self.p_alter)
        checks.integer("max_samples", self.max_samples, 100)
        if self.max_leaf_nodes is not None:
            checks.integer("max_leaf_nodes", self.max_leaf_nodes, 2)
        checks.integer("min_samples_leaf", self.min_samples_leaf, 1)
        checks.number(
            "tol", self.tol, lambda v: v >= 0, "a number that is not negative"
        )

    def _checked(self, X, dtype="numeric"):
        return validate_data(
            self,
            X,
            dtype=dtype,
            ensure_min_samples=2,
            ensure_all_finite="allow-nan",
        )

    def _fitted_teacher(self, X, y, state):
        if self.teacher is None and self.categories_:
            raise ValueError(
                f"The columns {list(self.categories_)} are no numbers, which "
                "a random forest does not take. Give a teacher that does, "
                "such as a pipeline that encodes them."
            )
        forest = self._forest(random_state=state.randint(_SEEDS))
        return teachers.fitted(self.teacher, forest, X, y)

    def _numbers(self, X):
        check_is_fitted(self)
        return self._columns.numbers(X)

    def _keep(self, tree, splits, value, impurity, evidence):
        self.tree_, numbers = subtree(tree, splits, value, impurity)
        self._evidence = {
            name: of_nodes[numbers] for name, of_nodes in evidence.items()
        }
        leaves = self.tree_.children_left < 0
        self.fidelity_ = Bunch(
            **{
                name: float(1 - self._evidence[name][leaves].sum())
                for name in ("fresh", "real")
            }
        )
