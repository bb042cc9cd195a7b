"""The teacher's outputs, kept: never out of step with the examples."""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from lineages import FIT
from lineages import Batches
from lineages import batched
from lineages import compiled
from lineages import network
from lineages import same
from lineages import toy

import keras_ban
from keras_ban import TeacherCache
from keras_ban import files
from keras_ban.feeding.feed import feed
from keras_ban.teaching import topk
from keras_ban.teaching.plan import Plan
from keras_ban.teaching.teacher import Teacher

X, Y = toy(50)


def noisy(x, seed):
    return x + tf.random.stateless_normal(tf.shape(x), seed)


@pytest.fixture(scope="module")
def teacher():
    keras.utils.set_random_seed(7)
    return compiled(network(16))


def unshuffled(x=X, y=Y, size=8, drop_remainder=False):
    return batched(x, y).batch(size, drop_remainder)


def unknown_size():
    def batches():
        for start in range(0, 50, 8):
            yield X[start : start + 8], Y[start : start + 8]

    return tf.data.Dataset.from_generator(
        batches,
        output_signature=(
            tf.TensorSpec((None, 6), "float32"),
            tf.TensorSpec((None,), "int64"),
        ),
    )


DATA = {
    "arrays": {"x": X, "y": Y, "batch_size": 8},
    "arrays, unshuffled": {"x": X, "y": Y, "shuffle": False},
    "weights": {"x": X, "y": Y, "sample_weight": np.linspace(0, 1, 50)},
    "unlabelled": {"x": X},
    "dictionary": {"x": {"a": X}, "y": Y},
    "tf.data": {"x": unshuffled()},
    "drop_remainder": {"x": unshuffled(drop_remainder=True), "shuffle": 50},
    "buffer": {"x": unshuffled(), "shuffle": 50},
    "unlabelled tf.data": {"x": batched(X).batch(8), "shuffle": 20},
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
    views = plan.views(data.train, 3, Teacher(teacher))
    found = data.generation(0, 5, 1, views)
    steps = found.get("steps_per_epoch")
    return found["x"].take((epochs - 1) * steps), steps


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("store", STORES)
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
        logits = topk.decode(pair.outputs, 4)
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


def student():
    keras.utils.set_random_seed(1)
    model = network(8, keras.layers.Dropout(0.2))
    return compiled(model, optimizer=keras.optimizers.Adam(0.02))


def fit(teacher, teacher_outputs, objective="ban+l", **given):
    model = student()
    distiller = keras_ban.Distiller(model, teacher, objective)
    keras.utils.set_random_seed(3)
    history = distiller.fit(
        teacher_outputs=teacher_outputs, epochs=3, verbose=0, **given
    )
    return model, history.history


SAME = {
    "tf.data": {"x": unshuffled()},
    "weights of classes": {
        "x": unshuffled(),
        "class_weight": {0: 2.0, 1: 1.0, 2: 0.5, 3: 1.0},
    },
    "PyDataset": {"x": Batches(X, Y, 8)},
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


@pytest.mark.parametrize("x", [{"x": X, "y": Y}, {"x": Batches(X, Y)}])
def test_generations(x):
    def run(kind):
        born = keras_ban.BornAgain(network, "ban+l", seed=2)
        return born.fit(
            generations=2, epochs=2, verbose=0, teacher_outputs=kind, **x
        )

    for one, other in zip(run("online"), run("cached"), strict=True):
        assert one.history["loss"] == pytest.approx(other.history["loss"], 1e-5)


def test_generations_on_disk(tmp_path):

    def run():
        born = keras_ban.BornAgain(network, "ban", seed=2)
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
    logits = 5 * rng.normal(size=(3, 4, 30))
    found = topk.decode(topk.encode(logits, 6), 30)
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    order = np.argsort(-p, axis=-1)
    rest = np.take_along_axis(p, order[..., 6:], -1).sum(-1, keepdims=True)
    expected = np.broadcast_to(rest / 24, p.shape).copy()
    top = np.take_along_axis(p, order[..., :6], -1)
    np.put_along_axis(expected, order[..., :6], top, -1)
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-5)
    # The documented bound of the gradient's error, q - p against q - p'.
    error = np.abs(expected - p).sum(-1)
    assert np.all(error <= 2 * rest[..., 0]) and np.any(
        error > 0.3 * rest[..., 0]
    )


def test_top_k_trains(teacher):
    all_but_one = fit(teacher, TeacherCache(top_k=3), "ban", x=X, y=Y)
    everything = fit(teacher, "cached", "ban", x=X, y=Y)
    # What is left then belongs to the one class that is left.
    assert all_but_one[1]["loss"] == pytest.approx(everything[1]["loss"], 1e-4)
    two = fit(teacher, TeacherCache(top_k=2), "ban", x=X, y=Y)
    assert two[1]["loss"] != pytest.approx(everything[1]["loss"], 1e-4)


@pytest.fixture
def filled(tmp_path, teacher):
    fit(teacher, tmp_path, "ban", x=X, augment=noisy, views=2)
    return tmp_path


def doubled(x, seed):
    return 2 * noisy(x, seed)


OTHERS = {
    "teacher": lambda t: {"teacher": network(3)},
    "data": lambda t: {"x": X[::-1]},
    "views": lambda t: {"views": 3},
    "augment": lambda t: {"augment": doubled},
    "dtype": lambda t: {"dtype": "float16"},
    "top_k": lambda t: {"top_k": 2},
}


@pytest.mark.parametrize("name", OTHERS)
def test_outputs_of_another_kind_are_refused(filled, teacher, name):
    given = {"teacher": teacher, "x": X, "augment": noisy, "views": 2}
    given |= OTHERS[name](teacher)
    kinds = {k: given.pop(k) for k in ("dtype", "top_k") if k in given}
    with pytest.raises(ValueError, match=f"`{name}` differs"):
        fit(
            given.pop("teacher"),
            TeacherCache(filled, **kinds),
            "ban",
            **given,
        )


@pytest.mark.parametrize("name", ["cache.json", "0-00000.npy"])
def test_damage_is_named(filled, teacher, name):
    content = bytearray((filled / name).read_bytes())
    content[len(content) // 2] ^= 1
    (filled / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        fit(teacher, filled, "ban", x=X, augment=noisy, views=2)


def test_what_was_not_finished_is_computed_again(filled, teacher):
    whole = (filled / "0-00000.npy").read_bytes()
    (filled / "cache.json").unlink()
    (filled / "0-00000.npy").write_bytes(whole[:500])
    fit(teacher, filled, "ban", x=X, augment=noisy, views=2)
    assert (filled / "0-00000.npy").read_bytes() == whole
    assert json.loads((filled / "cache.json").read_text())["made_of"]


def random_views():
    return unshuffled().map(lambda x, y: (x + tf.random.normal(tf.shape(x)), y))


def changing_later(first):
    """The passes from the one of that number on differ from those before."""
    passes = []

    def batches():
        passes.append(None)
        late = len(passes) >= first
        yield X[:8] + late, Y[:8]
        yield X[8:16], Y[8:16]

    return tf.data.Dataset.from_generator(
        batches, output_signature=unknown_size().element_spec
    )


REFUSED = {
    "shuffled": ({"x": unshuffled().shuffle(7)}, "differs from one pass"),
    "random": ({"x": random_views()}, "differs from one pass"),
    "infinite": (
        {"x": unshuffled().repeat(), "steps_per_epoch": 2},
        "infinite",
    ),
    "generator": ({"x": iter([(X, Y)])}, "its place in the data"),
    "unknown": ({"x": unknown_size()}, "steps_per_epoch"),
    "objective": ({"x": X, "y": Y, "objective": "labels"}, "no teacher"),
    "logits": (
        {
            "x": X,
            "objective": "logits",
            "teacher_outputs": TeacherCache(top_k=2),
        },
        "compares logits",
    ),
    "top_k": (
        {"x": X, "y": Y, "teacher_outputs": TeacherCache(top_k=4)},
        "less than the 4 classes",
    ),
    "no views": ({"x": X, "augment": noisy}, "Expected `views=`"),
    "views alone": ({"x": X, "views": 2}, "Expected `augment=`"),
    "0 views": ({"x": X, "augment": noisy, "views": 0}, "`views`.*0"),
    "unseeded": (
        {
            "x": X,
            "y": Y,
            "views": 2,
            "augment": lambda x, seed: x + tf.random.normal(tf.shape(x)),
        },
        "another view each time",
    ),
    "arguments": (
        {"x": X, "y": Y, "views": 2, "augment": lambda x: x},
        "cannot be applied",
    ),
    "PyDataset": (
        {"x": Batches(X, Y), "augment": noisy, "views": 2},
        "`augment` needs",
    ),
    "kind": ({"x": X, "teacher_outputs": 3}, "`teacher_outputs`.*3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(teacher, name):
    given, words = REFUSED[name]
    given = {"teacher_outputs": "cached", "objective": "ban+l", **given}
    with pytest.raises(ValueError, match=words):
        fit(teacher, **given)


@pytest.mark.parametrize("first", [2, 5, 6, 7])
def test_data_that_changes_while_it_is_used_is_refused(teacher, first):
    with pytest.raises(ValueError, match="differs from one pass"):
        x = changing_later(first)
        fit(teacher, "cached", "ban", x=x, steps_per_epoch=2)


@pytest.mark.parametrize("name", ["shuffled", "random", "unseeded", "no views"])
def test_refused_before_generation_0(name):
    given, words = REFUSED[name]
    given = {**given, "y": Y if given["x"] is X else None}
    born = keras_ban.BornAgain(network, "ban")
    with pytest.raises(ValueError, match=words):
        born.fit(generations=1, teacher_outputs="cached", verbose=0, **given)
    assert not born.lineage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dtype": "bfloat16"}, "`dtype`.*bfloat16"),
        ({"top_k": 0}, "`top_k`.*0"),
        ({"directory": __file__}, "is a file"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        TeacherCache(**arguments)


def test_two_processes_do_not_fill_one_folder(tmp_path, teacher):
    with files.lock(pathlib.Path(tmp_path) / "lock"):
        with pytest.raises(BlockingIOError):
            fit(teacher, tmp_path, "ban", x=X)


def test_fit_arguments_stay(teacher):
    _, history = fit(teacher, "cached", x=X, y=Y, validation_data=(X, Y))
    assert len(history["val_loss"]) == 3
    assert FIT["epochs"] == 2
