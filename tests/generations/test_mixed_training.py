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
from lineages import X
from lineages import Y
from lineages import graph_fn
from lineages import run
from matrices import names
from weights import assert_close
from weights import assert_same

import keras_ban
from keras_ban import views
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

    one = run(graph_fn, augment="mixup")
    two = run(model_fn, augment="mixup")
    for a, b in zip(one, two, strict=True):
        assert_close(a.model, b.model, rtol=1e-5, atol=1e-6)


def test_one_trace_for_the_labels_and_one_for_the_teachers(monkeypatch):
    found, plain = [], keras_ban.Distiller.train_step

    def step(self, data):
        found.append(self.objective.name)
        return plain(self, data)

    monkeypatch.setattr(keras_ban.Distiller, "train_step", step)
    run(graph_fn, generations=3, augment="mixup")
    assert found == ["labels", "ban"]
