"""Recurrent language models: words to the logits of the words after them."""

import functools
import math

import keras
import numpy as np
from keras import ops

from keras_ban import checks
from keras_ban.models.carried import CarriedLSTM
from keras_ban.models.words import LogitBias
from keras_ban.models.words import Spelling
from keras_ban.models.words import TiedEmbedding


def lstm_lm(vocabulary, units=1500, layers=2, dropout=0.65, rows=256):
    """An LSTM language model with tied weights.

    Dropout acts on the vectors of words, between the layers and before the
    logits, on no recurrent connection. Weights are drawn evenly from
    `±1 / √units`.

    With its defaults and the 10,000 words of Penn Treebank it has 51.02
    million parameters, with the second bias of each gate that other
    libraries have 51.03: Furlanello et al. (2018, Table 6) say 52. Their
    text has one layer, which would be 33.0; units, dropout, epochs and
    schedule are those of a widely used example of two layers.

    Source: Zaremba et al., "Recurrent Neural Network Regularization", 2014,
    Section 3.1, "large"; Press and Wolf, "Using the Output Embedding to
    Improve Language Models", 2017, Section 3.

    Args:
        vocabulary: A `data.text.Vocabulary`, or the number of words.
        units: Of each layer, and size of the vectors of words. Defaults to
            `1500`.
        layers: How many there are. Defaults to `2`.
        dropout: Share of the units that is left out. Defaults to `0.65`.
        rows: Rows of a batch at most, as of `CarriedLSTM`. Defaults to `256`.

    Returns:
        An uncompiled `keras.Model` that takes the inputs of
        `data.text.batches(..., starts=True)`, a dict of "words", shape
        `(batch, steps)`, and "starts", shape `(batch,)`, and gives logits of
        shape `(batch, steps, words)`. Its state is carried from batch to
        batch, as `CarriedLSTM` says.

    Raises:
        ValueError: If an argument is not of its kind.

    Example:
    >>> model = keras_ban.models.lstm_lm(10_000)
    >>> model.count_params()
    51022000
    """
    words = number_of_words(vocabulary)
    _check(units, layers, dropout, rows)
    inputs = _inputs()
    drawn = _drawn(1 / math.sqrt(units))
    vectors = TiedEmbedding(words, units, drawn(), name="words_and_logits")
    x = _dropped(vectors(inputs["words"]), dropout)
    shape = units, layers, rows
    x = _recurrent(x, inputs["starts"], *shape, dropout, drawn)
    outputs = LogitBias(name="logits")(vectors(x, reverse=True))
    return keras.Model(inputs, outputs, name=f"lstm_lm_{units}_{layers}")


def cnn_lstm_lm(
    vocabulary,
    characters=None,
    units=650,
    layers=2,
    dropout=0.5,
    embedding=15,
    widths=(1, 2, 3, 4, 5, 6, 7),
    filters=50,
    most=200,
    highways=2,
    rows=256,
):
    """An LSTM language model that reads the characters of words.

    Each word is read by convolutions over its characters, `min(most, filters
    * width)` of each width, tanh and the maximum over the word, then by
    highway layers. Dropout acts between the LSTM layers and before the
    logits, which have weights of their own. The defaults are those of the
    large network: 19.37 million parameters for the 10,000 words and 51
    characters of Penn Treebank (published: 19).

    Source: Kim et al., "Character-Aware Neural Language Models", 2016,
    Section 2 and Table 2.

    Args:
        vocabulary: A `data.text.Vocabulary`, or the number of words.
        characters: Numbers of the characters of each word, shape `(words,
            length)`, 0 for none. Defaults to `None`: those that
            `vocabulary.characters()` gives.
        units: Of each LSTM layer. Defaults to `650`.
        layers: How many of these there are. Defaults to `2`.
        dropout: Share of the units that is left out. Defaults to `0.5`.
        embedding: Size of the vector of a character. Defaults to `15`.
        widths: Characters that each kind of convolution spans. Defaults to
            `(1, 2, 3, 4, 5, 6, 7)`.
        filters: Of a convolution over one character. Defaults to `50`.
        most: Filters of one kind at most. Defaults to `200`.
        highways: How many highway layers there are. Defaults to `2`.
        rows: As of `lstm_lm`. Defaults to `256`.

    Returns:
        An uncompiled `keras.Model`, as `lstm_lm` returns it.

    Raises:
        ValueError: If an argument is not of its kind.

    Example:
    >>> model = keras_ban.models.cnn_lstm_lm(corpus.vocabulary)
    """
    words = number_of_words(vocabulary)
    _check(units, layers, dropout, rows)
    for name, value in (
        ("embedding", embedding),
        ("filters", filters),
        ("most", most),
    ):
        checks.integer(name, value, 1)
    checks.integer("highways", highways, 0)
    widths = [checks.integer("widths", width, 1) for width in widths]
    table = _characters(vocabulary, characters, words)
    inputs = _inputs()
    drawn = _drawn(0.05)
    spelling = Spelling(words, max(table.shape[1], *widths, 1))
    x = spelling(inputs["words"])
    spelling.fill(table)
    kinds = int(table.max()) + 1
    x = keras.layers.Embedding(kinds, embedding, drawn(), name="characters")(x)
    x = _read(x, [(w, min(most, filters * w)) for w in widths], drawn)
    for _ in range(highways):
        x = _highway(x, drawn)
    shape = units, layers, rows
    x = _recurrent(x, inputs["starts"], *shape, dropout, drawn)
    outputs = keras.layers.Dense(
        words, kernel_initializer=drawn(), name="logits"
    )(x)
    return keras.Model(inputs, outputs, name=f"cnn_lstm_lm_{units}_{layers}")


def number_of_words(vocabulary):
    """How many words a vocabulary has.

    Args:
        vocabulary: A `data.text.Vocabulary`, or that number.

    Raises:
        ValueError: If it is neither.
    """
    words = getattr(vocabulary, "words", vocabulary)
    return checks.integer(
        "vocabulary", words if words is vocabulary else len(words), 2
    )


def check_dropout(dropout):
    """Checks the share of units that is left out."""
    checks.number(
        "dropout", dropout, lambda v: 0 <= v < 1, "a share, 0 or more, below 1"
    )


def _check(units, layers, dropout, rows):
    checks.integer("rows", rows, 1)
    checks.integer("units", units, 1)
    checks.integer("layers", layers, 1)
    check_dropout(dropout)


def _inputs():
    return {
        "words": keras.Input((None,), dtype="int32", name="words"),
        "starts": keras.Input((), dtype="bool", name="starts"),
    }


def _drawn(most):
    """A function that makes initializers, even ones from `-most` to `most`."""
    # One that is used twice would draw the same weights twice.
    return functools.partial(keras.initializers.RandomUniform, -most, most)


def _dropped(x, dropout):
    return keras.layers.Dropout(dropout)(x) if dropout else x


def _recurrent(x, starts, units, count, rows, dropout, drawn):
    """LSTM layers that carry their state, with dropout behind each."""
    for _ in range(count):
        x = CarriedLSTM(units, rows, drawn())(x, starts)
        x = _dropped(x, dropout)
    return x


def _characters(vocabulary, characters, words):
    """The table of characters, checked."""
    if characters is None:
        if not hasattr(vocabulary, "characters"):
            raise ValueError(
                "The characters of the words are unknown. Expected a "
                "`Vocabulary`, or its `characters()` beside the number of "
                f"words. Received: vocabulary={vocabulary!r} alone. Give one "
                "of these."
            )
        characters = vocabulary.characters()
    table = np.asarray(characters)
    is_table = table.ndim == 2 and table.dtype.kind in "iu"
    fits = is_table and len(table) == words and table.size > 0
    if not fits or table.min() < 0:
        raise ValueError(
            "Invalid value for argument `characters`. Expected integers from "
            f"0, the padding, up, of shape ({words}, length). Received: "
            f"{table.dtype} of shape {table.shape}. Make them by "
            "`vocabulary.characters()`."
        )
    return table


def _read(x, convolutions, drawn):
    """A vector for each word, from its characters' vectors."""
    found = []
    for width, count in convolutions:
        h = keras.layers.Conv2D(
            count,
            (1, width),
            activation="tanh",
            kernel_initializer=drawn(),
            name=f"width_{width}",
        )(x)
        found.append(ops.max(h, axis=2))
    return keras.layers.Concatenate()(found) if len(found) > 1 else found[0]


def _highway(x, drawn):
    """Some of a vector transformed, and the rest carried on.

    Source: Srivastava et al., "Training Very Deep Networks", 2015.
    """

    def dense(activation, bias):
        return keras.layers.Dense(
            x.shape[-1],
            activation,
            kernel_initializer=drawn(),
            bias_initializer=keras.initializers.Constant(bias),
        )(x)

    # So at first nearly all is carried on (Kim et al., 2016).
    gate = dense("sigmoid", -2.0)
    return x + gate * (dense("relu", 0.0) - x)
