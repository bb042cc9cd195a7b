"""What there is to train is said before, the time that it takes after."""

import re
import time

import keras
import pytest
from lineages import X
from lineages import Y
from lineages import model_fn

import keras_ban
from keras_ban.generations.outlook import Outlook
from keras_ban.reporting import printed

FIT = {"epochs": 3, "batch_size": 16, "verbose": 1}


class Clock:
    """A clock that an epoch takes a hundred seconds of."""

    def __init__(self, monkeypatch):
        self.now = 1e6
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        clock = self

        class Slow(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                clock.now += 100

        self.slow = lambda number: [Slow()]


def said(capsys, pattern):
    return re.findall(pattern, capsys.readouterr().out)


def test_how_much_there_is(capsys):
    keras_ban.BornAgain(model_fn).fit(X, Y, generations=2, **FIT)
    assert said(capsys, r"\d+ networks.*") == [
        "3 networks to train, 3 epochs each: 36 steps"
    ]


def test_teachers_and_lengths_of_their_own_are_counted(capsys):
    fit = {**FIT, "epochs": lambda number: 2 if number else 1, "teachers": 2}
    keras_ban.BornAgain(model_fn).fit(X, Y, generations=1, **fit)
    assert said(capsys, r"\d+ networks.*") == ["3 networks to train: 16 steps"]


def test_a_given_teacher_is_not_trained(capsys):
    ban = keras_ban.BornAgain(model_fn)
    ban.fit(X, Y, generations=1, teacher=model_fn(), **FIT)
    expected = ["1 network to train, 3 epochs: 12 steps"]
    assert said(capsys, r"\d+ network.*") == expected


def test_what_is_finished_is_not_counted(capsys, tmp_path):
    fit = dict(FIT, generations=1)
    keras_ban.BornAgain(model_fn, directory=tmp_path).fit(X, Y, **fit)
    capsys.readouterr()
    fit["generations"] = 3
    keras_ban.BornAgain(model_fn, directory=tmp_path).fit(X, Y, **fit)
    expected = ["2 networks to train, 3 epochs each: 24 steps"]
    assert said(capsys, r"\d+ network.*") == expected
    keras_ban.BornAgain(model_fn, directory=tmp_path).fit(X, Y, **fit)
    assert said(capsys, r"\d+ network.*to train") == []


def test_the_time_that_is_left(capsys, monkeypatch):
    clock = Clock(monkeypatch)
    fit = dict(FIT, callbacks=clock.slow)
    keras_ban.BornAgain(model_fn).fit(X, Y, generations=1, **fit)
    found = said(capsys, r"about (.*) to go, until ([A-Z][a-z]{2} )?\d\d:\d\d")
    # Two epochs of the teacher, and three of a student with a teacher, 4/3 as
    # long, until the student's second epoch tells its own pace.
    expected = [600, 500, 400, 2 * 100 * 4 / 3, 100]
    assert [words for words, _ in found] == list(
        map(printed.duration, expected)
    )


def test_a_short_time_is_not_said(capsys):
    keras_ban.BornAgain(model_fn).fit(X, Y, generations=1, **FIT)
    assert said(capsys, "to go") == []


def test_networks_side_by_side_share_the_time(monkeypatch):
    clock = Clock(monkeypatch)
    outlook = Outlook(0)
    for place, is_taught in enumerate([False, False, True]):
        outlook.expect(place, range(2), 10, is_taught)
    counting = outlook.clock([0, 1], is_last=True)
    counting.set_params({"epochs": 2})
    counting.on_epoch_begin(0)
    clock.now += 200
    counting.on_epoch_end(0)
    # 200 s more of both, and as long as each of them would take with a teacher.
    left = 200 + 2 * 100 * 4 / 3
    assert outlook.to_go().startswith(f"about {printed.duration(left)} ")


def test_an_end_on_another_day_is_named(monkeypatch):
    outlook = Outlook(1)
    outlook.expect(0, range(100), 1, False)
    outlook.passed([0], 1, 3600)
    assert re.search("until [A-Z][a-z]{2} [0-9]{2}:[0-9]{2}$", outlook.to_go())


def test_a_line_for_each_generation(capsys):
    fit = dict(FIT, verbose=2, validation_split=0.25)
    keras_ban.BornAgain(model_fn, "ban+l").fit(X, Y, generations=2, **fit)
    lines = capsys.readouterr().out.split("validation data")[0].splitlines()
    names = [line.split(":")[0] for line in lines[1:]]
    assert names == ["Teacher", "BAN-1", "BAN-2"]
    for line in lines[2:]:
        for name in ("loss", "teacher_loss", "val_loss", "val_accuracy"):
            assert re.search(rf" {name} \d", line)


def test_nothing_is_said_at_all(capsys):
    keras_ban.BornAgain(model_fn).fit(X, Y, **dict(FIT, verbose=0))
    assert capsys.readouterr().out == ""


class Stop(keras.callbacks.Callback):
    """Ctrl-C in the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            raise KeyboardInterrupt


def stopped(number):
    return [Stop()] if number else []


@pytest.mark.parametrize("is_kept", [False, True])
def test_an_interrupt_says_what_is_there(tmp_path, is_kept):
    ban = keras_ban.BornAgain(
        model_fn, directory=tmp_path / "run" if is_kept else None
    )
    fit = dict(FIT, verbose=0, callbacks=stopped)
    with pytest.raises(KeyboardInterrupt) as caught:
        ban.fit(X, Y, generations=2, **fit)
    message = str(caught.value)
    assert "`lineage` of the BornAgain has Teacher, finished." in message
    way = f"from what is in {tmp_path}" if is_kept else "with `directory=`"
    assert way in message
    # The user's line and `fit`, nothing of TensorFlow.
    assert len(caught.traceback) == 2
    assert caught.value.__suppress_context__
    assert [g.name for g in ban.lineage] == ["Teacher"]


def test_an_interrupt_before_anything_is_finished():
    fit = dict(FIT, verbose=0, callbacks=lambda number: [Stop()])
    with pytest.raises(KeyboardInterrupt, match="No generation is finished"):
        keras_ban.BornAgain(model_fn).fit(X, Y, generations=1, **fit)
