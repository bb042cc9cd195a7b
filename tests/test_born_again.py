"""The driver: who learns from whom, seeds, and equality with plain Keras."""

import functools

import keras
import numpy as np
import pytest
from builders import compiled
from builders import data_set
from builders import mlp
from lineages import FIT
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import distilled
from lineages import graph_fn
from lineages import model_fn
from lineages import plain
from lineages import run
from weights import same

import keras_ban
from keras_ban import objectives


def noisy_fn(eager=True):
    between = keras.layers.BatchNormalization(), keras.layers.Dropout(0.3)
    return compiled(mlp(8, *between), eager)


def test_names_who_learns_from_whom(born, lineage):
    assert born.lineage is lineage
    assert len(lineage) == 4
    assert [g.number for g in lineage] == [0, 1, 2, 3]
    assert [g.name for g in lineage] == ["Teacher", "BAN-1", "BAN-2", "BAN-3"]
    assert [g.teacher for g in lineage] == [None, "Teacher", "BAN-1", "BAN-2"]
    assert [g.objective for g in lineage] == ["labels", "ban", "ban", "ban"]
    assert all(g.seconds > 0 for g in lineage)


def test_three_generations_by_default():
    lineage = keras_ban.BornAgain(model_fn).fit(X, Y, verbose=0)
    assert len(lineage) == 4


def test_generation_0_is_plain_keras(lineage):
    model, history = plain(lineage[0], graph_fn, validation_data=VALIDATION)
    assert same(model, lineage[0].model)
    assert history == lineage[0].history


@pytest.mark.parametrize("k", [1, 2, 3])
def test_each_generation_learns_from_the_one_before(lineage, k):
    model, history = distilled(
        lineage[k],
        lineage[k - 1].model,
        graph_fn,
        validation_data=VALIDATION,
    )
    assert same(model, lineage[k].model)
    assert history == lineage[k].history


def test_history_has_every_epoch(lineage):
    for generation in lineage:
        assert {len(v) for v in generation.history.values()} == {2}
        expected = {"loss", "accuracy", "val_loss", "val_accuracy"}
        if generation.number:
            expected |= {"label_loss", "teacher_loss"}
        assert set(generation.history) == expected


@pytest.mark.parametrize(
    "objective",
    ["ban+l", "cwtm", "logits", objectives.KD(0.2, temperature=4.0)],
)
def test_objectives_by_hand(objective):
    lineage = run(objective=objective)
    teacher = lineage[0].model
    model, history = distilled(lineage[1], teacher, objective=objective)
    assert same(model, lineage[1].model)
    assert history == lineage[1].history


def test_control_learns_from_the_labels():
    control = run(objective="labels", generations=2)
    assert [g.name for g in control] == ["Labels-0", "Labels-1", "Labels-2"]
    assert [g.teacher for g in control] == [None] * 3
    assert [g.objective for g in control] == ["labels"] * 3
    for generation in control:
        model, history = plain(generation)
        assert same(model, generation.model)
        assert history == generation.history


def test_control_starts_as_the_run_it_controls(simple):
    control = run(objective="labels")
    assert [g.seed for g in control] == [g.seed for g in simple]
    assert same(control[0].model, simple[0].model)
    assert control[0].history == simple[0].history
    assert not same(control[1].model, simple[1].model)


@pytest.mark.parametrize(
    ("objective", "eager"), [("dkpp", True), ("ban", False)]
)
def test_one_seed_one_result(objective, eager):
    model = functools.partial(noisy_fn, eager)
    one, other = (run(model, objective, seed=5) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert a.seed == b.seed
        assert same(a.model, b.model)
        assert a.history == b.history


def test_result_does_not_hang_on_what_ran_before():
    ban = keras_ban.BornAgain(noisy_fn, "dkpp")
    one = ban.fit(X, Y, generations=1, **FIT)
    np.random.random(7)
    keras.random.normal((3,))
    other = ban.fit(X, Y, generations=1, **FIT)
    assert same(one[1].model, other[1].model)
    assert len(one) == 2


def test_one_seed_one_result_with_a_shuffled_data_set():
    def train():
        keras.utils.set_random_seed(1)
        ds = data_set(X, Y).shuffle(64, seed=1).batch(32)
        return run(x=ds, y=None, batch_size=None)

    one, other = train(), train()
    assert all(same(a.model, b.model) for a, b in zip(one, other, strict=True))


def test_two_seeds_two_students(simple):
    for a, b in zip(simple, run(seed=1), strict=True):
        assert a.seed != b.seed
        assert not same(a.model, b.model)


def test_generations_start_apart(lineage):
    seeds = [g.seed for g in lineage]
    assert len(set(seeds)) == 4
    starts = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        starts.append(model_fn().get_weights()[0])
    for i, one in enumerate(starts):
        assert all(not np.array_equal(one, b) for b in starts[i + 1 :])


@pytest.mark.parametrize("seeds", [(0, 1), (0, 2**32), (1, 2**32 + 1)])
def test_seeds_of_runs_are_disjoint(seeds):
    one, other = (
        {g.seed for g in run(seed=s, x=X[:32], y=Y[:32], epochs=1)}
        for s in seeds
    )
    assert len(one) == len(other) == 2
    assert not one & other
