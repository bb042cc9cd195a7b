"""Features of inner layers: terms, steps, runs, and what is left of them."""

import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import compiled
from builders import learnable
from interruptions import check
from replicas import mirrored
from weights import assert_close
from weights import same

import keras_ban
from keras_ban import objectives
from keras_ban.objectives import Features
from keras_ban.objectives import features as losses

X, Y = learnable(60)
IMAGES = np.random.default_rng(2).normal(size=(40, 4, 4, 2)).astype("float32")
FIT = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0}


def dense(units=5, eager=True, rate=0.1):
    """Two hidden layers, the second in a nested model."""
    inputs = keras.Input((6,))
    x = keras.layers.Dense(units, "tanh", name="first")(inputs)
    nested = keras.Sequential(
        [
            keras.Input((units,)),
            keras.layers.Dense(units, "tanh", name="second"),
        ],
        name="nested",
    )
    outputs = keras.layers.Dense(4, name="logits")(nested(x))
    return compiled(
        keras.Model(inputs, outputs),
        eager,
        optimizer=keras.optimizers.SGD(rate),
        metrics=[],
    )


def convolutional(channels=3):
    return compiled(
        keras.Sequential(
            [
                keras.Input((4, 4, 2)),
                keras.layers.Conv2D(channels, 3, name="block"),
                keras.layers.GlobalAveragePooling2D(name="pool"),
                keras.layers.Dense(4),
            ]
        ),
        metrics=[],
    )


def norm(x, axis=-1):
    return x / np.linalg.norm(x, axis=axis, keepdims=True)


def by_numpy(name, a, b):
    """The term of each sample."""
    if name == "mse":
        return ((a - b) ** 2).reshape(len(a), -1).mean(-1)
    if name == "cosine":
        found = 1 - (norm(a) * norm(b)).sum(-1)
        return found.reshape(len(a), -1).mean(-1)
    if name == "attention":
        maps = [norm((x**2).sum(-1).reshape(len(x), -1)) for x in (a, b)]
        return ((maps[0] - maps[1]) ** 2).mean(-1)
    rows = [x.reshape(len(x), -1) for x in (a, b)]
    one, other = (norm(x @ x.T) for x in rows)
    return ((one - other) ** 2).mean(-1)


@pytest.mark.parametrize("name", ["mse", "cosine", "attention", "relations"])
def test_terms_and_gradients_by_numpy(name):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 6, 3, 2, 4))
    [found] = Features({"a": "b"}, name).losses({"a": a}, {"b": b})
    np.testing.assert_allclose(found, by_numpy(name, a, b), rtol=1e-6)
    tensor = tf.constant(a)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        term = Features({"a": "b"}, name).losses({"a": tensor}, {"b": b})
    gradient = tape.gradient(term, tensor).numpy()
    for at in [(0, 0, 0, 0), (3, 2, 1, 3)]:
        step = np.zeros_like(a)
        step[at] = 1e-6
        low, high = (by_numpy(name, a + s, b).sum() for s in (-step, step))
        np.testing.assert_allclose(
            gradient[at], (high - low) / 2e-6, rtol=1e-5, atol=1e-9
        )


def test_nothing_to_compare_has_no_gradient_that_is_none():
    zero = tf.zeros((3, 2, 4))
    for name in ("cosine", "attention", "relations"):
        with tf.GradientTape() as tape:
            tape.watch(zero)
            term = Features({"a": "b"}, name).losses({"a": zero}, {"b": zero})
        assert np.isfinite(tape.gradient(term, zero).numpy()).all()


def test_a_step_by_plain_keras():
    student, teacher = dense(5), dense(7)
    objective = objectives.KD(0.3, 2.0) + Features(
        {"first": "first", "nested/second": "nested/second"}, weight=0.7
    )
    distiller = keras_ban.Distiller(student, teacher, objective)
    distiller.check_models(X, Y)
    projectors = distiller.objective.kept[:4]
    other = keras.models.clone_model(student)
    other.set_weights(student.get_weights())
    kernels = [tf.Variable(v.numpy()) for v in projectors]
    weights = np.linspace(0.5, 2, len(X)).astype("float32")

    def taps(model):
        inner = model.get_layer("nested")
        first = model.get_layer("first").output
        return keras.Model(model.input, [model.output, first, inner(first)])

    logits, *targets = taps(teacher)(X)
    with tf.GradientTape() as tape:
        z, *seen = taps(other)(X)
        terms = objectives.KD(0.3, 2.0).call(Y, z, logits)
        for place, (one, target) in enumerate(zip(seen, targets, strict=True)):
            kernel, bias = kernels[2 * place : 2 * place + 2]
            gap = one @ kernel + bias - target
            terms += 0.7 * tf.reduce_mean(tf.square(gap), -1)
        loss = tf.reduce_mean(weights * terms)
    trained = [v.value for v in other.trainable_weights] + kernels
    gradients = tape.gradient(loss, trained)
    expected = [v - 0.1 * g for v, g in zip(trained, gradients, strict=True)]
    history = distiller.fit(X, Y, 60, 1, 0, sample_weight=weights).history
    np.testing.assert_allclose(history["loss"], loss, rtol=1e-6)
    found = [*student.trainable_weights, *projectors]
    for one, value in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, value, atol=1e-6)


class Counting(keras.layers.Layer):
    """Counts how often it is called."""

    calls = 0

    def call(self, x):
        self.calls += 1
        return x


def test_each_network_runs_once_a_step():
    def counted():
        layer = Counting(name="counting")
        inputs = keras.Input((6,))
        x = layer(keras.layers.Dense(4, name="hidden")(inputs))
        model = compiled(
            keras.Model(inputs, keras.layers.Dense(4)(x)), metrics=[]
        )
        return model, layer

    (student, one), (teacher, other) = counted(), counted()
    pairs = {"hidden": "hidden", "counting": "counting"}
    distiller = keras_ban.Distiller(
        student, teacher, objectives.KD() + Features(pairs)
    )
    distiller.check_models(X, Y)
    one.calls = other.calls = 0
    distiller.train_on_batch(X, Y)
    assert (one.calls, other.calls) == (1, 1)


def test_the_student_that_comes_out_has_no_trace(tmp_path):
    objective = ["ban", Features({"first": "first"})]
    ban = keras_ban.BornAgain(lambda: dense(5), objective)
    lineage = ban.fit(X, Y, 1, teacher=dense(7), **FIT)
    model, fresh = lineage[1].model, dense(5)
    for one, other in zip(model.variables, fresh.variables, strict=True):
        assert one.path == other.path
    assert [a.name for a in model.layers[1:]] == [
        a.name for a in fresh.layers[1:]
    ]
    assert not any("call" in vars(layer) for layer in model.layers)
    assert len(model.optimizer.variables) == len(fresh.optimizer.variables)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        config = json.dumps(json.loads(file.read("config.json"))["config"])
    assert "keras_ban" not in config
    assert "feature_loss" in lineage[1].history


def test_cached_is_online():
    objective = objectives.KD() + Features({"block": "block"}, "attention")
    objective = objective + Features({"pool": "pool"}, "cosine")
    y, teacher = np.arange(40) % 4, convolutional(5)
    found = [
        keras_ban.BornAgain(lambda: convolutional(2), objective).fit(
            IMAGES, y, 1, teacher, teacher_outputs=outputs, **FIT
        )
        for outputs in ("online", "cached")
    ]
    assert_close(found[0][1].model, found[1][1].model, atol=1e-6)
    losses = [lineage[1].history["feature_loss"] for lineage in found]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize(
    "loss", [pytest.param("mse", marks=pytest.mark.slow), "relations"]
)
def test_two_replicas_train_as_one_device(loss):
    teacher, found = dense(7), []
    for strategy in (None, mirrored(2)):
        ban = keras_ban.BornAgain(
            lambda: dense(5, eager=False),
            objectives.KD() + Features({"first": "first"}, loss),
            strategy=strategy,
        )
        # One row of the last batch is left for one replica.
        found.append(ban.fit(X[:49], Y[:49], 1, teacher, **FIT))
    assert_close(found[0][1].model, found[1][1].model, atol=1e-5)


def test_an_interrupted_run_has_the_same_bits(tmp_path):
    teacher = dense(7)
    check(
        tmp_path,
        x=X,
        y=Y,
        batch_size=16,
        model=lambda: dense(5),
        teacher=teacher,
        objective=objectives.KD() + Features({"first": "first"}),
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    objective = objectives.KD() + Features({"first": "first"})
    student = dense(5)
    distiller = keras_ban.Distiller(student, dense(7), objective)
    distiller.check_models(X, Y)
    before = [v.numpy() for v in distiller.objective.kept[:2]]
    history = distiller.fit(X, Y, **FIT).history
    assert np.isfinite(history["loss"]).all()
    kept = [v.numpy() for v in distiller.objective.kept[:2]]
    assert not np.array_equal(before[0], kept[0])
    assert np.isfinite(kept[0]).all()


def anew(model):
    model.compile(keras.optimizers.SGD(0.1), model.loss, run_eagerly=True)


def test_a_phase_leaves_projectors_as_they_are():
    objective = objectives.KD() + Features({"first": "first"}, weight=0.5)
    teacher, found = dense(7), []
    for phases in (None, {1: anew}):
        ban = keras_ban.BornAgain(dense, objective, seed=1)
        lineage = ban.fit(
            X, Y, generations=1, teacher=teacher, phases=phases, **FIT
        )
        found.append(lineage[1])
    # SGD has no state of its own, so that nothing else begins anew.
    assert same(found[0].model, found[1].model)
    assert found[0].history == found[1].history


def test_the_learning_rate_is_the_students():
    student = dense(5)
    distiller = keras_ban.Distiller(
        student, dense(7), objectives.KD() + Features({"first": "first"})
    )
    distiller.check_models(X, Y)
    before = distiller.objective.kept[0].numpy()
    student.optimizer.learning_rate = 0.0
    distiller.fit(X, Y, **FIT)
    np.testing.assert_array_equal(before, distiller.objective.kept[0])


class Own(keras.Model):
    """A model of a class of its own."""

    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(4, name="hidden")
        self.last = keras.layers.Dense(4)

    def call(self, x):
        return self.last(self.hidden(x))


def test_models_of_a_class_of_ones_own():
    teacher, student = Own(), compiled(Own(), metrics=[])
    teacher(X)
    distiller = keras_ban.Distiller(
        student, teacher, [Features({"hidden": "hidden"})], from_logits=True
    )
    history = distiller.fit(X, Y, **FIT).history
    assert history["feature_loss"][1] < history["feature_loss"][0]


def test_by_itself_it_is_added_to_the_labels():
    found = objectives.get(Features({"a": "b"}))
    assert found.name == "labels+features" and found.needs_teacher
    config = keras.saving.serialize_keras_object(found)
    again = keras.saving.deserialize_keras_object(config)
    assert again.features[0].pairs == {"a": "b"}
    with pytest.raises(ValueError, match="one objective of the outputs"):
        objectives.get(["kd", "ban", Features({"a": "b"})])


def own_loss(student, teacher):
    return keras.ops.abs(student - teacher)


def test_a_function_of_both_features():
    [found] = Features({"a": "b"}, own_loss).losses(
        {"a": np.ones((3, 2))}, {"b": np.zeros((3, 2))}
    )
    np.testing.assert_array_equal(found, np.ones(3))
    assert losses.mse is not own_loss


BAD = {
    "no pairs": (lambda: Features({}), "a dict from names"),
    "a number": (lambda: Features({"a": 1}), "a dict from names"),
    "no loss": (lambda: Features({"a": "b"}, "l1"), "Expected one of 'mse'"),
    "a weight": (lambda: Features({"a": "b"}, weight=-1), "`weight`"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_bad_arguments(case):
    make, words = case
    with pytest.raises(ValueError, match=words):
        make()


LAYERS = {
    "of the student": ({"frist": "first"}, "mse", "Did you mean 'first'"),
    "of the teacher": ({"first": "none"}, "mse", "The teacher .* no layer"),
    "nested": ({"nested/third": "first"}, "mse", "no layer 'nested/third'"),
    "without positions": ({"first": "first"}, "attention", "positions"),
}


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
def test_layers_that_cannot_be_compared(case):
    pairs, loss, words = case
    ban = keras_ban.BornAgain(dense, objectives.KD() + Features(pairs, loss))
    with pytest.raises(ValueError, match=words):
        ban.fit(X, Y, verbose=0)


def test_maps_of_other_sizes():
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(3, 2, name="block")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    other = compiled(keras.Model(inputs, keras.layers.Dense(4)(x)))
    objective = objectives.KD() + Features({"block": "block"})
    distiller = keras_ban.Distiller(convolutional(), other, objective)
    with pytest.raises(ValueError, match=r"same axes.*\(8, 2, 2, 3\)"):
        distiller.fit(IMAGES, np.arange(40) % 4, verbose=0)


def test_a_layer_that_is_called_twice():
    shared, inputs = keras.layers.Dense(6, name="shared"), keras.Input((6,))
    twice = compiled(keras.Model(inputs, shared(shared(inputs))))
    objective = objectives.KD() + Features({"shared": "shared"})
    distiller = keras_ban.Distiller(
        twice, keras.models.clone_model(twice), objective, from_logits=True
    )
    with pytest.raises(ValueError, match="called 2 times"):
        distiller.fit(X, Y, verbose=0)


def test_generations_share_what_is_compiled():
    ban = keras_ban.BornAgain(
        lambda: dense(5, eager=False),
        objectives.KD() + Features({"first": "nested/second"}, "cosine"),
    )
    whole = ban.fit(X, Y, 2, **FIT)
    alone = keras_ban.BornAgain(
        lambda: dense(5, eager=False),
        objectives.KD() + Features({"first": "nested/second"}, "cosine"),
    ).fit(X, Y, 2, **FIT)
    assert all(
        same(a.model, b.model) for a, b in zip(whole, alone, strict=True)
    )
