"""Resumed runs in executions of several steps, and data that reorders itself.

Five batches of 16 in an epoch, the last one of 6.
"""

import itertools

import interruptions
import keras
import numpy as np
import pytest
from builders import Batches
from builders import compiled
from builders import data_set
from builders import learnable
from builders import mlp
from builders import noisy
from interruptions import check
from matrices import names

import keras_ban

X, Y = learnable(70)
ROWS = np.arange(70)


def model_of(size):
    return lambda: compiled(mlp(), metrics=None, steps_per_execution=size)


class Reordered(Batches):
    """Reorders its rows, again and again, as it draws from NumPy."""

    def __init__(self, seen=None):
        super().__init__(X, Y, size=16)
        self.order = np.arange(70)
        self.seen = seen

    def __getitem__(self, index):
        rows = self.order[16 * index : 16 * (index + 1)]
        return X[rows], Y[rows]

    def on_epoch_begin(self):
        if self.seen is not None:
            self.seen.append(self.order.tolist())

    def on_epoch_end(self):
        np.random.shuffle(self.order)


def by_number(generation, epoch):
    rows = data_set(X, Y).shuffle(70, 100 * generation + epoch)
    return rows.batch(16)


ARRAYS = {"x": X, "y": Y, "batch_size": 16}
DATA = {
    "arrays": ARRAYS,
    "buffer": {"x": data_set(X, Y, size=16), "shuffle": 70},
    "function": {"x": by_number},
    "tf.data": {"x": data_set(X, Y, size=16)},
    "views": {**ARRAYS, "augment": noisy, "views": 2},
    "cached": {**ARRAYS, "teacher_outputs": "cached"},
    "PyDataset": {"x": Reordered()},
}
# In each pass: 3 batches, in 4 and 2 of 6.
PARTLY = {
    "arrays": {"x": X, "y": Y, "batch_size": 12, "shuffle": False},
    "tf.data": {"x": data_set(X, Y, size=12)},
    "endless tf.data": {"x": data_set(X, Y, size=12).repeat()},
    "buffer": {"x": data_set(X, Y, size=12), "shuffle": 70},
}


def fit(**given):
    return {"y": None, **given}


OFTEN = {
    ("PyDataset", (1, 1, 1)),
    ("buffer", (1, 1, 5)),
    ("function", (1, 1, 1)),
    ("views", (1, 1, 5)),
}
STOPPED = [
    pytest.param(*case, marks=[] if case in OFTEN else pytest.mark.slow)
    for case in itertools.product(DATA, [(1, 1, 1), (1, 1, 5)])
]


@pytest.mark.parametrize(("name", "stop"), STOPPED)
def test_executions_that_do_not_fill_an_epoch(tmp_path, name, stop):
    """Stopped within an epoch, and at its short last execution."""
    model = model_of(2)
    born = {"save_every": 2}
    check(tmp_path, [stop], model=model, born=born, **fit(**DATA[name]))


@pytest.mark.parametrize("name", names(PARTLY, "arrays", "buffer"))
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_epochs_of_a_part_of_the_data(tmp_path, name):
    """Stopped where an epoch has begun in the middle of a pass."""
    given = fit(**PARTLY[name], steps_per_epoch=3, epochs=4)
    check(tmp_path, [(0, 1, 1), (1, 3, 1)], model=model_of(2), **given)


def test_reordered_batches(tmp_path):
    stops = [(0, 1, 0), (1, 2, 0)]
    given = fit(x=Reordered(), epochs=3)
    check(tmp_path, stops, model=model_of(1), **given)


def test_part_of_the_batches(tmp_path):
    """Of five, which Keras shuffles where a pass begins."""
    given = fit(x=Batches(X, Y, size=16), steps_per_epoch=1, epochs=4)
    stops = [(0, 1, 0), (1, 2, 0)]
    check(tmp_path, stops, model=model_of(1), **given)


def test_order_does_not_hang_on_earlier_generations():
    orders = []
    for epochs in (1, 2):
        seen = []
        born = keras_ban.BornAgain(model_of(5), "labels")
        born.fit(Reordered(seen), None, 1, epochs=epochs, verbose=0)
        orders.append(seen)
    one, two = orders
    assert one == [two[0], two[2]]
    assert len({tuple(order) for order in two}) == 4


def test_first_order_is_that_of_plain_keras():
    seen, expected = [], []
    lineage = keras_ban.BornAgain(model_of(5), "labels").fit(
        Reordered(seen), None, 1, verbose=0
    )
    for generation in lineage:
        keras.utils.set_random_seed(generation.seed)
        model_of(5)().fit(Reordered(expected), verbose=0)
    assert seen == expected


def test_data_is_left_as_it_was_found():
    data = Reordered()
    order = data.order
    lineage = keras_ban.BornAgain(model_of(5), "labels")
    lineage.fit(data, None, 1, verbose=0)
    assert data.order is order
    assert order.tolist() == ROWS.tolist()


def stopped(directory, size, **given):
    """A run that is stopped after three steps, and goes on in executions."""

    def attempt(size, stops):
        return interruptions.fit_once(
            {"directory": directory, "save_every": 3},
            stops,
            model=model_of(size),
            **fit(**ARRAYS, shuffle=False, **given),
        )

    with pytest.raises(interruptions.Interrupted):
        attempt(1, [(0, 0, 3)])
    return attempt(size, [])


def test_executions_of_another_size(tmp_path):
    whole = interruptions.run(
        model=model_of(1), **fit(**ARRAYS, shuffle=False)
    )[0]
    found = stopped(tmp_path, 3)
    for one, other in zip(found, whole, strict=True):
        assert interruptions.same(one.model, other.model)


def test_executions_that_lose_steps(tmp_path):
    with pytest.raises(ValueError, match="`steps_per_execution` was 1") as e:
        stopped(tmp_path, 2)
    for words in ("after step 3 of epoch 1", "Received: 2", "Expected 1"):
        assert words in str(e.value)
