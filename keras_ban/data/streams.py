"""Texts in batches whose rows go on where those of the last batch ended."""

import numpy as np
import tensorflow as tf

from keras_ban import checks
from keras_ban.data.vocabulary import checked_tokens


def batches(tokens, batch_size, steps=35, starts=False):
    """A text to train on: batches whose rows go on from batch to batch.

    The text is cut into `batch_size` streams of equal length, one after the
    other, and each of these into segments of `steps` words. Batch k holds
    segment k of every stream: its row i begins where row i of batch k - 1
    ended, so that a recurrent network may carry its state over (Mikolov et
    al., 2011; Zaremba et al., 2014, Section 4.1). The label of a word is the
    word after it. What is left at the end of the text, the last
    `(len(tokens) - 1) % (batch_size * steps)` words, is not read.

    It is in order, and always the same: give it to `fit` as it is, without
    `batch_size` and `shuffle`.

    Args:
        tokens: Numbers of words, shape `(words,)`.
        batch_size: Rows of a batch, which are the streams.
        steps: Words of a segment. Defaults to `35`.
        starts: Whether the inputs also say where streams start, as
            `models.lstm_lm` needs to know it. Defaults to `False`.

    Returns:
        A `tf.data.Dataset` of `(len(tokens) - 1) // (batch_size * steps)`
        batches: inputs and labels, both of shape `(batch_size, steps)`,
        int32. With `starts`, inputs are a dict of these "words", and of
        "starts", bool, shape `(batch_size,)`: true in the first batch.

    Raises:
        ValueError: If an argument is not of its kind, or if the text is
            shorter than one batch.
    """
    return _dataset(*segments(tokens, batch_size, steps), starts=starts)


def evaluation(
    tokens, batch_size=1, steps=35, streams=1, context=0, starts=False
):
    """A text to evaluate: each of its words counts, once.

    With one stream, the default, a network that carries its state over reads
    the text from its first word to its last: its perplexity depends neither
    on `batch_size` nor on `steps`. Other rows, for a network that takes
    batches of one size only, and what is left of the last segment are padded
    by zeros; their weight is 0.

    `streams` rows read as many parts of the text at a time, which takes a
    `streams`-th of the time. All words still count once, but the first ones
    of each part are predicted without what came before them, so perplexity
    is a little higher. With `context`, each part but the first begins so many
    words earlier, and these have the weight 0.

    Args:
        tokens: Numbers of words, shape `(words,)`. The first is read, and
            not predicted.
        batch_size: Rows of a batch. Defaults to `1`.
        steps: Words of a segment. Defaults to `35`.
        streams: How many of the rows hold text, from 1 to `batch_size`.
            Defaults to `1`.
        context: Words before a part that are read and not counted. Defaults
            to `0`.
        starts: As in `batches`. Defaults to `False`.

    Returns:
        A `tf.data.Dataset` of batches: inputs, labels, both int32, and
        weights, float32, all of shape `(batch_size, steps)`. The weights sum
        up to `len(tokens) - 1`. Keras divides a `loss` by the number of
        positions, padded ones too: measure by `weighted_metrics`, or by
        `Lineage.evaluate`. With `starts`, inputs are as in `batches`.

    Raises:
        ValueError: If an argument is not of its kind, or if the text has not
            two words.
    """
    return _dataset(
        *counted_segments(tokens, batch_size, steps, streams, context),
        starts=starts,
    )


def _dataset(words, *rest, starts):
    if not starts:
        return tf.data.Dataset.from_tensor_slices((words, *rest))
    first = np.zeros(words.shape[:2], bool)
    first[0] = True
    x = {"words": words, "starts": first}
    return tf.data.Dataset.from_tensor_slices((x, *rest))


def segments(tokens, batch_size, steps):
    """What `batches` reads: inputs and labels as arrays.

    Returns:
        Two arrays of shape `(segments, batch_size, steps)`.
    """
    tokens = _checked(tokens, batch_size, steps)
    size = batch_size * steps
    count = (len(tokens) - 1) // size
    if count < 1:
        raise ValueError(
            f"The text is shorter than one batch. Expected at least {size + 1} "
            f"words, {batch_size} rows of {steps} and one more. Received: "
            f"{len(tokens)}. Lower `batch_size` or `steps`, or give more text."
        )
    read = count * size

    def cut(part):
        rows = part.reshape(batch_size, count, steps)
        return np.ascontiguousarray(rows.swapaxes(0, 1))

    return cut(tokens[:read]), cut(tokens[1 : read + 1])


def counted_segments(tokens, batch_size, steps, streams, context):
    """What `evaluation` reads: inputs, labels and weights as arrays.

    Returns:
        Three arrays of shape `(segments, batch_size, steps)`.
    """
    tokens = _checked(tokens, batch_size, steps)
    checks.integer("streams", streams, 1, batch_size)
    checks.integer("context", context, 0)
    words = len(tokens) - 1
    if words < 1:
        raise ValueError(
            "The text is too short to evaluate. Expected at least 2 words, of "
            f"which the first is read. Received: {len(tokens)}."
        )
    part = -(-words // streams)
    bounds = [
        (min(i * part, words), min((i + 1) * part, words))
        for i in range(streams)
    ]
    begins = [max(begin - context, 0) for begin, _ in bounds]
    longest = max(
        end - first for first, (_, end) in zip(begins, bounds, strict=True)
    )
    shape = (batch_size, -(-longest // steps) * steps)
    x, y = np.zeros(shape, "int32"), np.zeros(shape, "int32")
    weights = np.zeros(shape, "float32")
    for row, (begin, end) in enumerate(bounds):
        first = begins[row]
        x[row, : end - first] = tokens[first:end]
        y[row, : end - first] = tokens[first + 1 : end + 1]
        weights[row, begin - first : end - first] = 1

    def cut(rows):
        rows = rows.reshape(batch_size, -1, steps)
        return np.ascontiguousarray(rows.swapaxes(0, 1))

    return cut(x), cut(y), cut(weights)


def _checked(tokens, batch_size, steps):
    checks.integer("batch_size", batch_size, 1)
    checks.integer("steps", steps, 1)
    return checked_tokens(tokens).astype("int32")
