"""One readable tree for a forest, a boosted ensemble and a born-again network.

On tables that come with scikit-learn: breast cancer, wine and digits, and
diabetes for regression. For each teacher it compares a plain tree, pruned by
cross-validation, the teacher, and the trees born again from it, whole and
with few leaves; then it shows the smallest as text and as a picture.

    python examples/born_again_tree.py
    python examples/born_again_tree.py --data wine --leaves 8
"""

import os

# Keeps down what TensorFlow says when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse

import keras
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import accuracy_score
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree import export_text
from sklearn.tree import plot_tree

import keras_ban
from keras_ban.trees import BornAgainTreeClassifier
from keras_ban.trees import BornAgainTreeRegressor

DATA = {
    "breast_cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "digits": datasets.load_digits,
    "diabetes": datasets.load_diabetes,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", default="breast_cancer", choices=DATA)
    parser.add_argument("--leaves", type=int, default=12, help="to be read")
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=30, help="of networks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", default="born_again_tree.png")
    arguments = parser.parse_args()
    data = DATA[arguments.data]()
    parts = train_test_split(
        data.data, data.target, random_state=arguments.seed
    )
    x, x_test, y, y_test = parts
    values = arguments.data == "diabetes"
    score = r2_score if values else accuracy_score

    print(f"{arguments.data}: {'R2' if values else 'accuracy'} on test rows\n")
    print(f"{'':<42}{'score':>8}{'leaves':>9}{'depth':>7}{'fidelity':>10}")

    def show(name, predicted, tree=None):
        line = f"{name:<42}{score(y_test, predicted):>8.4f}"
        if tree is not None:
            line += f"{tree.get_n_leaves():>9,}{tree.get_depth():>7}"
        if hasattr(tree, "fidelity_"):
            line += f"{tree.fidelity_.fresh:>10.4f}"
        print(line, flush=True)

    plain = plain_tree(values, x, y, arguments.seed)
    show("plain tree, pruned", plain.predict(x_test), plain)
    reborn = BornAgainTreeRegressor if values else BornAgainTreeClassifier
    for name, teacher in teachers(arguments, values, x, y):
        show(name, predicted(teacher, x_test))
        tree = reborn(
            teacher, max_samples=arguments.samples, random_state=arguments.seed
        ).fit(x)
        show("  born again", tree.predict(x_test), tree)
        small = tree.pruned(arguments.leaves)
        show(
            f"  born again, at most {arguments.leaves} leaves",
            small.predict(x_test),
            small,
        )

    print(f"\nThe last one, from {name}:")
    print(tree.report(x_test, y_test))
    names = [str(n) for n in data.feature_names]
    classes = None if values else [str(c) for c in data.target_names]
    print(
        export_text(
            small, feature_names=names, class_names=classes, max_depth=12
        )
    )
    title = (
        f"{arguments.data}, born again from {name}: {small.get_n_leaves()} "
        f"leaves, fidelity {100 * small.fidelity_.fresh:.1f} %"
    )
    draw(small, names, classes, title, arguments.picture)
    print(f"The tree is drawn in {arguments.picture}.")
    print("One split of one data set is one draw: repeat with --seed.")


def plain_tree(values, x, y, seed):
    """A tree on the labels, its pruning chosen by cross-validation."""
    kind = DecisionTreeRegressor if values else DecisionTreeClassifier
    tree = kind(random_state=seed)
    alphas = tree.cost_complexity_pruning_path(x, y).ccp_alphas
    alphas = np.quantile(np.maximum(alphas, 0), np.linspace(0, 1, 12))
    search = GridSearchCV(tree, {"ccp_alpha": np.unique(alphas)}, cv=5)
    return search.fit(x, y).best_estimator_


def teachers(arguments, values, x, y):
    """Teachers one after the other, fitted, with their names."""
    seed = arguments.seed
    if values:
        forest, boosted = RandomForestRegressor, HistGradientBoostingRegressor
    else:
        forest, boosted = RandomForestClassifier, HistGradientBoostingClassifier
    yield "random forest", forest(200, random_state=seed).fit(x, y)
    yield "boosted trees", boosted(random_state=seed).fit(x, y)
    if not values:
        classes = int(y.max()) + 1
        yield "ensemble of generations", bane(arguments, classes, x, y)


def bane(arguments, classes, x, y):
    """The mean of three generations of a network on standardised columns."""

    def model_fn():
        scale = keras.layers.Rescaling(1 / deviation, offset=-mean / deviation)
        model = keras.Sequential(
            [
                keras.Input(x.shape[1:]),
                scale,
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(classes),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"])
        return model

    mean = x.mean(0).astype("float32")
    deviation = np.maximum(x.std(0), 1e-6).astype("float32")
    ban = keras_ban.BornAgain(model_fn, "ban+l", seed=arguments.seed)
    lineage = ban.fit(
        x.astype("float32"),
        y,
        generations=2,
        epochs=arguments.epochs,
        verbose=0,
    )
    return lineage.ensemble()


def predicted(teacher, x):
    """What a teacher predicts: an estimator, or a network that gives shares."""
    if isinstance(teacher, keras.Model):
        return teacher.predict(x, verbose=0).argmax(1)
    return teacher.predict(x)


def draw(tree, names, classes, title, path):
    """Draws a tree, with room for each leaf and each level."""
    size = 2 + 1.6 * tree.get_n_leaves(), 2 + 1.3 * tree.get_depth()
    figure, axes = plt.subplots(figsize=size)
    plot_tree(
        tree,
        ax=axes,
        feature_names=names,
        class_names=classes,
        filled=True,
        proportion=True,
        precision=2,
        impurity=False,
        fontsize=8,
    )
    axes.set_title(title, fontsize=14)
    figure.savefig(path, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
