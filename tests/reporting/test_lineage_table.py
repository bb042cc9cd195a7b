"""A lineage prints the table of what it holds now."""

import dataclasses

import numpy as np
from lineages import X
from lineages import Y
from lineages import graph_fn

import keras_ban


def generation(number):
    return keras_ban.Generation(
        number, f"BAN-{number}" if number else "Teacher", graph_fn(), "ban"
    )


def test_a_later_generation_is_printed():
    """With its ensemble, a table of two generations has three rows."""
    lineage = keras_ban.Lineage([generation(0), generation(1)])
    table = lineage.evaluate(X, Y)
    assert len(table) == 3
    assert str(lineage) == str(table)
    lineage.append(generation(2))
    assert "BAN-2" in str(lineage)
    assert "3 generations" in str(lineage)
    assert str(lineage) != str(table)
    later = lineage.evaluate(X, Y)
    assert str(lineage) == str(later)


def test_a_model_that_is_let_go_stays_in_the_table():
    lineage = keras_ban.Lineage([generation(0), generation(1)])
    table = lineage.evaluate(X, Y)
    lineage.keep({1})
    assert [g.model is None for g in lineage] == [True, False]
    assert str(lineage) == str(table)


def test_figures_of_a_run_without_evaluation_are_its_own():
    one = dataclasses.replace(
        generation(0), metrics={"accuracy": 0.25, "nll": 1.5}
    )
    lineage = keras_ban.Lineage([one])
    assert "25.00" in str(lineage)
    assert np.isclose(lineage[0].metrics["nll"], 1.5)
