"""What a step of several replicas sums over them, and in how many sums."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import LOGITS
from builders import learnable
from builders import mlp
from replicas import mirrored

import keras_ban
from keras_ban import models
from keras_ban.distribution import exact

# Steps of 20 rows; the last has one, fewer than there are replicas.
X, Y = learnable(61)
FIT = {"batch_size": 20, "shuffle": False, "verbose": 0}


def normalization(synchronized=False):
    return keras.layers.BatchNormalization(synchronized=synchronized)


def convolutional():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3),
            normalization(),
            layers.ReLU(),
            layers.Conv2D(4, 3),
            normalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
    )


def wide_resnet():
    return models.get("wide_resnet_16_1", 4, input_shape=(32, 32, 3))


def sums_in_a_step(network, objective, metrics=True):
    """How many collective operations each replica has in a step's graph."""
    strategy = mirrored(2)
    with strategy.scope():
        student, teacher = network(), network()
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        student.compile(
            optimizer, LOGITS, metrics=["accuracy"] if metrics else None
        )
    shape = student.input_shape[1:]
    x = np.ones((4, *shape), student.inputs[0].dtype)
    y = np.zeros((4, *student.output_shape[1:-1]), "int32")
    distiller = keras_ban.Distiller(student, teacher, objective)
    distiller.check_models(x, y)
    exact.build(student, x, y)
    ds = tf.data.Dataset.from_tensors((x, y))
    ds = distiller.distribute_strategy.experimental_distribute_dataset(ds)

    @tf.function(autograph=False)
    def step(data):
        return strategy.run(distiller.train_step, args=(data,))

    graph = step.get_concrete_function(next(iter(ds))).graph.as_graph_def()
    nodes = list(graph.node)
    for function in graph.library.function:
        nodes += function.node_def
    found = [n.op for n in nodes if "Collective" in n.op or "Nccl" in n.op]
    assert len(found) % 2 == 0, found
    return len(found) // 2


# The gradients, all sums that are logged and all moving averages are one; the
# teacher's confidence over the batch has to be known before.
EXPECTED = {"labels": 1, "ban+l": 1, "cwtm": 2}
OFTEN = {
    (mlp, "cwtm", True),
    (convolutional, "ban+l", True),
}
CASES = [
    pytest.param(*case, marks=[] if case in OFTEN else pytest.mark.slow)
    for case in itertools.product(
        (mlp, convolutional, wide_resnet), EXPECTED, (False, True)
    )
]


@pytest.mark.parametrize("network, objective, metrics", CASES)
def test_sums_of_a_step_travel_together(network, objective, metrics):
    found = sums_in_a_step(network, objective, metrics)
    assert found == EXPECTED[objective]


def masked():
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((5, 6)), layers.Masking(), layers.Dense(4)]
    )


def test_what_a_mask_counts_is_summed_once():
    # Once for the loss and all that is logged; then confidence, gradients.
    assert sums_in_a_step(masked, "cwtm") == 3


def test_other_sums_are_counted_too():
    def network():
        return mlp(8, normalization(synchronized=True))

    # Such a layer waits for the other replicas, forward and back.
    assert sums_in_a_step(network, "labels") > 2


def normalized():
    keras.utils.set_random_seed(1)
    layers = [keras.Input((6,)), normalization(), keras.layers.Dense(4)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.1), LOGITS)
    return model


def moving_averages(count):
    """Those of the inputs in NumPy, of so many replicas, in float64."""
    mean, variance = np.zeros(6), np.ones(6)
    x = X.astype("float64")
    for start in range(0, len(x), 20):
        batch = x[start : start + 20]
        cuts = [len(batch) * k // count for k in range(count + 1)]
        parts = [batch[a:b] for a, b in itertools.pairwise(cuts)]
        shares = [(len(p) / len(batch), p) for p in parts if len(p)]
        mean = 0.99 * mean + 0.01 * batch.mean(0)
        within = sum(share * part.var(0) for share, part in shares)
        variance = 0.99 * variance + 0.01 * within
    return mean, variance


class Own(keras.Model):
    """Trains as Keras does, by a method of its own."""

    def train_step(self, data):
        return super().train_step(data)


def own():
    model = normalized()
    own = Own(model.inputs, model.outputs)
    own.compile(keras.optimizers.SGD(0.1), LOGITS)
    return own


@pytest.mark.parametrize(
    "count, make",
    [
        (2, normalized),
        pytest.param(4, normalized, marks=pytest.mark.slow),
        (2, own),
    ],
)
def test_moving_averages_are_those_of_all_replicas(count, make):
    with mirrored(count).scope():
        model = make()
    keras_ban.Distiller(model, None, "labels").fit(X, Y, **FIT)
    layer = model.layers[-2]
    found = layer.moving_mean, layer.moving_variance
    for variable, expected in zip(found, moving_averages(count), strict=True):
        for held in variable.value.values:
            np.testing.assert_allclose(held, expected, rtol=1e-5, atol=1e-7)
            np.testing.assert_array_equal(held, variable.value.values[0])
