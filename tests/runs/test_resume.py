"""A run that is interrupted and run again has the bits of one that was not."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import Batches
from builders import compiled
from builders import data_set
from builders import mlp
from builders import noisy
from interruptions import check
from interruptions import optimized
from interruptions import run
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import model_fn
from weights import same

import keras_ban


def cases(names, slow):
    """The names, of which the `slow` ones run in the long form alone."""
    marks = {name: [pytest.mark.slow] for name in slow}
    assert marks.keys() <= set(names)
    return [pytest.param(n, marks=marks.get(n, ()), id=n) for n in names]


def half(layer):
    return lambda: compiled(mlp(8, layer()))


@keras.saving.register_keras_serializable("test_resume")
class Noise(keras.layers.Layer):
    """Draws from Keras' global seed."""

    def call(self, x, training=False):
        return x + keras.random.normal(keras.ops.shape(x)) if training else x


@keras.saving.register_keras_serializable("test_resume")
class Own(keras.Model):
    """Built by its first call."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(8, "relu")
        self.dropout = keras.layers.Dropout(0.5)
        self.out = keras.layers.Dense(4)

    def call(self, x, training=False):
        return self.out(self.dropout(self.hidden(x), training=training))


def unbuilt():
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dense(4)]
    return compiled(keras.Sequential(layers))


def drawn():
    model = model_fn()
    kernel = model.layers[0].kernel
    kernel.assign(tf.random.normal(kernel.shape))
    return model


def decayed():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.7)
    return compiled(mlp(), optimizer=keras.optimizers.SGD(schedule))


def dictionary():
    x = keras.Input((6,), name="features")
    model = keras.Model({"features": x}, keras.layers.Dense(4)(x))
    return compiled(model)


NETWORKS = {
    "dropout": half(lambda: keras.layers.Dropout(0.5)),
    "BatchNorm": half(keras.layers.BatchNormalization),
    "noise of the global seed": half(Noise),
    "subclass": lambda: compiled(Own()),
    "unbuilt": unbuilt,
    "uncompiled": mlp,
    "model": compiled(mlp()),
    "gradient accumulation": optimized(gradient_accumulation_steps=3),
    "EMA": optimized(use_ema=True, ema_overwrite_frequency=3),
    "schedule": decayed,
    "drawn by TensorFlow": drawn,
}


@pytest.mark.parametrize(
    "name",
    cases(
        NETWORKS,
        [
            "dropout",
            "schedule",
            "uncompiled",
            "unbuilt",
            "model",
            "gradient accumulation",
            "EMA",
            "drawn by TensorFlow",
        ],
    ),
)
def test_networks(tmp_path, name):
    check(tmp_path, model=NETWORKS[name])


@pytest.mark.parametrize(
    "name",
    cases(
        ["noise of the global seed", "drawn by TensorFlow"],
        ["noise of the global seed"],
    ),
)
def test_before_anything_of_a_generation_is_saved(tmp_path, name):
    check(tmp_path, [(2, 0, 1)], model=NETWORKS[name], generations=2)


@pytest.mark.parametrize(
    "name", cases(["dropout", "gradient accumulation", "EMA"], ["EMA"])
)
def test_saved_between_steps(tmp_path, name):
    born = {"save_every": 3}
    check(tmp_path, model=NETWORKS[name], born=born, validation_data=VALIDATION)


def test_many_steps_at_once(tmp_path):
    model = optimized(graph=True)
    stops = [(0, 1, 1), (1, 1, 3)]
    check(tmp_path, stops, model=model, born={"save_every": 2})


@pytest.mark.parametrize(
    "objective",
    cases(["cwtm", "dkpp", "kd", "logits", "labels"], ["cwtm", "kd", "logits"]),
)
def test_objectives(tmp_path, objective):
    check(tmp_path, objective=objective, born={"save_every": 3})


def unshuffled(x=X, y=Y):
    return data_set(x, y, size=16)


def shuffled_by_number(generation, epoch):
    data = data_set(X, Y).shuffle(64, 10 * generation + epoch)
    return data.batch(16)


WEIGHTS = np.linspace(0.5, 1.5, 64).astype("float32")


DATA = {
    "arrays": {},
    "a part of a batch": {"batch_size": 15},
    "batches": {"shuffle": "batch"},
    "unshuffled": {"shuffle": False},
    "weights": {"sample_weight": WEIGHTS},
    "weights of classes": {"class_weight": {0: 2.0, 1: 1.0, 2: 0.5, 3: 1.0}},
    "steps of arrays": {"steps_per_epoch": 5, "batch_size": 10},
    "split": {"validation_split": 0.25},
    "PyDataset": {"x": Batches(X, Y, size=16)},
    "tf.data": {"x": unshuffled()},
    "buffer": {"x": unshuffled(), "shuffle": 20},
    "buffer and steps": {
        "x": unshuffled().repeat(),
        "shuffle": 20,
        "steps_per_epoch": 3,
    },
    "repeated": {"x": unshuffled().repeat(), "steps_per_epoch": 5},
    "views": {
        "x": unshuffled(),
        "shuffle": 20,
        "augment": noisy,
        "views": 2,
        "teacher_outputs": "cached",
    },
    "function": {"x": shuffled_by_number},
    "steps of a function": {"x": shuffled_by_number, "steps_per_epoch": 4},
}


@pytest.mark.parametrize(
    "name",
    cases(
        DATA,
        [
            "arrays",
            "weights",
            "tf.data",
            "function",
            "unshuffled",
            "split",
            "a part of a batch",
            "batches",
            "weights of classes",
            "steps of arrays",
            "buffer and steps",
            "repeated",
        ],
    ),
)
def test_data(tmp_path, name):
    check(tmp_path, [(1, 1, 1)], born={"save_every": 3}, **DATA[name])


def test_dictionary(tmp_path):
    check(tmp_path, model=dictionary, x={"features": X}, y=Y, batch_size=16)


def test_unlabelled(tmp_path):
    x = data_set(X, size=16)
    check(tmp_path, [(1, 1, 2)], x=x, teacher=mlp())


def test_given_teacher(tmp_path):
    teacher = mlp(16, last="softmax")
    actual, _ = check(tmp_path, [(1, 1, 2)], teacher=teacher)
    assert actual[0].model is teacher
    loaded = keras_ban.load(tmp_path)
    assert same(loaded[0].model, teacher)


def test_networks_of_different_sizes(tmp_path):
    def small():
        return compiled(mlp(5))

    actual, _ = check(tmp_path, model=[model_fn, small])
    assert [g.model.count_params() for g in actual] == [92, 59]


def test_says_where_it_resumes(tmp_path, capsys):
    run(tmp_path, [(1, 1, 2)], born={"save_every": 2})
    assert capsys.readouterr().out.splitlines() == [
        "resuming BAN-1 at epoch 2 of 2, after step 2"
    ]
    run(tmp_path)
    assert capsys.readouterr().out == ""


def test_history_and_seconds_of_both_parts(tmp_path):
    began, ended = [], []

    def callbacks():
        def epoch_begin(epoch, logs):
            if epoch == 0:
                time.sleep(0.5)
            began.append(time.monotonic())

        slow = keras.callbacks.LambdaCallback(
            on_epoch_begin=epoch_begin,
            on_train_end=lambda logs: ended.append(time.monotonic()),
        )
        return lambda number: [slow] if number else []

    lineage, _ = run(
        tmp_path,
        [(1, 1, 1)],
        validation_data=VALIDATION,
        callbacks=callbacks,
    )
    names = {"loss", "teacher_loss", "accuracy", "val_loss", "val_accuracy"}
    assert names <= set(lineage[1].history)
    assert {len(v) for v in lineage[1].history.values()} == {2}
    # The first epoch was trained in the first part, its half second too.
    assert (len(began), len(ended)) == (3, 1)
    assert lineage[1].seconds >= 0.5 + ended[-1] - began[-1]


def test_self_shuffling_data_goes_on(tmp_path):
    x = data_set(X, Y).shuffle(64).batch(16)
    lineage, count = run(tmp_path, [(1, 1, 1)], x=x)
    assert (count, len(lineage)) == (1, 2)
    assert len(lineage[1].history["loss"]) == 2


def test_ragged_epochs_of_a_function(tmp_path):
    def x(generation, epoch):
        return unshuffled().take(4 - epoch)

    with pytest.raises(ValueError, match="ends before the epoch does"):
        run(tmp_path, x=x)
