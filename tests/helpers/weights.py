"""What the weights of models have in common."""

import numpy as np


def same(one, other):
    """Whether two models have the same weights, bit for bit."""
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def assert_same(one, other):
    """As `same`, of models or lists of weights."""
    for a, b in _pairs(one, other):
        np.testing.assert_array_equal(a, b)


def assert_close(one, other, **tolerance):
    """Compares models or lists of weights as `assert_allclose` does."""
    for a, b in _pairs(one, other):
        np.testing.assert_allclose(a, b, **tolerance)


def _pairs(*both):
    lists = (m if isinstance(m, list) else m.get_weights() for m in both)
    return zip(*lists, strict=True)
