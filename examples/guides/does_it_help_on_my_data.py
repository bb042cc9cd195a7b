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
# # Does it help on my data?
#
# **Description:** A table, a network, three seeds: what can be told, and what
# cannot.
#
# ## Introduction
#
# Whoever tries a method once sees a number go up or down, and half of it is
# luck. `keras_ban.compare` trains each method beside its **twin**, the same
# recipe on the labels alone, over several seeds, and says in words what that
# shows. Put your own table in the place of this one, and run it again.
#
# ## A table
#
# Four classes, 20 columns of which ten say something, and one label in ten
# drawn anew. 800 rows to train on, 400 to choose by, 2,800 that select nothing.

# %%
import keras
import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

import keras_ban
from keras_ban import objectives
from keras_ban import views

x, y = make_classification(
    4000,
    n_informative=10,
    n_classes=4,
    flip_y=0.1,
    random_state=0,
)
x = x.astype("float32")
x_train, x_rest, y_train, y_rest = train_test_split(
    x, y, train_size=800, stratify=y, random_state=0
)
x_val, x_test, y_val, y_test = train_test_split(
    x_rest, y_rest, train_size=400, stratify=y_rest, random_state=0
)

# %% [markdown]
# ## A network
#
# With an argument `epochs`, the function is told how long its network will be
# trained, and can make a schedule of that length.


# %%
def model_fn(epochs):
    model = keras.Sequential(
        [
            keras.Input((20,)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(4),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(5e-3, 16 * epochs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.AdamW(rate),
        loss,
        metrics=["accuracy"],
        steps_per_execution=16,
    )
    return model


# %% [markdown]
# ## What to compare
#
# The paper's BAN; one network taught by five on mixed rows, the method that
# served most of what was measured; and the labels, with mixed rows and without.
# What several methods need is trained once. Nothing is written, but with
# `directory=` a comparison goes on after an interruption.

# %%
methods = {
    "labels": "labels",
    "labels, mixed": keras_ban.Method("labels", views.mixup(0.3)),
    "ban": "ban",
    "one from five": keras_ban.Method(
        objectives.KD(0.5, temperature=2.0), views.mixup(0.3), teachers=5
    ),
}
study = keras_ban.compare(
    model_fn,
    x_train,
    y_train,
    methods,
    seeds=3,
    epochs=40,
    batch_size=50,
    validation_data=(x_val, y_val),
    verbose=0,
)
study.evaluate(x_test, y_test, title="test rows")

# %% [markdown]
# ## How to read it
#
# The column `to twin` counts: the difference of the errors, in points, seed by
# seed. Where the whole interval lies below 0, the method errs less than the
# same time and views on the labels alone. The sentences below the table say it
# in the order in which it should change your mind: first whether labels alone
# would have done. [Compare](../../docs/compare.md#how-to-read-the-table)
# explains them.

# %%
study.plot()

# %% [markdown]
# Errors are the measure of decisions, the negative log-likelihood that of
# probabilities. They need not agree:

# %%
study.plot(measure="nll")

# %% [markdown]
# ## What to take
#
# `best` looks at the validation rows alone, and takes the cheapest method that
# is within one standard error of the lowest error.

# %%
print("to take:", study.best.name)
for row in study.rows:
    print(f"{row['name']:16} trained for {row['training_cost']:.0f} networks")

# %% [markdown]
# And the networks are there, each an ordinary Keras model:

# %%
model = study.lineages["one from five"][0][-1].model
print(model.evaluate(x_test, y_test, verbose=0, return_dict=True))
plt.close("all")

# %% [markdown]
# ## Where to go from here
#
# - [When it helps](../../docs/when.md): six sets, many methods, what was found.
# - [Views](../../docs/views.md) that suit your data better than mixed rows.
# - [Questions and answers](../../docs/faq.md), if nothing helps.
