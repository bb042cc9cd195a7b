"""Training on several replicas against training on one device."""

import contextlib
import functools
import itertools

import keras
import numpy as np
import pytest
from builders import LOGITS
from builders import Batches
from builders import SparseCE
from builders import compiled
from builders import data_set
from builders import learnable
from builders import mlp
from builders import noisy
from builders import tagger
from objective_cases import ALL
from replicas import mirrored
from weights import assert_same

import keras_ban
from keras_ban import objectives

# 20 steps; the last has a row, fewer than there are replicas.
FIT = {"epochs": 1, "batch_size": 20, "shuffle": False, "verbose": 0}
X, Y = learnable(381)
VALIDATION = learnable(21, 2)
WEIGHT = np.linspace(0, 2, len(X)).astype("float32")


def student(*between, optimizer=None, loss=LOGITS):
    keras.utils.set_random_seed(1)
    return compiled(
        mlp(8, *between, l2=0.01),
        eager=False,
        optimizer=optimizer() if optimizer else keras.optimizers.SGD(0.5),
        loss=loss,
        weighted_metrics=["sparse_categorical_accuracy"],
    )


keras.utils.set_random_seed(2)
TEACHER = mlp()


def trained(count, objective, make=student, data=(X, Y), **fit):
    """Weights and history after training on so many replicas."""
    strategy = mirrored(count) if count > 1 else None
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = make()
        teacher = keras.models.clone_model(TEACHER)
        teacher.set_weights(TEACHER.get_weights())
    distiller = keras_ban.Distiller(model, teacher, objective)
    keras.utils.set_random_seed(3)
    arguments = {**FIT, "validation_data": VALIDATION, **fit}
    history = distiller.fit(*data, **arguments).history
    return model.get_weights(), history


def close(one, other, tolerance=1e-5):
    for a, b in zip(one[0], other[0], strict=True):
        difference = np.linalg.norm(a - b) / max(np.linalg.norm(a), 1e-12)
        assert difference <= tolerance
    assert one[1].keys() == other[1].keys()
    for name, values in one[1].items():
        np.testing.assert_allclose(
            other[1][name], values, rtol=tolerance, err_msg=name
        )


SHORT = [(2, objectives.DKPP), (4, objectives.CWTM)]
CASES = [
    pytest.param(
        count,
        objective,
        marks=[] if (count, objective) in SHORT else pytest.mark.slow,
    )
    for count in (2, 4)
    for objective in ALL
]


@pytest.mark.parametrize("count, objective", CASES)
def test_objective_is_that_of_one_device(count, objective):
    make = {"seed": 5} if objective.short_name == "dkpp" else {}
    # Where gradients are steep, larger steps make much of a rounding.
    rate = 0.05 if objective in (objectives.DKD, objectives.DIST) else 0.5
    fresh = functools.partial(
        student, optimizer=lambda: keras.optimizers.SGD(rate)
    )
    found = [
        trained(n, objective(**make), fresh, sample_weight=WEIGHT)
        for n in (1, count)
    ]
    close(*found)


REDUCTIONS = "sum", "mean_with_sample_weight"
REDUCED = ("labels", "sum"), ("cwtm", "mean_with_sample_weight")


@pytest.mark.parametrize(
    "objective, reduction",
    [
        pytest.param(*case, marks=[] if case in REDUCED else pytest.mark.slow)
        for case in itertools.product(("ban+l", "cwtm", "labels"), REDUCTIONS)
    ],
)
def test_reduction_is_that_of_one_device(objective, reduction):
    def make():
        return student(
            loss=SparseCE(from_logits=True, reduction=reduction),
            optimizer=lambda: keras.optimizers.SGD(0.01),
        )

    close(*[trained(n, objective, make, sample_weight=WEIGHT) for n in (1, 2)])


OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01, epsilon=1e-3),
    "weight decay": lambda: keras.optimizers.AdamW(0.01, epsilon=1e-3),
    "clipped": lambda: keras.optimizers.SGD(0.1, clipnorm=0.1),
    "global clipped": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1),
    "moving average": lambda: keras.optimizers.SGD(0.1, use_ema=True),
    "accumulated, Adam": lambda: keras.optimizers.Adam(
        0.01, epsilon=1e-3, clipnorm=0.5, gradient_accumulation_steps=2
    ),
    "accumulated": lambda: keras.optimizers.SGD(
        0.1, gradient_accumulation_steps=4
    ),
}


OFTEN = ("accumulated, Adam",)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=[] if n in OFTEN else pytest.mark.slow)
        for n in OPTIMIZERS
    ],
)
def test_optimizer_is_that_of_one_device(name):
    def make():
        return student(optimizer=OPTIMIZERS[name])

    close(*[trained(n, "ban+l", make) for n in (1, 2)])


def test_synchronized_batch_normalization_is_that_of_one_device():
    def make():
        layer = keras.layers.BatchNormalization(synchronized=True)
        return student(layer)

    close(*[trained(n, "ban+l", make) for n in (1, 2)])


@pytest.mark.slow
def test_batch_normalization_stays_finite_on_batches_of_a_row():
    def make():
        return student(keras.layers.BatchNormalization())

    weights, _ = trained(4, "ban+l", make)
    assert all(np.isfinite(w).all() for w in weights)


def test_mixed_precision_is_that_of_one_device():
    keras.config.set_dtype_policy("mixed_float16")
    close(*[trained(n, "ban+l") for n in (1, 2)], tolerance=5e-3)


@pytest.mark.parametrize(
    "replicas", [2, pytest.param(4, marks=pytest.mark.slow)]
)
def test_masked_positions_are_those_of_one_device(replicas):
    def make():
        keras.utils.set_random_seed(1)
        optimizer = keras.optimizers.SGD(0.5)
        return compiled(tagger(), eager=False, optimizer=optimizer)

    rng = np.random.default_rng(0)
    x = rng.integers(1, 7, (381, 5)) * (rng.random((381, 5)) < 0.6)
    data = x, rng.integers(0, 4, (381, 5))
    found = []
    for count in (1, replicas):
        strategy = mirrored(count)
        with strategy.scope():
            model, teacher = make(), make()
            teacher.set_weights([3 * w for w in teacher.get_weights()])
        distiller = keras_ban.Distiller(model, teacher, "cwtm")
        arguments = FIT | {"validation_data": data}
        history = distiller.fit(*data, **arguments).history
        found.append((model.get_weights(), history))
    close(*found)


@pytest.mark.parametrize(
    "kind, replicas",
    [
        ("tf.data", 2),
        pytest.param("tf.data", 4, marks=pytest.mark.slow),
        pytest.param("PyDataset", 4, marks=pytest.mark.slow),
    ],
)
def test_data_set_is_read_as_on_one_device(kind, replicas):
    def data():
        if kind == "PyDataset":
            return (Batches(X, Y, size=20),)
        return (data_set(X, Y, size=20),)

    fit = {"batch_size": None}
    counts = 1, replicas
    close(*[trained(n, "ban+l", data=data(), **fit) for n in counts])


@pytest.mark.parametrize(
    "outputs", [pytest.param("online", marks=pytest.mark.slow), "cached"]
)
def test_views_and_kept_outputs_are_those_of_one_device(outputs):
    fit = {"augment": noisy, "views": 2, "teacher_outputs": outputs}
    close(*[trained(n, "ban+l", **fit) for n in (1, 2)])


def test_evaluate_and_predict_are_those_of_one_device():
    with mirrored(4).scope():
        model = student()
    distiller = keras_ban.Distiller(model, TEACHER)
    alone = student()
    found = distiller.evaluate(X, Y, batch_size=20, verbose=0)
    expected = alone.evaluate(X, Y, batch_size=20, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    found = distiller.predict(X, batch_size=20, verbose=0)
    expected = alone.predict(X, batch_size=20, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def drawn():
    return compiled(
        mlp(),
        eager=False,
        optimizer=keras.optimizers.Adam(0.01, epsilon=1e-3),
    )


def born(count, entered=False, **kwargs):
    strategy = mirrored(count) if count > 1 else None
    scope = strategy.scope() if entered else contextlib.nullcontext()
    if strategy and not entered:
        kwargs["strategy"] = strategy
    with scope:
        ban = keras_ban.BornAgain(drawn, seed=3, **kwargs)
        lineage = ban.fit(X, Y, 2, validation_data=VALIDATION, **FIT)
    return lineage


@pytest.mark.parametrize(
    "entered", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_generations_are_those_of_one_device(entered):
    one, other = born(1, objective="ban+l"), born(2, entered, objective="ban+l")
    for a, b in zip(one, other, strict=True):
        pair = [(g.model.get_weights(), g.history) for g in (a, b)]
        close(*pair)
        assert a.metrics == pytest.approx(b.metrics, rel=1e-5)
    if not entered:
        assert other[1].model.distribute_strategy.num_replicas_in_sync == 1


def test_interrupted_run_goes_on_with_the_same_bits(tmp_path):
    def normalized():
        layer = keras.layers.BatchNormalization()
        return compiled(mlp(8, layer), eager=False)

    def run(folder, stop_after=None):
        steps = 0

        def count(batch, logs):
            nonlocal steps
            steps += 1
            if steps == stop_after:
                raise RuntimeError("stopped")

        return keras_ban.BornAgain(
            normalized,
            "dkpp",
            seed=3,
            strategy=mirrored(2),
            directory=tmp_path / folder,
            save_every=2,
        ).fit(
            X[:81],
            Y[:81],
            1,
            validation_data=VALIDATION,
            callbacks=[
                keras.callbacks.LambdaCallback(on_train_batch_end=count)
            ],
            **{**FIT, "epochs": 2},
        )

    whole = run("whole")
    with pytest.raises(RuntimeError, match="stopped"):
        run("stopped", stop_after=18)
    for one, other in zip(whole, run("stopped"), strict=True):
        assert one.history == other.history
        assert_same(one.model, other.model)


def test_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="Received: 'mirror'"):
        keras_ban.BornAgain(drawn, strategy="mirror")
