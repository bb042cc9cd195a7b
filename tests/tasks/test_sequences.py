"""Sequence models whose masked positions count nowhere."""

import keras
import numpy as np
import pytest
import reference

import keras_ban

CLASSES = 3


def recurrent_tagger(activation=None):
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(9, 8, mask_zero=True),
            keras.layers.LSTM(8, return_sequences=True),
            keras.layers.Dense(CLASSES, activation),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=activation is None
    )
    model.compile("adam", loss, metrics=["accuracy"], run_eagerly=True)
    return model


def sentences(rows, length):
    rng = np.random.default_rng(rows)
    x = rng.integers(1, 9, (rows, length))
    x[np.arange(length) >= rng.integers(1, length, (rows, 1))] = 0
    return x, np.where(x > 0, x % CLASSES, 1)


def test_perplexity_leaves_masked_positions_out():
    model = recurrent_tagger()
    perplexity = keras_ban.metrics.Perplexity()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=[perplexity])
    x, y = sentences(9, 6)
    found = model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True)
    one = keras_ban.Generation(0, "Teacher", model, "labels")
    row = keras_ban.Lineage([one]).evaluate(x, y, batch_size=4)[0]
    assert found["perplexity"] == pytest.approx(row["perplexity"], rel=1e-6)


@pytest.mark.parametrize(
    ("rows", "length"), [(5, 7), pytest.param(3, 3, marks=pytest.mark.slow)]
)
def test_ensemble_of_masked_models_is_the_mean(rows, length):
    x, _ = sentences(rows, length)
    members = [
        recurrent_tagger(),
        recurrent_tagger("softmax"),
        recurrent_tagger(),
    ]
    p = [m.predict(x, verbose=0) for m in members]
    mean = (reference.softmax(p[0]) + p[1] + reference.softmax(p[2])) / 3
    bane = keras_ban.ensemble(members)
    np.testing.assert_allclose(bane.predict(x, verbose=0), mean, atol=1e-6)


@pytest.mark.parametrize(
    "weighted", [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_table_leaves_masked_positions_out(weighted):
    x, y = sentences(24, 6)
    lineage = keras_ban.BornAgain(recurrent_tagger).fit(
        x, y, generations=1, epochs=2, verbose=0, validation_data=(x, y)
    )
    weight = np.arange(24.0) if weighted else None
    table = lineage.evaluate(x, y, weight)
    for generation, row in zip(lineage, table, strict=False):
        p = reference.softmax(
            generation.model.predict(x, verbose=0).astype("float64")
        )
        w = (x > 0) * (1 if weight is None else weight[:, None])
        true = np.take_along_axis(p, y[..., None], -1)[..., 0]
        assert row["nll"] == pytest.approx(np.average(-np.log(true), weights=w))
        correct = p.argmax(-1) == y
        assert row["accuracy"] == pytest.approx(np.average(correct, weights=w))
        if not weighted:
            assert row["accuracy"] == pytest.approx(
                generation.metrics["accuracy"]
            )
            plain = generation.model.evaluate(x, y, verbose=0, return_dict=True)
            assert row["accuracy"] == pytest.approx(plain["accuracy"])


def test_list_of_masked_teachers():
    x, y = sentences(8, 5)
    student, *teachers = (recurrent_tagger() for _ in range(3))
    kept = x > 0
    z, *t = (m.predict(x, verbose=0)[kept] for m in (student, *teachers))
    mean = np.mean([reference.softmax(logits) for logits in t], axis=0)
    labels = reference.one_hot(y[kept], CLASSES)
    losses, _ = reference.kd(labels, z, np.log(mean), 0.5, temperature=2.0)
    distiller = keras_ban.Distiller(student, teachers, "kd")
    history = distiller.fit(x, y, verbose=0).history
    assert history["loss"] == pytest.approx([losses.mean()], rel=1e-5)
