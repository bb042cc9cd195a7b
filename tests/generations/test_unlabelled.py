"""Examples without labels, beside those that have one."""

import contextlib

import interruptions
import keras
import numpy as np
import pandas as pd
import pytest
import reference
import scipy.sparse
import tensorflow as tf
from builders import Batches
from builders import SparseCE
from builders import compiled
from builders import data_set
from builders import learnable
from builders import mlp
from builders import noisy
from objective_cases import Halfway
from refusals import NAN
from refusals import refused
from replicas import mirrored
from weights import assert_same

import keras_ban
from keras_ban import rows
from keras_ban.distribution.parts import Mixed
from keras_ban.distribution.parts import Partly
from keras_ban.feeding import feed

X, Y = learnable(60)
MORE, _ = learnable(97, 3)
WEIGHT = np.linspace(0.5, 2, 60).astype("float32")
ALL = np.concatenate([X, MORE])


def still(reduction="sum_over_batch_size", ignore_class=None):
    """A network that learns nothing, so that its losses can be worked out."""
    loss = SparseCE(True, ignore_class, reduction)
    return compiled(mlp(), optimizer=keras.optimizers.SGD(0.0), loss=loss)


def logged(objective, make=still, y=Y, **fit):
    """What an epoch of one batch logs, and the logits of both networks."""
    teacher = mlp(scale=2.0)
    lineage = keras_ban.BornAgain(make, objective).fit(
        X,
        y,
        generations=1,
        teacher=teacher,
        unlabelled=MORE,
        batch_size=60,
        verbose=0,
        **fit,
    )
    models = lineage[1].model, teacher
    logits = [m.predict(ALL, verbose=0) for m in models]
    return {k: v[0] for k, v in lineage[1].history.items()}, *logits


class Half(Halfway):
    splits_terms = True


# The weight of the labels and of the teacher's term.
TERMS = {
    "ban": (0, 1),
    "ban+l": (1, 1),
    "kd": (0.5, 0.5),
    "dist": (1, 1),
    "logits": (0, 1),
    Half(): (0.5, 0.5),
}


def teachers_term(objective, z, t):
    """The loss by each objective's formula, of labels that weigh nothing."""
    y = np.zeros_like(z)
    if objective == "kd":
        return reference.kd(y, z, t, 0.0, 2.0)[0]
    formula = objective if objective in ("dist", "logits") else "ban"
    return reference.FORMULAS[formula](y, z, t)[0]


@pytest.mark.parametrize(
    "objective, is_weighted", [*((o, True) for o in TERMS), ("kd", False)]
)
def test_terms_are_means_over_their_own_examples(objective, is_weighted):
    weight = WEIGHT if is_weighted else np.ones(60)
    given = {"sample_weight": WEIGHT} if is_weighted else {}
    found, z, t = logged(objective, **given)
    label = (weight * reference.labels(np.eye(4)[Y], z[:60])[0]).mean()
    weight = np.concatenate([weight, np.ones(97)])
    soft = (weight * teachers_term(objective, z, t)).mean()
    alpha, beta = TERMS[objective]
    assert found["loss"] == pytest.approx(alpha * label + beta * soft, rel=1e-5)
    assert found["label_loss"] == pytest.approx(label, rel=1e-5)
    assert found["teacher_loss"] == pytest.approx(soft, rel=1e-5)
    right = np.mean(z[:60].argmax(-1) == Y)
    assert found["accuracy"] == pytest.approx(right)


@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_other_reductions(reduction):
    found, z, t = logged(
        "ban+l", lambda: still(reduction), sample_weight=WEIGHT
    )
    w = np.concatenate([WEIGHT, np.ones(97)])
    label = WEIGHT * reference.labels(np.eye(4)[Y], z[:60])[0]
    soft = w * reference.ban(None, z, t)[0]
    sizes = (1, 1) if reduction == "sum" else (WEIGHT.sum(), w.sum())
    label, soft = label.sum() / sizes[0], soft.sum() / sizes[1]
    assert found["label_loss"] == pytest.approx(label, rel=1e-5)
    assert found["loss"] == pytest.approx(label + soft, rel=1e-5)


def test_an_ignored_label_is_not_a_missing_one():
    found, z, t = logged("ban+l", lambda: still(ignore_class=0))
    kept = np.concatenate([Y != 0, np.full(97, True)])
    label = reference.labels(np.eye(4)[Y], z[:60])[0][Y != 0].mean()
    soft = reference.ban(None, z, t)[0][kept].mean()
    assert found["label_loss"] == pytest.approx(label, rel=1e-5)
    assert found["loss"] == pytest.approx(label + soft, rel=1e-5)


def test_mixed_examples_have_the_labels_that_there_are():
    other = np.random.default_rng(0).permutation(157)
    share = np.linspace(0.1, 0.9, 157)
    y = np.concatenate([Y, np.zeros(97, int)])
    known = np.arange(157) < 60
    student, teacher = still(), mlp()
    z, t = (m.predict(ALL, verbose=0) for m in (student, teacher))
    losses = [
        (s * reference.labels(np.eye(4)[y[r]], z)[0])[known[r]].sum()
        / known.sum()
        for s, r in ((share, np.arange(157)), (1 - share, other))
    ]
    expected = sum(losses) + reference.ban(None, z, t)[0].mean()
    pair = [
        Partly(tf.constant(y[r]), tf.constant(known[r]))
        for r in (np.arange(157), other)
    ]
    share = tf.constant(share, "float32")
    model = keras_ban.Distiller(student, teacher, "ban+l")
    model.check_models(X, Y)
    found = model.compute_loss(ALL, Mixed(*pair, share, share), student(ALL))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def fed(**arguments):
    given = {"x": X, "y": Y, "unlabelled": MORE, "batch_size": 25, "epochs": 2}
    return feed.feed(given | arguments)


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


def student():
    return compiled(mlp())


def run(x=X, y=Y, more=MORE, objective="ban+l", **how):
    how = {"generations": 1, "epochs": 2, "verbose": 0, **how}
    if isinstance(x, np.ndarray):
        how["batch_size"] = 20
    return keras_ban.BornAgain(student, objective).fit(
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


def test_a_distiller_learns_from_them():
    teacher, pair = mlp(scale=2.0), [student(), student()]
    pair[1].set_weights(pair[0].get_weights())
    distiller = keras_ban.Distiller(pair[0], teacher, "kd")
    how = {"batch_size": 60, "shuffle": False, "verbose": 0}
    history = distiller.fit(X, Y, unlabelled=MORE, **how).history
    logits = [m.predict(ALL, verbose=0) for m in (pair[1], teacher)]
    label = reference.labels(np.eye(4)[Y], logits[0][:60])[0].mean()
    soft = teachers_term("kd", *logits).mean()
    assert history["label_loss"] == pytest.approx([label], rel=1e-5)
    assert history["teacher_loss"] == pytest.approx([soft], rel=1e-5)
    assert history["loss"] == pytest.approx([(label + soft) / 2], rel=1e-5)


def test_a_distiller_refuses_an_objective_that_needs_labels():
    distiller = keras_ban.Distiller(student(), mlp(), "cwtm")
    with pytest.raises(ValueError, match="the label of each"):
        distiller.fit(X, Y, unlabelled=MORE, verbose=0)


def test_replicas_have_one_mean():
    found, start, aim = [], mlp(), mlp()
    for strategy in (None, mirrored(2)):
        with strategy.scope() if strategy else contextlib.nullcontext():
            pair = [mlp(), mlp()]
            for model, like in zip(pair, (start, aim), strict=True):
                model.set_weights(like.get_weights())
            compiled(pair[0], eager=False)
        model = keras_ban.Distiller(*pair, "dist")
        read = fed(sample_weight=WEIGHT).taught.epochs(1, 7, 0)
        model.check_models(X, Y)
        history = model.fit_unchecked(**read, verbose=0).history
        found.append((pair[0].get_weights(), history))
    for one, other in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    for name, values in found[0][1].items():
        assert found[1][1][name] == pytest.approx(values, rel=1e-5)


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


def test_compare_gives_them_to_students_alone():
    study = keras_ban.compare(
        student,
        X,
        Y,
        {"more": keras_ban.Method("ban+l", generations=1)},
        seeds=2,
        epochs=1,
        verbose=0,
        unlabelled=MORE,
    )
    labels, taught = study.lineages.values()
    assert "teacher_loss" in taught[0][1].history
    assert "teacher_loss" not in labels[0][0].history
