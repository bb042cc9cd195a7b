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
# # Many devices
#
# **Description:** One script, one process and two workers, and the same table
# from both.
#
# ## Introduction
#
# A script of `keras_ban` trains on one CPU, on the GPUs of a machine and on
# several machines, and does not say which. Two workers on this machine show it:
# they have an address each and split each batch between them. That is for
# trying out, as they share the same cores; nothing becomes faster here.
#
# ## The script
#
# A script like any other: a worker is connected before its script begins. Every
# worker reads the same data, and `batch_size` is that of all of them together.

# %%
import pathlib
import subprocess
import sys
import tempfile

folder = pathlib.Path(tempfile.mkdtemp())
script = folder / "train.py"
script.write_text("""
import keras
import numpy as np
from sklearn.datasets import load_digits

import keras_ban


def model_fn():
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
    return model


x, y = load_digits(return_X_y=True)
x = (x / 16).astype("float32")
ban = keras_ban.BornAgain(model_fn, "ban+l", directory="run", seed=0)
lineage = ban.fit(
    x[:800], y[:800], generations=1, epochs=3, batch_size=100, verbose=0
)
print(lineage.evaluate(x[800:], y[800:], title="test images"))
""")


def run(*command):
    """Runs a command in a folder of its own, and returns what it prints."""
    place = pathlib.Path(tempfile.mkdtemp(dir=folder))
    done = subprocess.run(
        [sys.executable, *command],
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    return place / "run", done.stdout


# %% [markdown]
# ## One process

# %%
alone, printed = run(script)
print(printed)

# %% [markdown]
# ## Two workers
#
# The launcher starts them, tells each who the others are by `TF_CONFIG`, as a
# cluster would, and puts a number before their lines. When one fails, all are
# ended.

# %%
together, printed = run("-m", "keras_ban.launch", "--workers", "2", script)
lines = printed.splitlines()
first = [line for line in lines if line.startswith("[worker 0]")]
print("\n".join(first[first.index("[worker 0] test images") :]))
assert any(line.startswith("[worker 1] BAN-1") for line in lines)

# %% [markdown]
# ## Are these the same networks?
#
# The first worker alone has written the directory. What is in it can be set
# beside the other, weight by weight. The update of a step is the sum over the
# parts of the batch, which differs from that of one process in the last digits.

# %%
import keras
import numpy as np

import keras_ban

ours, theirs = keras_ban.load(alone), keras_ban.load(together)
for one, two in zip(ours, theirs, strict=True):
    differences = [
        np.abs(keras.ops.convert_to_numpy(a) - b).max()
        for a, b in zip(one.model.weights, two.model.get_weights(), strict=True)
    ]
    print(f"{one.name}: weights differ by {max(differences):.0e} at most")
    assert max(differences) < 1e-3

# %% [markdown]
# ## Where to go from here
#
# - [Several GPUs, several machines](../../docs/machines.md): Slurm, Kubernetes,
#   and what happens when a worker dies.
# - [Runs that survive](../../docs/runs.md): the directory, which two workers
#   here have written and one process reads.
