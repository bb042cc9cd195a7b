"""The teacher's outputs, kept: never out of step with the examples."""

import json

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from builders import Batches
from builders import compiled
from builders import data_set
from builders import mlp
from builders import noisy
from caching import X
from caching import Y
from caching import fit
from caching import unknown_size
from caching import unshuffled
from matrices import pairs
from replicas import mirrored
from weights import same

import keras_ban
from keras_ban import TeacherCache
from keras_ban.feeding.feed import feed
from keras_ban.objectives import BAN
from keras_ban.teaching import family
from keras_ban.teaching import topk
from keras_ban.teaching.plan import Plan
from keras_ban.teaching.teacher import Network

DATA = {
    "arrays": {"x": X, "y": Y, "batch_size": 8},
    "arrays, unshuffled": {"x": X, "y": Y, "shuffle": False},
    "weights": {"x": X, "y": Y, "sample_weight": np.linspace(0, 1, 50)},
    "unlabelled": {"x": X},
    "dictionary": {"x": {"a": X}, "y": Y},
    "tf.data": {"x": unshuffled()},
    "drop_remainder": {"x": unshuffled(drop_remainder=True), "shuffle": 50},
    "buffer": {"x": unshuffled(), "shuffle": 50},
    "unlabelled tf.data": {"x": data_set(X, size=8), "shuffle": 20},
    "steps": {"x": unshuffled(), "shuffle": 50, "steps_per_epoch": 3},
    "unknown size": {"x": unknown_size(), "steps_per_epoch": 7},
    "views": {"x": X, "y": Y, "augment": noisy, "views": 2},
    "views of tf.data": {
        "x": unshuffled(),
        "shuffle": 50,
        "augment": noisy,
        "views": 3,
    },
}


STORES = {
    "memory": lambda path: TeacherCache(),
    "disk": lambda path: TeacherCache(path),
    "half": lambda path: TeacherCache(path, dtype="float16"),
}


def joined(given, store, teacher, epochs=4):
    """All batches that epochs 1 and on show, and the plan's own seed."""
    given = {**given}
    names = ("augment", "views")
    plan = Plan(store, *(given.pop(name, None) for name in names))
    data = feed({"epochs": epochs, **given}, viewed=True)
    plan.check(data.train, keras_ban.objectives.BAN())
    views = plan.views(data.train, 3, family.get(teacher))
    found = data.generation(0, 5, 1, views)
    steps = found.get("steps_per_epoch")
    return found["x"].take((epochs - 1) * steps), steps


@pytest.mark.parametrize(("store", "name"), pairs(STORES, DATA))
def test_each_example_has_its_own_outputs(
    tmp_path, monkeypatch, teacher, name, store
):
    monkeypatch.setattr("keras_ban.teaching.store.SHARD_BYTES", 200)
    if name == "dictionary":
        a = keras.Input((6,), name="a")
        teacher = keras.Model({"a": a}, teacher(a))
    data, steps = joined(DATA[name], STORES[store](tmp_path), teacher)
    tolerance = 5e-3 if store == "half" else 1e-6
    count = 0
    for batch in data:
        pair = batch[0] if isinstance(batch, tuple) else batch
        expected = teacher(pair.inputs)
        logits = topk.decode(pair.outputs)
        np.testing.assert_allclose(
            logits, expected, rtol=tolerance, atol=tolerance
        )
        count += 1
    assert count == 3 * steps


def shown(given, epochs):
    """The view that each example has in each epoch, by its number."""
    numbered = {"x": np.c_[np.arange(50.0), X].astype("float32"), "y": Y}
    plan = Plan("online", lambda x, seed: tail(x, seed), given["views"])
    data = feed({"epochs": epochs, **numbered, **given["fit"]})
    views = plan.views(data.train, 3)
    found = data.generation(0, given["order"], 0, views)
    steps = found["steps_per_epoch"]
    batches = list(found["x"].take(epochs * steps))
    result = []
    for epoch in range(epochs):
        part = batches[epoch * steps : (epoch + 1) * steps]
        rows = np.concatenate([b[0] for b in part])
        result.append(rows[rows[:, 0].argsort(), 1:])
    return result


def tail(x, seed):
    return tf.concat([x[:1], noisy(x[1:], seed)], 0)


@pytest.mark.parametrize("name", ["arrays", "views of tf.data"])
def test_all_devices_compute_the_same_bits_side_by_side(
    teacher, name, monkeypatch
):
    with mirrored(2).scope():
        twin = mlp(16, hidden="relu")
    twin.set_weights(teacher.get_weights())
    shown, each = [], Network.computed_beside

    def counting(self, batches):
        shown.append([len(numbers) for _, numbers in batches])
        return each(self, batches)

    one, _ = joined(DATA[name], TeacherCache(), teacher)
    monkeypatch.setattr(Network, "computed_beside", counting)
    monkeypatch.delattr(Network, "computed")
    two, _ = joined(DATA[name], TeacherCache(), twin)
    for (x, *_), (other, *_) in zip(one, two, strict=True):
        np.testing.assert_array_equal(x.outputs[0], other.outputs[0])
    # 7 batches, the last of them alone, in each view.
    views = DATA[name].get("views", 1)
    assert shown == [[8, 8], [8, 8], [8, 8], [2]] * views


def test_a_view_follows_from_seed_example_and_epoch():
    first = shown({"views": 2, "order": 1, "fit": {"batch_size": 8}}, 4)
    other = shown({"views": 2, "order": 9, "fit": {"batch_size": 13}}, 4)
    np.testing.assert_array_equal(first, other)
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(first[1], first[3])
    assert not np.any(first[0] == first[1])
    noise = first[0] - X
    assert len(np.unique(noise.round(5))) == noise.size
    assert abs(noise.mean()) < 0.2 and abs(noise.std() - 1) < 0.1


def test_without_a_number_of_views_each_epoch_has_its_own():
    found = shown({"views": None, "order": 1, "fit": {}}, 3)
    assert not np.any(found[0] == found[2])


SAME = {
    "tf.data": {"x": unshuffled()},
    "weights of classes": {
        "x": unshuffled(),
        "class_weight": {0: 2.0, 1: 1.0, 2: 0.5, 3: 1.0},
    },
    "PyDataset": {"x": Batches(X, Y, size=8)},
    "views": {
        "x": unshuffled(),
        "shuffle": 50,
        "augment": noisy,
        "views": 2,
    },
    "validation": {
        "x": X,
        "y": Y,
        "batch_size": 8,
        "validation_split": 0.36,
        "augment": noisy,
        "views": 1,
    },
}


@pytest.mark.parametrize("name", SAME)
def test_cached_training_has_the_bits_of_the_online_one(teacher, name):
    online, cached = (
        fit(teacher, kind, **SAME[name]) for kind in ("online", "cached")
    )
    if "augment" not in SAME[name]:
        assert cached[1] == online[1]
        assert same(cached[0], online[0])
    # A row's last bits depend on the other rows of its batch.
    pairs = zip(cached[0].weights, online[0].weights, strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("objective", ["dkpp", "logits"])
def test_objectives(teacher, objective):
    online, cached = (
        fit(teacher, kind, objective, x=unshuffled())
        for kind in ("online", "cached")
    )
    assert cached[1] == online[1]


def model_fn():
    return compiled(mlp())


@pytest.mark.parametrize("x", [{"x": X, "y": Y}, {"x": Batches(X, Y)}])
def test_generations(x):
    def run(kind):
        born = keras_ban.BornAgain(model_fn, "ban+l", seed=2)
        return born.fit(
            generations=2, epochs=2, verbose=0, teacher_outputs=kind, **x
        )

    for one, other in zip(run("online"), run("cached"), strict=True):
        assert one.history["loss"] == pytest.approx(other.history["loss"], 1e-5)


def test_generations_on_disk(tmp_path):

    def run():
        born = keras_ban.BornAgain(model_fn, "ban", seed=2)
        return born.fit(X, Y, 2, epochs=1, verbose=0, teacher_outputs=tmp_path)

    first = run()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "generation-0",
        "generation-1",
    ]
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.npy")}
    again = run()
    assert len(times) == 2
    assert times == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.npy")}
    assert same(first[2].model, again[2].model)


def test_size_on_disk(tmp_path, teacher):
    sizes = {}
    for dtype, top_k in (("float32", None), ("float16", None), ("float32", 2)):
        path = tmp_path / f"{dtype}{top_k}"
        store = TeacherCache(path, dtype=dtype, top_k=top_k)
        fit(teacher, store, "ban", x=X, augment=noisy, views=5)
        files = path.glob("*.npy")
        sizes[dtype, top_k] = sum(f.stat().st_size - 128 for f in files)
    numbers = 50 * 5 * 4
    assert sizes == {
        ("float32", None): 4 * numbers,
        ("float16", None): 2 * numbers,
        # Probabilities, their classes, and what is left.
        ("float32", 2): 50 * 5 * (2 * 4 + 2 * 4 + 4),
    }


def test_top_k_against_float64():
    rng = np.random.default_rng(0)
    logits, student = 5 * rng.normal(size=(2, 3, 4, 30))
    student = student.astype("float32") + 1000
    found = topk.decode(topk.encode(logits, 6), student)
    p, q = reference.softmax(logits), reference.softmax(student)
    order = np.argsort(-p, axis=-1)
    top, others = order[..., :6], order[..., 6:]
    rest = np.take_along_axis(p, others, -1).sum(-1, keepdims=True)
    own = np.take_along_axis(q, others, -1)
    expected = p.copy()
    shares = rest * own / own.sum(-1, keepdims=True)
    np.put_along_axis(expected, others, shares, -1)
    # Float32 knows the student's logits to 1e-4 here.
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-4)
    np.testing.assert_allclose(
        *(np.take_along_axis(x, top, -1) for x in (np.exp(found), p)), rtol=1e-5
    )
    # The documented bound of the gradient's error, q - p against q - p'.
    error = np.abs(expected - p).sum(-1)
    assert np.all(error <= 2 * rest[..., 0]) and np.any(
        error > 0.3 * rest[..., 0]
    )


def test_what_is_left_of_a_teacher_moves_no_word_against_another():
    """The gradient is that of the loss on `k + 1` events, in float64."""
    rng = np.random.default_rng(1)
    teacher, student = rng.normal(size=(2, 5, 40))
    kept = topk.encode(teacher, 4)
    z = tf.constant(student, "float32")
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = tf.reduce_sum(BAN().call(None, z, topk.decode(kept, z)))
    p, q = reference.softmax(teacher), reference.softmax(student)
    is_top = np.zeros(p.shape, bool)
    np.put_along_axis(is_top, np.argsort(-p, axis=-1)[:, :4], True, -1)
    rest = np.where(is_top, 0, p).sum(-1, keepdims=True)
    own = np.where(is_top, 0, q).sum(-1, keepdims=True)
    expected = np.where(is_top, q - p, q - rest * q / own)
    np.testing.assert_allclose(tape.gradient(loss, z), expected, atol=1e-6)
    same = topk.decode(kept, tf.constant(teacher, "float32"))
    np.testing.assert_allclose(same, np.log(p), atol=1e-5)


def test_top_k_trains(teacher):
    all_but_one = fit(teacher, TeacherCache(top_k=3), "ban", x=X, y=Y)
    everything = fit(teacher, "cached", "ban", x=X, y=Y)
    # What is left then belongs to the one class that is left.
    assert all_but_one[1]["loss"] == pytest.approx(everything[1]["loss"], 1e-4)
    two = fit(teacher, TeacherCache(top_k=2), "ban", x=X, y=Y)
    assert two[1]["loss"] != pytest.approx(everything[1]["loss"], 1e-4)


def test_fit_arguments_stay(teacher):
    x, y, weight = X.copy(), Y.copy(), np.linspace(0, 1, 50)
    given = {"x": x, "y": y, "sample_weight": weight, "shuffle": False}
    given |= {"batch_size": 8, "validation_data": (x, y, weight)}
    online, cached = (
        fit(teacher, kind, **given)[1] for kind in ("online", "cached")
    )
    assert len(cached["val_loss"]) == 3
    for name, values in online.items():
        assert cached[name] == pytest.approx(values, rel=1e-5)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(weight, np.linspace(0, 1, 50))


def test_what_a_folder_says_of_itself(tmp_path):
    """As earlier versions wrote it, whose folders serve on."""

    def turned(x, seed):
        return -x

    said = []
    for name, how in (
        ("plain", {}),
        ("viewed", {"augment": turned, "views": 2}),
    ):
        fit(mlp(), tmp_path / name, x=X, y=Y, **how)
        content = json.loads((tmp_path / name / "cache.json").read_text())
        said.append(content["made_of"])
    plain, viewed = said
    assert plain["augment"] is None
    assert plain["views"] == 1
    assert isinstance(viewed["augment"], str)
    assert viewed["views"] == 2
