"""Trainings on mixed labels: as on one-hot labels that were mixed by hand."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from builders import SparseCE
from builders import compiled
from builders import data_set
from builders import mlp
from builders import silent
from builders import split_features
from builders import two_inputs
from interruptions import check
from lineages import X
from lineages import Y
from lineages import run
from matrices import names
from matrices import pairs
from replicas import mirrored
from weights import assert_close
from weights import assert_same

import keras_ban
from keras_ban import views
from keras_ban.feeding.feed import feed
from keras_ban.feeding.views import Views
from keras_ban.views.base import Batch

CCE = keras.losses.CategoricalCrossentropy
BCE = keras.losses.BinaryCrossentropy
W = np.linspace(0.1, 2, 64).astype("float32")
SIZE, EPOCHS = 32, 2


def by_hand(seed, y=Y, weight=None, augment="mixup", classes=4):
    """Batches of inputs, mixed one-hot labels and weights, of all epochs."""
    weight = np.ones(64) if weight is None else weight.astype("float64")
    arrays = X, y, weight.astype("float32")
    made = Views(augment, seed=seed, pool=Batch(*map(tf.constant, arrays)))
    for epoch in range(EPOCHS):
        for start in range(0, 64, SIZE):
            numbers = np.arange(start, start + SIZE)
            x, mixed, _ = made(
                tf.constant(X[numbers]),
                tf.constant(y[numbers]),
                numbers,
                tf.constant(epoch, "int64"),
                tf.constant(weight[numbers], "float32"),
            )
            share = mixed.share.numpy().astype("float64")
            second = partners(x, X[numbers], share)
            one, two = share * weight[numbers], (1 - share) * weight[second]
            total = one + two
            rows = [reference.one_hot(y[k], classes) for k in (numbers, second)]
            label = one[:, None] * rows[0] + two[:, None] * rows[1]
            yield x, label / total[:, None], total


def partners(x, own, share):
    """Which example each was mixed with, by the inputs alone."""
    share = share[:, None, None]
    mixed = share * own[:, None] + (1 - share) * X[None]
    distances = np.abs(x[:, None] - mixed).max(-1)
    assert distances.min(1).max() < 1e-5
    return distances.argmin(1)


def network(loss, **compilation):
    def model_fn():
        dropout = keras.layers.Dropout(0.2)
        return compiled(
            mlp(8, dropout, l2=0.01), loss=loss, eager=False, **compilation
        )

    return model_fn


def accumulating():
    return keras.optimizers.Adam(0.01, gradient_accumulation_steps=2)


def scaling():
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))


CASES = {
    "plain": ({}, {}, None),
    "weights": ({}, {"sample_weight": W}, W),
    "classes": (
        {},
        {"class_weight": {0: 3.0, 2: 0.5}},
        np.array([3.0, 1.0, 0.5, 1.0])[Y],
    ),
    "accumulated": ({"optimizer": accumulating}, {}, None),
    "scaled": ({"optimizer": scaling}, {}, None),
    "XLA": ({"jit_compile": True}, {}, None),
    "alpha": ({}, {"augment": views.mixup(0.4)}, None),
}


@pytest.mark.parametrize(
    "name", names(CASES, "weights", "accumulated", "scaled")
)
def test_the_first_generation_is_that_of_plain_keras(name):
    options, fit, weight = CASES[name]

    def compilation():
        made = {k: v() if callable(v) else v for k, v in options.items()}
        return {"metrics": [], **made}

    def model_fn():
        return network(SparseCE(from_logits=True), **compilation())()

    teacher = run(model_fn, **{"augment": "mixup", **fit})[0]
    keras.utils.set_random_seed(teacher.seed)
    model = network(CCE(from_logits=True), **compilation())()
    augment = fit.get("augment", "mixup")
    losses = [
        model.train_on_batch(x, y, sample_weight=w)
        for x, y, w in by_hand(teacher.seed, weight=weight, augment=augment)
    ]
    assert len(losses) == 4
    assert_close(teacher.model, model, rtol=1e-5, atol=1e-6)


KINDS = {
    "column": (Y[:, None], SparseCE(from_logits=True)),
    "one-hot": (np.eye(4, dtype="float32")[Y], CCE(from_logits=True)),
}


@pytest.mark.parametrize("kind", names(KINDS, "one-hot"))
def test_all_kinds_of_labels_train_alike(kind):
    sparse = run(network(SparseCE(from_logits=True)), augment="mixup")
    y, loss = KINDS[kind]
    found = run(network(loss), y=y, augment="mixup")
    for one, other in zip(sparse, found, strict=True):
        assert_close(one.model, other.model, rtol=1e-5, atol=1e-6)
        assert one.history["accuracy"] == other.history["accuracy"]


def test_binary_labels():
    y = (Y > 1).astype("int64")

    def model_fn():
        return compiled(mlp(outputs=1, last="sigmoid"), loss=BCE(), metrics=[])

    teacher = run(model_fn, y=y, augment="mixup")[0]
    keras.utils.set_random_seed(teacher.seed)
    model = model_fn()
    for x, label, _ in by_hand(teacher.seed, y, classes=2):
        model.train_on_batch(x, label[:, 1:])
    assert_close(teacher.model, model, rtol=1e-5, atol=1e-6)


OBJECTIVES = ("ban", "ban+l", "cwtm", "kd", "logits")


@pytest.mark.parametrize("objective", names(OBJECTIVES, "cwtm", "kd"))
def test_a_child_is_that_of_labels_mixed_by_hand(objective):
    sparse = network(SparseCE(from_logits=True), metrics=[])
    teacher, child = run(sparse, objective, augment="mixup", sample_weight=W)
    keras.utils.set_random_seed(child.seed)
    model = network(CCE(from_logits=True), metrics=[])()
    distiller = keras_ban.Distiller(model, teacher.model, objective)
    for x, y, w in by_hand(child.seed, weight=W):
        distiller.train_on_batch(x, y, sample_weight=w)
    assert_close(child.model, model, rtol=1e-5, atol=1e-6)


def test_a_control_learns_from_mixed_labels_in_each_generation():
    control = run(
        network(SparseCE(from_logits=True)), "labels", augment="mixup"
    )
    assert [g.objective for g in control] == ["labels", "labels"]
    for generation in control:
        keras.utils.set_random_seed(generation.seed)
        model = network(CCE(from_logits=True))()
        for x, y, _ in by_hand(generation.seed):
            model.train_on_batch(x, y)
        assert_close(generation.model, model, rtol=1e-5, atol=1e-6)
        assert set(generation.history) == {"loss", "accuracy"}


def still():
    return compiled(mlp(), optimizer=keras.optimizers.SGD(0.0))


def test_metrics_are_given_the_label_of_the_larger_share():
    teacher = run(still, augment="mixup")[0]
    x, y, _ = (
        np.concatenate(part)
        for part in zip(*list(by_hand(teacher.seed))[-2:], strict=True)
    )
    z = teacher.model.predict(x, verbose=0)
    right = z.argmax(-1) == y.argmax(-1)
    assert teacher.history["accuracy"][-1] == pytest.approx(right.mean())
    loss = reference.labels(y, z)[0].mean()
    assert teacher.history["loss"][-1] == pytest.approx(loss, rel=1e-5)


# --- The same views everywhere

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
        ban = keras_ban.BornAgain(still_moving, "ban+l", strategy=strategy)
        fit = {"augment": "mixup", "sample_weight": W, "batch_size": 20}
        found.append(ban.fit(X, Y, 1, epochs=2, verbose=0, **fit))
    for one, other in zip(*found, strict=True):
        assert_close(one.model, other.model, rtol=1e-4, atol=1e-5)
        for name, values in one.history.items():
            assert values == pytest.approx(other.history[name], rel=1e-4)


def still_moving():
    return compiled(mlp(), eager=False)


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


# --- Data of all kinds


def test_several_inputs_are_mixed_and_trained_on():
    def model_fn():
        return compiled(two_inputs())

    lineage = run(model_fn, x=split_features(X), augment="mixup")
    assert np.isfinite(lineage[1].history["loss"]).all()
    whole = run(model_fn, x=split_features(X), augment=["mixup"])
    assert_same(lineage[1].model, whole[1].model)


@pytest.mark.parametrize("batches", [False, True], ids=["arrays", "tf.data"])
def test_a_distiller_by_itself_trains_a_model_that_says_nothing(batches):
    student = compiled(silent(), metrics=["accuracy"])
    distiller = keras_ban.Distiller(student, None, "labels")
    data = {"x": data_set(X, Y, size=16)} if batches else {"x": X, "y": Y}
    history = distiller.fit(
        **data, augment="mixup", epochs=2, verbose=0
    ).history
    assert set(history) == {"loss", "accuracy"}
    assert np.isfinite(history["loss"]).all()


def pictures():
    layers = [keras.layers.Flatten(), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((6, 6, 1)), *layers])
    return compiled(model, optimizer=keras.optimizers.SGD(1e-4))


@pytest.mark.parametrize(
    "augment", ["cutmix", ["crop_and_flip", "mixup"], ["crop_and_flip"]]
)
def test_images_of_bytes(augment):
    x = np.random.default_rng(0).integers(0, 256, (64, 6, 6, 1))
    lineage = run(pictures, "ban+l", x=x.astype("uint8"), augment=augment)
    assert np.isfinite(lineage[1].history["loss"]).all()


def test_labels_of_positions_are_mixed_position_by_position():
    def model_fn():
        inputs = keras.Input((5, 3))
        return compiled(keras.Model(inputs, keras.layers.Dense(4)(inputs)))

    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 5, 3)).astype("float32")
    y = rng.integers(0, 4, (64, 5))
    lineage = run(model_fn, "ban+l", x=x, y=y, augment="mixup")
    assert np.isfinite(lineage[1].history["loss"]).all()


def test_a_teacher_alone_teaches_on_mixed_inputs_without_labels():
    teacher = run(network(SparseCE(from_logits=True)))[0].model
    lineage = run(x=X, y=None, teacher=teacher, augment="mixup")
    assert set(lineage[1].history) == {"loss", "teacher_loss"}


def test_steps_in_one_execution():
    def model_fn():
        return compiled(mlp(), eager=False, steps_per_execution=2)

    one = run(lambda: compiled(mlp(), eager=False), augment="mixup")
    two = run(model_fn, augment="mixup")
    for a, b in zip(one, two, strict=True):
        assert_close(a.model, b.model, rtol=1e-5, atol=1e-6)


def test_one_trace_for_the_labels_and_one_for_the_teachers(monkeypatch):
    found, plain = [], keras_ban.Distiller.train_step

    def step(self, data):
        found.append(self.objective.name)
        return plain(self, data)

    monkeypatch.setattr(keras_ban.Distiller, "train_step", step)
    run(still_moving, generations=3, augment="mixup")
    assert found == ["labels", "ban"]
