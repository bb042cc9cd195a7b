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
# # From dense to residual
#
# **Description:** A DenseNet teaches a residual network that takes over its
# shapes, its first convolution and its last layer.
#
# ## Introduction
#
# A student need not be of its teacher's kind. In the paper a DenseNet teaches
# residual networks that are built to match it: after each halving of the image
# both have the same shape, and the student keeps the teacher's first
# convolution and last layer, frozen (Furlanello et al., 2018, Table 5). Such a
# student is a **function of its teacher**, and `BornAgain` takes it as one.
#
# The networks are the smallest of their families, on images of 8×8 pixels,
# trained for a few epochs on a CPU: this shows how, not what it gives.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_ban
from keras_ban import models

digits = load_digits()
x, x_test, y, y_test = train_test_split(
    (digits.images[..., None] / 8 - 1).astype("float32"),
    digits.target,
    train_size=800,
    stratify=digits.target,
    random_state=0,
)


def compiled(model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    return model


# %% [markdown]
# ## Two functions
#
# The first has no argument, and makes the DenseNet. The second is given the
# model of the generation before.


# %%
def dense_fn():
    return compiled(models.densenet(10, 4, 10, input_shape=(8, 8, 1)))


def residual_fn(teacher):
    return compiled(
        models.ban_wide_resnet(
            1, 1, teacher, num_classes=10, input_shape=(8, 8, 1)
        )
    )


ban = keras_ban.BornAgain([dense_fn, residual_fn], objective="ban", seed=0)
lineage = ban.fit(x, y, generations=1, epochs=15, batch_size=50, verbose=0)
lineage.evaluate(x_test, y_test, title="test images")

# %% [markdown]
# ## What they share

# %%
teacher, student = lineage[0].model, lineage[1].model
print("teacher:", models.hidden_shapes(teacher))
print("student:", models.hidden_shapes(student))
for layer in student.layers:
    if layer.weights and not layer.trainable:
        (same,) = [
            other
            for other in teacher.layers
            if len(other.weights) == len(layer.weights)
            and all(
                a.shape == b.shape and np.array_equal(a, b)
                for a, b in zip(other.weights, layer.weights, strict=True)
            )
        ]
        print(f"{layer.name} is a frozen copy of the teacher's {same.name}")

# %% [markdown]
# ## How close they are
#
# Each point is a test image: the probability of its true class, by the teacher
# and by the student, which has seen no label.

# %%
p, q = (
    keras.ops.convert_to_numpy(keras.ops.softmax(m.predict(x_test, verbose=0)))[
        np.arange(len(y_test)), y_test
    ]
    for m in (teacher, student)
)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.scatter(p, q, s=6, alpha=0.5)
left.plot([0, 1], [0, 1], color="black", linewidth=0.5)
left.set_xlabel("DenseNet, taught by labels")
left.set_ylabel("residual network, taught by it")
left.set_title("probability of the true class")
right.plot(lineage[1].history["teacher_loss"], label="training")
right.set_xlabel("epoch")
right.set_ylabel("cross-entropy with the teacher (nats)")
plt.show()

# %% [markdown]
# ## Where to go from here
#
# - [The
#   networks](../../docs/networks.md#a-student-that-is-built-from-its-teacher),
#   and `models.share_ends` for a student of your own.
# - `examples/dense_to_residual.py` has the twins beside the students, both ways
#   round, and DenseNet-90-60 on a GPU.
