"""Keras' bar stays on one line, at any width, and loses no metric."""

import re

import keras
import numpy as np
import pytest
from builders import compiled
from builders import learnable
from builders import mlp
from lineages import X
from lineages import Y
from lineages import model_fn

import keras_ban

CONTROL = re.compile("\x1b\\[\\d+m|\x08")


def printed(capsys, columns, monkeypatch, train):
    """The lines that a training leaves on the terminal."""
    monkeypatch.setenv("COLUMNS", str(columns))
    train()
    text = CONTROL.sub("", capsys.readouterr().out)
    return [line.split("\r")[-1].rstrip() for line in text.split("\n")]


def written_over(capsys, columns, monkeypatch, train):
    """All that a training writes, also what is written over."""
    monkeypatch.setenv("COLUMNS", str(columns))
    train()
    text = CONTROL.sub("", capsys.readouterr().out)
    return [part.rstrip() for part in re.split("[\r\n]", text)]


def both(objective="ban+l", **fit):
    def train():
        keras_ban.BornAgain(model_fn, objective).fit(
            X, Y, generations=1, validation_split=0.25, epochs=2, **fit
        )

    return train


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(capsys, monkeypatch, columns):
    lines = written_over(capsys, columns, monkeypatch, both())
    shown = [t for t in lines if "━" in t or t.startswith("  ")]
    assert len(shown) >= 8
    assert max(map(len, shown)) <= columns


@pytest.mark.parametrize("columns", [80, 200])
def test_every_metric_of_an_epoch_is_there(capsys, monkeypatch, columns):
    lines = printed(capsys, columns, monkeypatch, both())
    text = " ".join(
        lines[next(n for n, t in enumerate(lines) if "BAN-1" in t) :]
    )
    for name in ("loss", "accuracy", "label_loss", "teacher_loss"):
        assert len(re.findall(rf"(?<!\S){name}: \d", text)) == 2
    for name in ("val_loss", "val_accuracy"):
        assert len(re.findall(rf"(?<!\S){name}: \d", text)) == 2


def test_two_epochs_of_two_networks_are_few_lines(capsys, monkeypatch):
    lines = [t for t in printed(capsys, 80, monkeypatch, both()) if t]
    # For each epoch its number, the bar and two lines of metrics at most.
    assert sum("Epoch" in line for line in lines) == 4
    table = next(n for n, t in enumerate(lines) if t.startswith("validation"))
    assert table <= 1 + 2 + 4 * 4


def test_a_teacher_that_is_the_whole_loss_is_said_once(capsys, monkeypatch):
    text = " ".join(printed(capsys, 200, monkeypatch, both("ban")))
    assert "teacher_loss" not in text and "label_loss" in text
    # A penalty on the weights is a part of the loss that is not the teacher's.
    penalised = lambda: compiled(mlp(l2=0.1))  # noqa: E731
    ban = keras_ban.BornAgain(penalised)
    text = " ".join(
        printed(
            capsys,
            200,
            monkeypatch,
            lambda: ban.fit(X, Y, generations=1),
        )
    )
    assert "teacher_loss" in text


def test_a_distiller_has_the_same_bar(capsys, monkeypatch):
    teacher, student = model_fn(), model_fn()
    distiller = keras_ban.Distiller(student, teacher, "ban+l")
    lines = written_over(
        capsys, 70, monkeypatch, lambda: distiller.fit(X, Y, epochs=2)
    )
    assert max(map(len, lines)) <= 70
    assert sum("teacher_loss" in line for line in lines) == 2


@pytest.mark.parametrize("verbose", [0, 2])
def test_where_keras_shows_no_bar_there_is_none(capsys, monkeypatch, verbose):
    teacher, student = model_fn(), model_fn()
    distiller = keras_ban.Distiller(student, teacher)
    lines = printed(
        capsys,
        80,
        monkeypatch,
        lambda: distiller.fit(X, Y, epochs=2, verbose=verbose),
    )
    assert not any("━" in line for line in lines)
    assert sum(" - loss: " in line for line in lines) == verbose


def test_a_bar_of_ones_own_is_the_only_one(capsys, monkeypatch):
    own = keras.callbacks.ProgbarLogger()
    lines = printed(capsys, 80, monkeypatch, both(callbacks=[own]))
    assert sum("Epoch" in line for line in lines) == 4


def test_metrics_of_several_values_are_shown(capsys, monkeypatch):
    x, y = learnable(32)
    classes = keras.metrics.F1Score(name="f1")
    model = mlp(last="softmax")
    model.compile("sgd", "categorical_crossentropy", metrics=[classes])
    distiller = keras_ban.Distiller(model, mlp(last="softmax"), "kd")
    y = np.eye(4, dtype="float32")[y]
    lines = printed(capsys, 80, monkeypatch, lambda: distiller.fit(x, y))
    assert any("f1: " in line for line in lines)
