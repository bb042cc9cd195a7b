"""The order of the data: a function of seed, generation and epoch."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ban.feeding.arrays import Arrays
from keras_ban.feeding.examples import TRAINING
from keras_ban.feeding.examples import Reading
from keras_ban.feeding.feed import feed
from keras_ban.feeding.passes import clear_errors

ROWS = np.arange(50)


def epochs(arguments, count, seed=1, number=0, first=0):
    """The rows that each epoch reads, as a list of lists of batches."""
    given = feed({"epochs": count, **arguments}, generation=number)
    found = given.generation(number, seed, first)
    steps = found.get("steps_per_epoch") or len(found["x"])
    batches = iter(found["x"].repeat())
    return [
        [rows(next(batches)) for _ in range(steps)] for _ in range(first, count)
    ]


def begun(**arguments):
    """What Keras reads in generation 0 of a run whose seed is 1."""
    given = feed(arguments, generation=0)
    given.train.check_steps()
    return given.generation(0, 1, 0)


def rows(batch):
    x = batch[0] if isinstance(batch, tuple) else batch
    return np.asarray(x).ravel().astype(int).tolist()


def flat(epoch):
    return [row for batch in epoch for row in batch]


def data_set(size=8):
    return tf.data.Dataset.from_tensor_slices(ROWS).batch(size)


def by_number(generation, epoch):
    data = tf.data.Dataset.from_tensor_slices(ROWS)
    return data.shuffle(50, 100 * generation + epoch).batch(8)


SHUFFLED = {
    "arrays": {"x": ROWS, "batch_size": 8},
    "default size": {"x": ROWS},
    "batches": {"x": ROWS, "batch_size": 8, "shuffle": "batch"},
    "buffer": {"x": data_set(), "shuffle": 50},
    "small buffer": {"x": data_set(), "shuffle": 7},
    "function": {"x": by_number},
}


@pytest.mark.parametrize("name", SHUFFLED)
def test_every_row_once_in_every_epoch(name):
    for epoch in epochs(SHUFFLED[name], 3):
        assert sorted(flat(epoch)) == ROWS.tolist()


@pytest.mark.parametrize("name", SHUFFLED)
def test_orders_differ(name):
    first, second = epochs(SHUFFLED[name], 2)
    (other,) = epochs(SHUFFLED[name], 1, number=1, seed=2)
    orders = [flat(first), flat(second), flat(other), ROWS.tolist()]
    assert len({tuple(o) for o in orders}) == 4


@pytest.mark.parametrize("name", SHUFFLED)
def test_order_follows_from_the_numbers(name):
    assert epochs(SHUFFLED[name], 2) == epochs(SHUFFLED[name], 2)


STEPS = {
    **SHUFFLED,
    "unshuffled": {"x": ROWS, "batch_size": 8, "shuffle": False},
    "fewer steps": {"x": ROWS, "batch_size": 8, "steps_per_epoch": 3},
    # `fit` refuses it; passes follow each other all the same.
    "more steps": {"x": Arrays(ROWS, None, None, Reading(TRAINING, 8, 9))},
    "buffer, fewer steps": {
        "x": data_set(),
        "shuffle": 50,
        "steps_per_epoch": 3,
    },
    "tf.data, fewer steps": {"x": data_set(), "steps_per_epoch": 3},
    "tf.data, endless": {"x": data_set().repeat(), "steps_per_epoch": 3},
    "function, fewer steps": {"x": by_number, "steps_per_epoch": 3},
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("first", [1, 3])
def test_later_epochs_alone(name, first):
    whole = epochs(STEPS[name], 5)
    assert epochs(STEPS[name], 5, first=first) == whole[first:]


@pytest.mark.parametrize("shuffle", [False, None, 0])
def test_unshuffled_arrays_in_their_order(shuffle):
    found = epochs({"x": ROWS, "batch_size": 8, "shuffle": shuffle}, 2)
    assert [flat(e) for e in found] == [ROWS.tolist()] * 2
    assert [len(b) for b in found[0]] == [8] * 6 + [2]


def test_batches_stay_together():
    found = epochs({"x": ROWS, "batch_size": 8, "shuffle": "batch"}, 1)[0]
    starts = [min(batch) // 8 for batch in found]
    assert [sorted(b) for b in found] == [
        ROWS[8 * s : 8 * s + 8].tolist() for s in starts
    ]


def test_order_is_uniform():
    """Each row comes first equally often: chi-squared of 49 degrees."""
    found = epochs({"x": ROWS, "batch_size": 50}, 2000)
    counts = np.bincount([flat(e)[0] for e in found], minlength=50)
    assert ((counts - 40.0) ** 2 / 40.0).sum() < 85.4  # p = 0.001


def test_labels_and_weights_stay_with_their_rows():
    x = {"one": ROWS[:, None].astype("float64"), "two": ROWS}
    arguments = {"x": x, "y": 2 * ROWS, "sample_weight": 3.0 * ROWS}
    found = begun(**arguments)
    read = list(found["x"].take(found["steps_per_epoch"]))
    assert len(read) == 2
    for x, y, weight in read:
        assert x["one"].dtype == weight.dtype == keras.config.floatx()
        np.testing.assert_array_equal(x["one"][:, 0], x["two"])
        np.testing.assert_array_equal(y, 2 * x["two"])
        np.testing.assert_array_equal(weight, 3 * x["two"])


def test_shuffled_batches_keep_their_size():
    for drop in (True, False):
        x = tf.data.Dataset.from_tensor_slices(ROWS).batch(8, drop)
        found = begun(x=x, shuffle=50)
        read = list(found["x"].take(found["steps_per_epoch"]))
        sizes = [len(b) for b in read]
        assert sizes == [8] * 6 + ([] if drop else [2])


def test_other_data_is_left_alone():
    x = data_set().shuffle(9)
    read = feed({"x": x}).train.epochs(0, 1, 3)
    assert read == {"x": x, "shuffle": False, "steps_per_epoch": None}


def unknown(generation=0, epoch=0):
    return data_set().filter(lambda x: True)


@pytest.mark.parametrize(
    "arguments", [{"x": unknown}, {"x": unknown(), "shuffle": 9}]
)
def test_unknown_length(arguments):
    with pytest.raises(ValueError, match="batches in an epoch is unknown"):
        begun(**arguments)
    found = begun(steps_per_epoch=3, **arguments)["x"].take(3)
    assert [len(b) for b in found] == [8] * 3


def test_function_of_something_else():
    with pytest.raises(ValueError, match="one that returns a list"):
        begun(x=lambda generation, epoch: [1, 2])


def test_short_epoch():
    def x(generation, epoch):
        return data_set().take(7 - epoch)

    found = begun(x=x)["x"]
    with pytest.raises(ValueError, match="The data of BAN-2 ends before"):
        with clear_errors("BAN-2"):
            list(found.take(14))


@pytest.mark.parametrize("is_function", [False, True])
def test_few_batches_wait_however_long_it_is_read(is_function):
    read = []

    def batches():
        for number in range(400):
            read.append(number)
            time.sleep(0.001)
            yield np.full((2, 3), number, "float32")

    spec = tf.TensorSpec((2, 3), "float32")
    data = tf.data.Dataset.from_generator(batches, output_signature=spec)
    data = data.apply(tf.data.experimental.assert_cardinality(400))
    given = {"x": (lambda k, e: data) if is_function else data}
    examples = feed(given, viewed=True, generation=0).train
    found = examples.epochs(0, 1, 0, views=None if is_function else unseen)
    ahead = []
    for number, _ in zip(range(400), found["x"], strict=False):
        ahead.append(len(read) - number)
        # What waits is used up, and made good, time after time.
        time.sleep(0.03 if number % 20 == 0 else 0)
    assert len(ahead) == 400
    assert max(ahead) < 16


def unseen(x, y, numbers, epoch, weight):
    return x, y, weight


unseen.mixes = False
