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
# # Ten speech models into one
#
# **Description:** Ten acoustic models name the state of each frame; one network
# learns from their mean.
#
# ## Introduction
#
# The first large distillation was of acoustic models: ten were put into one,
# which kept most of what the ten gain (Hinton, Vinyals and Dean, 2015). Here is
# the whole way, on sounds that the guide makes: chains of two tones in noise,
# which are no speech, but are read, cut and scored as speech is.
#
# ## Recordings

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_ban
from keras_ban import models
from keras_ban import views
from keras_ban.data import speech

RATE, STATES = 8000, 3
rng = np.random.default_rng(0)
# Two formants of each of the three sounds of a "digit".
FORMANTS = rng.uniform((300, 900), (800, 2600), (10, STATES, 2))


def say(digit, pitch):
    """Half a second of a digit: its sounds, one after another, and noise."""
    seconds = 0.15 * rng.uniform(0.7, 1.3, STATES)
    sounds = []
    for length, formants in zip(seconds, FORMANTS[digit], strict=True):
        t = np.arange(0, length, 1 / RATE)
        harmonics = np.arange(pitch, 3500, pitch)
        nearness = [
            (1 / (1 + ((harmonics - f) / 120) ** 2))
            for f in formants * rng.normal(1, 0.09, 2)
        ]
        waves = np.sin(2 * np.pi * t[:, None] * harmonics)
        sounds.append(waves @ np.sum(nearness, axis=0))
    wave = np.concatenate(sounds)
    return wave + rng.normal(0, 1.2, len(wave))


said = [(digit, rng.uniform(90, 200)) for digit in range(10) for _ in range(30)]
frames = [speech.log_mel(say(*one), sample_rate=RATE) for one in said]
figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
for place, number in zip(axes, (0, 35, 70), strict=True):
    place.imshow(frames[number].T, origin="lower", aspect="auto")
    place.set_title(f"digit {said[number][0]}")
    place.set_xlabel("frame, 10 ms each")
axes[0].set_ylabel("mel band")
plt.show()

# %% [markdown]
# ## Frames and their states
#
# A digit is a hidden Markov model of three states. A network sees a window of
# 26 frames, and names the state that the 21st of them is in. Of the 30 takes of
# each digit, 10 are for training, 5 to choose by and 15 to test.

# %%
features = speech.standardize(frames, ["one"] * len(frames))
hmms = speech.DigitHMMs(10, states=STATES)
x = [speech.windows(f)[..., None] for f in features]
y = [
    hmms.cut_uniformly(len(f), digit)
    for f, (digit, _) in zip(features, said, strict=True)
]
take = np.arange(len(said)) % 30
parts = {
    "train": take < 10,
    "val": (take >= 10) & (take < 15),
    "test": take >= 15,
}


def joined(part):
    chosen = np.flatnonzero(parts[part])
    return (
        np.concatenate([x[k] for k in chosen]).astype("float32"),
        np.concatenate([y[k] for k in chosen]),
    )


train, val, test = map(joined, parts)
print(len(train[1]), "frames to train on,", len(test[1]), "to test")

# %% [markdown]
# ## Ten networks, and one from their mean
#
# `teachers=10` trains ten on the labels, side by side, and generation 1 from
# their mean. On the windows that they were trained on, ten networks say little
# that the labels do not, so the student sees others: of each a rectangle of
# time and frequency is hidden, another one in each epoch. The twin, on labels
# alone, sees such windows too, and is trained as long as the student.


# %%
def model_fn():
    model = models.acoustic(
        train[0].shape[1:], layers=2, units=64, targets=hmms.count
    )
    model.compile(
        keras.optimizers.Adam(2e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=10,
    )
    return model


hidden = views.layer(
    keras.layers.RandomErasing(
        scale=(0.0, 0.5), fill_value=0.0, value_range=(-20, 20)
    )
)
options = {"batch_size": 64, "validation_data": val, "verbose": 0}
objective = keras_ban.objectives.KD(0.5, temperature=2.0)
lineage = keras_ban.BornAgain(model_fn, objective, seed=0).fit(
    *train,
    generations=1,
    teachers=10,
    epochs=lambda generation: 20 if generation else 10,
    augment=hidden,
    teacher_augment=None,
    **options,
)
twin = keras_ban.BornAgain(model_fn, "labels", seed=0).fit(
    *train, generations=0, epochs=20, augment=hidden, **options
)

# %% [markdown]
# ## Frames, and digits
#
# A network's probabilities, divided by how often each state comes, are what
# Viterbi's algorithm searches for the digit.

# %%
priors = speech.state_priors([y[k] for k in np.flatnonzero(parts["train"])], 30)
everyone = {
    "one of the ten": lineage.teachers[0].model,
    "mean of ten": lineage[0].model,
    "one from ten": lineage[1].model,
    "its twin": twin[0].model,
}


def probabilities(model, rows):
    p = model.predict(rows, verbose=0)
    # A mean of models gives probabilities, a network logits.
    if np.any(p < 0):
        p = keras.ops.convert_to_numpy(keras.ops.softmax(p))
    return p


def wrong_digits(model):
    chosen = np.flatnonzero(parts["test"])
    ends = np.cumsum([len(x[k]) for k in chosen])[:-1]
    parted = np.split(probabilities(model, test[0]), ends)
    heard = [
        speech.recognise(hmms, speech.scaled_log_likelihoods(p, priors))
        for p in parted
    ]
    return np.mean(
        [h != said[k][0] for h, k in zip(heard, chosen, strict=True)]
    )


figures = {}
for name, model in everyone.items():
    right = probabilities(model, test[0]).argmax(axis=1) == test[1]
    figures[name] = 100 * np.mean(right), 100 * wrong_digits(model)
    print(
        f"{name:15} frames right {figures[name][0]:.1f} %, "
        f"digits wrong {figures[name][1]:.1f} %"
    )

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
for place, column, title in zip(
    axes, range(2), ("frames right (%)", "digits wrong (%)"), strict=True
):
    values = [row[column] for row in figures.values()]
    place.barh(list(figures), values)
    place.set_title(title)
    place.invert_yaxis()
axes[0].set_xlim(left=min(row[0] for row in figures.values()) - 5)
plt.show()

# %% [markdown]
# One seed, and no speech. The twin is no strong opponent here: hidden windows
# serve the labels alone badly, so set the student beside one of the ten too. On
# recordings, over seeds and beside all of these, it is one command; the guide
# to speech has it.
#
# ## Where to go from here
#
# - [Speech](../../docs/speech.md): spoken digits, speakers who were never
#   heard, few recordings with soft targets.
# - [When it helps](../../docs/when.md): spoken digits beside other data.
