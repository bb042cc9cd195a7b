"""A card says what is true of a model, and nothing else."""

import json
import re

import keras
import numpy as np
import pytest
from builders import compiled
from builders import mlp
from exported import of
from lineages import FIT
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import model_fn
from lineages import run

import keras_ban
from keras_ban.feeding.samples import sample

TEST = X[:40] + 1, Y[:40]


def parts(card):
    """What a card says, by heading: the text of each."""
    found = re.split(r"(?m)^## (.*)$", card.read_text())
    return dict(zip(found[1::2], found[2::2], strict=True))


def known(text):
    """The lines of a table of what is known, by name."""
    rows = re.findall(r"(?m)^\| (.*?) \| (.*?) \|$", text)
    return dict(rows[2:])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run that is kept, the same read from its folder, and a control."""
    folder = tmp_path_factory.mktemp("run")
    kd = keras_ban.objectives.KD(alpha=0.25, temperature=3.0)
    ban = keras_ban.BornAgain(model_fn, kd, folder, seed=7)
    fit = {**FIT, "epochs": 2, "validation_data": VALIDATION}
    lineage = ban.fit(X, Y, 1, augment="mixup", **fit)
    control = run(objective="labels", seed=7, validation_data=VALIDATION)
    return lineage, keras_ban.load(folder), control


@pytest.fixture(scope="module")
def said(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards")
    lineage, _, control = runs
    for one in (lineage, control):
        one.evaluate(*TEST, title="forty rows")
    path = folder / "m.keras"
    return parts(lineage.export(path, model=1, control=control).card)


def test_the_model(runs, said):
    found = known(said["The model"])
    assert found == {
        "inputs": "float32(any, 6)",
        "outputs": "(any, 4)",
        "it gives": "classes: logits",
        "parameters": f"{runs[0][1].model.count_params()}",
    }


def test_how_it_was_trained(runs, said):
    found = known(said["How it was trained"])
    assert found["objective"] == "kd" and found["seed of the run"] == "7"
    settings = json.loads(found["its settings"])
    assert (settings["alpha"], settings["temperature"]) == (0.25, 3.0)
    assert json.loads(found["seeds"]) == {"BAN-1": runs[0][1].seed}
    assert json.loads(found["epochs trained"]) == {"BAN-1": 2}
    assert (found["epochs"], found["batch_size"]) == ("2", "32")
    assert "mixup" in found["augment"].lower()
    assert found["optimizer"] == "SGD"
    assert found["learning rate at the end"] == "0.1"
    # Said by nobody: no line.
    assert not {"views", "teachers", "class_weight"} & set(found)


def test_the_data(said):
    found = known(said["Data"])
    assert json.loads(found["data"])["rows"] == 64
    held = json.loads(found["checksums of a sample of data"])
    assert held == sample(X, Y)
    held = json.loads(found["checksums of a sample of validation data"])
    assert held == sample(*VALIDATION)


def test_what_was_measured(runs, said):
    lineage, _, control = runs
    own, other = said["Measured"].split("forty rows, on the labels alone:")
    for text, one in ((own, lineage), (other, control)):
        table = one.evaluate(*TEST, title="forty rows")
        heads, _, *rows = re.findall(r"(?m)^\| (.*) \|$", text)
        place = heads.split(" | ").index("error %")
        for row, line in zip(table, rows, strict=True):
            cells = line.split(" | ")
            wrong = round(row["error"] * 40)
            low, high = wilson(wrong, 40)
            assert cells[0] == row["name"]
            assert cells[place] == (
                f"{100 * wrong / 40:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
            )


def wilson(wrong, count, z=1.959963984540054):
    """Wilson's interval, as in his paper: the roots of a quadratic."""
    p = wrong / count
    a, b = 1 + z**2 / count, -(2 * p + z**2 / count)
    root = np.sqrt(b**2 - 4 * a * p**2)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def test_a_run_that_was_loaded_says_the_same(runs, tmp_path):
    lineage, loaded, _ = runs
    one, other = (
        parts(held.export(tmp_path / f"{k}.keras", model=1).card)
        for k, held in enumerate((lineage, loaded))
    )
    for heading in ("The model", "How it was trained", "Data", "Written"):
        assert one[heading] == other[heading]
    assert f"{lineage[1].metrics['nll']:.4f}" in other["Measured"]


def test_of_what_is_not_known_nothing_is_said(tmp_path):
    lineage = of(compiled(mlp()))
    found = parts(lineage.export(tmp_path / "m.keras", model=0).card)
    assert found["Data"].strip() == "Nothing is recorded."
    trained = known(found["How it was trained"])
    assert set(trained) == {
        "objective",
        "optimizer",
        "learning rate at the end",
        "seconds",
    }
    assert "[" not in found["Measured"]


def test_an_ensemble_names_its_members(runs, tmp_path):
    path = tmp_path / "mean.keras"
    card = runs[0].export(path, model="ensemble").card
    assert "mean prediction of Teacher, BAN-1" in card.read_text()
    found = known(parts(card)["How it was trained"])
    assert found["objective"] == "labels, kd"
    assert found["seconds"] == f"{sum(g.seconds for g in runs[0]):.1f}"
    assert "optimizer" not in found
    assert known(parts(card)["The model"])["it gives"].endswith("probabilities")


def test_several_outputs_are_named(tmp_path):
    x = {"a": keras.Input((2,), name="a"), "b": keras.Input((3,), name="b")}
    h = keras.layers.Concatenate()([x["a"], x["b"]])
    one = keras.layers.Dense(3, "softmax", name="one")(h)
    two = keras.layers.Dense(1, name="two")(h)
    model = keras.Model(x, {"one": one, "two": two})
    model.compile(loss={"one": "sparse_categorical_crossentropy", "two": "mse"})
    lineage = of(model)
    card = lineage.export(tmp_path / "m.keras", model=0).card
    found = known(parts(card)["The model"])
    assert json.loads(found["inputs"]) == {
        "a": "float32(any, 2)",
        "b": "float32(any, 3)",
    }
    assert json.loads(found["outputs"]) == {
        "one": "(any, 3)",
        "two": "(any, 1)",
    }
    assert json.loads(found["it gives"]) == {
        "one": "classes: probabilities",
        "two": "values (regression)",
    }


def test_a_control_on_other_data_is_refused(runs, tmp_path):
    lineage, _, control = runs
    lineage.evaluate(*TEST)
    control.evaluate(X[:30], Y[:30])
    with pytest.raises(ValueError, match="control was evaluated on other"):
        lineage.export(tmp_path / "m.keras", model=1, control=control)
    assert list(tmp_path.iterdir()) == []


def test_what_a_comparison_found_stands_below(tmp_path):
    fit = {**FIT, "validation_data": VALIDATION}
    study = keras_ban.compare(model_fn, X, Y, ["ban"], [4, 1], **fit)
    study.evaluate(*TEST, title="forty rows")
    lineage = study.lineages["ban"][1]
    card = lineage.export(tmp_path / "m.keras", comparison=study).card
    text = card.read_text().split("### Beside its twin\n\n")[1]
    assert text.startswith("forty rows, 2 seeds: mean ± half of the 95 % ")
    heads, _, *rows = re.findall(r"(?m)^\| (.*) \|$", text.split("## ")[0])
    place = heads.split(" | ").index("to twin")
    assert [one.split(" | ")[0] for one in rows] == ["labels", "ban"]
    for row, line in zip(study.rows, rows, strict=True):
        cells = line.split(" | ")
        half = 50 * np.diff(row["error_interval"]).item()
        assert cells[1] == f"{100 * row['error']:.2f} ±{half:.2f}"
        assert (cells[place] == "-") == (row["twin"] is None)
    half = 50 * np.diff(row["error_difference_interval"]).item()
    expected = f"{100 * row['error_difference']:+.2f} ±{half:.2f}"
    assert cells[place] == expected
    assert f"- {study.verdict.split(chr(10))[0]}".replace("+-", "±") in text
    assert "Seeds: 4, 1. This run is 'ban' of seed 1. Its twin is" in text
    # Of a run that is none of its own it says the same, but not which it is.
    other = run(validation_data=VALIDATION)
    card = other.export(tmp_path / "o.keras", comparison=study).card
    found = card.read_text().split("### Beside its twin\n\n")[1]
    assert "Seeds: 4, 1.\n" in found and "This run" not in found


def test_a_comparison_that_is_none_is_refused(runs, tmp_path):
    lineage, _, control = runs
    for wrong in (control, [control]):
        with pytest.raises(ValueError, match="`compare` returned"):
            lineage.export(tmp_path / "m.keras", model=1, comparison=wrong)
    study = keras_ban.compare(model_fn, X, Y, ["labels"], [0, 1], **FIT)
    with pytest.raises(ValueError, match="Nothing was measured yet"):
        lineage.export(tmp_path / "m.keras", model=1, comparison=study)
    assert list(tmp_path.iterdir()) == []
