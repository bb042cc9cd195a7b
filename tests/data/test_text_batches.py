"""Texts in batches: no word is left out, or counted twice."""

import itertools

import numpy as np
import pytest
from interruptions import check
from languages import bigram
from texts import WORDS
from weights import same

import keras_ban
from keras_ban.data import text


def joined(data):
    """The arrays of a data set, each stream in one piece."""
    parts = zip(*data.as_numpy_iterator(), strict=True)
    return [np.concatenate(part, axis=1) for part in parts]


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("steps", [1, 3, 4])
def test_rows_go_on_where_they_ended(size, steps):
    tokens = np.arange(29)
    data = text.batches(tokens, size, steps)
    shape = (size, steps)
    assert [s.shape for s in data.element_spec] == [shape, shape]
    assert len(data) == 28 // (size * steps)
    x, y = joined(data)
    # The streams one after the other, without a gap.
    np.testing.assert_array_equal(x.reshape(-1), tokens[: x.size])
    np.testing.assert_array_equal(y.reshape(-1), tokens[1 : x.size + 1])
    assert 28 - x.size == 28 % (size * steps)


def test_one_batch_and_one_word_are_enough():
    (batch,) = text.batches(np.arange(13), 3, 4)
    np.testing.assert_array_equal(batch[1], np.arange(1, 13).reshape(3, 4))


EVALUATIONS = [
    (1, 35, 1, 0),
    (1, 4, 1, 0),
    (3, 5, 1, 0),
    (4, 5, 3, 0),
    (4, 3, 4, 6),
    (8, 1, 7, 99),
]


@pytest.mark.parametrize("words", [2, 3, 14, 61])
@pytest.mark.parametrize("how", EVALUATIONS)
def test_each_word_counts_once_in_evaluation(how, words):
    tokens = np.arange(words) + 7
    x, y, weight = joined(text.evaluation(tokens, *how))
    assert set(np.unique(weight)) <= {0, 1}
    assert x.shape[0] == how[0] and x.shape[1] % how[1] == 0
    assert sorted(y[weight == 1]) == tokens[1:].tolist()
    np.testing.assert_array_equal(x[weight == 1] + 1, y[weight == 1])
    for row, counts in zip(x, weight, strict=True):
        # What comes before the counted words of a row is their context.
        before = row[: np.flatnonzero(counts)[0]] if counts.any() else row[:0]
        assert len(before) <= how[3]
        np.testing.assert_array_equal(np.diff(before), 1)


def surprise(data, vocabulary, carry=True):
    """Mean negative log-likelihood by a small recurrence, in float64."""
    rng = np.random.default_rng(1)
    embedding = rng.normal(size=(vocabulary, 6))
    state, total, count = 0, 0, 0
    for x, y, weight in data.as_numpy_iterator():
        for step in range(x.shape[1]):
            state = np.tanh(0.7 * state * carry + embedding[x[:, step]])
            z = state @ embedding.T
            log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
            found = log_p[np.arange(len(x)), y[:, step]]
            total -= (weight[:, step] * found).sum()
            count += weight[:, step].sum()
    return total / count


def test_perplexity_with_a_state_depends_on_neither_batch_nor_steps(corpus):
    tokens, size = corpus.test, len(corpus.vocabulary)
    expected = surprise(text.evaluation(tokens, 1, len(tokens) - 1), size)
    for batch, steps in itertools.product((1, 2, 5), (1, 7, 35)):
        data = text.evaluation(tokens, batch, steps)
        np.testing.assert_allclose(surprise(data, size), expected, rtol=1e-12)
    parts = text.evaluation(tokens, 5, 7, streams=5)
    near = text.evaluation(tokens, 5, 7, streams=5, context=20)
    whole = text.evaluation(tokens, 5, 7, streams=5, context=len(tokens))
    gaps = [abs(surprise(p, size) - expected) for p in (parts, near, whole)]
    assert gaps[0] > 1e-4 > 10 * gaps[1]
    np.testing.assert_allclose(gaps[2], 0, atol=1e-12)


def fitted(corpus, **options):
    words = len(corpus.vocabulary)
    born = keras_ban.BornAgain(bigram(words), seed=2)
    return born.fit(generations=1, epochs=2, verbose=0, **options)


def test_a_lineage_is_trained_in_order_and_evaluated_on_all_words(corpus):
    data = text.batches(corpus.train, 4, 7)
    lineage = fitted(
        corpus, x=data, validation_data=text.batches(corpus.validation, 2, 5)
    )
    # The same rows as arrays that are not shuffled.
    x, y = (
        np.concatenate(part)
        for part in zip(*data.as_numpy_iterator(), strict=True)
    )
    arrays = fitted(corpus, x=x, y=y, batch_size=4, shuffle=False)
    assert same(lineage[1].model, arrays[1].model)
    tokens = corpus.test
    logits = lineage[1].model.predict(tokens[None, :-1], verbose=0)[0]
    z = logits.astype("float64")
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    expected = -log_p[np.arange(len(z)), tokens[1:]].mean()
    for how in ((1, 35, 1), (3, 4, 1), (4, 6, 4)):
        table = lineage.evaluate(text.evaluation(tokens, *how))
        np.testing.assert_allclose(table[1]["nll"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "outputs", [pytest.param("online", marks=pytest.mark.slow), "cached"]
)
def test_a_run_goes_on_in_the_middle_of_an_epoch(outputs, tmp_path, corpus):
    check(
        tmp_path,
        [(0, 0, 3), (1, 1, 4)],
        born={"save_every": 2},
        model=bigram(len(corpus.vocabulary)),
        x=text.batches(corpus.train, 3, 7),
        teacher_outputs=outputs,
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: text.batches(t, 5, 6), "one batch.*31 words, 5 rows.*: 30"),
        (lambda t: text.batches(t, 0), "`batch_size`.*0"),
        (lambda t: text.batches(t, 2, 0), "`steps`.*0"),
        (lambda t: text.batches(t / 2, 2, 3), "`tokens`.*float64.*encode"),
        (lambda t: text.batches(WORDS, 2, 3), "`tokens`.*<U5"),
        (lambda t: text.batches(t[None], 1, 3), r"`tokens`.*\(1, 30\)"),
        (lambda t: text.batches(t - 1, 2, 3), "from 0 up.*-1, token 0"),
        (lambda t: text.evaluation(t[:1]), "too short.*2 words.*1"),
        (lambda t: text.evaluation(t, 2, streams=3), "`streams`.*1 to 2.*3"),
        (lambda t: text.evaluation(t, context=-1), "`context`.*-1"),
    ],
)
def test_texts_that_make_no_batches(call, words):
    with pytest.raises(ValueError, match=words):
        call(np.arange(30))


def test_inputs_say_where_streams_start():
    tokens = np.arange(50)
    for plain, said in (
        (text.batches(tokens, 3, 4), text.batches(tokens, 3, 4, starts=True)),
        (
            text.evaluation(tokens, 3, 4, streams=2),
            text.evaluation(tokens, 3, 4, streams=2, starts=True),
        ),
    ):
        pairs = zip(
            plain.as_numpy_iterator(), said.as_numpy_iterator(), strict=True
        )
        for number, ((words, *rest), (x, *others)) in enumerate(pairs):
            assert sorted(x) == ["starts", "words"]
            np.testing.assert_array_equal(x["words"], words)
            assert x["starts"].tolist() == [number == 0] * 3
            for one, other in zip(rest, others, strict=True):
                np.testing.assert_array_equal(one, other)
        assert number > 2
