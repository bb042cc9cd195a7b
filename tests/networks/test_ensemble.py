import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

import keras_ban

X = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")
Y = np.arange(20) % 4


def network(activation=None, outputs=4, units=5, name=None):
    x = keras.Input((6,))
    h = keras.layers.Dense(units, "relu")(x)
    y = keras.layers.Dense(outputs, activation)(h)
    return keras.Model(x, y, name=name)


def sequential(activation=None, outputs=4):
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(outputs, activation),
        ]
    )


def dict_network():
    x = {"a": keras.Input((4,), name="a"), "b": keras.Input((2,), name="b")}
    h = keras.layers.Concatenate()([x["a"], x["b"]])
    return keras.Model(x, keras.layers.Dense(4)(h))


def list_network():
    x = [keras.Input((4,)), keras.Input((2,))]
    h = keras.layers.Concatenate()(x)
    return keras.Model(x, keras.layers.Dense(4, "softmax")(h))


@keras.saving.register_keras_serializable(package="tests")
class Subclass(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(4)

    def call(self, x):
        return self.dense(x)


def subclass():
    model = Subclass()
    model(X)
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def sharp(model, factor=3.0):
    weights = model.get_weights()
    model.set_weights([factor * w for w in weights])
    return model


def probabilities(model, x=X):
    z = np.asarray(model(x, training=False), "float64")
    kind = getattr(model.layers[-1], "activation", None)
    if kind is keras.activations.softmax or kind is keras.activations.sigmoid:
        return z
    if z.shape[-1] == 1:
        return 1 / (1 + np.exp(-z))
    return reference.softmax(z)


def assert_is_mean(models, weights=None, x=X, atol=1e-6):
    bane = keras_ban.ensemble(models, weights)
    expected = np.average(
        [probabilities(m, x) for m in models], axis=0, weights=weights
    )
    actual = bane.predict(x, verbose=0)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=atol)
    return bane


MEMBERS = {
    "logits": [network, network],
    "softmax": [lambda: network("softmax")] * 3,
    "mixed": [network, lambda: network("softmax"), lambda: network(units=9)],
    "sequential": [sequential, lambda: sequential("softmax"), network],
    "single": [network],
    "single softmax": [lambda: network("softmax")],
    "subclass first": [subclass, network],
    "subclass second": [network, subclass],
    "same name": [lambda: network(name="model")] * 2,
    "names of the ensemble": [
        lambda: network(name="ensemble"),
        lambda: network(name="mean"),
        lambda: network(name="member_0"),
    ],
    "sigmoid": [lambda: network("sigmoid", 1)] * 2,
    "logit": [lambda: network(None, 1)] * 2,
    "sigmoid and logit": [
        lambda: network("sigmoid", 1),
        lambda: network(None, 1),
    ],
    "two classes": [lambda: network(None, 2), lambda: network("softmax", 2)],
}


@pytest.fixture(params=MEMBERS.values(), ids=MEMBERS)
def members(request):
    return [sharp(make()) for make in request.param]


def test_mean_of_the_predictions(members):
    bane = assert_is_mean(members)
    assert isinstance(bane, keras.Model)
    assert bane.compiled


@pytest.mark.parametrize(
    "weights",
    [
        [0.2, 0.3, 0.5],
        [1, 0, 0],
        (2, 3, 5),
        np.array([1.0, 1.0, 1.0]),
        [1e-3, 2e-3, 0],
    ],
)
def test_weights(weights):
    members = [sharp(make()) for make in MEMBERS["mixed"]]
    assert_is_mean(members, weights)


def test_one_model_without_a_list():
    model = sharp(network())
    actual = keras_ban.ensemble(model).predict(X, verbose=0)
    np.testing.assert_allclose(actual, probabilities(model), atol=1e-6)


def test_rows_are_distributions(members):
    p = keras_ban.ensemble(members).predict(X, verbose=0)
    assert (p >= 0).all()
    if p.shape[-1] > 1:
        np.testing.assert_allclose(p.sum(-1), 1, atol=1e-6)


def test_order_changes_nothing():
    one, other = sharp(network()), sharp(network("softmax"))
    p = keras_ban.ensemble([one, other]).predict(X, verbose=0)
    q = keras_ban.ensemble([other, one]).predict(X, verbose=0)
    np.testing.assert_allclose(p, q, atol=1e-7)


SPLIT = {"a": X[:, :4], "b": X[:, 4:]}


def test_dict_inputs():
    assert_is_mean([dict_network(), dict_network()], x=SPLIT)


def test_several_inputs():
    assert_is_mean([list_network(), list_network()], x=list(SPLIT.values()))


def test_integer_inputs():
    def model():
        x = keras.Input((3,), dtype="int32")
        h = keras.layers.Flatten()(keras.layers.Embedding(7, 2)(x))
        return keras.Model(x, keras.layers.Dense(4)(h))

    x = np.random.default_rng(0).integers(0, 7, (5, 3))
    bane = assert_is_mean([model(), model()], x=x)
    assert bane.inputs[0].dtype == "int32"


def test_sequences():
    def model():
        x = keras.Input((None, 3))
        return keras.Model(x, keras.layers.Dense(4)(x))

    x = np.random.default_rng(0).normal(size=(5, 7, 3)).astype("float32")
    assert_is_mean([model(), model()], x=x)


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_half_precision_members_give_float32(activation):
    keras.config.set_dtype_policy("mixed_float16")
    members = [network(activation), network(activation)]
    assert members[0].output.dtype == "float16"
    assert_is_mean(members, atol=2e-3)


def test_members_of_two_policies():
    keras.config.set_dtype_policy("mixed_float16")
    half = network()
    keras.config.set_dtype_policy("float32")
    assert_is_mean([half, network()], atol=2e-3)


def test_members_are_left_as_they_were():
    members = [network(), network("softmax")]
    members[0].compile("adam", "mse")
    members[1].trainable = False
    before = [m.get_weights() for m in members]
    keras_ban.ensemble(members).predict(X, verbose=0)
    for member, was in zip(members, before, strict=True):
        for a, b in zip(member.get_weights(), was, strict=True):
            assert np.array_equal(a, b)
    assert type(members[0].optimizer) is keras.optimizers.Adam
    assert not members[1].trainable
    assert members[0].trainable


def test_silent_members_take_from_logits():
    members = [Subclass(), Subclass()]
    for member in members:
        member(X)
    bane = keras_ban.ensemble(members, from_logits=True)
    expected = np.mean([probabilities(m) for m in members], axis=0)
    np.testing.assert_allclose(bane(X), expected, atol=1e-6)


LOADS = """
import json, sys, warnings
sys.modules["keras_ban"] = None
try:
    import keras_ban
except ImportError:
    pass
else:
    raise SystemExit("keras_ban can be imported")
import keras, numpy as np
warnings.simplefilter("error")
data = dict(np.load("x.npz"))
for name, inputs in json.loads(sys.argv[1]).items():
    x = {k: data[k] for k in inputs} if len(inputs) > 1 else data[inputs[0]]
    model = keras.models.load_model(name + ".keras")
    assert model.compiled
    np.save(name + ".npy", model.predict(x, verbose=0))
"""


def test_loads_where_keras_ban_is_not_installed(tmp_path):
    members = {
        "mixed": [network(), network("softmax"), sequential()],
        "binary": [network("sigmoid", 1), network(None, 1)],
        "dict": [dict_network(), dict_network()],
    }
    expected, inputs = {}, {}
    for name, models in members.items():
        bane = keras_ban.ensemble(models, range(1, len(models) + 1))
        expected[name] = bane.predict(SPLIT if name == "dict" else X, verbose=0)
        inputs[name] = ["a", "b"] if name == "dict" else ["x"]
        bane.save(tmp_path / f"{name}.keras")
    np.savez(tmp_path / "x.npz", x=X, **SPLIT)
    ran = subprocess.run(
        [sys.executable, "-I", "-c", LOADS, json.dumps(inputs)],
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    for name, p in expected.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), p)


def loaded(model, path):
    model.save(path / "model.keras")
    return keras.models.load_model(path / "model.keras")


def test_subclassed_members_load(tmp_path):
    models = [Subclass(), network(), Subclass()]
    for model in models:
        model(X)
    bane = keras_ban.ensemble(models, from_logits=True)
    np.testing.assert_array_equal(loaded(bane, tmp_path)(X), bane(X))


@pytest.mark.parametrize("build", [network, sequential])
@pytest.mark.parametrize("trained", [False, True])
def test_compiled_members_load(tmp_path, build, trained):
    models = [build(), build()]
    for model in models:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, run_eagerly=True)
        if trained:
            model.fit(X, Y, verbose=0)
    bane = keras_ban.ensemble(models)
    np.testing.assert_array_equal(loaded(bane, tmp_path)(X), bane(X))


def test_half_precision_members_load_under_another_policy(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    bane = keras_ban.ensemble([network(), network("softmax")])
    keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(loaded(bane, tmp_path)(X), bane(X))


def test_exports(tmp_path):
    bane = keras_ban.ensemble([network(), network("softmax"), sequential()])
    bane.export(tmp_path / "bane", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "bane"))
    np.testing.assert_allclose(exported.serve(X), bane(X), atol=1e-6)


@pytest.mark.parametrize("kind", ["sparse", "column", "one-hot"])
def test_evaluates(kind):
    bane = keras_ban.ensemble([sharp(network()), sharp(network("softmax"))])
    p = bane.predict(X, verbose=0)
    y = {"sparse": Y, "column": Y[:, None], "one-hot": np.eye(4)[Y]}[kind]
    measured = bane.evaluate(X, y, verbose=0, return_dict=True)
    nll = -np.log(np.float64(p[np.arange(20), Y])).mean()
    assert measured["loss"] == pytest.approx(nll, rel=1e-4)
    assert measured["accuracy"] == pytest.approx((p.argmax(-1) == Y).mean())


@pytest.mark.parametrize("activation", ["sigmoid", None])
@pytest.mark.parametrize("column", [False, True])
def test_evaluates_binary(activation, column):
    members = [sharp(network(activation, 1)) for _ in range(2)]
    bane = keras_ban.ensemble(members)
    p, y = bane.predict(X, verbose=0)[:, 0], Y % 2
    measured = bane.evaluate(
        X, y[:, None] if column else y, verbose=0, return_dict=True
    )
    nll = -np.log(np.where(y, p, 1 - p)).mean()
    assert measured["loss"] == pytest.approx(nll, rel=1e-4)
    assert measured["accuracy"] == pytest.approx(((p > 0.5) == y).mean())


def test_teaches_from_memory_and_after_loading(tmp_path):
    bane = keras_ban.ensemble([sharp(network()), sharp(network("softmax"))])

    def model_fn():
        model = network()
        model.compile("sgd", run_eagerly=True)
        return model

    students = []
    for teacher in (bane, loaded(bane, tmp_path)):
        ban = keras_ban.BornAgain(model_fn)
        lineage = ban.fit(X, teacher=teacher, generations=1, verbose=0)
        assert lineage[0].model is teacher
        students.append(lineage[1].model.get_weights())
    for a, b in zip(*students, strict=True):
        np.testing.assert_array_equal(a, b)


def test_ensemble_of_ensembles():
    models = [sharp(network()) for _ in range(4)]
    two = [keras_ban.ensemble(models[:2]), keras_ban.ensemble(models[2:])]
    p = keras_ban.ensemble(two).predict(X, verbose=0)
    expected = np.mean([probabilities(m) for m in models], axis=0)
    np.testing.assert_allclose(p, expected, atol=1e-6)


def other_inputs():
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])


def two_outputs():
    x = keras.Input((6,))
    return keras.Model(x, [keras.layers.Dense(4)(x), keras.layers.Dense(4)(x)])


ERRORS = {
    "empty": (lambda: [], "`models`.*one or more.*Received: \\[\\]"),
    "none": (lambda: None, "`models`.*one or more.*Received"),
    "no models": (lambda: [network(), "b"], "`models`.*Received"),
    "function": (lambda: [network], "`models`.*Received"),
    "unbuilt": (
        lambda: [network(), keras.Sequential([keras.layers.Dense(4)])],
        "no weights yet.*Expected trained.*Call it",
    ),
    "unbuilt subclass": (lambda: [Subclass()], "no weights yet.*Call it"),
    "other classes": (
        lambda: [network(), network(None, 3)],
        r"same classes.*\(None, 4\).*\(None, 3\)",
    ),
    "binary and two classes": (
        lambda: [network("sigmoid", 1), network(None, 2)],
        r"same classes.*\(None, 1\).*\(None, 2\)",
    ),
    "other inputs": (
        lambda: [network(), other_inputs()],
        "(?s)does not take the inputs.*same inputs.*Received",
    ),
    "dict and array": (
        lambda: [network(), dict_network()],
        "(?s)does not take the inputs.*same inputs.*Received",
    ),
    "array and dict": (
        lambda: [dict_network(), network()],
        "(?s)does not take the inputs.*same inputs.*Received",
    ),
    "two outputs": (lambda: [two_outputs()], "one output each.*Received"),
    "relu": (lambda: [network("relu")], "Cannot tell for certain.*from_logits"),
    "several sigmoids": (
        lambda: [network("sigmoid")],
        "Cannot tell for certain.*from_logits",
    ),
}


@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS)
def test_members_do_not_fit(case):
    make, words = case
    with pytest.raises(ValueError, match=words):
        keras_ban.ensemble(make())


@pytest.mark.parametrize(
    "weights",
    [
        [1.0],
        [1, 1, 1],
        [-1, 2],
        [0, 0],
        [float("nan"), 1],
        [float("inf"), 1],
        [[1], [1]],
        1.0,
        [],
        ["a", "b"],
    ],
)
def test_weights_do_not_fit(weights):
    with pytest.raises(ValueError, match=r"`weights`.*Expected 2.*Received"):
        keras_ban.ensemble([network(), network()], weights)


def test_from_logits_leaves_members_that_say_it_alone():
    one, other = network(), network()
    told = keras_ban.ensemble([one, other], from_logits=False)
    untold = keras_ban.ensemble([one, other])
    np.testing.assert_array_equal(told(X), untold(X))


def test_same_model_twice():
    model = network()
    with pytest.raises(ValueError, match="twice"):
        keras_ban.ensemble([model, model])
