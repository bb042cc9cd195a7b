"""A pretrained network in two phases: first its head, then all of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import LOGITS
from builders import compiled
from lineages import X
from lineages import Y
from phased import BACKBONE
from phased import FIT
from phased import PHASES
from phased import backbone
from phased import model_fn
from phased import run
from phased import unfreeze
from replicas import mirrored
from weights import same

import keras_ban


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


def test_a_clone_of_a_frozen_model_is_unfrozen(tmp_path):
    look = Look()
    keras_ban.BornAgain(model_fn(), "labels").fit(
        X, Y, **{**FIT, "generations": 0, "phases": PHASES, "callbacks": [look]}
    )
    moved = [not np.array_equal(w, BACKBONE[0]) for w in look.seen]
    assert moved == [False, False, True, True, True]


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
