"""Born-again trees as scikit-learn estimators."""

import copy

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import Bunch
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted
from sklearn.utils.validation import check_X_y
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
    """What both trees do, above a decision tree of scikit-learn."""

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
        value, impurity = self._plain(
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
        self._evidence = {k: v[numbers] for k, v in evidence.items()}
        leaves = self.tree_.children_left < 0
        self.fidelity_ = Bunch(
            **{
                name: float(1 - self._evidence[name][leaves].sum())
                for name in ("fresh", "real")
            }
        )


class BornAgainTreeClassifier(_BornAgainTree, DecisionTreeClassifier):
    """One decision tree that stands for a classifier, or a whole ensemble.

    The teacher labels synthetic rows, smeared from the real ones (see
    `smear`), and one tree is grown to its probabilities and votes, on as many
    rows as help; then it is pruned by cost-complexity, on rows that it was
    not grown on. It needs no labels, unless the teacher is to be fitted. The
    result is a `DecisionTreeClassifier`: `export_text`, `plot_tree` and what
    else takes one takes it.

    Source: Breiman and Shang, "Born Again Trees", 1996.

    Args:
        teacher: A fitted scikit-learn classifier, a `keras.Model` or any
            function from rows of shape `(rows, columns)` to probabilities of
            shape `(rows, classes)`, or of class 1 alone, is used as it is. An
            estimator that is not fitted is cloned and fitted first; so is
            any, where scikit-learn clones this one, as in cross-validation,
            unless it stands in a `FrozenEstimator`. Defaults to `None`: a
            random forest of 100 trees.
        p_alter: Probability in (0, 1] with which `smear` replaces a value.
            Defaults to `"auto"`: that of 0.1, 0.25, 0.5 and 0.75 whose tree
            is nearest the teacher on real rows that it was not smeared from.
        max_samples: Most synthetic rows that the teacher labels, 100 at least;
            they take `4 * columns + 24 * classes` bytes each, beside what
            scikit-learn's tree needs. Defaults to `200_000`.
        max_leaf_nodes: Most leaves that a reader will read, 2 at least.
            Defaults to `None`: as many as help.
        min_samples_leaf: Least number of synthetic rows in a leaf. Defaults to
            `5`.
        tol: Growing ends when four times as many rows raise the fidelity by
            less than this. Defaults to `1e-3`.
        random_state: Seed, as of any scikit-learn estimator. Defaults to
            `None`.

    Attributes:
        tree_: The tree, as in scikit-learn. A leaf's value is the teacher's
            mean probability of each class.
        fidelity_: `fresh` and `real`: the shares of fresh synthetic rows, and
            of the real ones, for which both find the same class most
            probable.
        teacher_: The fitted teacher.
        classes_: The classes: the teacher's, those of `y` if there are as
            many as the teacher gives probabilities, or their numbers from 0.
        p_alter_: The probability that was used.
        n_samples_: How many synthetic rows the teacher has labelled; it
            labels the real ones too, once.
        categories_: Dict of the columns that are no numbers to their
            categories; the tree sees their place among them. Dates are
            numbers to it.

    Example:
    >>> forest = RandomForestClassifier(500).fit(X, y)
    >>> tree = BornAgainTreeClassifier(forest, max_leaf_nodes=30).fit(X)
    >>> print(export_text(tree))
    >>> print(tree.report(X_test, y_test))
    """

    criterion, _votes = "gini", True
    _forest = RandomForestClassifier

    def predict_proba(self, X, check_input=True):
        """The teacher's mean probabilities in the leaf of each row.

        Args:
            X: Rows of shape `(rows, columns)`.
            check_input: As in scikit-learn. Defaults to `True`.

        Returns:
            Probabilities of shape `(rows, classes)`.
        """
        return super().predict_proba(self._numbers(X), check_input)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        tags.target_tags.multi_output = False
        return tags

    def _targets(self, numbers, y):
        _, y = check_X_y(numbers, y, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        return y

    def _learn_from(self, X, y):
        teacher = teachers.ClassesTeacher(self.teacher_, X, y)
        self.classes_ = teacher.classes
        self.n_classes_, self.n_outputs_ = len(self.classes_), 1
        return teacher

    def _plain(self, value, spread):
        return value[:, None], 1 - np.square(value).sum(1)


class BornAgainTreeRegressor(_BornAgainTree, DecisionTreeRegressor):
    """One decision tree that stands for a regressor, or a whole ensemble.

    As `BornAgainTreeClassifier`, for values. The result is a
    `DecisionTreeRegressor`.

    Source: Breiman and Shang, "Born Again Trees", 1996.

    Args:
        teacher: A fitted scikit-learn regressor, a `keras.Model` or any
            function from rows of shape `(rows, columns)` to values of shape
            `(rows,)` or `(rows, outputs)` is used as it is. An estimator that
            is not fitted is cloned and fitted first. Defaults to `None`: a
            random forest of 100 trees.
        p_alter: As in `BornAgainTreeClassifier`. Defaults to `"auto"`.
        max_samples: As in `BornAgainTreeClassifier`. Defaults to `200_000`.
        max_leaf_nodes: As in `BornAgainTreeClassifier`. Defaults to `None`.
        min_samples_leaf: As in `BornAgainTreeClassifier`. Defaults to `5`.
        tol: As in `BornAgainTreeClassifier`. Defaults to `1e-3`.
        random_state: As in `BornAgainTreeClassifier`. Defaults to `None`.

    Attributes:
        tree_: The tree, as in scikit-learn. A leaf's value is the teacher's
            mean.
        fidelity_: `fresh` and `real`: the share R² of the variance of the
            teacher's values that it explains, on fresh synthetic rows, and on
            the real ones.
        teacher_: The fitted teacher.
        p_alter_: The probability that was used.
        n_samples_: As in `BornAgainTreeClassifier`.
        categories_: As in `BornAgainTreeClassifier`.

    Example:
    >>> tree = BornAgainTreeRegressor(max_leaf_nodes=30).fit(X, y)
    >>> tree.fidelity_.real
    0.93
    """

    criterion, _votes = "squared_error", False
    _forest = RandomForestRegressor

    def _targets(self, numbers, y):
        return check_X_y(
            numbers,
            y,
            ensure_all_finite="allow-nan",
            multi_output=True,
            y_numeric=True,
        )[1]

    def _learn_from(self, X, y):
        teacher = teachers.ValuesTeacher(self.teacher_, X)
        self.n_outputs_ = teacher.outputs
        return teacher

    def _plain(self, value, spread):
        return value[:, :, None], spread / self.n_outputs_
