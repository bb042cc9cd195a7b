"""Language models: their sizes, what they compute, what they carry."""

import itertools
import math

import keras
import languages
import numpy as np
import pytest
import tensorflow as tf
from languages import WORDS
from languages import inputs
from matrices import pairs

import keras_ban
from keras_ban import models
from keras_ban.data import text

RNG = np.random.default_rng(0)
SEGMENT = RNG.integers(0, WORDS, (3, 8)).astype("int32")
TABLE = text.Vocabulary.counted(
    "ape bee cat dog eel fox gnu hen ibex jay".split()
).characters()


def cnn(characters=TABLE, **options):
    options = {"units": 6, "layers": 1, "filters": 2, "rows": 4, **options}
    return models.cnn_lstm_lm(WORDS, characters, **options)


def lstm():
    return models.lstm_lm(WORDS, 6, dropout=0.0, rows=4)


def gpt():
    return models.gpt(WORDS, 8, blocks=2, heads=2, length=8, dropout=0.0)


def given(model, words, first=True):
    """What a model gives, whatever its inputs are."""
    if isinstance(model.input, dict):
        words = inputs(len(words), first, words)
    return keras.ops.convert_to_numpy(model(words))


def randomized(model):
    """The model, its weights far from their beginnings."""
    for weight in model.trainable_variables:
        weight.assign(RNG.normal(size=weight.shape))
    return model


MODELS = {"lstm": lstm, "cnn_lstm": cnn, "gpt": gpt}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


# --- Sizes


def lstm_size(features, units):
    return 4 * units * (features + units + 1)


def test_parameters_of_the_published_sizes():
    # Published: 52M. With one layer, as its text says, it would be 33.0.
    expected = 10_000 * 1500 + 2 * lstm_size(1500, 1500) + 10_000
    assert models.lstm_lm(10_000).count_params() == expected == 51_022_000

    # Published: 19M, with the 51 characters of Penn Treebank.
    characters = np.zeros((10_000, 21), "int32")
    characters[:, 1] = 50
    model = models.cnn_lstm_lm(10_000, characters)
    filters = [50, 100, 150, 200, 200, 200, 200]
    read = sum(filters)
    expected = (
        51 * 15
        + sum(n * (15 * w + 1) for w, n in enumerate(filters, 1))
        + 2 * 2 * read * (read + 1)
        + lstm_size(read, 650)
        + lstm_size(650, 650)
        + 651 * 10_000
    )
    found = sum(math.prod(v.shape) for v in model.trainable_variables)
    assert found == expected == 19_367_965


# --- What they compute


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def reference_lstm(x, weights, h, c):
    """An LSTM in float64, gates in Keras' order: input, forget, cell, output.

    Returns the hidden states, and the last of both states.
    """
    kernel, recurrent, bias = weights
    found = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        found.append(h)
    return np.stack(found, 1), h, c


def test_lstm_is_that_of_the_equations_and_its_vectors_are_tied():
    model = randomized(lstm())
    vectors, *layers, bias = (
        w.astype("float64") for w in model.get_weights()[:8]
    )
    assert vectors.shape == (WORDS, 6) and bias.shape == (WORDS,)
    states = [(np.zeros((3, 6)),) * 2] * 2
    for first in (True, False):
        x = vectors[SEGMENT]
        for k in range(2):
            x, *states[k] = reference_lstm(
                x, layers[3 * k : 3 * k + 3], *states[k]
            )
        np.testing.assert_allclose(
            given(model, SEGMENT, first),
            x @ vectors.T + bias,
            rtol=2e-4,
            atol=2e-4,
        )


def test_words_are_read_by_their_characters():
    model = randomized(cnn(highways=1, widths=(1, 2)))
    layers = {layer.name: layer for layer in model.layers}
    vectors = np.asarray(layers["characters"].embeddings, "float64")
    c = vectors[TABLE[SEGMENT]]
    read = []
    for width in (1, 2):
        kernel, bias = (
            w.astype("float64") for w in layers[f"width_{width}"].get_weights()
        )
        spans = np.lib.stride_tricks.sliding_window_view(c, width, axis=2)
        h = np.einsum("bslew,wef->bslf", spans, kernel[0]) + bias
        read.append(np.tanh(h).max(2))
    x = np.concatenate(read, -1)
    by_activation = {
        layer.activation.__name__: x @ layer.kernel.numpy() + layer.bias.numpy()
        for name, layer in layers.items()
        if name.startswith("dense")
    }
    t, h = by_activation["sigmoid"], by_activation["relu"]
    x = sigmoid(t) * np.maximum(h, 0) + (1 - sigmoid(t)) * x
    recurrent = next(v for v in layers.values() if hasattr(v, "carried"))
    hidden, *_ = reference_lstm(
        x, recurrent.get_weights(), np.zeros((3, 6)), np.zeros((3, 6))
    )
    kernel, bias = layers["logits"].get_weights()
    np.testing.assert_allclose(
        given(model, SEGMENT), hidden @ kernel + bias, rtol=2e-4, atol=2e-4
    )


def test_dropout_is_on_no_recurrent_connection():
    for model, before in (
        (models.lstm_lm(WORDS, 6, rows=4), 1),
        # Kim et al.: none between highway and LSTM.
        (cnn(layers=2), 0),
    ):
        kinds = [type(layer).__name__ for layer in model.layers]
        first = kinds.index("CarriedLSTM")
        assert kinds[:first].count("Dropout") == before
        assert kinds[first:].count("Dropout") == 2
        for layer in model.layers:
            if hasattr(layer, "carried"):
                held = layer.lstm
                assert held.dropout == held.recurrent_dropout == 0


@every_model
def test_all_weights_are_drawn_apart(make):
    kernels = [w for w in make().get_weights() if w.ndim > 1 and np.ptp(w) > 0]
    firsts = [w.ravel()[:4] / np.abs(w.ravel()[:4]).max() for w in kernels]
    for one, other in itertools.combinations(firsts, 2):
        assert not np.allclose(one, other)


@every_model
def test_a_word_changes_nothing_before_it(make):
    model = randomized(make())
    before = given(model, SEGMENT)
    changed = SEGMENT.copy()
    changed[:, 5] = (changed[:, 5] + 1) % WORDS
    after = given(model, changed)
    np.testing.assert_allclose(after[:, :5], before[:, :5], atol=1e-5)
    assert np.abs(after[:, 5:] - before[:, 5:]).min(axis=(1, 2)).max() > 0
    assert np.abs(after[:, -1] - before[:, -1]).max() > 1e-3


def test_gpt_tells_positions_apart():
    model = randomized(gpt())
    z = given(model, np.full((1, 8), 3, "int32"))[0]
    assert np.abs(z[1:] - z[:-1]).max(-1).min() > 1e-3


def test_words_may_all_be_of_one_length():
    model = cnn(widths=(1, 7), characters=1 + np.arange(36).reshape(12, 3) % 5)
    assert given(model, SEGMENT).shape == (3, 8, WORDS)


# --- Files


@every_model
def test_saved_loaded_and_cloned(make, tmp_path):
    model = randomized(make())
    expected = given(model, SEGMENT)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(given(loaded, SEGMENT), expected)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(given(clone, SEGMENT), expected)


def test_exported_it_still_carries_its_state(tmp_path):
    model = randomized(lstm())
    expected = [given(model, SEGMENT, first) for first in (True, False)]
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    for first, whole in zip((True, False), expected, strict=True):
        x = tf.nest.map_structure(tf.constant, inputs(3, first, SEGMENT))
        np.testing.assert_allclose(loaded.serve(x), whole, rtol=1e-5, atol=1e-5)


@every_model
def test_half_precision(make):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = make()
    finally:
        keras.config.set_dtype_policy("float32")
    full = make()
    full.set_weights(half.get_weights())
    np.testing.assert_allclose(
        given(half, SEGMENT), given(full, SEGMENT), atol=2e-2
    )


def test_a_given_network_is_cloned_with_its_characters():
    model = languages.compiled(cnn(), eager=True)
    ds = languages.batches(2, 5, 30)
    fit = {"generations": 1, "epochs": 1, "verbose": 0}
    lineage = keras_ban.BornAgain(model, "ban+l").fit(ds, **fit)
    for generation in lineage:
        table = next(
            layer.table
            for layer in generation.model.layers
            if hasattr(layer, "table")
        )
        np.testing.assert_array_equal(table[:, : TABLE.shape[1]], TABLE)


# --- What is carried


def states(model):
    return [s.numpy() for layer in model.layers for s in carried_by(layer)]


def carried_by(layer):
    return getattr(layer, "carried", ())


@pytest.mark.parametrize(
    "make, how", pairs([lstm, cnn], ["eager", "graph", "xla"])
)
def test_two_halves_are_one_whole(make, how):
    model = randomized(make())
    # Products with all words round by the number of positions on some CPUs.
    hidden = [v for v in model.layers if carried_by(v)][-1].output
    hidden = keras.Model(model.input, hidden)
    found = []
    for network in (hidden, model):
        call = network
        if how != "eager":
            call = tf.function(network, jit_compile=how == "xla")
        whole = call(inputs(3, True, SEGMENT)).numpy()
        after = states(model)
        halves = [
            call(inputs(3, first, SEGMENT[:, part])).numpy()
            for first, part in ((True, slice(0, 4)), (False, slice(4, 8)))
        ]
        found.append((np.concatenate(halves, 1), whole))
        for one, other in zip(states(model), after, strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(*found[0])
    np.testing.assert_allclose(*found[1], rtol=1e-5, atol=1e-6)


def test_training_and_inference_carry_states_of_their_own():
    model = randomized(lstm())
    model(inputs(3, True, SEGMENT), training=True)
    expected = model(inputs(3, False, SEGMENT), training=True).numpy()
    model(inputs(3, True, SEGMENT), training=True)
    given(model, SEGMENT[::-1])
    found = model(inputs(3, False, SEGMENT), training=True).numpy()
    np.testing.assert_array_equal(found, expected)


def test_rows_start_one_by_one():
    model = randomized(lstm())
    begun, _ = given(model, SEGMENT), given(model, SEGMENT)
    gone_on = given(model, SEGMENT, first=False)
    given(model, SEGMENT)
    starts = np.array([True, False, True])
    mixed = model({"words": SEGMENT, "starts": starts}).numpy()
    assert np.abs(gone_on - begun).max((1, 2)).min() > 1e-2
    np.testing.assert_array_equal(mixed[1], gone_on[1])
    np.testing.assert_array_equal(mixed[[0, 2]], begun[[0, 2]])


def test_no_weight_is_carried():
    model = randomized(lstm())
    before = model.get_weights()
    given(model, SEGMENT)
    assert len(before) == len(model.get_weights()) == 8
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_more_rows_than_are_carried():
    model, many = lstm(), np.zeros((5, 2), "int32")
    with pytest.raises(ValueError, match=r"4 at most.*Received: 5"):
        given(model, many)
    shapes = {"words": tf.TensorSpec((None, 2), "int32")}
    shapes["starts"] = tf.TensorSpec((None,), "bool")
    unknown = tf.function(model, input_signature=[shapes])
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger `rows`"):
        unknown(tf.nest.map_structure(tf.constant, inputs(5, True, many)))


# --- Bad input


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: models.lstm_lm("words"), "`vocabulary`"),
        (lambda: models.lstm_lm(1), "at least 2"),
        (lambda: models.lstm_lm(9, units=0), "`units`"),
        (lambda: models.lstm_lm(9, layers=0), "`layers`"),
        (lambda: models.lstm_lm(9, dropout=1.0), "`dropout`"),
        (lambda: models.lstm_lm(9, rows=0), "`rows`"),
        (lambda: models.cnn_lstm_lm(9), "its `characters\\(\\)`"),
        (lambda: models.cnn_lstm_lm(9, TABLE), "shape \\(9, length\\)"),
        (lambda: models.cnn_lstm_lm(12, TABLE - 1), "from 0"),
        (lambda: models.cnn_lstm_lm(12, TABLE, widths=(0,)), "`widths`"),
        (lambda: models.cnn_lstm_lm(12, TABLE, highways=-1), "`highways`"),
        (lambda: models.gpt(9, units=10, heads=4), "multiple of the 4 heads"),
        (lambda: models.gpt(9, blocks=0), "`blocks`"),
        (lambda: models.gpt(9, length=0), "`length`"),
        (lambda: gpt()(np.zeros((1, 9), "int32")), "8 steps at most.*9"),
    ],
)
def test_bad_arguments_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_vocabularies_are_counted():
    vocabulary = text.Vocabulary.counted("the cat saw the dog".split())
    for make in (models.lstm_lm, models.cnn_lstm_lm, models.gpt):
        model = make(vocabulary, units=8)
        assert model.output_shape == (None, None, 6)
        vocabulary.check_model(model)
