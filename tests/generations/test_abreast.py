"""Trainings side by side have the bits of trainings one by one."""

import random

import keras
import numpy as np
import pytest
import side_by_side
from builders import compiled
from builders import data_set
from builders import mlp
from builders import noisy
from lineages import VALIDATION
from lineages import X
from lineages import Y
from side_by_side import advance_generations
from side_by_side import alone
from side_by_side import check
from side_by_side import check_same
from side_by_side import cosine
from side_by_side import kept
from side_by_side import nothing
from side_by_side import plain
from side_by_side import seeds
from side_by_side import together

from keras_ban.generations.abreast import Abreast

WEIGHTS = np.linspace(0.5, 1.5, 64).astype("float32")


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """The sizes of the groups that were trained side by side."""
    return side_by_side.counted(monkeypatch)


def normed():
    optimizer = keras.optimizers.SGD(
        0.1,
        momentum=0.9,
        global_clipnorm=0.5,
        use_ema=True,
        ema_overwrite_frequency=None,
    )
    model = mlp(8, keras.layers.BatchNormalization(), l2=0.01)
    return compiled(
        model,
        eager=False,
        jit_compile=False,
        optimizer=optimizer,
        weighted_metrics=["accuracy"],
    )


def accumulated():
    optimizer = keras.optimizers.Adam(0.01, gradient_accumulation_steps=2)
    return compiled(mlp(5), eager=False, jit_compile=False, optimizer=optimizer)


# --- What is trained


def test_networks_and_optimizers_of_all_kinds(calls):
    fit = {"sample_weight": WEIGHTS, "validation_data": VALIDATION}
    models = [cosine, normed, accumulated]
    check([run for m in models for run in seeds(m, 1, **fit)])
    assert calls == [3, 3]


def test_students_of_teachers_and_views(calls):
    arguments = {"augment": noisy, "views": 2, "validation_split": 0.25}
    runs = [
        *seeds(cosine, 1, "ban", **arguments),
        *seeds(cosine, 1, "dkpp", teacher_outputs="cached", **arguments),
    ]
    check(runs)
    assert calls == [2, 2]


def test_data_sets_and_a_part_of_the_epochs(calls):
    data = {"x": data_set(X, Y, size=16), "y": None, "batch_size": None}
    held_out = data_set(*VALIDATION, size=16)
    runs = [
        *seeds(plain, 1, **data, validation_data=held_out),
        *seeds(
            plain,
            1,
            class_weight={0: 2.0, 1: 1.0, 2: 0.5, 3: 1.0},
            shuffle="batch",
            validation_data=VALIDATION,
            validation_steps=1,
            validation_freq=2,
        ),
        *seeds(
            plain,
            1,
            **{**data, "x": data_set(X, Y, size=16).repeat(2)},
            steps_per_epoch=4,
            epochs=4,
            initial_epoch=1,
            validation_data=held_out,
        ),
    ]
    endless = {**data, "x": data_set(X, Y, size=16).repeat()}
    fit = {"steps_per_epoch": 3, "validation_data": held_out, **endless}
    check([*runs, *seeds(plain, 1, **fit)])
    assert calls == [4, 4]


def test_generations_of_one_run(calls, tmp_path):
    fit = {"generations": 2, "validation_data": VALIDATION}
    (run,) = kept(tmp_path, "run", 1, **fit)
    failing = Failing(1)
    callbacks = {"callbacks": lambda number: [failing] * (number == 1)}
    with pytest.raises(RuntimeError, match="as told"):
        together([(run[0], {**run[1], **callbacks})], advance_generations)
    found = together([run], advance_generations)
    check_same(found, alone(kept(tmp_path, "other", 1, **fit)))
    assert calls == [3, 3]


# --- Callbacks


class Recorder(keras.callbacks.Callback):
    """Notes whatever Keras calls, and what it says."""

    def __init__(self, batches):
        super().__init__()
        self.found = []
        names = [n for n in dir(self) if n.startswith("on_")]
        names = [n for n in names if "predict" not in n]
        for name in names:
            if batches or "batch" not in name:
                setattr(self, name, self._noted(name))

    def _noted(self, name):
        def note(*args, **kwargs):
            self.found.append((name, *args, *kwargs.values()))

        return note


@pytest.mark.parametrize(
    "batches", [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_callbacks_are_called_as_by_keras(batches):
    def recorded(train):
        found = [Recorder(batches) for _ in range(2)]
        train(
            [
                ({"model_fn": plain, "seed": k, "objective": "labels"}, fit)
                for k in range(2)
                for fit in [
                    {
                        "validation_data": VALIDATION,
                        "callbacks": lambda n, k=k: [found[k]][n:],
                    }
                ]
            ]
        )
        return [recorder.found for recorder in found]

    found, expected = recorded(together), recorded(alone)
    assert found == expected
    names = [name for name, *_ in found[0]]
    assert len(names) == (30 if batches else 10)


class Stopping(keras.callbacks.Callback):
    """Stops at a batch of an epoch."""

    def __init__(self, epoch, batch=None):
        super().__init__()
        self.epoch, self.batch, self.now = epoch, batch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch and self.batch is None:
            self.model.stop_training = True


class StoppingBatch(Stopping):
    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, self.batch):
            self.model.stop_training = True


def test_some_that_stop_early():
    stops = [None, Stopping(1), None, StoppingBatch(2, 1)]
    runs = [
        (born, {**fit, "callbacks": lambda n, s=s: [s] * (n == 0 and bool(s))})
        for s, (born, fit) in zip(
            stops,
            seeds(cosine, 4, epochs=4, validation_data=VALIDATION),
            strict=True,
        )
    ]
    found = check(runs)
    lengths = [len(one[0].history["loss"]) for one in found]
    assert lengths == [4, 2, 4, 3]


class Drawing(keras.callbacks.Callback):
    """Learning rates at random, of NumPy's and Python's generators."""

    def on_train_batch_end(self, batch, logs=None):
        rate = np.random.uniform(0.01, 0.1) + random.uniform(0.0, 0.1)
        self.model.optimizer.learning_rate = rate


def test_each_draws_from_its_own_seeds():
    found = check(seeds(count=3, callbacks=lambda number: [Drawing()]))
    rates = [float(one[0].model.optimizer.learning_rate) for one in found]
    assert len(set(rates)) == 3


class Changing(keras.callbacks.Callback):
    """Changes what a step that is traced already does not see."""

    def on_train_begin(self, logs=None):
        self.model.layers[1].rate = 0.9


def test_a_network_that_a_callback_changes(calls):
    def changed(number):
        return [Changing()] * (number == 1)

    runs = seeds(cosine, 2)
    runs[0] = (runs[0][0], {"callbacks": changed, "generations": 2})
    runs[1] = (runs[1][0], {"generations": 2})
    check(runs)
    assert calls == [2, 2, 2]


# --- Compiled once


def test_the_next_group_uses_what_was_compiled(monkeypatch):
    traced = []
    real = keras.Model.train_step

    def step(self, data):
        traced.append(self)
        return real(self, data)

    monkeypatch.setattr(keras.Model, "train_step", step)
    abreast, runs = Abreast(), seeds(count=2, generations=2)
    together(runs, abreast=abreast)
    assert len(traced) == 2


def test_steps_in_a_call_grow_while_calls_are_short(monkeypatch):
    counts = []
    real = side_by_side.Abreast._joint

    def joint(self, trained):
        made = real(self, trained)

        def noted(method):
            def call(iterators, steps):
                counts.append(list(steps))
                return made(method)(iterators, steps)

            return call

        return noted

    monkeypatch.setattr(Abreast, "_joint", joint)
    together(seeds(batch_size=2, epochs=3, generations=1))
    assert [1, 1] == counts[0]
    assert max(counts)[0] > 4
    first = counts[: counts.index(max(counts))]
    assert all(a[0] == a[1] for a in first)
    assert sum(a for a, _ in counts) == 2 * 3 * 32


# --- What ends all


class Failing(keras.callbacks.Callback):
    """Fails at the end of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.failing = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.failing:
            self.failing = None
            raise RuntimeError("as told")


@pytest.mark.parametrize(
    ("born", "others"),
    [
        ({}, "side by side"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ({"save_every": 2}, "one by one"),
                ({}, "one by one"),
                ({"save_every": 2}, "side by side"),
            )
        ),
    ],
)
def test_resumed_where_each_of_them_was_saved(tmp_path, born, others):
    stop = Stopping(0)
    failing = Failing(1)
    callbacks = [
        lambda number: [],
        lambda number: [failing] * (number == 1),
        lambda number: [stop] * (number == 1),
    ]
    fit = {"epochs": 3, "validation_data": VALIDATION}
    runs = kept(tmp_path, "run", 3, callbacks, born, **fit)
    with pytest.raises(RuntimeError, match="as told"):
        together(runs)
    assert not (tmp_path / "run-0" / "generation-1" / "model.keras").exists()
    train = together if others == "side by side" else alone
    found = train(runs)
    stop = Stopping(0)
    callbacks = [nothing, nothing, lambda number: [stop] * (number == 1)]
    check_same(found, alone(kept(tmp_path, "other", 3, callbacks, **fit)))
    assert [len(one[1].history["loss"]) for one in found] == [3, 3, 1]


def test_stopped_in_the_midst_of_an_epoch(tmp_path):
    def batch_end(batch, logs):
        seen.append(batch)
        if len(seen) == 5:
            raise RuntimeError("as told")

    seen = []
    failing = keras.callbacks.LambdaCallback(on_train_batch_end=batch_end)
    callbacks = [lambda n: [failing] * (n == 0), nothing]
    runs = kept(tmp_path, "run", 2, callbacks, {"save_every": 1})
    with pytest.raises(RuntimeError, match="as told"):
        together(runs)
    check_same(together(runs), alone(kept(tmp_path, "other", 2, [nothing] * 2)))


def test_a_loss_that_is_no_number_ends_all():
    def huge():
        optimizer = keras.optimizers.SGD(1e38)
        network = mlp(hidden="relu")
        return compiled(
            network, eager=False, jit_compile=False, optimizer=optimizer
        )

    runs = [*seeds(plain, 1), *seeds(huge, 1)]
    with pytest.raises(FloatingPointError, match="Labels-0"):
        together(runs)
