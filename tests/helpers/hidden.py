"""Networks made from a number, which no variable of theirs tells.

Two of one number are alike; those of two numbers differ in what a compiled
function would hold as a constant.
"""

import functools

import keras
import numpy as np
import tensorflow as tf
from builders import LOGITS
from builders import SparseCE
from builders import learnable
from builders import mlp

X, Y = learnable(16)
Layer = keras.layers.Layer
ops = keras.ops


def made(model, loss=LOGITS, optimizer="sgd", **kwargs):
    if model is None:
        model = mlp(3)
    if optimizer == "sgd":
        optimizer = keras.optimizers.SGD(0.1)
    model.compile(optimizer, loss, **kwargs)
    return model


def around(*layers):
    return made(mlp(3, *layers))


# --- Layers of Keras that hold more than their configuration says


def adapted(k):
    layer = keras.layers.Normalization()
    layer.adapt(X + k)
    return layer


def normalization(k):
    return made(
        keras.Sequential([keras.Input((6,)), adapted(k), keras.layers.Dense(4)])
    )


def nested(k):
    inner = keras.Sequential([keras.Input((6,)), adapted(k)])
    return made(
        keras.Sequential([keras.Input((6,)), inner, keras.layers.Dense(4)])
    )


def by_hand(name, values):
    def make(k):
        model = made(mlp(3, keras.layers.LayerNormalization()))
        setattr(model.layers[1], name, values[k])
        return model

    return make


def on_the_weights(name, values):
    def make(k):
        model = mlp(3)
        setattr(model.layers[0].kernel, name, values[k])
        return made(model)

    return make


def frozen_layer(k):
    model = mlp(3)
    model.layers[0].trainable = not k
    return made(model)


def call_of_its_own(k):
    model = made(mlp(3, keras.layers.Identity()))
    model.layers[1].call = lambda x: x * (k + 1)
    return model


def constant_in_the_graph(k):
    x = keras.Input((6,))
    return made(keras.Model(x, keras.layers.Dense(4)(x * (k + 1.0))))


def order_of_the_inputs(k):
    x = [keras.Input((6,), name=n) for n in "ab"]
    parts = [keras.layers.Dense(4)(one) for one in x]
    both = parts[k] - parts[1 - k]
    return made(keras.Model(keras.layers.Identity()(x[0]) * 0 + x[0], both))


def closure(k):
    return lambda x: x * (k + 1)


def activation(k):
    return around(keras.layers.Dense(3, closure(k)))


def lambda_layer(k):
    return around(keras.layers.Lambda(closure(k)))


def arguments_of_a_lambda(k):
    scale = {"scale": k + 1}
    return around(
        keras.layers.Lambda(lambda x, scale: x * scale, arguments=scale)
    )


SCALE = 1.0


def reads_a_global(x):
    return x * SCALE


def changed_global(k):
    globals()["SCALE"] = 1.0 + k
    return around(keras.layers.Dense(3, reads_a_global))


def reads_through_another(x):
    return reads_a_global(x)


def changed_global_of_another(k):
    globals()["SCALE"] = 1.0 + k
    return around(keras.layers.Dense(3, reads_through_another))


class Penalty(keras.regularizers.Regularizer):
    """Says nothing of its factor."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * ops.sum(ops.square(x))


def regularizer(k):
    return around(keras.layers.Dense(3, kernel_regularizer=Penalty(k + 1)))


def activity(k):
    layer = keras.layers.ActivityRegularization(l2=0.1 * (k + 1))
    return around(layer)


def precision(k):
    policy = ("float32", "mixed_float16")[k]
    return around(keras.layers.Dense(3, dtype=policy))


def epsilon(k):
    keras.config.set_epsilon(10.0 ** -(7 + k))
    return made(None)


# --- Layers of the user's


class Scaled(Layer):
    """Hides in Python what it multiplies by."""

    factor = 1.0

    def __init__(self, factor=None, **kwargs):
        super().__init__(**kwargs)
        if factor is not None:
            self.factor = factor

    def call(self, x):
        return x * self.factor


class OfTheClass(Scaled):
    pass


def class_attribute(k):
    OfTheClass.factor = 1.0 + k
    return around(OfTheClass())


class Reversal(Layer):
    """Changes the gradient alone."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        @tf.custom_gradient
        def reverse(x):
            return tf.identity(x), lambda dy: -self.factor * dy

        return reverse(x)


class Masked(Layer):
    def __init__(self, k):
        super().__init__()
        self.mask = np.arange(3) > k

    def call(self, x):
        return ops.where(self.mask, x, 0.0)


class Added(Layer):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def call(self, x):
        self.add_loss(self.k * ops.mean(x))
        return x


class Net(keras.Model):
    """A class of its own around a number."""

    def __init__(self, k):
        super().__init__()
        self.dense = keras.layers.Dense(4)
        self.k = k

    def call(self, x):
        return self.dense(x) * (self.k + 1)


def own_model(k):
    return made(Net(k))


def own_penalty_in_an_own_layer(k):
    class Dense(keras.layers.Dense):
        pass

    return around(Dense(3, kernel_regularizer=Penalty(k + 1)))


# --- What a model is compiled with


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


def text(k):
    layer = keras.layers.StringLookup(vocabulary=["a", "bc"[k]])
    numbers = keras.layers.Lambda(lambda x: tf.strings.as_string(x[:, 0]))
    x = keras.Input((6,))
    found = keras.layers.Reshape((1,))(layer(numbers(x)))
    found = keras.layers.Lambda(lambda x: tf.cast(x, "float32"))(found)
    return made(keras.Model(x, keras.layers.Dense(4)(x + found)))


ALIKE = {
    "adapted": normalization,
    "adapted in an inner model": nested,
    "regularizer set by hand": by_hand(
        "activity_regularizer", [None, keras.regularizers.L2(0.1)]
    ),
    "epsilon set by hand": by_hand("epsilon", [1e-3, 1e-2]),
    "constraint set by hand": on_the_weights(
        "constraint", [None, keras.constraints.NonNeg()]
    ),
    "frozen weights": on_the_weights("trainable", [True, False]),
    "frozen layer": frozen_layer,
    "call of its own": call_of_its_own,
    "constant in the graph": constant_in_the_graph,
    "activation": activation,
    "lambda layer": lambda_layer,
    "arguments of a lambda": arguments_of_a_lambda,
    "changed global": changed_global,
    "changed global of another": changed_global_of_another,
    "regularizer": regularizer,
    "activity": activity,
    "precision": precision,
    "epsilon of Keras": epsilon,
    "own layer": lambda k: around(Scaled(k + 1)),
    "attribute of a class": class_attribute,
    "own gradient": lambda k: around(Reversal(k + 1)),
    "mask": lambda k: around(Masked(k)),
    "added loss": lambda k: around(Added(k)),
    "own model": own_model,
    "penalty in an own layer": own_penalty_in_an_own_layer,
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
APART = {
    "excluded variables": excluded_variables,
    "draws in a loss": draws_in_a_loss,
    "iterator": reads_an_iterator,
    "text": text,
}
CASES = {**ALIKE, **APART}
