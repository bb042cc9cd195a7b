"""The figures of every network and ensemble, and how they print."""

import keras
import numpy as np
import pytest
import reference
from builders import Batches
from builders import data_set
from builders import mlp
from builders import silent
from exported import of
from families import ALL
from families import NAMES
from families import X
from families import Y
from families import family
from weights import assert_same

from keras_ban import Lineage

FIGURES = ("accuracy", "error", "nll", "ece")


def probabilities(generation, x=X):
    z = generation.model.predict(x, verbose=0)
    is_softmax = np.allclose(z.sum(-1), 1)
    return z.astype("float64") if is_softmax else reference.softmax(z)


def expected_figures(p, y=Y):
    accuracy = (p.argmax(-1) == y).mean()
    return {
        "accuracy": accuracy,
        "error": 1 - accuracy,
        "nll": -np.log(p[np.arange(len(y)), y]).mean(),
        "ece": reference.expected_calibration_error(y, p),
    }


def by_name(table):
    return {row["name"]: row for row in table}


def figures(table):
    return [
        [row[key] for key in (*FIGURES, "agreement", "parameters", "seconds")]
        for row in table
    ]


def assert_same_figures(one, other):
    assert [row["name"] for row in one] == [row["name"] for row in other]
    np.testing.assert_allclose(figures(one), figures(other), rtol=1e-5)


def test_a_list_of_dicts(table):
    assert isinstance(table, list)
    assert all(type(row) is dict for row in table)
    assert [row["name"] for row in table] == ALL
    keys = {*FIGURES, "agreement", "parameters", "seconds"}
    for row in table:
        assert keys <= set(row)
        for key in (*FIGURES, "agreement", "seconds"):
            assert type(row[key]) is float
        assert type(row["parameters"]) is int


def test_generations_by_numpy(whole, table):
    for row, generation in zip(table, whole, strict=False):
        expected = expected_figures(probabilities(generation))
        actual = {key: row[key] for key in FIGURES}
        assert actual == pytest.approx(expected, rel=1e-5)
        assert row["teacher"] == generation.teacher
        assert row["objective"] == generation.objective
        assert row["seconds"] == generation.seconds
        assert row["parameters"] == generation.model.count_params()


def test_agreement_is_with_the_teacher(whole, table):
    assert np.isnan(table[0]["agreement"])
    for k in (1, 2, 3):
        one, other = (probabilities(g).argmax(-1) for g in whole[k - 1 : k + 1])
        assert table[k]["agreement"] == pytest.approx((one == other).mean())


@pytest.mark.parametrize(
    ("name", "last"), [("Ens*2", 2), ("Ens*3", 3), ("Ens*all", None)]
)
def test_ensembles(whole, table, name, last):
    row = by_name(table)[name]
    bane = whole.ensemble(last=last)
    p = bane.predict(X, verbose=0).astype("float64")
    actual = {key: row[key] for key in FIGURES}
    assert actual == pytest.approx(expected_figures(p), rel=1e-5)
    members = whole[-(last or 4) :]
    mean = np.mean([probabilities(g) for g in members], axis=0)
    assert actual == pytest.approx(expected_figures(mean), rel=1e-5)
    assert row["parameters"] == sum(g.model.count_params() for g in members)
    assert row["seconds"] == sum(g.seconds for g in members)


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (1, ["Teacher"]),
        (2, ["Teacher", "BAN-1", "Ens*all"]),
        (3, ["Teacher", "BAN-1", "BAN-2", "Ens*2", "Ens*all"]),
    ],
)
def test_ensembles_that_there_are(whole, count, names):
    table = Lineage(whole[:count]).evaluate(X, Y)
    assert [row["name"] for row in table] == names


DATA = {
    "tf.data": lambda: data_set(X, Y, size=16),
    "shuffled": lambda: data_set(X, Y).shuffle(70).batch(16),
    "PyDataset": lambda: Batches(X, Y, size=20),
    "generator": lambda: iter([(X[:30], Y[:30]), (X[30:], Y[30:])]),
}


@pytest.mark.parametrize("make", DATA.values(), ids=DATA)
def test_data_of_any_kind(whole, table, make):
    assert_same_figures(whole.evaluate(make()), table)


@pytest.mark.parametrize("size", [1, 7, 32, 1000])
def test_batch_size_changes_nothing(whole, table, size):
    if size == 1:
        expected = whole.evaluate(X[:5], Y[:5])
        assert_same_figures(
            whole.evaluate(X[:5], Y[:5], batch_size=1), expected
        )
    else:
        assert_same_figures(whole.evaluate(X, Y, batch_size=size), table)


def test_steps(whole):
    actual = whole.evaluate(data_set(X, Y).batch(16).repeat(), steps=2)
    assert_same_figures(actual, whole.evaluate(X[:32], Y[:32]))


@pytest.mark.parametrize("y", [np.eye(4)[Y], Y[:, None], Y.astype("float32")])
def test_labels_of_any_form(whole, table, y):
    assert_same_figures(whole.evaluate(X, y), table)


def test_sample_weight(whole):
    weight = (np.arange(70) % 2).astype("float32")
    expected = whole.evaluate(X[1::2], Y[1::2])
    assert_same_figures(whole.evaluate(X, Y, weight), expected)
    assert_same_figures(
        whole.evaluate(data_set(X, Y, weight, size=16)), expected
    )


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_binary(activation):
    lineage = family(*[mlp(outputs=1, last=activation)] * 2)
    table = lineage.evaluate(X, Y % 2)
    z = lineage[0].model.predict(X, verbose=0).astype("float64")
    q = z if activation else 1 / (1 + np.exp(-z))
    p = np.concatenate([1 - q, q], axis=-1)
    actual = {key: table[0][key] for key in FIGURES}
    assert actual == pytest.approx(expected_figures(p, Y % 2), rel=1e-5)
    assert table[1]["agreement"] == 1


def test_sequences():
    model = keras.Sequential([keras.Input((6, 1)), keras.layers.Dense(4)])
    y = np.random.default_rng(2).integers(0, 4, (70, 6))
    row = family(model).evaluate(X[..., None], y)[0]
    p = reference.softmax(model.predict(X[..., None], verbose=0))
    expected = expected_figures(p.reshape(-1, 4), y.reshape(-1))
    actual = {key: row[key] for key in FIGURES}
    assert actual == pytest.approx(expected, rel=1e-5)


def test_from_logits_of_silent_models():
    lineage = family(silent(), from_logits=True)
    row = lineage.evaluate(X, Y)[0]
    p = reference.softmax(lineage[0].model.predict(X, verbose=0))
    actual = {key: row[key] for key in FIGURES}
    assert actual == pytest.approx(expected_figures(p), rel=1e-5)
    with pytest.raises(ValueError, match="Cannot tell for certain"):
        family(silent()).evaluate(X, Y)


def test_models_are_left_as_they_were(whole):
    model = mlp()
    before = model.get_weights()
    other = of(model)
    other.evaluate(X, Y)
    assert_same(model, before)
    assert not model.compiled


def test_prints(whole, table, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    text = str(whole.evaluate(X, Y, title="test data"))
    assert text == str(whole)
    assert "test data" in text
    assert all(len(line) <= 120 for line in text.splitlines())
    rows = {line.split()[0]: line for line in text.splitlines() if line.split()}
    for row in table:
        line = rows[row["name"]]
        assert f"{100 * row['accuracy']:.2f}" in line
        assert f"{100 * row['error']:.2f}" in line
        assert f"{row['nll']:.4f}" in line
        assert f"{100 * row['ece']:.2f}" in line
        assert f"{row['parameters']:,}" in line
        assert f"{row['seconds']:.1f}" in line
    assert rows["BAN-2"].split()[1] == "BAN-1"
    assert "nan" not in text


def test_prints_large_numbers_in_120_columns(table, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    table = type(table)([{**row} for row in table], "x" * 300)
    for row in table:
        row["parameters"] = 12 * 10**9
        row["seconds"] = 10.0**6
        row["nll"] = 700.0
    lines = str(table).splitlines()
    assert all(len(line) <= 120 for line in lines)
    for name in ALL:
        assert any(line.split()[:1] == [name] for line in lines)
    assert str(table).count("12,000,000,000") == len(ALL)


def test_prints_before_evaluation(whole):
    text = str(Lineage(whole))
    assert "4 generations" in text
    assert all(name in text for name in NAMES)
    assert "Ens" not in text
    assert "accuracy" not in text


def test_repr(whole):
    expected = "<Lineage of Teacher, BAN-1, BAN-2, BAN-3>"
    assert repr(whole) == expected
    assert repr(Lineage()) == "<Lineage of nothing>"


def test_is_a_sequence(whole):
    assert len(whole) == 4
    assert [g.name for g in whole] == NAMES
    assert [g.name for g in whole[-3:]] == NAMES[1:]
    assert [g.name for g in reversed(whole)] == NAMES[::-1]
    assert whole[-1] is whole[3]
    assert whole[1] in whole
    with pytest.raises(IndexError):
        whole[4]


@pytest.mark.parametrize("last", [0, -1, 5, 1.5, "2", True, [2]])
def test_ensemble_of_too_many(whole, last):
    words = "`last`.*from 1 to 4.*Received"
    with pytest.raises(ValueError, match=words):
        whole.ensemble(last=last)


def test_ensemble_of_nothing():
    with pytest.raises(ValueError, match="Received"):
        Lineage().ensemble()


def test_ensemble_takes_numpy_integers(whole):
    assert whole.ensemble(last=np.int64(2)).count_params() == sum(
        g.model.count_params() for g in whole[-2:]
    )


def test_ensemble_weights(whole):
    p = whole.ensemble(2, [1, 3]).predict(X, verbose=0)
    one, other = (probabilities(g) for g in whole[-2:])
    np.testing.assert_allclose(p, 0.25 * one + 0.75 * other, atol=1e-6)
    with pytest.raises(ValueError, match=r"`weights`.*Expected 2"):
        whole.ensemble(2, [1, 1, 1])


@pytest.mark.parametrize("data", [X, data_set((X,), size=16)])
def test_evaluate_needs_labels(whole, data):
    with pytest.raises(ValueError, match=r"without labels.*Expected"):
        whole.evaluate(data)


@pytest.mark.parametrize("bad", [-1, 4])
def test_labels_are_checked(whole, bad):
    with pytest.raises(ValueError, match="from 0 to 3"):
        whole.evaluate(X, np.where(Y == 3, bad, Y))


def test_data_without_a_batch_or_an_end(whole):
    ds = data_set(X, Y, size=8)
    with pytest.raises(ValueError, match="empty"):
        whole.evaluate(ds.take(0))
    with pytest.raises(ValueError, match="Nothing to measure"):
        whole.evaluate(ds.filter(lambda x, y: False))
    with pytest.raises(ValueError, match="Nothing to measure"):
        whole.evaluate(X, Y, np.zeros(len(X)))
    with pytest.raises(ValueError, match="infinite"):
        whole.evaluate(ds.repeat())
