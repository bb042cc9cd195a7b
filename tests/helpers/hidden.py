"""Networks made from a number, which no variable of theirs tells.

Two of one number are alike; those of two numbers differ in what a compiled
function would hold as a constant.
"""

import keras
import numpy as np
import tensorflow as tf
from builders import learnable
from builders import mlp
from hidden_compilations import COMPILATIONS
from hidden_compilations import INCOMPARABLE
from hidden_compilations import made

X, Y = learnable(16)
Layer = keras.layers.Layer
ops = keras.ops


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
    **COMPILATIONS,
}
APART = {
    **INCOMPARABLE,
    "text": text,
}
CASES = {**ALIKE, **APART}
