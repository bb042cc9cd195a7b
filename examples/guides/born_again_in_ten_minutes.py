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
# # Born-again networks in ten minutes
#
# **Description:** Training a network, then fresh copies of it from it, with
# the control that tells whether it helped.
#
# ## Introduction
#
# A network trained on labels knows more than the labels say: for an image of
# a 3 it may give 8 a probability of 5 % and 1 nearly none. *Knowledge
# distillation* trains a second network on these probabilities. The second one
# is usually smaller. In **born-again networks** (Furlanello et al., 2018) it
# is not: it has the very same architecture, starts from fresh weights, and
# learns from the first. Then a third learns from the second, and so on.
#
# In this guide we will
#
# - train a network on images with many wrong labels, and three generations
#   from it,
# - measure accuracy and calibration of each, and of their ensemble,
# - **compare** methods with their controls, without which none of these figures
#   means anything,
# - distil one step by hand, with a temperature.
#
# ## Setup

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_ban
from keras_ban import views

# %% [markdown]
# ## The data
#
# Scikit-learn ships 1,797 images of handwritten digits, 8×8 pixels each. We
# train on 500, and draw the labels of four in ten of these anew, from all ten
# digits: where labels are wrong, a teacher has most to say. Three sets are kept
# apart: one to train on, one to choose by, one to report on.

# %%
digits = load_digits()
x = (digits.images[..., None] / 16).astype("float32")
x_train, x_rest, y_train, y_rest = train_test_split(
    x, digits.target, train_size=500, stratify=digits.target, random_state=0
)
x_val, x_test, y_val, y_test = train_test_split(
    x_rest, y_rest, train_size=300, stratify=y_rest, random_state=0
)
rng = np.random.default_rng(0)
is_drawn = rng.random(len(y_train)) < 0.4
y_noisy = np.where(is_drawn, rng.integers(0, 10, len(y_train)), y_train)
wrong = 100 * np.mean(y_noisy != y_train)
print(f"{len(x_train)} to train, {wrong:.0f} % of the labels wrong,")
print(f"{len(x_val)} to validate, {len(x_test)} to test")

# %% [markdown]
# ## The model
#
# Everything starts from a function that returns a fresh, compiled model. It is
# ordinary Keras. Each generation calls it once, under a random seed of its
# own, so leave fixed seeds out of it. The learning rate falls to 0 over 100
# epochs of 10 steps.


# %%
def model_fn():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(48, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(4e-3, 100 * 10)
    model.compile(
        optimizer=keras.optimizers.AdamW(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=10,
    )
    return model


# %% [markdown]
# ## Views
#
# On the images that it was trained on, a teacher repeats the labels, wrong ones
# too. So student and teacher look at **views**: each epoch every image is moved
# and turned a little, and mixed with another one, and so are the labels. The
# views are Keras' own layers, and `mixup` (Zhang et al., 2018).

# %%
moved = layers.Pipeline(
    [
        layers.RandomTranslation(0.08, 0.08, fill_mode="constant"),
        layers.RandomRotation(0.03, fill_mode="constant"),
    ]
)
augment = [views.layer(moved), views.mixup(0.3)]
images = np.concatenate([x_train[:8], moved(x_train[:8], training=True)])
figure, axes = plt.subplots(2, 8, figsize=(8, 2))
for image, place in zip(images, axes.flat, strict=True):
    place.imshow(image[..., 0], cmap="gray_r")
    place.axis("off")
plt.show()

# %% [markdown]
# ## Three generations
#
# One call trains the teacher on the labels, then BAN-1 from the teacher, BAN-2
# from BAN-1 and BAN-3 from BAN-2. With the objective `"ban"` the students see
# no labels at all, only the distribution of the generation before.
#
# The other arguments are those of `keras.Model.fit`. With `verbose=0` nothing
# is printed; without it, `fit` says who learns from whom and until when, above
# Keras' own progress bars, and prints the table that the last line shows here.

# %%
options = {
    "epochs": 100,
    "batch_size": 50,
    "augment": augment,
    "validation_data": (x_val, y_val),
    "verbose": 0,
}
born_again = keras_ban.BornAgain(model_fn, objective="ban", seed=0)
lineage = born_again.fit(x_train, y_noisy, generations=3, **options)
lineage

# %% [markdown]
# The table shows the validation data. *NLL* is the negative log-likelihood,
# *ECE* the expected calibration error: how far the network's confidence is
# from its accuracy. *Agreement* is the share of images on which a student and
# its teacher name the same digit. `Ens*2`, `Ens*3` and `Ens*all` are means of
# the predictions of the last two, the last three and all generations.
#
# A generation has an ordinary Keras model, `lineage[1].model`, and its history:

# %%
best = lineage.best
print(f"{best.name} is best on validation data, seed {best.seed}")
for generation in lineage[1:]:
    plt.plot(generation.history["teacher_loss"], label=generation.name)
plt.xlabel("epoch")
plt.ylabel("cross-entropy with the teacher (nats)")
plt.legend()
plt.show()

# %% [markdown]
# ## The ensemble
#
# `lineage.ensemble` returns one plain functional Keras model, the mean of its
# members' probabilities. It saves and loads without keras_ban, and serves
# wherever Keras models do.

# %%
bane = lineage.ensemble(last=3)
loss, accuracy = bane.evaluate(x_test, y_test, verbose=0)
print(f"test accuracy {100 * accuracy:.2f} %, NLL {loss:.4f}")

# %% [markdown]
# ## The control
#
# Is a student better than its teacher because it was born again, or because
# some seeds are luckier than others? The answer needs its **twin**: a network
# of the same recipe, trained as long on the **labels alone**, for several
# seeds. `compare` trains both, each network once, and says what can be told.
#
# We ask for BAN-1 and for one network that learns from the mean of five, both
# on the views, and for the labels alone with and without views.

# %%
methods = ["labels", "labels+views", "ban+views", "one from five"]
study = keras_ban.compare(
    model_fn, x_train, y_noisy, methods, seeds=3, **options
)
study.evaluate(x_test, y_test, title="Test images")

# %% [markdown]
# The column `to twin` is the one to read: the difference to the twin, in points
# of error, paired by seed. What is told from chance lies on one side of 0 with
# its whole interval. The verdict below the table says so in words, and how many
# seeds it would take to tell the rest. `docs/compare.md` explains every line.

# %%
study.plot()

# %% [markdown]
# The method to take is chosen on the validation data, never on the test images:

# %%
print(study.best.name)

# %% [markdown]
# ## One step by hand
#
# `BornAgain` is a loop around `Distiller`, which trains one student from one
# teacher. It is a `keras.Model`, so `compile`, `fit` and callbacks work as
# usual. Here the student is a fraction of the teacher's size, and the
# objective is Hinton's: softened targets at temperature 3, without the labels,
# as so many are wrong.

# %%
keras.utils.set_random_seed(1)
small = keras.Sequential(
    [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10)]
)
objective = keras_ban.objectives.KD(alpha=0.0, temperature=3.0)
distiller = keras_ban.Distiller(small, bane, objective)
distiller.compile(keras.optimizers.Adam(1e-2), metrics=["accuracy"])
history = distiller.fit(x_train, y_noisy, epochs=30, verbose=0).history
print({name: round(values[-1], 4) for name, values in history.items()})
loss, accuracy = small.evaluate(x_test, y_test, verbose=0)
print(
    f"{small.count_params():,} parameters taught by {bane.count_params():,}: "
    f"test accuracy {100 * accuracy:.2f} %"
)

# %% [markdown]
# ## Where to go from here
#
# - Other objectives: `"ban+l"` adds the labels, `"cwtm"` and `"dkpp"` take the
#   dark knowledge apart, a function of your own does what you like.
# - Other architectures: a sequence of model functions lets one family teach
#   another; `fit(..., teacher=model)` starts from a model that you have.
# - The README says what is repeatable, and what is not.
