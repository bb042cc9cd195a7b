"""A pretrained network in two phases: first its head, then all of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import LOGITS
from builders import Batches
from builders import compiled
from builders import data_set
from lineages import X
from lineages import Y
from replicas import mirrored

import keras_ban

FIT = {"epochs": 5, "batch_size": 16, "verbose": 0, "phases": None}
BACKBONE = [
    np.random.default_rng(k).normal(size=shape).astype("float32")
    for k, shape in enumerate([(6, 8), (8,)])
]


def model_fn(dropout=0.2, eager=True):
    """A backbone with weights of its own, frozen, and a head."""
    backbone = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "tanh")], name="backbone"
    )
    backbone.set_weights(BACKBONE)
    backbone.trainable = False
    inputs = keras.Input((6,))
    hidden = keras.layers.Dropout(dropout)(backbone(inputs))
    model = keras.Model(inputs, keras.layers.Dense(4)(hidden))
    optimizer = keras.optimizers.Adam(0.01)
    return compiled(model, eager, optimizer=optimizer)


def unfreeze(model):
    model.get_layer("backbone").trainable = True
    compiled(model, model.run_eagerly, optimizer=keras.optimizers.SGD(0.02))


PHASES = {2: unfreeze}


def run(directory=None, objective="ban+l", phases=PHASES, **fit):
    ban = keras_ban.BornAgain(model_fn, objective, directory, seed=3)
    return ban.fit(X, Y, **{**FIT, "generations": 1, "phases": phases, **fit})


def backbone(model):
    return model.get_layer("backbone").get_weights()


def same(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def lineage():
    return run()


class Look(keras.callbacks.Callback):
    """The backbone at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        model = getattr(self.model, "student", self.model)
        self.seen.append(backbone(model)[0].copy())


def test_the_backbone_is_as_given_until_the_second_phase():
    looks = [Look(), Look()]
    run(callbacks=lambda number: [looks[number]])
    for look in looks:
        moved = [not np.array_equal(w, BACKBONE[0]) for w in look.seen]
        assert moved == [False, False, True, True, True]


def test_each_generation_begins_from_the_same_backbone_and_its_own_head(
    lineage,
):
    short = run(epochs=1, phases=None)
    heads = [g.model.layers[-1].get_weights()[0] for g in short]
    assert not np.array_equal(*heads)
    for generation in short:
        np.testing.assert_array_equal(
            backbone(generation.model)[0], BACKBONE[0]
        )
    assert [len(g.history["loss"]) for g in lineage] == [5, 5]


def test_it_is_the_training_of_plain_keras(lineage):
    """Generation 0, by hand: two calls of `fit`."""

    def graph_fn():
        return model_fn(eager=False)

    keras.utils.set_random_seed(lineage[0].seed)
    model = graph_fn()
    data = keras_ban.BornAgain(graph_fn, "labels", seed=3).fit(
        X, Y, **{**FIT, "generations": 0, "shuffle": False, "phases": PHASES}
    )
    model.fit(X, Y, epochs=2, batch_size=16, shuffle=False, verbose=0)
    unfreeze(model)
    model.fit(
        X,
        Y,
        initial_epoch=2,
        epochs=5,
        batch_size=16,
        shuffle=False,
        verbose=0,
    )
    assert same(model, data[0].model)


def test_the_student_is_as_the_last_phase_compiled_it(lineage):
    for generation in lineage:
        assert type(generation.model.optimizer) is keras.optimizers.SGD
        assert len(generation.model.trainable_variables) == 4


class Stop(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._epoch:
            raise RuntimeError("stopped")


@pytest.mark.parametrize(
    "epoch, number",
    [
        (2, 0),
        (3, 1),
        *(
            pytest.param(*place, marks=pytest.mark.slow)
            for place in [(1, 0), (3, 0), (4, 0), (1, 1), (2, 1), (4, 1)]
        ),
    ],
)
def test_an_interrupted_run_has_the_same_bits(tmp_path, lineage, epoch, number):
    def stopping(k):
        return [Stop(epoch)] if k == number else [Stop(-1)]

    with pytest.raises(RuntimeError, match="stopped"):
        run(tmp_path, callbacks=stopping)
    resumed = run(tmp_path, callbacks=lambda k: [Stop(-1)])
    for one, other in zip(resumed, lineage, strict=True):
        assert same(one.model, other.model)
        assert one.history == other.history


def test_a_finished_run_is_loaded(tmp_path, lineage):
    run(tmp_path)
    assert same(keras_ban.load(tmp_path)[1].model, lineage[1].model)


def test_other_phases_are_another_run(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match="phases"):
        run(tmp_path, phases={3: unfreeze})


def test_phases_of_teachers_and_of_lengths_of_their_own():
    found = run(teachers=2, epochs=lambda number: 4 if number else 3)
    assert [len(g.history["loss"]) for g in found.teachers] == [3, 3]
    assert len(found[1].history["loss"]) == 4
    for generation in [*found.teachers, found[1]]:
        assert not np.array_equal(backbone(generation.model)[0], BACKBONE[0])


def test_more_than_two_phases():
    rates = []

    def slower(model):
        model.compile(keras.optimizers.SGD(0.01), LOGITS, run_eagerly=True)

    class Rate(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    run(
        generations=0,
        objective="labels",
        phases={1: unfreeze, 3: slower},
        callbacks=[Rate()],
    )
    assert rates == pytest.approx([0.01, 0.02, 0.02, 0.01, 0.01])


def test_two_replicas_train_as_one_device():
    def trained(strategy):
        # Replicas share no draws.
        ban = keras_ban.BornAgain(
            lambda: model_fn(dropout=0.0, eager=False),
            "ban+l",
            strategy=strategy,
        )
        fit = {**FIT, "shuffle": False, "phases": PHASES}
        return ban.fit(X, Y, generations=1, **fit)

    for one, other in zip(trained(mirrored(2)), trained(None), strict=True):
        for a, b in zip(
            one.model.get_weights(), other.model.get_weights(), strict=True
        ):
            np.testing.assert_allclose(a, b, atol=1e-5)


def forgets(model):
    model.get_layer("backbone").trainable = True


def freezes(model):
    model.trainable = False
    model.compile("sgd", LOGITS)


@pytest.mark.parametrize(
    "phases, words",
    [
        ([unfreeze], "Expected a dict"),
        ({2: "unfreeze"}, "Expected a dict"),
        ({0: unfreeze}, "an epoch of `phases`"),
        ({1.5: unfreeze}, "an epoch of `phases`"),
        ({5: unfreeze}, "begins after 5 epochs.*trained for 5"),
        ({2: forgets}, "compile it anew"),
        ({2: freezes}, "nothing to train"),
        ({2: lambda model: model_fn()}, "compile it anew"),
    ],
)
def test_bad_phases_are_told_before_training(phases, words):
    look = Look()
    with pytest.raises(ValueError, match=words):
        run(phases=phases, callbacks=[look])
    assert look.seen == []


class Epochs(keras.callbacks.Callback):
    """The epochs that are trained, and the first input of each batch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)


def passes(kind):
    """Data of which an epoch is not a pass."""
    if kind == "PyDataset":
        return {"x": Batches(X[:48], Y[:48], size=8)}
    if kind == "arrays":
        return {"x": X[:60], "y": Y[:60], "batch_size": 4}
    return {"x": data_set(X[:60], Y[:60], size=4), "batch_size": None}


@pytest.mark.parametrize("kind", ["PyDataset", "arrays", "tf.data"])
def test_every_epoch_is_trained_once_wherever_a_pass_ends(kind, tmp_path):
    fit = dict(passes(kind), epochs=5, shuffle=False, steps_per_epoch=3)
    fit = {k: v for k, v in fit.items() if v is not None}

    def trained(directory=None, stop=-1):
        seen = Epochs()
        ban = keras_ban.BornAgain(
            lambda: model_fn(dropout=0.0), "labels", directory
        )
        found = ban.fit(
            generations=0,
            verbose=0,
            phases={3: unfreeze},
            callbacks=[seen, Stop(stop)],
            **fit,
        )
        return found[0], seen.seen

    whole, seen = trained()
    assert seen == [0, 1, 2, 3, 4]
    # Keras itself, by two calls.
    keras.utils.set_random_seed(whole.seed)
    model, rest = (
        model_fn(dropout=0.0),
        {k: fit[k] for k in fit if k != "epochs"},
    )
    model.fit(epochs=3, verbose=0, **rest)
    unfreeze(model)
    model.fit(epochs=5, initial_epoch=3, verbose=0, **rest)
    assert same(model, whole.model)
    with pytest.raises(RuntimeError, match="stopped"):
        trained(tmp_path, stop=4)
    resumed, _ = trained(tmp_path)
    assert same(resumed.model, whole.model)


def test_a_clone_of_a_frozen_model_is_unfrozen(tmp_path):
    look = Look()
    keras_ban.BornAgain(model_fn(), "labels").fit(
        X, Y, **{**FIT, "generations": 0, "phases": PHASES, "callbacks": [look]}
    )
    moved = [not np.array_equal(w, BACKBONE[0]) for w in look.seen]
    assert moved == [False, False, True, True, True]


def unbuilt():
    model = keras.Sequential(
        [keras.layers.Dense(8, "tanh", name="backbone"), keras.layers.Dense(4)]
    )
    model.get_layer("backbone").trainable = False
    return compiled(model, optimizer="adam")


def test_a_model_that_data_builds_resumes(tmp_path):
    def go(directory=None, stop=-1):
        ban = keras_ban.BornAgain(unbuilt, "labels", directory)
        fit = {**FIT, "generations": 0, "phases": PHASES}
        return ban.fit(X, Y, callbacks=[Stop(stop)], **fit)[0].model

    with pytest.raises(RuntimeError, match="stopped"):
        go(tmp_path, 3)
    assert same(go(tmp_path), go())


@pytest.mark.parametrize("first", [2, 3])
def test_a_run_that_begins_in_the_second_phase(first):
    def averaged(model):
        model.get_layer("backbone").trainable = True
        optimizer = keras.optimizers.SGD(0.05, use_ema=True)
        compiled(model, optimizer=optimizer)

    ban = keras_ban.BornAgain(lambda: model_fn(dropout=0.0), "labels")
    fit = {**FIT, "shuffle": False, "initial_epoch": first}
    found = ban.fit(X, Y, **{**fit, "generations": 0, "phases": {2: averaged}})[
        0
    ]
    keras.utils.set_random_seed(found.seed)
    model = model_fn(dropout=0.0)
    averaged(model)
    del fit["phases"]
    model.fit(X, Y, **fit)
    assert same(model, found.model)


def test_metrics_keep_their_names_and_draws_their_seeds(tmp_path):
    def drawn(model):
        model.get_layer("backbone").trainable = True
        head = model.layers[-1]
        head.kernel.assign(np.random.normal(size=head.kernel.shape))
        compiled(model, optimizer="sgd", metrics=[own()])

    def own():
        return keras.metrics.SparseTopKCategoricalAccuracy(2)

    def fn():
        model = model_fn()
        return compiled(model, optimizer="adam", metrics=[own()])

    def go(directory=None, stop=None):
        ban = keras_ban.BornAgain(fn, "ban+l", directory)
        fit = {**FIT, "generations": 1, "phases": {2: drawn}}
        stops = [Stop(-1), Stop(-1)]
        if stop:
            stops[stop[0]] = Stop(stop[1])
        return ban.fit(X, Y, callbacks=lambda k: [stops[k]], **fit)

    whole = go()
    names = set(whole[0].history)
    assert len(names) == 2
    assert names < set(whole[1].history)
    with pytest.raises(RuntimeError, match="stopped"):
        go(tmp_path, (1, 2))
    for one, other in zip(go(tmp_path), whole, strict=True):
        assert same(one.model, other.model) and one.history == other.history


def test_what_a_teacher_gives_is_computed_once():
    calls = []

    class Counted(keras.layers.Layer):
        def call(self, x):
            tf.py_function(lambda: calls.append(1), [], [])
            return x

    teacher = keras.Sequential(
        [keras.Input((6,)), Counted(), keras.layers.Dense(4)]
    )
    counts = []
    for phases in (None, PHASES):
        calls.clear()
        ban = keras_ban.BornAgain(model_fn, "ban")
        ban.fit(
            X,
            Y,
            teacher=teacher,
            **{**FIT, "generations": 1, "phases": phases},
            teacher_outputs="cached",
        )
        counts.append(len(calls))
    assert counts[0] == counts[1]
