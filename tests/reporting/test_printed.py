"""What is printed and shown: any stream, any width, notebooks."""

import io
import pickle
import sys

import keras
import numpy as np
import pandas
import pytest
from lineages import X
from lineages import Y
from lineages import graph_fn

import keras_ban
from keras_ban.reporting import printed
from keras_ban.reporting.table import Table

ROW = {
    "name": "BAN-1",
    "teacher": "Teacher",
    "accuracy": 0.9125,
    "error": 0.0875,
    "nll": 0.25,
    "ece": 0.01,
    "agreement": float("nan"),
    "parameters": 1_234_567,
    "seconds": 12.34,
}


@pytest.fixture(scope="module")
def lineage():
    run = keras_ban.BornAgain(graph_fn, seed=0)
    return run.fit(
        X, Y, generations=2, verbose=0, validation_data=(X[:20], Y[:20])
    )


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_a_table_is_as_wide_as_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = str(Table([ROW, {**ROW, "name": "a" * 30}], "t" * 99)).splitlines()
    assert max(map(len, lines)) <= max(columns, 30)
    spared = [line for line in lines if "Not shown" in line]
    assert bool(spared) == (columns < 120)
    assert any("8.75" in line and "0.2500" in line for line in lines)


def test_short_names_leave_no_column_over(monkeypatch):
    # Each width, so one at which columns and gaps fill it to the last.
    for columns in range(50, 121):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = str(Table([{**ROW, "name": "BAN-1"}], "t")).splitlines()
        assert max(map(len, lines)) <= columns


def test_a_narrow_table_says_what_it_leaves_out(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    text = str(Table([ROW], "test data"))
    assert "accuracy %" not in text
    assert text.endswith("Not shown, but in its rows: accuracy, parameters.")
    monkeypatch.setenv("COLUMNS", "120")
    assert "91.25" in str(Table([ROW], "test data"))


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_fit_ends_on_a_stream_of_any_encoding(encoding, monkeypatch):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)

    def λoss(y_true, student_logits, teacher_logits):
        return keras.ops.sum(student_logits - teacher_logits, axis=-1)

    run = keras_ban.BornAgain(graph_fn, λoss, seed=0)
    lineage = run.fit(X, Y, generations=1)
    print(lineage)
    stream.flush()
    text = written.getvalue().decode(encoding)
    name = "λ" if encoding == "utf-8" else "\\u03bb"
    assert f"learns from Teacher by '{name}oss'" in text
    assert text.count("2 generations") == 2


def test_one_generation_is_no_generations(lineage):
    assert "1 generation, validation data\n" in str(
        keras_ban.Lineage(lineage[:1])
    )


def test_generations_by_name_and_by_slices(lineage):
    assert lineage["BAN-1"] is lineage[1]
    with pytest.raises(KeyError, match=r"'BAN-3'.*Teacher, BAN-1, BAN-2"):
        lineage["BAN-3"]
    students = lineage[1:]
    assert isinstance(students, keras_ban.Lineage)
    assert list(students) == [lineage[1], lineage[2]]
    rows = {row["name"]: row for row in students.evaluate(X, Y)}
    p = students.ensemble().predict(X, verbose=0)
    error = np.mean(p.argmax(-1) != np.ravel(Y))
    assert rows["Ens*all"]["error"] == pytest.approx(error)


def test_a_lineage_predicts_as_its_best(lineage):
    expected = lineage.best.model.predict(X, verbose=0)
    np.testing.assert_array_equal(lineage.predict(X, verbose=0), expected)
    run = keras_ban.BornAgain(graph_fn, seed=0)
    with pytest.raises(ValueError, match="chosen on validation data"):
        run.fit(X, Y, generations=1, verbose=0).predict(X)


def test_a_lineage_is_pickled_with_its_networks(lineage):
    found = pickle.loads(pickle.dumps(lineage))
    assert [g.name for g in found] == [g.name for g in lineage]
    assert found.to_frame().equals(lineage.to_frame())
    expected = lineage.evaluate(X, Y)
    assert str(found.evaluate(X, Y)) == str(expected)


def test_a_frame_has_the_rows(lineage):
    table = lineage.evaluate(X, Y)
    frame = lineage.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["name"]) == [row["name"] for row in table]
    assert list(frame["nll"]) == [row["nll"] for row in table]


def test_notebooks_show_tables_whole_and_escaped(lineage, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    table = Table([{**ROW, "name": "<b>größe"}], "a < b")
    text = table._repr_html_()
    assert "&lt;b&gt;größe" in text and "a &lt; b" in text
    assert "91.25" in text and "1,234,567" in text
    assert "BAN-2" in lineage._repr_html_()
    assert "BAN-1" in lineage["BAN-1"]._repr_html_()


def test_a_figure_shows_itself(lineage):
    lineage.evaluate(X, Y)
    picture = lineage.plot()
    assert picture._repr_png_().startswith(b"\x89PNG")


def test_columns_are_aligned_closer_and_folded():
    columns = [["name", "a b cc dd"], ["left", "x"], ["n", "22"]]
    assert list(printed.aligned(columns, 80, left=2)) == [
        "name       left   n",
        "-" * 19,
        "a b cc dd  x     22",
    ]
    assert list(printed.aligned(columns, 16, left=2)) == [
        "name     left  n",
        "-" * 16,
        "a b cc   x    22",
        "dd",
    ]
