"""Small language models, and small texts that they learn."""

import keras
import numpy as np
from builders import LOGITS

from keras_ban import models
from keras_ban.data import text

WORDS = 12


def tokens(count=300, seed=0):
    """A text in numbers of words, in which a word tells of the next one."""
    rng = np.random.default_rng(seed)
    found = [0]
    for _ in range(count - 1):
        step = rng.choice([1, 2, 5], p=[0.7, 0.2, 0.1])
        found.append((found[-1] + step) % WORDS)
    return np.array(found, "int32")


def batches(rows=4, steps=5, count=140, seed=0):
    return text.batches(tokens(count, seed), rows, steps, starts=True)


def inputs(rows, first, words):
    """Inputs of a network, of which a batch starts a stream or goes on."""
    return {"words": words, "starts": np.full(rows, first)}


def lstm(dropout=0.2, eager=False, layers=2, **compilation):
    model = models.lstm_lm(WORDS, 6, layers, dropout, rows=8)
    return compiled(model, eager, **compilation)


def gpt(eager=False):
    return compiled(models.gpt(WORDS, 8, 1, 2, length=8), eager)


def bigram(words):
    """A function that makes one of logits `(rows, steps, words)`."""

    def model_fn():
        layers = [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(words, 8),
            keras.layers.Dense(words),
        ]
        return compiled(keras.Sequential(layers))

    return model_fn


def compiled(model, eager=False, optimizer=None, **compilation):
    optimizer = optimizer or keras.optimizers.SGD(0.5, global_clipnorm=0.25)
    model.compile(optimizer, LOGITS, run_eagerly=eager, **compilation)
    return model
