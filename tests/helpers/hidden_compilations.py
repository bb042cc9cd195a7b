"""Networks that differ in what they are compiled with, made from a number."""

import functools

import keras
import numpy as np
import tensorflow as tf
from builders import LOGITS
from builders import SparseCE
from builders import mlp

ops = keras.ops


def made(model, loss=LOGITS, optimizer="sgd", **kwargs):
    if model is None:
        model = mlp(3)
    if optimizer == "sgd":
        optimizer = keras.optimizers.SGD(0.1)
    model.compile(optimizer, loss, **kwargs)
    return model


def loss_closure(k):
    return made(None, lambda y, z: LOGITS(y, z) * (k + 1))


def loss_default(k):
    def loss(y, z, factor=k + 1):
        return LOGITS(y, z) * factor

    return made(None, loss)


def loss_partial(k):
    def loss(y, z, factor):
        return LOGITS(y, z) * factor

    loss = functools.partial(loss, factor=k + 1)
    loss.__name__ = "loss"
    return made(None, loss)


class Weight:
    def __init__(self, factor):
        self.factor = factor

    def loss(self, y, z):
        return LOGITS(y, z) * self.factor


def loss_method(k):
    return made(None, Weight(k + 1).loss)


def loss_tensor(k):
    factors = tf.constant([k + 1.0])
    return made(None, lambda y, z: LOGITS(y, z) * factors)


@keras.saving.register_keras_serializable("test_likeness")
class Focal(keras.losses.Loss):
    """Says nothing of its exponent."""

    def __init__(self, gamma):
        super().__init__(name="focal")
        self.gamma = gamma

    def call(self, y, z):
        return LOGITS(y, z) ** (self.gamma + 1)


def loss_code(k):
    losses = [
        lambda y, z: LOGITS(y, z) + 1.0,
        lambda y, z: LOGITS(y, z) - 1.0,
    ]
    return made(None, losses[k])


class Counted(keras.metrics.Mean):
    def __init__(self, k):
        super().__init__(name="counted")
        self.k = k

    def update_state(self, y, z, sample_weight=None):
        return super().update_state(self.k * ops.ones_like(z), sample_weight)


def metric_closure(k):
    def share(y, z):
        return ops.mean(ops.cast(z > k, "float32"))

    return made(None, metrics=[share])


class Halving(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, steps):
        self.steps = steps

    def __call__(self, step):
        return 0.1 * 0.5 ** (ops.cast(step, "float32") / self.steps)


def optimizer(**values):
    """An optimizer of which one argument differs."""
    ((name, held),) = values.items()
    return lambda k: made(
        None, optimizer=keras.optimizers.AdamW(**{name: held[k]})
    )


def excluded_names(k):
    rule = keras.optimizers.AdamW(0.1, weight_decay=0.1)
    if k:
        rule.exclude_from_weight_decay(var_names=["bias"])
    return made(None, optimizer=rule)


def excluded_variables(k):
    model = mlp(3)
    rule = keras.optimizers.AdamW(0.1, weight_decay=0.1)
    rule.exclude_from_weight_decay(var_list=[model.layers[k].bias])
    return made(model, optimizer=rule)


def excluded_layers(k):
    names = ["first", "second"][:: 1 - 2 * k]
    model = keras.Sequential(
        [keras.Input((6,))]
        + [keras.layers.Dense(6, name=name) for name in names]
        + [keras.layers.Dense(4)]
    )
    rule = keras.optimizers.Muon(0.1, exclude_layers=["first"])
    return made(model, optimizer=rule)


# --- What nobody can compare


def draws_in_a_loss(k):
    return made(None, lambda y, z: LOGITS(y, z) * np.random.uniform())


def reads_an_iterator(k):
    numbers = iter([1.0, 2.0])
    return made(None, lambda y, z: LOGITS(y, z) * next(numbers))


COMPILATIONS = {
    "loss: closure": loss_closure,
    "loss: default": loss_default,
    "loss: partial": loss_partial,
    "loss: method": loss_method,
    "loss: tensor": loss_tensor,
    "loss: class": lambda k: made(None, Focal(k)),
    "loss: code": loss_code,
    "loss: argument": lambda k: made(
        None, SparseCE(from_logits=True, reduction=["sum", "mean"][k])
    ),
    "metric": lambda k: made(None, metrics=[Counted(k)]),
    "metric: closure": metric_closure,
    "weighted metric": lambda k: made(None, weighted_metrics=["acc"] * k),
    "loss weights": lambda k: made(None, loss_weights=1.0 + k),
    "steps": lambda k: made(None, steps_per_execution=1 + k),
    "compiler": lambda k: made(None, jit_compile=bool(k)),
    "schedule": optimizer(learning_rate=[Halving(5), Halving(6)]),
    "weight decay": optimizer(weight_decay=[0.1, 0.2]),
    "clipping": optimizer(clipnorm=[None, 1.0]),
    "averages": optimizer(use_ema=[False, True]),
    "accumulation": optimizer(gradient_accumulation_steps=[None, 2]),
    "excluded names": excluded_names,
    "excluded layers": excluded_layers,
}
# What nobody can compare.
INCOMPARABLE = {
    "excluded variables": excluded_variables,
    "draws in a loss": draws_in_a_loss,
    "iterator": reads_an_iterator,
}
