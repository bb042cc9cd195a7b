"""An ensemble gives the mean of what its members give."""

import keras
import numpy as np
import pytest
import reference
from builders import compiled
from builders import functional_mlp
from builders import silent
from builders import two_inputs
from ensembles import SPLIT
from ensembles import X
from ensembles import Y
from ensembles import sequential
from ensembles import sharp
from matrices import pairs
from weights import assert_same

import keras_ban


def silent_of_logits():
    return compiled(silent())


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
    "logits": [functional_mlp, functional_mlp],
    "softmax": [lambda: functional_mlp(last="softmax")] * 3,
    "mixed": [
        functional_mlp,
        lambda: functional_mlp(last="softmax"),
        lambda: functional_mlp(units=9),
    ],
    "sequential": [sequential, lambda: sequential("softmax"), functional_mlp],
    "single": [functional_mlp],
    "single softmax": [lambda: functional_mlp(last="softmax")],
    "subclass first": [silent_of_logits, functional_mlp],
    "subclass second": [functional_mlp, silent_of_logits],
    "same name": [lambda: functional_mlp(name="model")] * 2,
    "names of the ensemble": [
        lambda: functional_mlp(name="ensemble"),
        lambda: functional_mlp(name="mean"),
        lambda: functional_mlp(name="member_0"),
    ],
    "sigmoid": [lambda: functional_mlp(last="sigmoid", outputs=1)] * 2,
    "logit": [lambda: functional_mlp(outputs=1)] * 2,
    "sigmoid and logit": [
        lambda: functional_mlp(last="sigmoid", outputs=1),
        lambda: functional_mlp(outputs=1),
    ],
    "two classes": [
        lambda: functional_mlp(outputs=2),
        lambda: functional_mlp(last="softmax", outputs=2),
    ],
}


@pytest.fixture(params=MEMBERS.values(), ids=MEMBERS)
def members(request):
    return [sharp(make()) for make in request.param]


def test_mean_of_the_predictions_is_a_distribution(members):
    bane = assert_is_mean(members)
    assert isinstance(bane, keras.Model)
    assert bane.compiled
    p = bane.predict(X, verbose=0)
    assert (p >= 0).all()
    if p.shape[-1] > 1:
        np.testing.assert_allclose(p.sum(-1), 1, atol=1e-6)


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
    model = sharp(functional_mlp())
    actual = keras_ban.ensemble(model).predict(X, verbose=0)
    np.testing.assert_allclose(actual, probabilities(model), atol=1e-6)


def test_order_changes_nothing():
    one, other = sharp(functional_mlp()), sharp(functional_mlp(last="softmax"))
    p = keras_ban.ensemble([one, other]).predict(X, verbose=0)
    q = keras_ban.ensemble([other, one]).predict(X, verbose=0)
    np.testing.assert_allclose(p, q, atol=1e-7)


def test_dict_inputs():
    assert_is_mean([two_inputs(), two_inputs()], x=SPLIT)


def test_several_inputs():
    members = [two_inputs(list, "softmax") for _ in range(2)]
    assert_is_mean(members, x=list(SPLIT.values()))


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
    members = [functional_mlp(last=activation), functional_mlp(last=activation)]
    assert members[0].output.dtype == "float16"
    assert_is_mean(members, atol=2e-3)


def test_members_of_two_policies():
    keras.config.set_dtype_policy("mixed_float16")
    half = functional_mlp()
    keras.config.set_dtype_policy("float32")
    assert_is_mean([half, functional_mlp()], atol=2e-3)


def test_members_are_left_as_they_were():
    members = [functional_mlp(), functional_mlp(last="softmax")]
    members[0].compile("adam", "mse")
    members[1].trainable = False
    before = [m.get_weights() for m in members]
    keras_ban.ensemble(members).predict(X, verbose=0)
    for member, was in zip(members, before, strict=True):
        assert_same(member, was)
    assert type(members[0].optimizer) is keras.optimizers.Adam
    assert not members[1].trainable
    assert members[0].trainable


def test_silent_members_take_from_logits():
    members = [silent(), silent()]
    bane = keras_ban.ensemble(members, from_logits=True)
    expected = np.mean([probabilities(m) for m in members], axis=0)
    np.testing.assert_allclose(bane(X), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["sparse", "column", "one-hot"])
def test_evaluates(kind):
    bane = keras_ban.ensemble(
        [sharp(functional_mlp()), sharp(functional_mlp(last="softmax"))]
    )
    p = bane.predict(X, verbose=0)
    y = {"sparse": Y, "column": Y[:, None], "one-hot": np.eye(4)[Y]}[kind]
    measured = bane.evaluate(X, y, verbose=0, return_dict=True)
    nll = -np.log(np.float64(p[np.arange(20), Y])).mean()
    assert measured["loss"] == pytest.approx(nll, rel=1e-4)
    assert measured["accuracy"] == pytest.approx((p.argmax(-1) == Y).mean())


@pytest.mark.parametrize(
    "activation, column", pairs(["sigmoid", None], [False, True])
)
def test_evaluates_binary(activation, column):
    members = [
        sharp(functional_mlp(last=activation, outputs=1)) for _ in range(2)
    ]
    bane = keras_ban.ensemble(members)
    p, y = bane.predict(X, verbose=0)[:, 0], Y % 2
    measured = bane.evaluate(
        X, y[:, None] if column else y, verbose=0, return_dict=True
    )
    nll = -np.log(np.where(y, p, 1 - p)).mean()
    assert measured["loss"] == pytest.approx(nll, rel=1e-4)
    assert measured["accuracy"] == pytest.approx(((p > 0.5) == y).mean())


def test_ensemble_of_ensembles():
    models = [sharp(functional_mlp()) for _ in range(4)]
    two = [keras_ban.ensemble(models[:2]), keras_ban.ensemble(models[2:])]
    p = keras_ban.ensemble(two).predict(X, verbose=0)
    expected = np.mean([probabilities(m) for m in models], axis=0)
    np.testing.assert_allclose(p, expected, atol=1e-6)


def test_from_logits_leaves_members_that_say_it_alone():
    one, other = functional_mlp(), functional_mlp()
    told = keras_ban.ensemble([one, other], from_logits=False)
    untold = keras_ban.ensemble([one, other])
    np.testing.assert_array_equal(told(X), untold(X))
