"""Runs that are trained side by side, and the same ones one by one."""

from typing import NamedTuple
from unittest import mock

import keras
import numpy as np
from builders import compiled
from builders import mlp
from lineages import X
from lineages import Y

import keras_ban
from keras_ban.generations import hindrances
from keras_ban.generations.abreast import Abreast
from keras_ban.generations.abreast import Part
from keras_ban.generations.training import Trainer
from keras_ban.lineage import Lineage

FIT = {"generations": 1, "epochs": 2, "batch_size": 24, "verbose": 0}


class Opened(NamedTuple):
    """A run that is open, and waits to be trained."""

    trainer: Trainer
    run: object
    lineage: Lineage


def plain():
    """What can be trained side by side, to the bit."""
    return compiled(mlp(hidden="relu"), eager=False, jit_compile=False)


def cosine():
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 6)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.1)
    model = mlp(8, keras.layers.Dropout(0.3), hidden="relu")
    return compiled(model, eager=False, jit_compile=False, optimizer=optimizer)


def seeds(model=plain, count=2, objective="labels", **fit):
    """The same run with several seeds."""
    return [
        ({"model_fn": model, "objective": objective, "seed": seed}, fit)
        for seed in range(count)
    ]


def kept(tmp_path, name, count=2, callbacks=None, born=None, **fit):
    """Runs that are kept, each in its folder."""
    runs = seeds(cosine, count, **fit)
    return [
        (
            {**run, **(born or {}), "directory": tmp_path / f"{name}-{k}"},
            {**fit, "callbacks": callbacks[k] if callbacks else nothing},
        )
        for k, (run, fit) in enumerate(runs)
    ]


def nothing(number):
    return []


def together(runs, train=None, abreast=None):
    """Trains runs side by side, generation after generation.

    Args:
        runs: For each run the arguments of `BornAgain` and those of `fit`.
        train: Function from the `Opened` runs. Defaults to `None`: it trains.
        abreast: The `Abreast`. Defaults to `None`: a new one.

    Returns:
        The `Lineage` of each.
    """
    opened = []

    def enter(*open_run):
        opened.append(Opened(*open_run))
        if len(opened) < len(runs):
            fit(*runs[len(opened)])
        else:
            (train or advance)(opened, abreast or Abreast())
        return False

    def fit(born, arguments):
        born = keras_ban.BornAgain(**born)
        born.fit(**{"x": X, "y": Y, **FIT, **arguments})

    with mock.patch("keras_ban.born_again.train", enter):
        fit(*runs[0])
    return [one.lineage for one in opened]


def advance(opened, abreast):
    """Trains what is not finished, as `succession.train` does."""
    for one in opened:
        begin(one)
    while left := [o for o in opened if len(o.lineage) < count(o)]:
        number = min(len(one.lineage) for one in left)
        group = [one for one in left if len(one.lineage) == number]
        end(group, [number] * len(group), abreast)


def advance_generations(opened, abreast):
    """Trains all generations of one run, of the labels, at the same time."""
    (one,) = opened
    begin(one)
    numbers = range(len(one.lineage), count(one))
    end([one] * len(numbers), numbers, abreast)


def begin(one):
    trainer, run, lineage = one
    for generation in run.finished(trainer.trial.teacher):
        lineage.append(generation)
    if len(lineage):
        watches = trainer.watches[: len(lineage)]
        run.remind([watch.remembered for watch in watches])


def end(opened, numbers, abreast):
    parts = [
        Part(one.trainer, number, one.lineage, one.run)
        for one, number in zip(opened, numbers, strict=True)
    ]
    generations = abreast.generations(parts)
    for part, generation in zip(parts, generations, strict=True):
        part.lineage.append(generation)
        watch = part.trainer.watches[part.number]
        part.run.record(generation, watch.remembered)


def count(one):
    return len(one.trainer.watches)


def alone(runs):
    """Trains the runs one by one; returns their lineages."""
    alone = mock.Mock(return_value=("one by one", None))
    with mock.patch("keras_ban.generations.abreast.hindrance", alone):
        return [
            keras_ban.BornAgain(**born).fit(**{"x": X, "y": Y, **FIT, **fit})
            for born, fit in runs
        ]


def check(runs, again=None):
    """Checks that side by side gives what one by one does.

    Args:
        runs: As `together` takes them.
        again: The same runs for the second time, if callbacks or folders are
            used up by the first. Defaults to `None`.
    """
    found = together(runs)
    check_same(found, alone(again or runs))
    return found


def check_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert (a.name, a.seed, a.teacher) == (b.name, b.seed, b.teacher)
            assert list(a.history) == list(b.history)
            for name in a.history:
                assert np.array_equal(a.history[name], b.history[name]), name
            pairs = zip(variables(a.model), variables(b.model), strict=True)
            for v, w in pairs:
                assert np.array_equal(v, w), v.path


def variables(model):
    """Weights, and what the optimizer holds; files leave seeds out."""
    return [*model.weights, *model.optimizer.variables]


def counted(monkeypatch):
    """Counts calls in which steps were done side by side."""
    calls = []
    real = Abreast._joint

    def joint(self, trained):
        calls.append(len(trained))
        return real(self, trained)

    monkeypatch.setattr(Abreast, "_joint", joint)
    monkeypatch.setattr(hindrances, "_STEPS", 0)
    monkeypatch.setattr(hindrances, "_SAVED_STEPS", 0)
    return calls
