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
# # An ensemble you can ship
#
# **Description:** The mean of all generations as one Keras model, served
# without this package, and put into one small network in the end.
#
# ## Introduction
#
# Generations that were trained one after another are an ensemble for free. Here
# they become one file, which is loaded in a process that knows nothing of
# `keras_ban`, and a SavedModel for a server. Then a single network learns what
# the ensemble knows, for where even that is too much.

# %%
import pathlib
import subprocess
import sys
import tempfile

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_ban

digits = load_digits()
x, x_test, y, y_test = train_test_split(
    (digits.data / 16).astype("float32"),
    digits.target,
    train_size=400,
    stratify=digits.target,
    random_state=0,
)
folder = pathlib.Path(tempfile.mkdtemp())


def model_fn(units=64):
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(units, "relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.Adam(3e-3),
        loss,
        metrics=["accuracy"],
        steps_per_execution=8,
    )
    return model


# %% [markdown]
# ## Generations, and their mean
#
# "Ens*all" in the table is the mean of the probabilities of all generations.

# %%
ban = keras_ban.BornAgain(model_fn, "ban+l", seed=0)
lineage = ban.fit(x, y, generations=4, epochs=30, batch_size=50, verbose=0)
lineage.evaluate(x_test, y_test, title="test images")

# %% [markdown]
# ## One file
#
# `ensemble` gives one functional model of plain Keras layers. So its file loads
# where `keras_ban` is not installed: here in a process in which importing it is
# an error.

# %%
bane = lineage.ensemble()
bane.save(folder / "bane.keras")
np.save(folder / "x.npy", x_test[:5])
script = """
import sys
sys.modules["keras_ban"] = None  # an import of it fails
import keras
import numpy as np
model = keras.models.load_model("bane.keras")
np.save("p.npy", model.predict(np.load("x.npy"), verbose=0))
print(model.name, "has", len(model.layers), "layers")
"""
done = subprocess.run(
    [sys.executable, "-c", script],
    cwd=folder,
    capture_output=True,
    text=True,
    check=True,
)
print(done.stdout)
here = bane.predict(x_test[:5], verbose=0)
print("largest difference:", np.abs(here - np.load(folder / "p.npy")).max())

# %% [markdown]
# ## A SavedModel
#
# What TensorFlow Serving, TFLite and others read:

# %%
tf.get_logger().setLevel("ERROR")  # it says where the files lie
bane.export(folder / "bane", verbose=False)
served = keras.layers.TFSMLayer(folder / "bane", call_endpoint="serve")
print("largest difference:", np.abs(here - served(x_test[:5]).numpy()).max())

# %% [markdown]
# ## Weights of the members
#
# The mean need not be even. Look at validation data, never at the test images,
# if you choose them:

# %%
tilted = keras_ban.ensemble([g.model for g in lineage], weights=[1, 1, 2, 2, 2])
print(tilted.predict(x_test[:1], verbose=0).round(3))

# %% [markdown]
# ## One small network
#
# Five networks are five times the work of a prediction. A network of an eighth
# of the units learns from their mean, beside its twin that learns from the
# labels as long. One seed is one draw: it shows how, not that it helps.

# %%
keras.utils.set_random_seed(1)
student, twin = model_fn(8), model_fn(8)
twin.set_weights(student.get_weights())
distiller = keras_ban.Distiller(student, bane, keras_ban.objectives.KD(0.5))
distiller.compile(keras.optimizers.Adam(3e-3), steps_per_execution=8)
distiller.fit(x, y, epochs=100, batch_size=50, verbose=0)
twin.fit(x, y, epochs=100, batch_size=50, verbose=0)


def error(model):
    p = model.predict(x_test, verbose=0)
    return 100 * np.mean(p.argmax(axis=1) != y_test)


models = {
    "one generation": lineage[-1].model,
    "ensemble": bane,
    "small, taught": student,
    "small, labels": twin,
}
for (name, model), mark in zip(models.items(), "os^v", strict=True):
    plt.scatter(model.count_params(), error(model), marker=mark, label=name)
plt.xscale("log")
plt.margins(0.2)
plt.legend()
plt.xlabel("parameters")
plt.ylabel("test error (%)")
plt.show()

# %% [markdown]
# ## Where to go from here
#
# - [Teachers of many](../../docs/teachers.md): `teachers=5` trains five
#   networks and their student in one call.
# - [Compare](../../docs/compare.md) tells, over seeds, what a student keeps of
#   an ensemble.
