"""How much of an ensemble's gain over one tree a born-again tree keeps.

Ten times two-fold cross-validation on data sets of scikit-learn, loaded and
generated, Friedman's three as in Breiman and Shang, 1996: a CART tree pruned
by cost-complexity (chosen by five-fold cross-validation), a random forest of
100 trees, and the trees born again from it, with and without a budget of
leaves. The share of the gap is (CART - born again) / (CART - forest), of
mean errors; its interval is that of the jackknife over the repetitions.

python benchmarks/trees.py
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measuring
import numpy as np
from sklearn import datasets
from sklearn.base import is_classifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.model_selection import KFold
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree import DecisionTreeRegressor

from keras_ban.trees import BornAgainTreeClassifier
from keras_ban.trees import BornAgainTreeRegressor

BUDGETS = {"born again": None, "born again, 150 leaves": 150}
CLASSIFICATION = {
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "make_classification": lambda: datasets.make_classification(
        1000,
        20,
        n_informative=8,
        n_redundant=4,
        n_classes=3,
        random_state=0,
    ),
    "make_hastie_10_2": lambda: datasets.make_hastie_10_2(1000, random_state=0),
    "make_gaussian_quantiles": lambda: datasets.make_gaussian_quantiles(
        n_samples=1000, n_features=6, n_classes=3, random_state=0
    ),
}
REGRESSION = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    # The noise that Friedman, 1991, gives each.
    "Friedman 1": lambda: datasets.make_friedman1(
        500, noise=1.0, random_state=0
    ),
    "Friedman 2": lambda: datasets.make_friedman2(
        500, noise=125.0, random_state=0
    ),
    "Friedman 3": lambda: datasets.make_friedman3(
        500, noise=0.1, random_state=0
    ),
}
# Two-sided 95 % of Student's t with 9 degrees of freedom.
T = 2.262


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    sets = CLASSIFICATION | REGRESSION
    parser.add_argument("--sets", nargs="+", default=list(sets), choices=sets)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--samples", type=int, help="`max_samples`")
    parser.add_argument("--directory", help="keep finished sets here")
    parser.add_argument("--result", help="name of the result; none is written")
    arguments = parser.parse_args()
    found = {}
    for name in arguments.sets:
        kept = pathlib.Path(arguments.directory or ".", f"{name}.json")
        if not (arguments.directory and kept.exists()):
            rows = [
                repetition(name, *sets[name](), seed, arguments.samples)
                for seed in range(arguments.repetitions)
            ]
            if arguments.directory:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(rows))
        else:
            rows = json.loads(kept.read_text())
        found[name] = rows
        print(markdown({name: summary(rows)}), flush=True)
    table = {name: summary(rows) for name, rows in found.items()}
    print(markdown(table))
    print("\n".join(means(table)))
    if arguments.result:
        settings = vars(arguments) | {"directory": None}
        content = {"settings": settings, "table": table, "rows": found}
        measuring.save(arguments.result, content)


def repetition(name, X, y, seed, samples):
    """Mean errors, leaves and seconds of the two folds, by method."""
    kind = StratifiedKFold if name in CLASSIFICATION else KFold
    folds = kind(2, shuffle=True, random_state=seed).split(X, y)
    rows = [fold(name, X, y, *rows, seed, samples) for rows in folds]
    return {
        method: {
            key: statistics.mean(row[method][key] for row in rows)
            for key in rows[0][method]
        }
        for method in rows[0]
    }


def fold(name, X, y, train, test, seed, samples):
    classes = name in CLASSIFICATION
    forest = RandomForestClassifier if classes else RandomForestRegressor
    tree = DecisionTreeClassifier if classes else DecisionTreeRegressor
    reborn = BornAgainTreeClassifier if classes else BornAgainTreeRegressor
    options = {"random_state": seed}
    if samples:
        options["max_samples"] = samples
    teacher = forest(100, random_state=seed)
    models = {
        "CART": pruned_by_validation(
            tree(random_state=seed), X[train], y[train]
        ),
        "forest": teacher,
        **{
            method: reborn(teacher, max_leaf_nodes=leaves, **options)
            for method, leaves in BUDGETS.items()
        },
    }
    rows = {}
    for method, model in models.items():
        start = time.perf_counter()
        model.fit(X[train], y[train])
        seconds = time.perf_counter() - start
        is_tree = method != "forest"
        rows[method] = {
            "error": error(model, X[test], y[test]),
            "leaves": int(model.get_n_leaves()) if is_tree else math.nan,
            "depth": model.get_depth() if is_tree else math.nan,
            "seconds": seconds,
        }
    return rows


def pruned_by_validation(tree, X, y):
    """The tree, its `ccp_alpha` chosen by five-fold cross-validation."""
    alphas = tree.cost_complexity_pruning_path(X, y).ccp_alphas
    alphas = np.unique(
        np.quantile(np.maximum(alphas, 0), np.linspace(0, 1, 15))
    )
    search = GridSearchCV(tree, {"ccp_alpha": alphas}, cv=5).fit(X, y)
    return search.best_estimator_


def error(model, X, y):
    """Share of wrong classes, or of the variance that is not explained."""
    if is_classifier(model):
        return float(np.mean(model.predict(X) != y))
    return float(np.mean(np.square(model.predict(X) - y)) / np.var(y))


def summary(rows):
    """Means over the repetitions, and the shares of the gap with intervals."""
    found = {
        method: {
            key: statistics.mean(row[method][key] for row in rows)
            for key in rows[0][method]
        }
        for method in rows[0]
    }
    gaps = [row["CART"]["error"] - row["forest"]["error"] for row in rows]
    found["gap"] = {"mean": statistics.mean(gaps), "±": half_width(gaps)}
    for method in BUDGETS:
        closed = [row["CART"]["error"] - row[method]["error"] for row in rows]
        found[method]["share"] = sum(closed) / sum(gaps)
        found[method]["±"] = jackknife(closed, gaps)
    return found


def half_width(values):
    if len(values) < 2:
        return math.nan
    return T * statistics.stdev(values) / math.sqrt(len(values))


def jackknife(above, below):
    """Half the 95 % interval of a ratio of sums over the repetitions."""
    count = len(above)
    if count < 2:
        return math.nan
    a, b = sum(above), sum(below)
    without = [(a - x) / (b - y) for x, y in zip(above, below, strict=True)]
    middle = statistics.mean(without)
    squares = sum((value - middle) ** 2 for value in without)
    return T * math.sqrt(squares * (count - 1) / count)


def markdown(table):
    lines = [
        "| data | CART | leaves | forest | born again | leaves | share of the "
        "gap | at most 150 leaves | leaves | share of the gap |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in table.items():
        cells = [name, f"{row['CART']['error']:.4f}"]
        cells += [
            f"{row['CART']['leaves']:.0f}",
            f"{row['forest']['error']:.4f}",
        ]
        for method in BUDGETS:
            cells += [
                f"{row[method]['error']:.4f}",
                f"{row[method]['leaves']:,.0f}",
                f"{row[method]['share']:.2f} ± {row[method]['±']:.2f}",
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def means(table):
    """The mean shares, of the sets in which the forest is better for sure."""
    sure = [r for r in table.values() if r["gap"]["mean"] > r["gap"]["±"]]
    return [
        f"{method}: mean share of the gap "
        f"{statistics.mean(row[method]['share'] for row in sure):.3f} over "
        f"{len(sure)} of {len(table)} sets, those where the forest is better"
        for method in BUDGETS
    ]


if __name__ == "__main__":
    main()
