"""Cases of a matrix: some always run, the others with `pytest -m slow`."""

import itertools

import pytest


def names(cases, *often):
    """The names of cases, of which those of `often` always run."""
    return [_param((name,), name, often, cases) for name in cases]


def values(cases, *often):
    """As `names`, but the values of a dict, by whose keys they are called."""
    return [_param((v,), name, often, cases) for name, v in cases.items()]


def rows(cases, *often):
    """As `values`, of tuples, each of several arguments."""
    return [_param(row, name, often, cases) for name, row in cases.items()]


def pairs(*axes):
    """All combinations, of which few always run: each value in one at least."""
    count = max(map(len, axes))
    often = {tuple(k % len(axis) for axis in axes) for k in range(count)}
    places = itertools.product(*(range(len(axis)) for axis in axes))
    lists = [list(axis) for axis in axes]
    return [
        pytest.param(
            *(held[k] for held, k in zip(lists, place, strict=True)),
            marks=[] if place in often else pytest.mark.slow,
        )
        for place in places
    ]


def _param(arguments, name, often, cases):
    assert {*often} <= {*cases}, often
    marks = [] if name in often else pytest.mark.slow
    return pytest.param(*arguments, id=str(name), marks=marks)
