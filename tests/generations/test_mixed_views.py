"""Mixed views are the same on replicas, in a cache and in a resumed run."""

import keras
import numpy as np
import pytest
from builders import SparseCE
from builders import compiled
from builders import data_set
from builders import mlp
from interruptions import check
from lineages import X
from lineages import Y
from lineages import graph_fn
from matrices import names
from matrices import pairs
from replicas import mirrored
from weights import assert_close
from weights import assert_same

import keras_ban
from keras_ban import views
from keras_ban.feeding.feed import feed
from keras_ban.feeding.views import Views

W = np.linspace(0.1, 2, 64).astype("float32")
FEEDS = {
    "arrays": lambda: {"x": X, "y": Y, "batch_size": 10},
    "buffer": lambda: {"x": data_set(X, Y, size=10), "shuffle": 30},
    "weights": lambda: {
        "x": X,
        "y": Y,
        "batch_size": 10,
        "sample_weight": W,
    },
}
STEPS = 14


def pipeline(kind, augment, first=0, count=None):
    """What the pipeline of a training gives, from an epoch on."""
    data = feed({**FEEDS[kind](), "verbose": 0}, viewed=True)
    made = Views(augment, count, 3, data.train.pool())
    return data.generation(0, 3, first, made)["x"]


def flat(batch):
    return [np.asarray(a) for a in keras.tree.flatten(batch) if a is not None]


AUGMENTS = ["mixup", [views.noise(0.1), "mixup"], views.smear(0.3)]


@pytest.mark.parametrize(("kind", "augment"), pairs(FEEDS, AUGMENTS), ids=str)
def test_replicas_get_the_batches_of_one_device(kind, augment):
    with mirrored(2).scope():
        model = compiled(mlp())
    strategy = keras_ban.Distiller(model, mlp()).distribute_strategy
    data = pipeline(kind, augment).take(STEPS)
    split = strategy.experimental_distribute_dataset(data)
    for whole, parts in zip(data, split, strict=True):
        parts = [
            [a[: part.rows] for a in flat(part.batch)]
            for part in zip_local(strategy, parts)
        ]
        joined = [np.concatenate(p) for p in zip(*parts, strict=True)]
        for one, other in zip(flat(whole), joined, strict=True):
            np.testing.assert_array_equal(one, other)


def zip_local(strategy, parts):
    leaves = [
        strategy.experimental_local_results(leaf)
        for leaf in keras.tree.flatten(parts)
    ]
    return [
        keras.tree.pack_sequence_as(parts, list(one))
        for one in zip(*leaves, strict=True)
    ]


@pytest.mark.parametrize("kind", FEEDS)
def test_an_epoch_that_is_read_first_is_that_of_a_whole_training(kind):
    whole = list(pipeline(kind, "mixup").take(STEPS))
    resumed = list(pipeline(kind, "mixup", first=1).take(STEPS - 7))
    for one, other in zip(whole[7:], resumed, strict=True):
        for a, b in zip(flat(one), flat(other), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("augment", "batches"), pairs(AUGMENTS, [False, True]), ids=str
)
def test_the_teacher_has_seen_what_the_student_sees(augment, batches):
    """Its outputs were computed once; here they are the inputs."""
    x = keras.Input((6,))
    identity = keras.layers.Dense(6, kernel_initializer="identity")
    teacher = keras.Model(x, identity(x))
    seen = []

    def compare(y_true, student_logits, teacher_logits):
        # The student stands still, and gives its inputs too.
        seen.append((np.array(student_logits), np.array(teacher_logits)))
        return keras.ops.mean(student_logits - teacher_logits, axis=-1)

    student = keras.models.clone_model(teacher)
    student.set_weights(teacher.get_weights())
    student.compile(
        keras.optimizers.SGD(0.0),
        SparseCE(from_logits=True),
        run_eagerly=True,
    )
    data = {"x": X, "y": Y, "batch_size": 10}
    if batches:
        data = {"x": data_set(X, Y, size=10)}
    keras_ban.Distiller(student, teacher, compare).fit(
        **data,
        augment=augment,
        views=2,
        teacher_outputs="cached",
        epochs=4,
        verbose=0,
    )
    assert len(seen) >= 28
    for one, other in seen[-28:]:
        np.testing.assert_array_equal(one, other)
    # Views, and not the examples as they are given.
    rows = np.concatenate([x for x, _ in seen[-28:]])
    assert (rows[:, None] == X).all(-1).any(1).mean() < 0.4


def test_two_replicas_train_as_one_device():
    found = []
    for strategy in (None, mirrored(2)):
        ban = keras_ban.BornAgain(graph_fn, "ban+l", strategy=strategy)
        fit = {"augment": "mixup", "sample_weight": W, "batch_size": 20}
        found.append(ban.fit(X, Y, 1, epochs=2, verbose=0, **fit))
    for one, other in zip(*found, strict=True):
        assert_close(one.model, other.model, rtol=1e-4, atol=1e-5)
        for name, values in one.history.items():
            assert values == pytest.approx(other.history[name], rel=1e-4)


INTERRUPTED = {
    "arrays": {"augment": "mixup"},
    "buffer": {
        "x": data_set(X, Y, size=16),
        "shuffle": 20,
        "augment": [views.noise(0.1), "mixup"],
    },
    "cached": {"augment": "mixup", "views": 2, "teacher_outputs": "cached"},
    "weights": {
        "x": X,
        "y": Y,
        "batch_size": 10,
        "augment": views.mixup(0.4),
        "class_weight": {0: 2.0},
    },
}


WHERE = {"arrays": 1, "buffer": 0, "cached": 1, "weights": 0}


@pytest.mark.parametrize("name", names(INTERRUPTED, "buffer", "cached"))
def test_a_training_that_is_interrupted_goes_on(tmp_path, name):
    stops = [(WHERE[name], 1, 2)]
    check(tmp_path, stops, born={"save_every": 2}, **INTERRUPTED[name])


OTHERS = {
    "none": None,
    "another": "cutmix",
    "another alpha": views.mixup(0.3),
    "one more": [views.noise(0.1), "mixup"],
    "a function": lambda x, seed: x,
}


@pytest.mark.parametrize("name", names(OTHERS, "another alpha", "a function"))
def test_a_run_with_other_views_is_another_run(tmp_path, name):
    x = X[..., None]

    def model_fn():
        model = keras.Sequential([keras.Input((6, 1)), keras.layers.Flatten()])
        model.add(keras.layers.Dense(4))
        return compiled(model)

    def born(augment):
        ban = keras_ban.BornAgain(model_fn, directory=tmp_path)
        return ban.fit(x, Y, generations=1, verbose=0, augment=augment)

    first = born("mixup")
    assert_same(born(views.mixup())[1].model, first[1].model)
    with pytest.raises(ValueError, match=r"another run: `views\.augment"):
        born(OTHERS[name])
