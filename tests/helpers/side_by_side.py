"""Runs that are trained side by side, and the same ones one by one."""

import numpy as np
from lineages import X
from lineages import Y

import keras_ban
from keras_ban.generations import hindrances
from keras_ban.generations.abreast import Abreast
from keras_ban.generations.abreast import Part
from keras_ban.lineage import Lineage

FIT = {"generations": 1, "epochs": 2, "batch_size": 24, "verbose": 0}


class Opened(keras_ban.BornAgain):
    """One whose training somebody else does, all else being as ever."""

    def _train(self, trainer, run):
        self.found = trainer, run
        self.then()
        return False


def together(runs, train=None, abreast=None):
    """Trains runs side by side, generation after generation.

    Args:
        runs: For each run the arguments of `BornAgain` and those of `fit`.
        train: Function from the opened runs. Defaults to `None`: it trains.
        abreast: The `Abreast`.

    Returns:
        The `Lineage` of each.
    """
    abreast = abreast or Abreast()
    train = train or (lambda borns: advance(borns, abreast))
    borns = [Opened(**born) for born, _ in runs]

    def opened(number):
        if number == len(runs):
            train(borns)
            return
        borns[number].then = lambda: opened(number + 1)
        fit = {"x": X, "y": Y, **FIT, **runs[number][1]}
        borns[number].fit(**fit)

    opened(0)
    return [born.lineage for born in borns]


def advance(borns, abreast):
    """Trains what is not finished, as the driver does."""
    for born in borns:
        trainer, run = born.found
        born.lineage = Lineage(run.finished(trainer.trial.teacher))
        if len(born.lineage):
            watches = trainer.watches[: len(born.lineage)]
            run.remind([watch.remembered for watch in watches])
    while left := [b for b in borns if len(b.lineage) < watches_of(b)]:
        number = min(len(born.lineage) for born in left)
        group = [born for born in left if len(born.lineage) == number]
        parts = [
            Part(born.found[0], number, born.lineage, born.found[1])
            for born in group
        ]
        generations = list(abreast.generations(parts))
        for born, generation in zip(group, generations, strict=True):
            trainer, run = born.found
            born.lineage.append(generation)
            run.record(generation, trainer.watches[number].remembered)


def watches_of(born):
    return len(born.found[0].watches)


def alone(runs):
    """Trains the runs one by one; returns their lineages."""
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
    return calls
