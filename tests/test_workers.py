"""Real workers on this machine: the same as one process, and safe together."""

import numpy as np
import pytest
from objective_cases import ALL
from workers import Workers

NAMES = [objective.short_name for objective in ALL]


def close(found, expected, name="", tolerance=1e-5):
    """Equal structures, and equal numbers up to rounding."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            close(found[key], value, f"{name}/{key}", tolerance)
    elif isinstance(expected, list) and isinstance(expected[0], dict):
        for number, pair in enumerate(zip(found, expected, strict=True)):
            close(*pair, f"{name}/{number}", tolerance)
    else:
        for a, b in zip(_leaves(found), _leaves(expected), strict=True):
            difference = np.linalg.norm(a - b)
            assert difference <= tolerance * np.linalg.norm(b), name


def _leaves(values):
    try:
        return [np.asarray(values, "float64")]
    except ValueError:  # arrays of different shapes
        return [leaf for value in values for leaf in _leaves(value)]


def alone(job, tmp_path, **arguments):
    with Workers(0, job, tmp_path / "alone", **arguments) as one:
        return one.found()[0]


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_objectives_are_those_of_one_process(count, tmp_path):
    arguments = {"names": NAMES}
    expected = alone("objectives", tmp_path, **arguments)
    with Workers(count, "objectives", tmp_path / "many", **arguments) as many:
        for found in many.found():
            close(found, expected)


def test_generations_are_those_of_one_process(tmp_path):
    expected = alone("generations", tmp_path)
    with Workers(2, "generations", tmp_path / "many") as many:
        for found in many.found():
            close(found, expected)
