"""What a born-again tree costs beside its teacher and the tree itself.

Time: the whole `fit` on 100,000 synthetic rows of 30 columns, labelled by a
random forest of 500 trees, against the forest's own `predict_proba` on as many
rows and the fit of one tree to what it gives. Memory: peak resident memory of
`fit` beyond that of fitting one tree to as many rows, for more and more rows,
each in a process of its own.

python benchmarks/tree_cost.py
"""

import argparse
import multiprocessing
import os
import pathlib
import re
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measuring
import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeRegressor

from keras_ban.trees import BornAgainTreeClassifier
from keras_ban.trees import smear

COLUMNS = 30
SIZES = (50_000, 100_000, 200_000)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--result", help="name of the result; none is written")
    arguments = parser.parse_args()
    content = {
        "settings": vars(arguments),
        **times(arguments),
        "MiB beyond the tree's own": memory(),
    }
    print(content)
    if arguments.result:
        measuring.save(arguments.result, content)


def times(arguments):
    X, y = data()
    forest = RandomForestClassifier(arguments.trees, random_state=0).fit(X, y)
    rows = smear(X, arguments.samples, 0.5, random_state=0)
    p = forest.predict_proba(rows)
    # As deep as ours, which pure leaves end.
    tree = DecisionTreeRegressor(min_samples_leaf=5)
    reborn = BornAgainTreeClassifier(
        forest, max_samples=arguments.samples, tol=0.0, random_state=0
    )
    found = measuring.in_turn(
        {
            "labels": clocked(forest.predict_proba, rows),
            # Of two classes one column says it all, as in ours.
            "one tree": clocked(tree.fit, rows.astype("float32"), p[:, 1]),
            "born again": clocked(reborn.fit, X),
        },
        arguments.rounds,
        warm_up=0,
    )
    return {
        "seconds": measuring.summary(found),
        "rows labelled": reborn.n_samples_,
        "leaves": int(reborn.get_n_leaves()),
        "born again / (labels + one tree)": measuring.ratio(
            found, "born again", ["labels", "one tree"]
        ),
    }


def clocked(function, *arguments):
    def run():
        start = time.perf_counter()
        function(*arguments)
        return time.perf_counter() - start

    return run


def memory():
    """By size, the difference of a pair of processes."""
    context = multiprocessing.get_context("spawn")
    found = {}
    for size in SIZES:
        with context.Pool(2, maxtasksperchild=1) as pool:
            ours, plain = (
                pool.apply(peak, (kind, size)) for kind in (True, False)
            )
        found[size] = (ours - plain) / 1024
    return found


def peak(born_again, size):
    """Kilobytes that fitting adds to the resident memory, at its peak."""
    X, _ = data()

    def teacher(rows):
        return 1 / (1 + np.exp(-rows[:, 0] * rows[:, 1]))

    # What is loaded at the first call counts for neither.
    BornAgainTreeClassifier(teacher, max_samples=1000).fit(X)
    if born_again:
        before = highest()
        tree = BornAgainTreeClassifier(
            teacher, p_alter=0.5, max_samples=size, tol=0.0
        )
        tree.fit(X)
    else:
        before = highest()
        rows, p = np.empty((size, COLUMNS), "float32"), np.empty((size, 2))
        for start in range(0, size, 10_000):
            drawn = smear(X, 10_000, 0.5, start)
            rows[start : start + 10_000] = drawn
            p[start : start + 10_000, 1] = teacher(drawn)
        p[:, 0] = 1 - p[:, 1]
        DecisionTreeRegressor(min_samples_leaf=5).fit(rows, p)
    return highest() - before


def highest():
    """Kilobytes of resident memory at their peak, as Linux says it."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1])


def data():
    return make_classification(2000, COLUMNS, n_informative=10, random_state=0)


if __name__ == "__main__":
    main()
