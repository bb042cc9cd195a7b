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
# # Objectives under the light
#
# **Description:** What each objective asks of one logit, drawn; what CWTM and
# DKPP leave of a teacher.
#
# ## Introduction
#
# An objective decides where the weights go by one thing alone: its gradient
# with respect to the student's logits. That is a row of as many numbers as
# there are classes. Here these rows are drawn, for one example, so that you see
# what you choose between. Nothing is trained.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from keras_ban import objectives

# %% [markdown]
# ## One example
#
# A student that knows nothing yet looks at a 3. The teacher is fairly sure that
# it is one, and that it looks more like an 8 or a 5 than like a 1. The second
# row is an example whose label is wrong: it says 7, the teacher still says 3.

# %%
teacher = np.array(
    [[-1.0, -4.0, 0.0, 4.0, -3.0, 2.0, -2.0, -1.0, 2.5, 0.5]] * 2, "float32"
)
student = np.zeros((2, 10), "float32")
labels = np.array([3, 7])
p = keras.ops.convert_to_numpy(keras.ops.softmax(teacher))
print("the teacher's probabilities:", p[0].round(3))

# %% [markdown]
# ## What each objective pulls at
#
# A bar is minus the gradient: the way in which a step of gradient descent moves
# that logit. Above 0 the class becomes more probable.


# %%
def pull(objective):
    """Minus the gradient of an objective's loss, for each example."""
    logits = tf.Variable(student)
    with tf.GradientTape() as tape:
        loss = 2 * objectives.get(objective)(labels, logits, teacher)
    return -tape.gradient(loss, logits).numpy()


shown = {
    "labels": "labels",
    "ban": "ban",
    "ban+l": "ban+l",
    "kd, T = 1": objectives.KD(0.5, temperature=1.0),
    "kd, T = 4": objectives.KD(0.5, temperature=4.0),
    "dkd, β = 1": objectives.DKD(beta=1.0),
}
figure, axes = plt.subplots(
    2, len(shown), figsize=(12, 4), sharex=True, sharey=True
)
for column, (name, objective) in zip(axes.T, shown.items(), strict=True):
    for place, row, label in zip(column, pull(objective), labels, strict=True):
        colors = ["tab:orange" if k == label else "tab:blue" for k in range(10)]
        place.bar(range(10), row, color=colors)
        place.axhline(0, color="black", linewidth=0.5)
    column[0].set_title(name)
    column[1].set_xlabel("class")
axes[0, 0].set_ylabel("label 3")
axes[1, 0].set_ylabel("label 7, wrong")
figure.tight_layout()
plt.show()

# %% [markdown]
# Orange is the class of the label.
#
# - *labels* pulls at one class and pushes all others alike.
# - *ban* knows no label: both rows are the same. It pulls at 3, and a little at
#   8 too. That is all that "dark knowledge" is.
# - *ban+l* and *kd* are sums of these two; half of *kd* is the label's. In the
#   lower row label and teacher disagree, and the teacher stands against the
#   wrong label.
# - A high temperature makes the teacher's part nearly linear in its logits:
#   what is improbable counts as well as what is likely.
# - *dkd* weighs the classes beside the label by themselves: what the teacher
#   thinks of an 8 and a 5 counts in full, however sure it is of the 3. Its β is
#   8 by default.
#
# That the pull of *ban* is the difference of two softmaxes can be checked:

# %%
difference = p - keras.ops.convert_to_numpy(keras.ops.softmax(student))
print("largest deviation:", np.abs(pull("ban") - difference).max())

# %% [markdown]
# ## Is it the dark knowledge?
#
# A student of *ban* may gain by either of two things: that the teacher's other
# probabilities say which classes are alike, or only that some examples count
# more, those of which the teacher is sure. The paper tells them apart by two
# objectives that take one of these away (Furlanello et al., 2018).
#
# **CWTM** keeps the weights alone. The student learns from labels, each example
# weighted by the teacher's largest probability:

# %%
rng = np.random.default_rng(0)
sure = np.linspace(0.0, 6.0, 40, dtype="float32")
batch = rng.normal(size=(40, 10)).astype("float32")
batch[:, 3] += sure
weights = keras.ops.convert_to_numpy(objectives.CWTM().weights(batch))
confidence = keras.ops.convert_to_numpy(keras.ops.softmax(batch)).max(axis=1)
plt.figure(figsize=(5, 3.2))
plt.scatter(confidence, 40 * weights)
plt.axhline(1, color="black", linewidth=0.5)
plt.xlabel("the teacher's largest probability")
plt.ylabel("weight, in that of plain labels")
plt.tight_layout()
plt.show()
print(f"they sum up to {weights.sum():.6f}")

# %% [markdown]
# **DKPP** keeps the largest probability in its place and shuffles all others,
# anew for each example and step. What is left says how sure the teacher is, and
# no longer which classes are alike. On average over many draws the other
# classes share evenly:

# %%
objective = objectives.DKPP(seed=0)
draws = [
    keras.ops.convert_to_numpy(objective.permute(p[:1]))[0] for _ in range(200)
]
figure, axes = plt.subplots(1, 4, figsize=(10, 2.6), sharey=True)
drawn = {
    "the teacher": p[0],
    "one draw": draws[0],
    "another": draws[1],
    "mean of 200": np.mean(draws, axis=0),
}
for place, (name, row) in zip(axes, drawn.items(), strict=True):
    place.bar(range(10), row)
    place.set_title(name)
    place.set_xlabel("class")
axes[0].set_ylabel("probability")
axes[0].set_ylim(0, 0.2)
figure.tight_layout()
plt.show()
assert all(np.argmax(draw) == 3 for draw in draws)

# %% [markdown]
# The axis ends at 0.2, far below the bar of the 3, which stands still.
#
# ## An objective of your own
#
# Any function of labels and logits that gives the loss of each example is one.
# This one learns from labels where the teacher agrees with them, and from the
# teacher where it does not:


# %%
def trusting(y_true, student_logits, teacher_logits):
    agrees = keras.ops.argmax(teacher_logits, axis=-1) == y_true
    label = keras.losses.sparse_categorical_crossentropy(
        y_true, student_logits, from_logits=True
    )
    taught = keras.losses.categorical_crossentropy(
        keras.ops.softmax(teacher_logits), student_logits, from_logits=True
    )
    return keras.ops.where(agrees, label, taught)


print(pull(trusting).round(2))

# %% [markdown]
# ## Where to go from here
#
# - `keras_ban.BornAgain(model_fn, trusting)` trains by it.
# - Whether it helps is another question: [compare](../../docs/compare.md) asks
#   it of your data, and [when it helps](../../docs/when.md) has what was
#   measured.
