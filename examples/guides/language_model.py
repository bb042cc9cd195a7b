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
# # A language model
#
# **Description:** Words whose best perplexity is known, an LSTM that carries
# its state, and a student of it.
#
# ## Introduction
#
# Language models are judged by perplexity, and one rarely knows how low it
# could be. Here the language is made, from a grammar that the guide writes
# itself, so its entropy is known, and every network stands beside the truth.
#
# ## A language
#
# After each word the next is one of six, by fixed probabilities. A sentence
# ends where the word "end" would come.

# %%
import pathlib
import tempfile

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_ban
from keras_ban import metrics
from keras_ban import models
from keras_ban.data import text

rng = np.random.default_rng(0)
WORDS = 40
NAMES = [f"w{k:02}" for k in range(WORDS)]
chain = np.zeros((WORDS, WORDS))
for row in chain:
    row[rng.choice(WORDS, 6, replace=False)] = rng.dirichlet(np.ones(6))
# Word 0 stands for the end of a sentence, and none is empty.
chain = 0.95 * chain
chain[:, 0] += 0.05
chain[0, 0] = 0.0
chain /= chain.sum(axis=1, keepdims=True)


def sentences(words):
    lines, line, word = [], [], 0
    for _ in range(words):
        word = rng.choice(WORDS, p=chain[word])
        if word:
            line.append(NAMES[word])
        else:
            lines.append(" ".join(line))
            line = []
    return "\n".join(lines) + "\n"


folder = pathlib.Path(tempfile.mkdtemp())
for name, words in {"train": 6000, "valid": 3000, "test": 6000}.items():
    (folder / f"{name}.txt").write_text(sentences(words))
corpus = text.from_folder(folder)
print(len(corpus.train), "words,", len(corpus.vocabulary), "different ones")
print((folder / "train.txt").read_text().splitlines()[0])

# %% [markdown]
# ## The truth
#
# The entropy of the next word, averaged over how often each word comes, is the
# least that any model can reach.

# %%
often = np.linalg.matrix_power(chain, 200)[0]
logs = np.log(chain, where=chain > 0, out=np.zeros_like(chain))
truth = np.exp(-often @ (chain * logs).sum(axis=1))
print(f"no model is below a perplexity of {truth:.2f} for long")

# %% [markdown]
# ## A network that carries its state
#
# The rows of a batch go on where those of the batch before ended, and so does
# the state of the LSTM: `starts=True` says in which rows a stream begins.

# %%
train = text.batches(corpus.train, batch_size=10, steps=20, starts=True)
held_out = text.evaluation(corpus.validation, 20, streams=10, starts=True)


def model_fn():
    model = models.lstm_lm(corpus.vocabulary, units=32, layers=1, dropout=0.2)
    model.compile(
        keras.optimizers.Adam(1e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[metrics.Perplexity()],
    )
    return model


# %% [markdown]
# ## Teacher and student, and the control
#
# BAN+L, labels and teacher, is what the paper takes for language. Beside it the
# words alone, from the same seed. The first network of this control is the
# teacher.

# %%
options = {"epochs": 8, "validation_data": held_out, "verbose": 0}
control = keras_ban.BornAgain(model_fn, "labels", seed=0).fit(
    train, generations=1, **options
)
taught = keras_ban.BornAgain(model_fn, "ban+l", seed=0).fit(
    train, generations=1, teacher=control[0].model, **options
)
found = {"labels": control, "ban+l": taught}
test = text.evaluation(corpus.test, 20, streams=10, starts=True)
rows = {k: lineage.evaluate(test) for k, lineage in found.items()}
for objective, table in rows.items():
    for row in table:
        print(f"{objective:8} {row['name']:10} {row['perplexity']:.2f}")

# %%
plt.figure(figsize=(6, 4))
for objective, lineage in found.items():
    for generation in lineage[1:]:
        plt.plot(
            generation.history["val_perplexity"],
            label=f"{generation.name}, {objective}",
        )
plt.plot(found["labels"][0].history["val_perplexity"], label="teacher")
plt.axhline(truth, color="black", linestyle=":", label="the truth")
plt.xlabel("epoch")
plt.ylabel("perplexity on validation words")
plt.ylim(4, 14)
plt.legend()
plt.show()

# %% [markdown]
# One seed is one draw. What can be told beforehand: a teacher of words says
# which others could have come, and a text of this length says it of each word a
# few times only.
#
# ## Where to go from here
#
# - [Language models](../../docs/sequences.md): corpora, a network of
#   characters, a transformer, the outputs of a teacher of many words.
# - `examples/language_model.py` prints the rows of the paper's Table 6.
