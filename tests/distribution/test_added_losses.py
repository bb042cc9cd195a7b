"""Losses that layers add, on several replicas as on one device."""

import contextlib

import keras
import numpy as np
import pytest
from builders import LOGITS
from builders import compiled
from builders import learnable
from builders import mlp
from keras import ops
from matrices import names
from replicas import mirrored

import keras_ban

X, Y = learnable(63)
# The last batch has fewer rows than there are replicas.
FIT = {"epochs": 2, "batch_size": 20, "shuffle": False, "verbose": 0}


class Adds(keras.layers.Layer):
    """Adds what a function gives of its inputs."""

    def __init__(self, function, only_training=False):
        super().__init__()
        self._function = function
        self._only_training = only_training

    def call(self, x, training=False):
        if training or not self._only_training:
            self.add_loss(self._function(x))
        return x


def mean_of_squares(x):
    return 0.1 * ops.mean(x**2)


def sum_of_squares(x):
    return 0.01 * ops.sum(x**2)


def rows_losses(x):
    return 0.01 * ops.sum(x**2, axis=-1)


LAYERS = {
    "activity": lambda: [keras.layers.ActivityRegularization(0.02, 0.1)],
    "no activity": lambda: [keras.layers.ActivityRegularization(0.0)],
    "mean": lambda: [Adds(mean_of_squares)],
    "sum": lambda: [Adds(sum_of_squares)],
    "a loss of each row": lambda: [Adds(rows_losses)],
    "in training alone": lambda: [Adds(mean_of_squares, only_training=True)],
    "all": lambda: [
        Adds(sum_of_squares),
        keras.layers.ActivityRegularization(0.0, 0.1),
        keras.layers.ActivityRegularization(0.0),
        Adds(mean_of_squares, only_training=True),
    ],
    "after dropout": lambda: [
        keras.layers.Dropout(0.0),
        keras.layers.ActivityRegularization(0.02),
    ],
}


def used_twice():
    layer = keras.layers.Dense(6, "tanh", activity_regularizer="l2")
    x = keras.Input((6,))
    model = keras.Model(x, keras.layers.Dense(4)(layer(layer(x))))
    return compiled(model, eager=False, optimizer=keras.optimizers.SGD(0.1))


class Built(keras.Model):
    """Gets its weights when it is first called."""

    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(8, "tanh", activity_regularizer="l1")
        self.outer = keras.layers.Dense(4)

    def call(self, x):
        h = self.hidden(x)
        self.add_loss(mean_of_squares(h))
        return self.outer(h)


def built_late():
    return compiled(Built(), eager=False, optimizer=keras.optimizers.SGD(0.1))


@pytest.mark.parametrize(
    "make", [used_twice, pytest.param(built_late, marks=pytest.mark.slow)]
)
def test_generations_are_those_of_plain_keras(make):
    ban = keras_ban.BornAgain(make, "labels", strategy=mirrored(2))
    for generation in ban.fit(X, Y, 1, **FIT):
        keras.utils.set_random_seed(generation.seed)
        plain = make()
        history = plain.fit(X, Y, **FIT).history
        found = generation.model.get_weights(), generation.history, 0
        close((plain.get_weights(), history, 0), found)


def trained(count, make, objective="labels", rows=X, validation=True, **fit):
    """Weights, history and evaluation on so many replicas."""
    strategy = mirrored(count) if count > 1 else None
    with strategy.scope() if strategy else contextlib.nullcontext():
        keras.utils.set_random_seed(1)
        model = make()
    teacher = None
    if objective != "labels":
        keras.utils.set_random_seed(2)
        with strategy.scope() if strategy else contextlib.nullcontext():
            teacher = mlp(scale=3)
    distiller = keras_ban.Distiller(model, teacher, objective)
    if validation:
        fit["validation_data"] = X[:21], Y[:21]
    history = distiller.fit(rows, Y[: len(rows)], **FIT, **fit).history
    found = distiller.evaluate(X, Y, batch_size=20, verbose=0)
    return model.get_weights(), history, found


def close(one, other, tolerance=1e-6):
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=tolerance)
    for name, values in one[1].items():
        np.testing.assert_allclose(other[1][name], values, rtol=1e-5)
    np.testing.assert_allclose(other[2], one[2], rtol=1e-5)


def student(layers, optimizer=None, l2=0.01):
    return compiled(
        mlp(8, *layers(), l2=l2),
        eager=False,
        optimizer=optimizer() if optimizer else keras.optimizers.SGD(0.1),
    )


@pytest.mark.parametrize(
    "count, name",
    [
        pytest.param(
            count,
            name,
            marks=[] if (count, name) == (2, "all") else pytest.mark.slow,
        )
        for count in (2, 4)
        for name in LAYERS
    ],
)
def test_added_losses_are_those_of_plain_keras(count, name):
    def make():
        return student(LAYERS[name])

    keras.utils.set_random_seed(1)
    plain = make()
    history = plain.fit(X, Y, validation_data=(X[:21], Y[:21]), **FIT).history
    expected = plain.evaluate(X, Y, batch_size=20, verbose=0)
    close((plain.get_weights(), history, expected), trained(count, make))


def accumulated():
    return keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01, epsilon=1e-3, gradient_accumulation_steps=2)
    )


def test_students_loss_scaling_and_accumulation():
    def make():
        return student(LAYERS["all"], accumulated)

    close(*[trained(n, make, "ban+l", validation=False) for n in (1, 2)])


@pytest.mark.slow
def test_generations_are_those_of_one_device():
    def make():
        return student(LAYERS["activity"])

    found = []
    for strategy in (None, mirrored(2)):
        ban = keras_ban.BornAgain(make, "ban+l", strategy=strategy)
        found.append(ban.fit(X, Y, 1, **FIT))
    for one, other in zip(*found, strict=True):
        pair = [(g.model.get_weights(), g.history, 0) for g in (one, other)]
        close(*pair)


def test_a_step_is_that_of_numpy():
    def make():
        layer = keras.layers.Dense(4, activity_regularizer="l2")
        model = keras.Sequential([keras.Input((6,)), layer])
        model.compile(keras.optimizers.SGD(0.5), LOGITS)
        return model

    keras.utils.set_random_seed(1)
    kernel = make().get_weights()[0].astype("float64")
    strategy = mirrored(4)
    with strategy.scope():
        keras.utils.set_random_seed(1)
        model = make()
    x, y = X[:7].astype("float64"), Y[:7]
    keras_ban.Distiller(model, None, "labels").fit(X[:7], y, verbose=0)
    z = x @ kernel
    # Keras before 3.13 adds the sum over the rows, later ones their mean.
    alone = make()
    alone.set_weights(model.get_weights())
    alone(X[:7])
    rows = round(0.01 * np.square(alone(X[:7])).sum() / float(alone.losses[0]))
    assert rows in (1, 7)
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    gradient = x.T @ ((p - np.eye(4)[y]) / 7 + 0.01 * 2 * z / rows)
    found = model.get_weights()[0]
    np.testing.assert_allclose(found, kernel - 0.5 * gradient, atol=1e-6)


REFUSED = {
    "largest": lambda: [Adds(lambda x: ops.max(x))],
    "norm": lambda: [Adds(lambda x: ops.sqrt(ops.sum(x**2)))],
    "balance": lambda: [Adds(lambda x: ops.var(ops.mean(x, axis=0)))],
    "random": lambda: [
        keras.layers.Dropout(0.5),
        Adds(mean_of_squares, only_training=True),
    ],
}


def refusal(layers):
    """In which words a model is refused, before the first step."""
    steps = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: steps.append(batch)
    )
    with pytest.raises(ValueError) as error:
        trained(2, lambda: student(layers), callbacks=[note])
    assert steps == []
    assert "`strategy=None`" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", names(REFUSED, "largest", "random"))
def test_what_has_no_parts_is_refused(name):
    said = refusal(REFUSED[name])
    assert "The loss number 0 that layers of the model" in said
    assert "Expected a mean or a sum over the rows" in said


def test_layers_that_wait_meanwhile_are_refused():
    def layers():
        return [
            keras.layers.ActivityRegularization(0.1),
            keras.layers.BatchNormalization(synchronized=True, name="waits"),
        ]

    assert "'waits' waits for the other replicas" in refusal(layers)
