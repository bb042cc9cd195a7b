"""Born-again trees as scikit-learn estimators."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_X_y

from keras_ban.trees import teachers
from keras_ban.trees.base import _BornAgainTree


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

    def _value_and_impurity(self, value, spread):
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
    >>> share = tree.fidelity_.real  # of the teacher's variance, real rows
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

    def _value_and_impurity(self, value, spread):
        return value[:, :, None], spread / self.n_outputs_
