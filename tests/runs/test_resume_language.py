"""Runs of language models go on with the state that was carried."""

import keras
import pytest
from interruptions import check
from languages import batches
from languages import lstm
from languages import tokens

from keras_ban.data import text
from keras_ban.metrics import Perplexity

STOPS = [(0, 1, 1), (1, 1, 2)]
FIT = {"objective": "ban+l", "epochs": 2, "born": {"save_every": 1}}


def eager():
    return lstm(eager=True, layers=1, weighted_metrics=[Perplexity()])


def few(count=60):
    return batches(4, 3, count)


@pytest.mark.parametrize(
    "teacher_outputs",
    ["online", pytest.param("cached", marks=pytest.mark.slow)],
)
def test_in_an_epoch(teacher_outputs, tmp_path):
    check(
        tmp_path,
        STOPS,
        model=eager,
        x=few(),
        teacher_outputs=teacher_outputs,
        **FIT,
    )


def plateau():
    # It never falls by so much: the rate falls after each epoch but the first.
    return lambda number: [
        keras.callbacks.ReduceLROnPlateau(
            "val_perplexity", 0.25, patience=1, min_delta=50, mode="min"
        )
    ]


@pytest.mark.slow
def test_epochs_that_end_within_a_pass_and_the_rate_of_the_paper(tmp_path):
    held_out = text.evaluation(tokens(12, 1), 2, 5, starts=True)
    lineage, _ = check(
        tmp_path,
        [(1, 2, 1)],
        model=eager,
        x=few(120),
        validation_data=held_out,
        callbacks=plateau,
        steps_per_epoch=3,
        **FIT | {"epochs": 3},
    )
    # Recorded before the epoch's end lowers it.
    assert lineage[1].history["learning_rate"] == [0.5, 0.5, 0.125]


@pytest.mark.slow
def test_in_an_epoch_of_compiled_networks(tmp_path):
    check(tmp_path, STOPS, model=lstm, x=batches(), **FIT)
