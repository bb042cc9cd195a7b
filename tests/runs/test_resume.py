"""A run that is interrupted and run again has the bits of one that was not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from lineages import VALIDATION
from lineages import Batches
from lineages import X
from lineages import Y
from lineages import batched
from lineages import compiled
from lineages import model_fn
from lineages import network
from lineages import same

import keras_ban

STOPS = [(1, 1, 2)]


def cases(names, slow):
    """The names, of which the `slow` ones run in the long form alone."""
    marks = {name: [pytest.mark.slow] for name in slow}
    assert marks.keys() <= set(names)
    return [pytest.param(n, marks=marks.get(n, ()), id=n) for n in names]


class Interrupted(RuntimeError):
    pass


def interrupt(number, stops):
    """A callback that fails at the first of the stops, once."""
    now = {}

    def batch_end(batch, logs):
        if stops and (number, now["epoch"], batch) == stops[0]:
            stops.pop(0)
            raise Interrupted

    return keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: now.update(epoch=epoch),
        on_train_batch_end=batch_end,
    )


def run(directory=None, stops=(), born=None, **fit):
    """Runs, and runs again after each stop, as a script would."""
    born = {"directory": directory, **(born or {})} if directory else {}
    stops, count = list(stops), 0
    while True:
        try:
            return fit_once(born, stops, **fit), count
        except Interrupted:
            count += 1


def fit_once(
    born, stops, model=model_fn, objective="ban", callbacks=None, **fit
):
    own = callbacks() if callbacks else lambda number: []
    if "x" not in fit:
        fit = {"x": X, "y": Y, "batch_size": 16, **fit}
    fit = {"generations": 1, "epochs": 2, "verbose": 0, **fit}
    return keras_ban.BornAgain(model, objective, seed=5, **born).fit(
        callbacks=lambda k: [*own(k), interrupt(k, stops)], **fit
    )


def check(tmp_path, stops=STOPS, **kwargs):
    """Compares it with a run without a directory; returns both."""
    expected, _ = run(**kwargs)
    actual, count = run(tmp_path, stops, **kwargs)
    assert count == len(stops)
    assert [g.history for g in actual] == [g.history for g in expected]
    assert [g.metrics for g in actual] == [g.metrics for g in expected]
    for one, other in zip(actual, expected, strict=True):
        if one.number or one.model is not kwargs.get("teacher"):
            assert same(one.model, other.model)
    return actual, expected


def half(layer):
    return lambda: compiled(network(8, layer()))


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


def optimized(optimizer=keras.optimizers.Adam, graph=False, **kwargs):
    compilation = {"steps_per_execution": 2} if graph else {}

    def make():
        return compiled(
            network(),
            eager=not graph,
            optimizer=optimizer(learning_rate=0.02, **kwargs),
            **compilation,
        )

    return make


def drawn():
    model = model_fn()
    kernel = model.layers[0].kernel
    kernel.assign(tf.random.normal(kernel.shape))
    return model


def decayed():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.7)
    return compiled(network(), optimizer=keras.optimizers.SGD(schedule))


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
    "uncompiled": network,
    "model": compiled(network()),
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
    "name", ["noise of the global seed", "drawn by TensorFlow"]
)
def test_before_anything_of_a_generation_is_saved(tmp_path, name):
    check(tmp_path, [(2, 0, 1)], model=NETWORKS[name], generations=2)


@pytest.mark.parametrize("name", ["dropout", "gradient accumulation", "EMA"])
def test_saved_between_steps(tmp_path, name):
    born = {"save_every": 3}
    check(tmp_path, model=NETWORKS[name], born=born, validation_data=VALIDATION)


def test_many_steps_at_once(tmp_path):
    model = optimized(graph=True)
    stops = [(0, 1, 1), (1, 1, 3)]
    check(tmp_path, stops, model=model, born={"save_every": 2})


@pytest.mark.parametrize(
    "objective",
    cases(["cwtm", "dkpp", "kd", "logits", "labels"], ["kd", "logits"]),
)
def test_objectives(tmp_path, objective):
    check(tmp_path, objective=objective, born={"save_every": 3})


def unshuffled(x=X, y=Y):
    return batched(x, y).batch(16)


def shuffled_by_number(generation, epoch):
    data = batched(X, Y).shuffle(64, 10 * generation + epoch)
    return data.batch(16)


def noisy(x, seed):
    return x + tf.random.stateless_normal(tf.shape(x), seed)


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
    "PyDataset": {"x": Batches(X, Y, 16)},
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
    x = batched(X).batch(16)
    check(tmp_path, [(1, 1, 2)], x=x, teacher=network())


def test_given_teacher(tmp_path):
    teacher = network(16, activation="softmax")
    actual, _ = check(tmp_path, [(1, 1, 2)], teacher=teacher)
    assert actual[0].model is teacher
    loaded = keras_ban.load(tmp_path)
    assert same(loaded[0].model, teacher)


def test_networks_of_different_sizes(tmp_path):
    def small():
        return compiled(network(5))

    actual, _ = check(tmp_path, model=[model_fn, small])
    assert [g.model.count_params() for g in actual] == [92, 59]


class Memory(keras.callbacks.Callback):
    """Acts on what it remembers, in a list, an array and a dict."""

    def __init__(self):
        super().__init__()
        self.losses = []
        self.mean = np.zeros(3)
        self.counts = {"epochs": 0, 3: (1, 2)}

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])
        self.mean = 0.9 * self.mean + logs["loss"]

    def on_epoch_end(self, epoch, logs=None):
        self.counts["epochs"] += 1
        optimizer = self.model.optimizer
        rate = 0.1 / (1 + np.mean(self.losses) + self.mean.sum())
        optimizer.learning_rate = rate / self.counts["epochs"]


def stopping():
    # It stops early: the loss never falls by so much.
    return keras.callbacks.EarlyStopping(
        "val_loss", 5.0, patience=0, restore_best_weights=True
    )


def shared(make):
    def callbacks():
        made = make()
        return lambda number: [made]

    return callbacks


def separate(make):
    return lambda: lambda number: [make()]


CALLBACKS = {
    "own": separate(Memory),
    "shared": shared(Memory),
    "schedule": separate(
        lambda: keras.callbacks.LearningRateScheduler(lambda e, r: 0.7 * r)
    ),
    "plateau": separate(
        lambda: keras.callbacks.ReduceLROnPlateau("loss", 0.5, 0, min_delta=9)
    ),
    "best weights": separate(
        lambda: keras.callbacks.EarlyStopping(
            "val_loss", patience=2, restore_best_weights=True
        )
    ),
}


@pytest.mark.parametrize(
    ("name", "save_every"),
    [
        ("own", None),
        ("shared", 3),
        ("best weights", None),
        *(
            pytest.param(name, 3, marks=pytest.mark.slow)
            for name in ("schedule", "plateau", "best weights")
        ),
    ],
)
def test_callbacks(tmp_path, name, save_every):
    check(
        tmp_path,
        [(0, 1, 1), (1, 2, 1)],
        model=optimized(),
        callbacks=CALLBACKS[name],
        born={"save_every": save_every},
        epochs=3,
        validation_data=VALIDATION,
    )


class Counts(keras.callbacks.Callback):
    """Acts on what it remembers of all generations, a list and a scalar."""

    def __init__(self):
        super().__init__()
        self.losses = []
        self.total = np.float32(0)

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["loss"])
        self.total += np.float32(logs["loss"])
        self.model.optimizer.learning_rate = 0.1 / self.total


def test_shared_memory_goes_from_generation_to_generation(tmp_path):
    made = []

    def callbacks():
        made.append(Counts())
        return lambda number: [made[-1]]

    # The second before anything of the new generation is saved.
    check(tmp_path, [(0, 1, 1), (1, 0, 2)], callbacks=callbacks)
    whole, *_, last = made
    assert last.losses == whole.losses
    assert last.total == whole.total == np.sum(whole.losses, dtype="float32")
    assert len(last.losses) == 4


def test_a_training_that_had_stopped_stays_stopped(tmp_path):
    """The process dies after the last epoch, before the model is saved."""
    ends = []

    def callbacks():
        def train_end(logs):
            ends.append(None)
            if len(ends) == 3:
                raise Interrupted

        end = keras.callbacks.LambdaCallback(on_train_end=train_end)
        return lambda number: [stopping(), end]

    kwargs = {
        "callbacks": callbacks,
        "epochs": 3,
        "validation_data": VALIDATION,
    }
    expected, _ = run(**kwargs)
    assert [len(g.history["loss"]) for g in expected] == [2, 2]
    actual, count = run(tmp_path, **kwargs)
    assert count == 1
    assert [g.history for g in actual] == [g.history for g in expected]
    assert same(actual[0].model, expected[0].model)
    assert same(actual[1].model, expected[1].model)


def test_says_where_it_resumes(tmp_path, capsys):
    run(tmp_path, [(1, 1, 2)], born={"save_every": 2})
    assert capsys.readouterr().out.splitlines() == [
        "resuming BAN-1 at epoch 2 of 2, after step 2"
    ]
    run(tmp_path)
    assert capsys.readouterr().out == ""


def test_history_and_seconds_of_both_parts(tmp_path):
    lineage, _ = run(tmp_path, [(1, 1, 1)], validation_data=VALIDATION)
    names = {"loss", "teacher_loss", "accuracy", "val_loss", "val_accuracy"}
    assert names <= set(lineage[1].history)
    assert {len(v) for v in lineage[1].history.values()} == {2}
    assert lineage[1].seconds > 0


def test_self_shuffling_data_goes_on(tmp_path):
    x = batched(X, Y).shuffle(64).batch(16)
    lineage, count = run(tmp_path, [(1, 1, 1)], x=x)
    assert (count, len(lineage)) == (1, 2)
    assert len(lineage[1].history["loss"]) == 2


def test_ragged_epochs_of_a_function(tmp_path):
    def x(generation, epoch):
        return unshuffled().take(4 - epoch)

    with pytest.raises(ValueError, match="ends before the epoch does"):
        run(tmp_path, x=x)
