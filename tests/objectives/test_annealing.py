"""The weight of the labels that goes from epoch to epoch."""

import contextlib
from unittest import mock

import keras
import numpy as np
import pytest
import reference
import side_by_side
from builders import compiled
from builders import learnable
from builders import mlp
from interruptions import check
from lineages import VALIDATION
from matrices import names
from objective_cases import N
from objective_cases import batch
from objective_cases import error
from objective_cases import loss_and_gradient
from replicas import mirrored

import keras_ban
from keras_ban import files
from keras_ban import objectives

X, Y = learnable(48)
FIT = {"batch_size": 16, "verbose": 0}


def weights_seen(history):
    """The weights `α` of `loss = α label_loss + (1 - α) teacher_loss`."""
    loss, label, teacher = (
        np.array(history[name])
        for name in ("loss", "label_loss", "teacher_loss")
    )
    return (loss - teacher) / (label - teacher)


def fit(alpha=(0, 1), model=None, count=1, **arguments):
    """What a `Distiller` sees, and itself."""
    strategy = mirrored(count) if count > 1 else None
    with strategy.scope() if strategy else contextlib.nullcontext():
        student, teacher = model or compiled(mlp()), mlp(scale=4.0)
    distiller = keras_ban.Distiller(student, teacher, objectives.KD(alpha))
    history = distiller.fit(X, Y, **{**FIT, **arguments}).history
    return weights_seen(history), distiller


# --- The loss


@pytest.mark.parametrize(
    "epoch, epochs, weight",
    [(0, 5, 0.2), (1, 5, 0.3), (4, 5, 0.6), (0, 1, 0.2), (7, 11, 0.48)],
)
def test_value_and_gradient(epoch, epochs, weight):
    y, s, t = batch()
    kd = objectives.KD(alpha=(0.2, 0.6), temperature=3)
    kd.begin_epoch(epoch, epochs)
    rows = reference.one_hot(y, N)
    values, gradient = reference.kd(rows, s, t, weight, 3.0)
    found = loss_and_gradient(kd, y, s, t)
    assert error(found[0], values.mean()) <= 1e-6
    assert error(found[1], gradient) <= 1e-6


def test_another_copy_has_a_weight_of_its_own():
    y, s, t = batch()
    kd = objectives.KD(alpha=(0, 1))
    expected = kd(y, s, t)
    fresh = kd.fresh()
    assert fresh(y, s, t) == expected
    fresh.begin_epoch(1, 2)
    assert fresh(y, s, t) != expected
    assert kd(y, s, t) == fresh.fresh()(y, s, t) == expected


def test_labels_are_needed_where_they_get_a_weight():
    needed = {(0, 1): True, (1, 0): True, (0, 0): False, (0.5, 0.5): True}
    for alpha, expected in needed.items():
        assert objectives.KD(alpha).needs_labels == expected
    y, s, t = batch()
    assert objectives.KD((0, 0))(None, s, t) == objectives.KD(0)(y, s, t)


@pytest.mark.parametrize("pair", [(0, 1), [0.5, 0.25]])
def test_configuration(pair):
    kd = objectives.KD(pair, standardize=True)
    config = keras.saving.serialize_keras_object(kd)
    for held in (config, files.json.loads(files.dumps(config))):
        again = objectives.get(held)
        assert again.alpha == tuple(pair)
        assert again.get_config() == kd.get_config()


@pytest.mark.parametrize(
    "alpha",
    [(), (0.5,), (0, 1, 1), (0, 2), (-0.1, 1), (0, None), "ab", [True, 0]],
)
def test_pairs_out_of_range(alpha):
    with pytest.raises(ValueError, match=r"`alpha`.*or a pair") as raised:
        objectives.KD(alpha)
    assert str(raised.value).endswith(f"Received: {alpha!r}")


# --- One student

CASES = {
    "epochs": ({"epochs": 5}, [0, 0.25, 0.5, 0.75, 1]),
    "one epoch": ({"epochs": 1}, [0]),
    "part": ({"epochs": 5, "initial_epoch": 2}, [0.5, 0.75, 1]),
    "cached": ({"epochs": 3, "teacher_outputs": "cached"}, [0, 0.5, 1]),
    "replicas": ({"epochs": 3, "count": 2}, [0, 0.5, 1]),
    "validated": ({"epochs": 3, "validation_data": VALIDATION}, [0, 0.5, 1]),
    "one callback": (
        {"epochs": 2, "callbacks": keras.callbacks.TerminateOnNaN()},
        [0, 1],
    ),
}


OFTEN = "part", "cached", "replicas", "validated", "one callback"


@pytest.mark.parametrize("case", names(CASES, *OFTEN))
def test_distiller(case):
    arguments, expected = CASES[case]
    found, _ = fit(**arguments)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_several_steps_in_an_execution():
    model = compiled(mlp(), eager=False, steps_per_execution=3)
    found, distiller = fit((1, 0.5), model, epochs=3)
    np.testing.assert_allclose(found, [1, 0.75, 0.5], atol=1e-5)
    again = distiller.fit(X, Y, epochs=2, **FIT).history
    np.testing.assert_allclose(weights_seen(again), [1, 0.5], atol=1e-5)


def test_a_list_of_callbacks_is_that_of_keras():
    seen = keras.callbacks.History()
    given = keras.callbacks.CallbackList([seen], add_history=True)
    found, distiller = fit(epochs=3, callbacks=given)
    np.testing.assert_allclose(found, [0, 0.5, 1], atol=1e-5)
    assert distiller.history is seen
    assert given.callbacks == [seen]


def test_epochs_are_not_traced():
    def traces(alpha):
        real = objectives.KD.call
        with mock.patch.object(
            objectives.KD, "call", autospec=True, side_effect=real
        ) as call:
            fit(alpha, compiled(mlp(), eager=False), epochs=4)
        return call.call_count

    assert traces((0, 1)) == traces(0.5)


def test_equal_weights_train_as_one():
    keras.utils.set_random_seed(1)
    _, one = fit(0.25, epochs=2)
    keras.utils.set_random_seed(1)
    _, other = fit((0.25, 0.25), epochs=2)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@keras.saving.register_keras_serializable("test_annealing")
class Told(objectives.BAN):
    """Keeps what it is told."""

    told = ()

    def begin_epoch(self, epoch, epochs):
        Told.told += ((epoch, epochs),)


def test_an_objective_of_ones_own_is_told():
    Told.told = ()
    keras_ban.BornAgain(lambda: compiled(mlp()), Told()).fit(
        X, Y, generations=1, epochs=2, **FIT
    )
    assert Told.told == ((0, 2), (1, 2))


# --- Generations


@pytest.mark.parametrize(
    "eager", [pytest.param(True, marks=pytest.mark.slow), False]
)
def test_generations(eager):
    lineage = keras_ban.BornAgain(
        lambda: compiled(mlp(), eager=eager), objectives.KD((0, 1), 3.0)
    ).fit(X, Y, generations=2, epochs=lambda k: [1, 3, 2][k], **FIT)
    expected = [0, 0.5, 1], [0, 1]
    for generation, weights in zip(lineage[1:], expected, strict=True):
        found = weights_seen(generation.history)
        np.testing.assert_allclose(found, weights, atol=1e-5)


def test_side_by_side(monkeypatch):
    calls = side_by_side.counted(monkeypatch)

    def model():
        return compiled(mlp(), eager=False, jit_compile=False)

    objective = objectives.KD((0.1, 0.9))
    runs = [
        ({"model_fn": model, "objective": objective, "seed": 3}, fit)
        for fit in ({"epochs": 2}, {"epochs": 4, "initial_epoch": 1})
    ]
    found = side_by_side.check(runs)
    assert calls == [2, 2]
    expected = [0.1, 0.9], [0.1 + 0.8 / 3, 0.9 - 0.8 / 3, 0.9]
    for lineage, weights in zip(found, expected, strict=True):
        seen = weights_seen(lineage[1].history)
        np.testing.assert_allclose(seen, weights, atol=1e-5)


@pytest.mark.parametrize(
    "every", [pytest.param(None, marks=pytest.mark.slow), 3]
)
def test_resumed(tmp_path, every):
    lineage, _ = check(
        tmp_path,
        [(1, 1, 2), (1, 3, 0)],
        objective=objectives.KD((0.2, 1)),
        epochs=4,
        born={"save_every": every},
    )
    seen = weights_seen(lineage[1].history)
    expected = 0.2 + 0.8 * np.arange(4) / 3
    np.testing.assert_allclose(seen, expected, atol=1e-5)


def test_another_weight_is_another_run(tmp_path):
    def train(alpha):
        born = keras_ban.BornAgain(
            lambda: compiled(mlp()), objectives.KD(alpha), tmp_path
        )
        return born.fit(X, Y, generations=1, epochs=1, **FIT)

    first, again = train((0, 1)), train([0, 1])
    assert first[1].history == again[1].history
    with pytest.raises(ValueError, match="alpha"):
        train((0, 0.5))
