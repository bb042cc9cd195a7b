"""Attributes that are put back."""

import random
import types

import numpy as np

from keras_ban.state.attributes import Attributes


def test_what_changed_is_put_back():
    order, names = np.arange(5), ["a", "b"]
    owner = types.SimpleNamespace(
        order=order,
        pairs=(order, names),
        count=0,
        options={"rate": 1},
        draws=[random.Random(1), np.random.default_rng(1)],
        old=np.random.RandomState(1),
    )

    def drawn():
        one, other = owner.draws
        return one.random(), other.random(), owner.old.rand()

    kept = Attributes(owner)
    first = drawn()
    for _ in range(2):
        order[:] = order[::-1].copy()
        names.reverse()
        owner.count += 1
        owner.options.clear()
        owner.added = True
        owner.order = None
        kept.put_back()
        assert owner.order is order and owner.pairs[0] is order
        assert order.tolist() == [0, 1, 2, 3, 4] and names == ["a", "b"]
        assert owner.count == 0 and owner.options == {"rate": 1}
        assert not hasattr(owner, "added")
        assert drawn() == first


def test_records_and_what_cannot_be_written_stay():
    fixed = np.arange(3)
    fixed.flags.writeable = False
    owner = types.SimpleNamespace(log=["begin"], seen={}, fixed=fixed)
    kept = Attributes(owner)
    owner.log.append("end")
    owner.seen["a"] = 1
    kept.put_back()
    assert owner.log == ["begin", "end"] and owner.seen == {"a": 1}
    assert owner.fixed is fixed
