"""Synthetic rows that look like the real ones, one column at a time."""

import numpy as np

from keras_ban import checks


def smear(X, n_samples, p_alter=0.5, random_state=None):
    """Draws synthetic rows by smearing real ones.

    Each begins as a row of `X`, drawn at random. Then each of its values is
    replaced, with the probability `p_alter` and independently of the others,
    by the value that another row, drawn anew for each, has in the same
    column. So each column keeps its distribution, and none but its values:
    whole numbers, categories and missing values stay what they are. What
    columns have in common is kept for the share `(1 - p_alter)²` of their
    pairs; with `p_alter=1` they are independent.

    Source: Breiman and Shang, "Born Again Trees", 1996, Section 2.

    Args:
        X: Real rows of shape `(rows, columns)`: an array of any type, or a
            pandas `DataFrame`.
        n_samples: How many rows to draw, a positive integer.
        p_alter: Probability in (0, 1] with which a value is replaced.
            Defaults to `0.5`.
        random_state: Seed, or `numpy.random.Generator`. Defaults to `None`:
            other rows at each call.

    Returns:
        An array of shape `(n_samples, columns)` of the type of `X`, or a
        `DataFrame` with its columns and their types.

    Raises:
        ValueError: If `X` has no rows or not two axes, or if an argument is
            outside its bounds.

    Example:
    >>> rows = keras_ban.trees.smear(X, 10_000, p_alter=0.25, random_state=0)
    """
    checks.integer("n_samples", n_samples, 1)
    check_p_alter(p_alter)
    if not hasattr(X, "iloc"):
        X = np.asarray(X)
    if len(X.shape) != 2 or 0 in X.shape:
        raise ValueError(
            "There is nothing to smear. Expected `X` of shape (rows, columns), "
            f"with one of each at least. Received: {X.shape}"
        )
    rng = np.random.default_rng(random_state)
    count, columns = X.shape
    shape = (n_samples, columns)
    rows = np.where(
        rng.random(shape) < p_alter,
        rng.integers(count, size=shape),
        rng.integers(count, size=(n_samples, 1)),
    )
    if not hasattr(X, "iloc"):
        return X[rows, np.arange(columns)]
    drawn = X.iloc[rows[:, 0]].reset_index(drop=True)
    for place in range(1, columns):
        drawn.isetitem(place, X.iloc[:, place].take(rows[:, place]).array)
    return drawn


def check_p_alter(p_alter):
    """Checks that this is the probability of a replacement."""
    checks.number(
        "p_alter",
        p_alter,
        lambda v: 0 < v <= 1,
        "a probability above 0, 1 at most",
    )
