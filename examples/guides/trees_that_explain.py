# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Trees that explain
#
# **Description:** What a forest or a network knows, as one tree that a person
# can read.
#
# ## Introduction
#
# "Born again" is older than networks: Breiman and Shang (1996) grew one tree
# from the answers of many. A forest labels rows that are made of the real ones,
# as many as one likes, and the tree is grown on these. So it has the examples
# that a tree on the labels lacks, and follows the forest rather than the noise.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree import export_text
from sklearn.tree import plot_tree

from keras_ban import trees

table = load_wine()
names = list(table.feature_names)


def split(seed):
    """Half of the wines to train on, half to test."""
    return train_test_split(
        table.data,
        table.target,
        test_size=0.5,
        random_state=seed,
        stratify=table.target,
    )


x, x_test, y, y_test = split(0)
forest = RandomForestClassifier(100, random_state=0).fit(x, y)
print(f"forest of 100 trees: {forest.score(x_test, y_test):.3f}")

# %% [markdown]
# ## Rows that are like the real ones
#
# `smear` takes some values of a row from other rows, column by column. The
# clouds widen, and no value is one that was never measured.

# %%
rows = trees.smear(x, 2000, p_alter=0.25, random_state=0)
columns = [names.index("flavanoids"), names.index("color_intensity")]
figure, axes = plt.subplots(
    1, 2, figsize=(8, 3.4), sharex=True, sharey=True, layout="constrained"
)
for place, (title, shown) in zip(
    axes, {"real": x, "smeared": rows}.items(), strict=True
):
    place.scatter(*shown[:, columns].T, c=forest.predict(shown), s=6)
    place.set_title(f"{title}, colored by the forest")
    place.set_xlabel(names[columns[0]])
axes[0].set_ylabel(names[columns[1]])
plt.show()

# %% [markdown]
# ## The tree, born again
#
# It needs no labels: the forest gives them. `fidelity_` is how often it agrees
# with the forest, on fresh rows and on real ones. The report has leaves against
# accuracy.


# %%
def born_again(teacher, x):
    tree = trees.BornAgainTreeClassifier(
        teacher, max_leaf_nodes=200, max_samples=20_000, random_state=0
    )
    return tree.fit(x)


tree = born_again(forest, x)
print(tree.fidelity_)
print(tree.report(x_test, y_test))

# %% [markdown]
# ## Few leaves
#
# `pruned` cuts it back without growing it anew, and the result is a tree of
# scikit-learn.

# %%
small = tree.pruned(6)
print(export_text(small, feature_names=names))

# %%
figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
plot_tree(
    small,
    feature_names=names,
    class_names=[str(name) for name in table.target_names],
    filled=True,
    impurity=False,
    proportion=True,
    fontsize=7,
    ax=axes,
)
plt.show()

# %% [markdown]
# ## The control
#
# A tree of as many leaves on the labels, on the same halves of the data. Eight
# of these: one would be one draw.

# %%
leaves = [3, 4, 6, 10, 20, 50, 100, 200]
scores = {"the forest": [], "born again": [], "on the labels": []}
for seed in range(8):
    x, x_test, y, y_test = split(seed)
    forest = RandomForestClassifier(100, random_state=seed).fit(x, y)
    whole = born_again(forest, x)
    plain = [
        DecisionTreeClassifier(max_leaf_nodes=n, random_state=0).fit(x, y)
        for n in leaves
    ]
    found = {
        "the forest": [forest] * len(leaves),
        "born again": [whole.pruned(n) for n in leaves],
        "on the labels": plain,
    }
    for name, models in found.items():
        scores[name].append([m.score(x_test, y_test) for m in models])
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for name, lines in scores.items():
    mean = np.mean(lines, axis=0)
    error = np.std(lines, axis=0, ddof=1) / np.sqrt(len(lines))
    axes.errorbar(leaves, 100 * mean, 100 * error, capsize=3, label=name)
axes.set_xscale("log", base=2)
axes.set_xlabel("leaves at most")
axes.set_ylabel("right on test wines (%), ± standard error")
axes.legend()
plt.show()

# %% [markdown]
# ## A network explained
#
# The teacher may be any Keras model. This one gives logits, which its loss
# says.

# %%
keras.utils.set_random_seed(0)
scale = keras.layers.Normalization()
scale.adapt(x)
network = keras.Sequential(
    [
        keras.Input((13,)),
        scale,
        keras.layers.Dense(32, "relu"),
        keras.layers.Dense(3),
    ]
)
network.compile(
    keras.optimizers.Adam(1e-2),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
network.fit(x, y, epochs=40, verbose=0)
told = born_again(network, x)
right = network.predict(x_test, verbose=0).argmax(axis=1) == y_test
print(f"network:  {np.mean(right):.3f}")
print(f"its tree: {told.score(x_test, y_test):.3f}, {told.fidelity_}")
print(export_text(told.pruned(5), feature_names=names))

# %% [markdown]
# A network that weighs many columns against each other is harder to say in few
# leaves than a forest is: look at the fidelity on fresh rows before you take
# the tree for what the network does.
#
# ## Where to go from here
#
# - [Born-again trees](../../docs/trees.md): how much of a forest they keep on
#   eleven sets, and where few leaves do not say it.
