"""Generations of one architecture are compiled once, with the same bits."""

import itertools

import keras
import languages
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
from keras_ban.data import text
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


def run(model_fn, objective="ban", generations=2, **kwargs):
    kwargs = {**FIT, **kwargs}
    born = keras_ban.BornAgain(model_fn, objective, seed=4)
    return born.fit(X, Y, generations, **kwargs)


def apart(monkeypatch, model_fn, *args, **kwargs):
    """The same run, each generation traced by itself."""
    monkeypatch.setattr(Workshop, "_twin", lambda self, model, trained: model)
    return run(model_fn, *args, **kwargs)


def check(monkeypatch, model_fn, *args, **kwargs):
    kwargs = {"validation_data": VALIDATION, **kwargs}
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
    run(dropout, "dkpp", 3)
    assert traces == ["Sequential", "Distiller"]


def test_one_trace_where_callbacks_change_the_learning_rate(traces):
    def callbacks(number):
        return [keras.callbacks.LearningRateScheduler(lambda e, r: r / 2)]

    run(functional, callbacks=callbacks)
    assert traces == ["Functional", "Distiller"]


@pytest.mark.slow
@pytest.mark.parametrize("model_fn", [languages.lstm, languages.gpt])
def test_one_trace_for_language_models(monkeypatch, traces, model_fn):
    starts = model_fn is languages.lstm
    ds = text.batches(languages.tokens(60), 4, 5, starts=starts)
    held_out = text.evaluation(languages.tokens(20), 1, 5, starts=starts)

    def trained():
        return keras_ban.BornAgain(model_fn, "ban+l", seed=4).fit(
            ds, generations=2, epochs=1, verbose=0, validation_data=held_out
        )

    once = trained()
    assert traces == ["Functional", "Distiller"]
    monkeypatch.setattr(Workshop, "_twin", lambda self, model, trained: model)
    for one, other in zip(once, trained(), strict=True):
        assert same(one.model, other.model)
        assert one.history == other.history


def test_one_trace_for_a_control(traces):
    run(dropout, "labels")
    assert traces == ["Sequential"]


@pytest.mark.parametrize(
    "objective", ["dkpp", pytest.param("labels", marks=pytest.mark.slow)]
)
def test_bits_are_those_of_traces_of_their_own(monkeypatch, objective):
    check(monkeypatch, dropout, objective)


def test_models_are_ordinary_and_apart():
    lineage = run(dropout, validation_data=VALIDATION)
    for one, other in itertools.combinations([g.model for g in lineage], 2):
        assert not {id(v) for v in one.variables} & {
            id(v) for v in other.variables
        }
        assert not same(one, other)
    model = lineage[1].model
    assert int(model.optimizer.iterations) == 4
    found = model.evaluate(*VALIDATION, verbose=0, return_dict=True)
    assert found["accuracy"] == pytest.approx(lineage[1].metrics["accuracy"])
    model.fit(X, Y, verbose=0)


def functional():
    return compiled(functional_mlp(5), eager=False)


@pytest.mark.parametrize(
    "model_fn", [functional, pytest.param(dropout, marks=pytest.mark.slow)]
)
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
        pytest.param("tracked", 2, marks=pytest.mark.slow),
        ("constant", 3),
        *(
            pytest.param(kind, 3, marks=pytest.mark.slow)
            for kind in ("variable", "global", "TensorFlow's")
        ),
    ],
)
def test_own_layers_share_a_trace_if_they_hide_nothing(traces, kind, count):
    run(lambda: graph(Scaled(kind)))
    names = {name for name, _ in itertools.groupby(traces)}
    assert names == {"Sequential", "Distiller"}
    # Alone, each network is traced again for what its first step creates.
    assert len(traces) == 2 if count == 2 else len(traces) >= count


@pytest.mark.slow
def test_architectures_that_change(monkeypatch):
    def changing():
        units = itertools.cycle([8, 8, 8, 9, 8, 10, 8])
        return lambda: compiled(mlp(next(units)), eager=False)

    once = run(changing(), generations=3)
    each = apart(monkeypatch, changing(), generations=3)
    assert [g.model.count_params() for g in once] == [103, 92, 114, 92]
    assert all(same(a.model, b.model) for a, b in zip(once, each, strict=True))


def test_networks_in_turn(traces):
    fns = [lambda: graph(), lambda: compiled(mlp(5), eager=False)]
    born = keras_ban.BornAgain([*fns, *fns], "ban", seed=4)
    lineage = born.fit(X, Y, 3, **FIT)
    assert [g.model.count_params() for g in lineage] == [92, 59] * 2
    # One for the labels, one for each of the two pairs.
    assert traces == ["Sequential", "Distiller", "Distiller"]


def normalizing(x):
    layer = keras.layers.Normalization()
    layer.adapt(x)
    model = keras.Sequential([keras.Input((6,)), layer, keras.layers.Dense(4)])
    return compiled(model, eager=False)


def test_a_teacher_that_adapted_to_other_data(monkeypatch):
    teacher = normalizing(X + 3)
    teacher.fit(X, Y, verbose=0)
    lineage = check(
        monkeypatch, lambda: normalizing(X), teacher=teacher, generations=1
    )
    table = lineage.evaluate(X, Y)
    for row, generation in zip(table, lineage, strict=False):
        found = generation.model.predict(X, verbose=0).argmax(-1)
        assert row["accuracy"] == pytest.approx((found == Y).mean())


def weighted(factor):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return graph(loss=lambda y, z: factor * loss(y, z))


def test_losses_that_are_closures(monkeypatch):
    fns = [lambda: weighted(1.0), lambda: weighted(5.0)]
    once = run(fns, "labels", 1)
    keras.utils.set_random_seed(once[1].seed)
    model = weighted(5.0)
    model.fit(X, Y, **FIT)
    assert same(once[1].model, model)


def test_an_objective_that_reads_what_changes(traces):
    def objective(y, student, teacher):
        return scale[0] * keras.ops.mean(student - teacher, -1) ** 2

    def later():
        scale[0] += 0.5
        return graph()

    scale = [1.0]
    run(graph, objective, generations=2)
    assert traces == ["Sequential", "Distiller"]
    del traces[:]
    run(later, objective, generations=2)
    assert traces.count("Distiller") == 2


class Rate(keras.callbacks.Callback):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def on_train_begin(self, logs=None):
        getattr(self.model, "student", self.model).layers[1].rate = self.rate

    def on_train_end(self, logs=None):
        getattr(self.model, "student", self.model).layers[1].rate = 0.1


def test_what_a_callback_changes_before_the_first_step():
    """The first step is traced with it, in each generation anew."""

    def model_fn():
        return graph(keras.layers.Dropout(0.1))

    rates = [0.1, 0.3, 0.1]
    born = keras_ban.BornAgain(model_fn, "labels", seed=4)
    lineage = born.fit(X, Y, 2, callbacks=lambda k: [Rate(rates[k])], **FIT)
    for generation, rate in zip(lineage, rates, strict=True):
        keras.utils.set_random_seed(generation.seed)
        model = model_fn()
        model.layers[1].rate = rate
        model.fit(X, Y, **FIT)
        assert same(model, generation.model)


class Steps(keras.metrics.Metric):
    """Counts the steps of a whole training: it never begins anew."""

    def __init__(self):
        super().__init__(name="steps")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, y, z, sample_weight=None):
        self.count.assign_add(1.0)

    def result(self):
        return self.count.value

    def reset_state(self):
        pass


def test_a_metric_that_never_begins_anew():
    lineage = run(lambda: graph(metrics=[Steps()]), "labels", 2)
    for generation in lineage:
        assert generation.history["steps"] == [2.0, 4.0]


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
