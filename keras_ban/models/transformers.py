"""A transformer as a language model."""

import math

import keras
from keras import layers

from keras_ban import checks
from keras_ban.models.language import check_dropout
from keras_ban.models.language import number_of_words
from keras_ban.models.words import LogitBias
from keras_ban.models.words import Positions
from keras_ban.models.words import TiedEmbedding

_SCALE = 0.02


def gpt(
    vocabulary,
    units=256,
    blocks=4,
    heads=4,
    length=256,
    dropout=0.1,
):
    """A small transformer that sees, at each word, those before it.

    Blocks with the normalisation first, learned positions, GELU, and the
    vectors of words also as the weights of the logits. Kernels are drawn with
    the standard deviation 0.02, the last one of each block with that
    over `√(2 blocks)`.

    It carries nothing from batch to batch: each row of a batch is read by
    itself, so its perplexity depends on where a text is cut into segments.

    Source: Radford et al., "Language Models are Unsupervised Multitask
    Learners", 2019, Section 2.3; Vaswani et al., "Attention Is All You
    Need", 2017.

    Args:
        vocabulary: A `data.text.Vocabulary`, or the number of words.
        units: Size of all vectors, a multiple of `heads`. Defaults to `256`.
        blocks: How many there are. Defaults to `4`.
        heads: Of each attention. Defaults to `4`.
        length: Words of a segment at most. Defaults to `256`.
        dropout: Share of the vectors of words, of the weights of attention
            and of what a branch adds that is left out. Defaults to `0.1`.

    Returns:
        An uncompiled `keras.Model` that takes numbers of words of shape
        `(batch, steps)`, as `data.text.batches` gives them, and gives logits
        of shape `(batch, steps, words)`.

    Raises:
        ValueError: If an argument is not of its kind. And once it is called,
            if there are more than `length` steps.

    Example:
    >>> model = keras_ban.models.gpt(corpus.vocabulary, units=128, blocks=2)
    """
    words = number_of_words(vocabulary)
    checks.integer("heads", heads, 1)
    checks.integer("units", units, heads)
    checks.integer("blocks", blocks, 1)
    checks.integer("length", length, 1)
    check_dropout(dropout)
    if units % heads:
        raise ValueError(
            "Invalid value for argument `units`. Expected a multiple of the "
            f"{heads} heads. Received: {units}"
        )
    inputs = keras.Input((None,), dtype="int32", name="words")
    vectors = TiedEmbedding(words, units, _drawn(), name="words_and_logits")
    x = Positions(length, _drawn(), name="positions")(vectors(inputs))
    x = layers.Dropout(dropout)(x)
    for _ in range(blocks):
        x = _block(x, heads, dropout, 1 / math.sqrt(2 * blocks))
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    outputs = LogitBias(name="logits")(vectors(x, reverse=True))
    return keras.Model(inputs, outputs, name=f"gpt_{units}_{blocks}")


def _drawn(scale=1.0):
    return keras.initializers.RandomNormal(stddev=_SCALE * scale)


def _block(x, heads, dropout, scale):
    """Attention to the words before, then two dense layers."""
    units = x.shape[-1]
    h = layers.LayerNormalization(epsilon=1e-5)(x)
    h = layers.MultiHeadAttention(
        heads, units // heads, dropout=dropout, kernel_initializer=_drawn()
    )(h, h, use_causal_mask=True)
    x = x + layers.Dropout(dropout)(h)
    h = layers.LayerNormalization(epsilon=1e-5)(x)
    h = layers.Dense(4 * units, "gelu", kernel_initializer=_drawn())(h)
    h = layers.Dense(units, kernel_initializer=_drawn(scale))(h)
    return x + layers.Dropout(dropout)(h)
