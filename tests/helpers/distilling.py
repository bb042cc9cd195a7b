"""Steps of the distiller, and the same ones worked out by hand."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import LOGITS
from builders import mlp

import keras_ban

N = 4


RATE = 64.0


L2 = 0.015625


def busy(last=None, drop=0.3):
    between = keras.layers.BatchNormalization(), keras.layers.Dropout(drop)
    return mlp(8, *between, last=last, l2=L2)


def copy(model, **arguments):
    """An `mlp` of these arguments with the weights of the model."""
    result = mlp(**arguments)
    result.set_weights(model.get_weights())
    return result


def distiller(
    student,
    teacher,
    objective="ban",
    loss=LOGITS,
    rate=1.0,
    optimizer=None,
    run_eagerly=True,
    **arguments,
):
    result = keras_ban.Distiller(student, teacher, objective)
    result.compile(
        optimizer or keras.optimizers.SGD(rate),
        loss,
        run_eagerly=run_eagerly,
        **arguments,
    )
    return result


def fit(model, x, y=None, **arguments):
    """The history of a fit in one batch, in the order of the rows."""
    arguments = {"batch_size": 96, "shuffle": False, "verbose": 0} | arguments
    return model.fit(x, y, **arguments).history


def logs(model, x, y=None, **arguments):
    """What the last epoch of `fit` logs."""
    history = fit(model, x, y, **arguments)
    return {name: values[-1] for name, values in history.items()}


def batch_logs(model, x, y=None, weight=None):
    """What one step logs."""
    logs = model.train_on_batch(x, y, weight, return_dict=True)
    return {name: float(value) for name, value in logs.items()}


def change(model, train):
    """By how much `train()` changes the weights of a model."""
    before = model.get_weights()
    train()
    return [b - a for a, b in zip(before, model.get_weights(), strict=True)]


def update(model, x, y=None, **arguments):
    """By how much `fit` changes the student's weights."""
    return change(model.student, lambda: fit(model, x, y, **arguments))


def step(student, teacher, objective, x, y=None, weight=None, **arguments):
    """By how much one step of gradient descent changes the weights."""
    model = distiller(student, teacher, objective, **arguments)
    return change(student, lambda: model.train_on_batch(x, y, weight))


def flat(arrays):
    return np.concatenate([np.ravel(a).astype("float64") for a in arrays])


def error(actual, expected):
    """Size of the difference, relative to the size of what is expected."""
    actual, expected = flat(actual), flat(expected)
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def bits(arrays):
    return [np.asarray(a).tobytes() for a in arrays]


def variables(model):
    return [keras.ops.convert_to_numpy(v) for v in model.variables]


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float64")


def dyadic(count):
    """Sample weights that every float type holds exactly."""
    return np.array([0.5, 1.0, 2.0, 0.25, 0.0, 4.0])[np.arange(count) % 6]


def forward(weights, x):
    w1, b1, w2, b2 = weights
    return tf.tanh(x @ w1 + b1) @ w2 + b2


def cross_entropy(p, z):
    return -tf.reduce_sum(p * tf.nn.log_softmax(z), axis=-1)


def ban(y, z, t):
    return cross_entropy(tf.nn.softmax(t), z)


def ban_with_labels(y, z, t):
    return cross_entropy(y, z) + cross_entropy(tf.nn.softmax(t), z)


def cwtm(y, z, t):
    confidence = tf.reduce_max(tf.nn.softmax(t), axis=-1)
    weights = confidence / tf.reduce_sum(confidence)
    return len(y) * weights * cross_entropy(y, z)


def kd(y, z, t, alpha=0.5, temperature=2.0):
    p = tf.nn.softmax(t / temperature)
    soft = temperature**2 * cross_entropy(p, z / temperature)
    return alpha * cross_entropy(y, z) + (1 - alpha) * soft


def divergence(p, q):
    return tf.reduce_sum(p * tf.math.log(p / q), axis=-1)


def dkd(y, z, t, alpha=1.0, beta=8.0, temperature=4.0):
    p, q = tf.nn.softmax(t / temperature), tf.nn.softmax(z / temperature)
    true = [tf.reduce_sum(y * x, axis=-1) for x in (p, q)]
    tckd = divergence(*(tf.stack([x, 1 - x], axis=-1) for x in true))
    rest = [
        tf.boolean_mask(x, y == 0) / tf.repeat(1 - own, x.shape[-1] - 1)
        for x, own in zip((p, q), true, strict=True)
    ]
    nckd = divergence(*(tf.reshape(x, (len(y), -1)) for x in rest))
    soft = temperature**2 * (alpha * tckd + beta * nckd)
    return cross_entropy(y, z) + soft


def correlation(x, y, axis):
    x, y = (v - tf.reduce_mean(v, axis, keepdims=True) for v in (x, y))
    sizes = tf.norm(x, axis=axis) * tf.norm(y, axis=axis)
    return tf.reduce_sum(x * y, axis) / sizes


def dist(y, z, t):
    p, q = tf.nn.softmax(t), tf.nn.softmax(z)
    inter = 1 - correlation(q, p, -1)
    intra = 1 - tf.reduce_mean(correlation(q, p, 0))
    return cross_entropy(y, z) + inter + intra


def logit_regression(y, z, t):
    return tf.reduce_mean((z - t) ** 2, axis=-1)


FORMULAS = {
    "ban": ban,
    "ban+l": ban_with_labels,
    "cwtm": cwtm,
    "kd": kd,
    "dkd": dkd,
    "dist": dist,
    "logits": logit_regression,
}


each_objective = pytest.mark.parametrize("objective", FORMULAS)


def step_by_hand(formula, weights, targets, x, y, weight, l2=0.0, parts=1):
    """One step in float64 with the mean gradient of `parts` batches.

    `targets(x)` gives the teacher's logits.
    """
    trained = [tf.Variable(w, dtype="float64") for w in weights]
    gradients = []
    for rows in np.split(np.arange(len(x)), parts):
        inputs = x[rows].astype("float64")
        with tf.GradientTape() as tape:
            z = forward(trained, inputs)
            losses = formula(np.eye(N)[y[rows]], z, targets(inputs))
            penalty = sum(tf.reduce_sum(v**2) for v in trained[::2])
            loss = tf.reduce_mean(weight[rows] * losses) + l2 * penalty
        gradients.append(tape.gradient(loss, trained))
    return [-RATE * np.mean(g, axis=0) for g in zip(*gradients, strict=True)]


def targets_of(teacher):
    weights = [w.astype("float64") for w in teacher.get_weights()]
    return functools.partial(forward, weights)


class Counted(keras.Model):
    """Counts its calls, and fails if it is told to."""

    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(8, activation="tanh")
        self.head = keras.layers.Dense(N)
        self.fails = False
        self.calls = 0

    def call(self, x):
        assert not self.fails
        self.calls += 1
        return self.head(self.hidden(x))


def squared_distance(y_true, y_pred):
    y_true = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), N)
    return keras.ops.sum(keras.ops.square(y_pred - y_true), axis=-1)


def one_hot(y, row):
    """Rows of the labels, one of which is another."""
    y = np.eye(N)[y]
    y[17] = row
    return y
