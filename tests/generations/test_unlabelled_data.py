"""Examples without labels, of all kinds of data, and those that are refused."""

import interruptions
import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf
from builders import Batches
from builders import compiled
from builders import data_set
from builders import mlp
from builders import noisy
from lineages import model_fn
from refusals import NAN
from refusals import refused
from unlabelled import MORE
from unlabelled import X
from unlabelled import Y
from unlabelled import fed
from weights import assert_same

import keras_ban
from keras_ban import rows


def stream(batches, first=0, taught=True, **arguments):
    """Inputs, labels and marks of two epochs, batch by batch."""
    data = fed(**arguments)
    examples = data.taught if taught else data.train
    found = examples.epochs(1, 7, first)["x"]
    return list(found.take(batches))


def test_an_epoch_shows_each_once():
    found = stream(6)
    alone = stream(6, taught=False)
    assert [len(y.known) for _, y in found] == 2 * [25 + 32, 25 + 32, 10 + 33]
    orders = []
    for epoch in (0, 3):
        batches = found[epoch : epoch + 3]
        rest = np.concatenate([x[~y.known] for x, y in batches])
        np.testing.assert_array_equal(
            np.sort(rest, axis=0), np.sort(MORE, axis=0)
        )
        orders.append(rest)
    assert not np.array_equal(*orders)
    for (x, y), (expected, labels) in zip(found, alone, strict=True):
        np.testing.assert_array_equal(x[y.known], expected)
        np.testing.assert_array_equal(y.labels[y.known], labels)
    for one, other in zip(found[3:], stream(3, first=1), strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def sparse(x):
    return scipy.sparse.csr_matrix(x * (x > 0))


KINDS = {
    "frames": pd.DataFrame,
    "SciPy": sparse,
    "SparseTensor": lambda x: tf.sparse.from_dense(x * (x > 0)),
    "ragged": tf.RaggedTensor.from_tensor,
    "dicts": lambda x: {"a": x[:, :2], "b": x[:, 2:].astype("float64")},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_all_kinds_of_arrays(kind):
    arguments = {"x": kind(X), "unlabelled": kind(MORE), "shuffle": False}
    for (x, y), (dense, labels) in zip(
        stream(3, **arguments), stream(3, shuffle=False), strict=True
    ):
        x = x.values() if isinstance(x, dict) else [x]
        expected = dense * tf.cast(dense > 0, "float32")
        if kind not in (KINDS["SciPy"], KINDS["SparseTensor"]):
            expected = dense
        found = tf.concat([rows.dense(a) for a in x], axis=-1)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(y.known, labels.known)


@pytest.mark.parametrize("kind", [object, "U"])
def test_texts(kind):
    texts = np.array(["a b", "b", "c a", "c"] * 5, kind)
    words = keras.layers.TextVectorization(
        output_mode="multi_hot", vocabulary=["a", "b", "c"]
    )
    inputs = keras.Input((), dtype="string")
    outputs = keras.layers.Dense(4)(words(inputs))
    model = compiled(keras.Model(inputs, outputs))
    history = keras_ban.Distiller(
        model, keras.models.clone_model(model), "kd"
    ).fit(texts, Y[:20], unlabelled=texts[:6], verbose=0)
    assert np.isfinite(history.history["teacher_loss"]).all()


def run(x=X, y=Y, more=MORE, objective="ban+l", **how):
    how = {"generations": 1, "epochs": 2, "verbose": 0, **how}
    if isinstance(x, np.ndarray):
        how["batch_size"] = 20
    return keras_ban.BornAgain(model_fn, objective).fit(
        x, y, unlabelled=more, **how
    )


def data(x, y, size, **how):
    return {
        "x": data_set(x, y, size=size),
        "y": None,
        "more": data_set(MORE, size=how.pop("more", 33)),
        **how,
    }


CACHED = {
    "data set": data(X, Y, 20, shuffle=150, class_weight={0: 2.0}),
    "views": {"augment": ["mixup"], "views": 2, "class_weight": {0: 2.0}},
}


@pytest.mark.parametrize("how", CACHED.values(), ids=CACHED)
def test_the_teachers_outputs_are_kept(how):
    online, cached = run(**how), run(**how, teacher_outputs="cached")
    for name, values in online[1].history.items():
        assert cached[1].history[name] == pytest.approx(values, rel=1e-5)


def test_first_generation_knows_nothing_of_it():
    for one, other in zip(run(), run(more=None), strict=True):
        if one.number == 0:
            assert_same(one.model, other.model.get_weights())
            assert one.history == other.history
        else:
            assert one.history != other.history


class Listed(keras.utils.PyDataset):
    """The batches of a `tf.data.Dataset`."""

    def __init__(self, data):
        super().__init__()
        self.batches = list(data.as_numpy_iterator())

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def test_outputs_for_batches_by_their_numbers_are_kept():
    given = Listed(data_set(X, Y, size=20)), Listed(data_set(MORE, size=33))
    how = {"shuffle": False, "class_weight": {0: 2.0}}
    online, cached = (
        run(given[0], None, given[1], teacher_outputs=outputs, **how)
        for outputs in ("online", "cached")
    )
    for name, values in online[1].history.items():
        assert cached[1].history[name] == pytest.approx(values, rel=1e-5)


class Shuffled(Listed):
    """And in another order in each epoch."""

    def on_epoch_end(self):
        np.random.shuffle(self.batches)


class Told(Listed):
    """And what it is told of epochs."""

    def __init__(self, data):
        super().__init__(data)
        self.told = []

    def on_epoch_begin(self):
        self.told.append("begin")

    def on_epoch_end(self):
        self.told.append("end")


def test_both_are_told_of_epochs():
    def pair():
        return Told(data_set(X, Y, size=20)), Told(data_set(MORE, size=33))

    (x, more), (x_alone, more_alone) = pair(), pair()
    run(x, None, more, shuffle=False)
    # Its parent's epochs had no others beside them.
    assert x.told == 2 * more.told
    keras_ban.Distiller(model_fn(), mlp(), "ban").fit(
        x_alone, unlabelled=more_alone, epochs=2, shuffle=False, verbose=0
    )
    assert x_alone.told == more_alone.told == more.told
    assert "begin" in more.told and "end" in more.told


OTHER_KINDS = {
    "function": lambda data: lambda generation, epoch: data,
    "PyDataset": Listed,
}


@pytest.mark.parametrize("class_weight", [None, {0: 2.0}])
@pytest.mark.parametrize("kind", OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_kinds_of_data_sets_train_alike(kind, class_weight):
    given = data_set(X, Y, size=20), data_set(MORE, size=33)
    how = {"class_weight": class_weight, "shuffle": False}
    one = run(given[0], None, given[1], **how)
    two = run(kind(given[0]), None, kind(given[1]), **how)
    assert_same(one[1].model, two[1].model.get_weights())
    assert one[1].history == two[1].history


def test_a_run_goes_on_with_the_same_bits(tmp_path):
    how = {
        "unlabelled": MORE,
        "augment": noisy,
        "batch_size": 20,
        "objective": "kd",
        "born": {"save_every": 2},
    }
    interruptions.check(tmp_path, [(1, 1, 2)], **how)
    for other, words in ((MORE[1:], "unlabelled"), (1 + MORE, "unlabelled")):
        with pytest.raises(ValueError, match=f"another run.*{words}"):
            interruptions.run(tmp_path, **how | {"unlabelled": other})


def test_a_run_on_orders_of_its_own_goes_on_with_the_same_bits(tmp_path):
    how = {
        "x": Shuffled(data_set(X, Y, size=20)),
        "y": None,
        "unlabelled": Shuffled(data_set(MORE, size=33)),
        "objective": "kd",
        "born": {"save_every": 2},
    }
    interruptions.check(tmp_path, [(1, 1, 2)], **how)


REFUSED = {
    "labels": ("the label of each", {"born": {"objective": "labels"}}),
    "cwtm": ("the label of each", {"born": {"objective": "cwtm"}}),
    "dkd": ("the label of each", {"born": {"objective": "dkd"}}),
    "a function": (
        "the label of each",
        {"born": {"objective": lambda y, z, t: keras.ops.sum(z - t, -1)}},
    ),
    "predictions": (
        "belong to examples of `x`",
        {"teacher": np.zeros((60, 4)), "born": {"from_logits": True}},
    ),
    "no labels": ("has no labels", {"y": None, "teacher": mlp()}),
    "other features": ("other inputs than `x`", {"unlabelled": MORE[:, :5]}),
    "integers": ("other inputs than `x`", {"unlabelled": MORE.astype(int)}),
    "a pair": ("other inputs than `x`", {"unlabelled": (X, Y)}),
    "NaN": ("NaN or infinity in `unlabelled`", {"unlabelled": MORE * NAN}),
    "empty": ("`unlabelled` is empty", {"unlabelled": MORE[:0]}),
    "data set": ("beside arrays", {"unlabelled": data_set(MORE, size=9)}),
    "PyDataset": ("beside", {"x": Batches(X, Y), "y": None}),
    "arrays beside a data set": (
        "beside",
        {"x": data_set(X, Y, size=9), "y": None},
    ),
    "fewer batches": (
        "as many, as one is joined to each. Received: 5 beside 6",
        {"x": data_set(X, Y, size=10), "y": None}
        | {"unlabelled": data_set(MORE, size=20)},
    ),
    "labels beside labels": (
        "brings labels",
        {"x": data_set(X, Y, size=10), "y": None}
        | {"unlabelled": data_set(X, Y, size=10)},
    ),
    "views of labels": (
        "changes labels, and `unlabelled` has none",
        {"augment": lambda x, y, seed: (x, y)},
    ),
}


@pytest.mark.parametrize(("words", "given"), REFUSED.values(), ids=REFUSED)
def test_refused(words, given):
    born = {"objective": "ban+l"} | given.get("born", {})
    refused(words, **{"unlabelled": MORE, **given, "born": born})
