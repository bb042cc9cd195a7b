"""The rows of a batch that each worker reads: those that it trains on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ban.distribution.parts import Own
from keras_ban.distribution.share import Share
from keras_ban.feeding.examples import Reading
from keras_ban.feeding.feed import feed
from keras_ban.teaching.plans import Plans


def expected(rows, number, count):
    """The rows of a replica, one at least, and how many of them count."""
    start, stop = number * rows // count, (number + 1) * rows // count
    at = min(start, rows - 1)
    return list(range(at, max(stop, at + 1))), stop - start


def listed(data):
    return [(part.batch, int(part.rows)) for part in data]


def places_in(data):
    return [tuple(map(int, part.place)) for part in data]


@pytest.mark.parametrize("workers, local", [(2, 1), (3, 2)])
def test_what_is_split_before_or_after_it_is_read_is_the_same(workers, local):
    count = workers * local
    sizes = [1, 2, 3, 7, 8, 16, 23]
    batches = [np.arange(rows) for rows in sizes]
    whole = tf.data.Dataset.from_generator(
        lambda: ((b, 10 * b) for b in batches),
        output_signature=(tf.TensorSpec([None], "int64"),) * 2,
    )
    for worker in (0, workers - 1):
        share = Share(worker * local, local, count)
        seen = [len(share.own(b)) for b in batches]

        def gathered(b, share=share):
            own = share.own(b)
            return share.parts((own, 10 * own), tf.shape(b, "int64")[0])

        numbers = whole.map(lambda x, y: gathered(x))
        before = listed(share.split(numbers))
        after = listed(share.split(whole))
        places = [(r, worker * local + k) for r in sizes for k in range(local)]
        assert len(before) == len(after) == len(places)
        for (rows, number), *found in zip(places, before, after, strict=True):
            held, counting = expected(rows, number, count)
            for (x, y), kept in found:
                assert x.numpy().tolist() == held
                assert (y.numpy() == 10 * x.numpy()).all()
                assert kept == counting
        starts = [(number * r // count, r) for r, number in places]
        assert places_in(share.split(numbers)) == starts
        assert places_in(share.split(whole)) == starts
        # Its share, to a row for each of its replicas.
        for rows, read in zip(sizes, seen, strict=True):
            assert read <= rows / workers + local


def test_what_a_worker_has_for_itself_is_split_among_its_replicas():
    data = tf.data.Dataset.range(10).batch(5).map(lambda x: (Own(x), -x))
    found = listed(Share(2, 2, 6).split(data))
    assert [x.numpy().tolist() for (x, _), _ in found] == [
        [0, 1],
        [2, 3, 4],
        [5, 6],
        [7, 8, 9],
    ]
    assert [rows for _, rows in found] == [2, 3, 2, 3]
    # Where they are in the global batch, the other workers have to say.
    assert {part.place for part in Share(2, 2, 6).split(data)} == {()}


X, Y = np.ones((8, 2), "float32"), np.arange(8)
SECOND = Share(1, 1, 2)


def test_of_own_parts_nothing_is_taken_out():
    given = {"x": X, "y": Y, "batch_size": 4}
    data = feed({**given, "shuffle": False}, share=SECOND, shard=True)
    assert data.describe()["shard"] is True
    assert set(data.samples().values()) == {None}
    x = data.generation(0, 0, 0)["x"]
    batch = next(iter(x))
    assert isinstance(batch[0], Own)
    assert batch[1].numpy().tolist() == [0, 1, 2, 3]
    # Alone, it is the whole.
    alone = feed(given, shard=True)
    assert not alone.train.how.is_part
    assert alone.samples()["data"] == feed(given).samples()["data"]


def test_a_worker_reads_its_own_files(tmp_path):
    paths = [str(tmp_path / f"{number}.records") for number in range(4)]
    for number, path in enumerate(paths):
        with tf.io.TFRecordWriter(path) as file:
            for row in (0, 1):
                numbers = np.array([number, row], "int64")
                file.write(tf.io.serialize_tensor(numbers).numpy())

    def example(record):
        number, row = tf.unstack(
            tf.ensure_shape(tf.io.parse_tensor(record, "int64"), [2])
        )
        return tf.cast([number], "float32"), row

    part = tf.data.Dataset.from_tensor_slices(paths[1::2])
    part = part.interleave(tf.data.TFRecordDataset, cycle_length=2)
    part = part.map(example).batch(2)
    known = part.apply(tf.data.experimental.assert_cardinality(2))
    for given in ({"x": known}, {"x": part, "steps_per_epoch": 2}):
        data = feed(given, share=SECOND, shard=True)
        x = data.generation(0, 0, 0)["x"]
        found = [(b.inputs[:, 0].numpy(), y.numpy()) for b, y in x.take(2)]
        np.testing.assert_array_equal(
            found, [[(1, 3), (0, 0)], [(1, 3), (1, 1)]]
        )
    with pytest.raises(ValueError, match="Pass `steps_per_epoch`"):
        feed({"x": part}, share=SECOND, shard=True).train.check_steps()


def test_labels_of_one_class_may_be_a_part_of_others():
    class Task:
        ignored = None
        noun, nouns = "class", "classes"

        def check_weight(self, *args):
            pass

        def check_labels(self, *args):
            pass

        def seen(self, y, shape):
            return set(np.unique(y))

    given = {"x": X, "y": np.zeros(8, int)}
    data = feed(given, share=SECOND, shard=True)
    data.train.scan().check(Task(), (8, 2), True)
    with pytest.raises(ValueError, match="hold one class only"):
        feed(given).train.scan().check(Task(), (8, 2), True)


class Batches:
    def __iter__(self):
        yield X, Y


@pytest.mark.parametrize(
    "given, words",
    [
        ({"x": Batches()}, "Expected arrays, a `tf.data.Dataset`"),
        (
            {"x": X, "y": Y, "validation_split": 0.5},
            "`validation_split` would hold",
        ),
    ],
)
def test_what_has_no_parts_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        feed(given, share=SECOND, shard=True)


def test_outputs_by_number_are_refused_of_parts():
    data = feed({"x": X, "y": Y}, share=SECOND, shard=True)
    plans = Plans.told(teacher_outputs="cached")
    with pytest.raises(ValueError, match="no worker knows the examples"):
        plans.check(data, None)
    assert Reading().is_part is False


def test_views_of_parts_are_others_on_each_worker():
    class Member:
        several = True

        def __init__(self, number):
            self.number = number

    data = feed({"x": X, "y": Y}, viewed=True, share=SECOND, shard=True)
    noise = keras.layers.GaussianNoise(1.0)
    plan = Plans.told(augment=noise).later
    seen = [
        plan.views(data.train, 3, cluster=Member(number)).shown(
            X, Y, np.arange(8), 0
        )
        for number in (0, 1, 1)
    ]
    assert not np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[1], seen[2])
