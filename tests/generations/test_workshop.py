"""Generations of one architecture are compiled once, with the same bits."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import compiled
from builders import functional_mlp
from builders import mlp
from lineages import FIT
from lineages import VALIDATION
from lineages import X
from lineages import Y
from weights import same

import keras_ban
from keras_ban.generations.workshop import Workshop


@pytest.fixture
def traces(monkeypatch):
    """Counts how often a training step is traced."""
    found = []
    for cls in (keras.Model, keras_ban.Distiller):
        plain = cls.train_step

        def step(self, data, plain=plain):
            found.append(type(self).__name__)
            return plain(self, data)

        monkeypatch.setattr(cls, "train_step", step)
    return found


def run(model_fn, objective="ban", generations=3, **kwargs):
    kwargs = {**FIT, "validation_data": VALIDATION, **kwargs}
    born = keras_ban.BornAgain(model_fn, objective, seed=4)
    return born.fit(X, Y, generations, **kwargs)


def apart(monkeypatch, model_fn, *args, **kwargs):
    """The same run, each generation traced by itself."""
    monkeypatch.setattr(Workshop, "_twin", lambda self, model, trained: model)
    return run(model_fn, *args, **kwargs)


def check(monkeypatch, model_fn, *args, **kwargs):
    once = run(model_fn, *args, **kwargs)
    each = apart(monkeypatch, model_fn, *args, **kwargs)
    for one, other in zip(once, each, strict=True):
        assert same(one.model, other.model)
        assert one.history == other.history
        assert one.metrics == other.metrics
        states = [g.model.optimizer.variables for g in (one, other)]
        assert all(map(np.array_equal, *states))
    return once


def graph(*between, **kwargs):
    return compiled(mlp(8, *between), eager=False, **kwargs)


def dropout():
    return graph(
        keras.layers.Dropout(0.3),
        keras.layers.BatchNormalization(),
        optimizer=keras.optimizers.Adam(0.02),
        weighted_metrics=["accuracy"],
    )


def test_one_trace_for_the_labels_and_one_for_the_teachers(traces):
    run(dropout, "dkpp", 5)
    assert traces == ["Sequential", "Distiller"]


def test_one_trace_where_callbacks_change_the_learning_rate(traces):
    def callbacks(number):
        return [keras.callbacks.LearningRateScheduler(lambda e, r: r / 2)]

    run(functional, callbacks=callbacks)
    assert traces == ["Functional", "Distiller"]


def test_one_trace_for_a_control(traces):
    run(dropout, "labels")
    assert traces == ["Sequential"]


@pytest.mark.parametrize(
    "objective", ["dkpp", pytest.param("labels", marks=pytest.mark.slow)]
)
def test_bits_are_those_of_traces_of_their_own(monkeypatch, objective):
    check(monkeypatch, dropout, objective)


def test_models_are_ordinary_and_apart():
    lineage = run(dropout)
    for one, other in itertools.combinations([g.model for g in lineage], 2):
        assert not {id(v) for v in one.variables} & {
            id(v) for v in other.variables
        }
        assert not same(one, other)
    model = lineage[2].model
    assert int(model.optimizer.iterations) == 4
    found = model.evaluate(*VALIDATION, verbose=0, return_dict=True)
    assert found["accuracy"] == pytest.approx(lineage[2].metrics["accuracy"])
    model.fit(X, Y, verbose=0)


def functional():
    return compiled(functional_mlp(5), eager=False)


@pytest.mark.parametrize("model_fn", [functional, dropout])
def test_names_are_the_same_in_every_generation(model_fn):
    """TensorFlow would keep a kernel of each new one in memory."""
    models = [g.model for g in run(model_fn)]
    one, *others = [
        [v.path for v in m.variables + m.optimizer.variables] for m in models
    ]
    assert all(one == other for other in others)
    assert len({m.name for m in models}) == len(models)
    newest = keras.layers.Dense(4).name
    taken = {layer.name for m in models for layer in m.layers}
    assert newest not in taken | {m.name for m in models}
    x = keras.Input((6,))
    keras.Model(x, keras.layers.average([m(x) for m in models]))


def test_a_name_that_the_user_gave_is_kept():
    def named():
        return compiled(keras.Sequential(functional().layers, name="net"))

    assert {g.model.name for g in run(named)} == {"net"}


@pytest.mark.slow
def test_loss_scale_and_accumulation(monkeypatch):
    keras.config.set_dtype_policy("mixed_float16")
    optimizer = keras.optimizers.Adam
    check(
        monkeypatch,
        lambda: graph(optimizer=optimizer(0.02, gradient_accumulation_steps=2)),
    )


@keras.saving.register_keras_serializable("test_workshop")
class Scaled(keras.layers.Layer):
    """Keeps in Python what a graph would keep as a constant."""

    def __init__(self, kind="tracked", **kwargs):
        super().__init__(**kwargs)
        self.kind = kind
        self.hidden = np.random.uniform(0.5, 2.0, size=8).astype("float32")
        self.steps = tf.Variable(0.0)

    def call(self, x, training=False):
        if self.kind == "constant":
            return x * self.hidden
        if self.kind == "variable" and training:
            return x + 0.1 * self.steps.assign_add(1.0)
        if self.kind == "TensorFlow's" and training:
            return x + tf.random.normal(tf.shape(x))
        if self.kind == "global" and training:
            return x + keras.random.normal(keras.ops.shape(x))
        return x

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["constant", "variable", "global", "tracked"])
def test_what_own_layers_hide_is_never_shared(monkeypatch, kind):
    check(monkeypatch, lambda: graph(Scaled(kind)), generations=2)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("tracked", 2),
        ("constant", 4),
        ("variable", 4),
        ("global", 4),
        ("TensorFlow's", 4),
    ],
)
def test_own_layers_share_a_trace_if_they_hide_nothing(traces, kind, count):
    run(lambda: graph(Scaled(kind)), validation_data=None)
    names = {name for name, _ in itertools.groupby(traces)}
    assert names == {"Sequential", "Distiller"}
    # Alone, each network is traced again for what its first step creates.
    assert len(traces) == 2 if count == 2 else len(traces) >= count


@pytest.mark.slow
def test_architectures_that_change(monkeypatch):
    def changing():
        units = itertools.cycle([8, 8, 8, 9, 8, 10, 8])
        return lambda: compiled(mlp(next(units)), eager=False)

    once = run(changing())
    each = apart(monkeypatch, changing())
    assert [g.model.count_params() for g in once] == [103, 92, 114, 92]
    assert all(same(a.model, b.model) for a, b in zip(once, each, strict=True))


def test_networks_in_turn(traces):
    fns = [lambda: graph(), lambda: compiled(mlp(5), eager=False)]
    born = keras_ban.BornAgain([*fns, *fns, *fns], "ban", seed=4)
    lineage = born.fit(X, Y, 5, **FIT)
    assert [g.model.count_params() for g in lineage] == [92, 59] * 3
    # One for the labels, one for each of the two pairs.
    assert traces == ["Sequential", "Distiller", "Distiller"]


@pytest.mark.slow
def test_what_a_callback_changes_ends_with_its_generation(monkeypatch):
    def callbacks(number):
        def begin(logs):
            found[number].model.student.layers[0].trainable = False

        def rate(epoch, logs):
            found[number].model.optimizer.learning_rate = 0.5

        if number != 1:
            return []
        found[number] = keras.callbacks.LambdaCallback(
            on_train_end=begin, on_epoch_begin=rate
        )
        return [found[number]]

    found = {}
    check(monkeypatch, dropout, callbacks=callbacks)


def test_given_teacher_is_left_alone():
    teacher = graph()
    before = teacher.get_weights()
    lineage = run(graph, teacher=teacher)
    assert lineage[0].model is teacher
    assert all(map(np.array_equal, before, teacher.get_weights()))
    assert not same(lineage[1].model, teacher)


def test_initial_weights_drawn_by_tensorflow_follow_from_the_seed():
    def drawn():
        model = graph()
        kernel = model.layers[0].kernel
        kernel.assign(tf.random.normal(kernel.shape))
        return model

    one, other = run(drawn), run(drawn)
    assert all(same(a.model, b.model) for a, b in zip(one, other, strict=True))
    assert not same(one[1].model, one[2].model)
