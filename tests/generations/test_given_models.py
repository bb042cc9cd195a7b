"""A `keras.Model` in place of a function: what is drawn anew, what is kept."""

import warnings

import keras
import numpy as np
import pytest
from builders import compiled
from builders import linear
from builders import mlp
from lineages import FIT
from lineages import X
from lineages import Y
from matrices import values
from refusals import refused
from weights import same

import keras_ban

Layer = keras.layers


def adapted():
    layer = Layer.Normalization()
    layer.adapt(X)
    return layer


class Composite(Layer.Layer):
    """Holds layers in a list in a dict."""

    def __init__(self, *layers, **kwargs):
        super().__init__(**kwargs)
        self.held = {"all": list(layers)}

    def call(self, x):
        for layer in self.held["all"]:
            x = layer(x)
        return x


NESTS = {
    "a model": lambda layer: keras.Sequential([keras.Input((6,)), layer]),
    "a model in a model": lambda layer: keras.Sequential(
        [keras.Input((6,)), keras.Sequential([keras.Input((6,)), layer])]
    ),
    "a functional model": lambda layer: (
        lambda x: keras.Model(x, Layer.Dense(6)(layer(x)))
    )(keras.Input((6,))),
    "a wrapper": lambda layer: keras.Sequential(
        [
            keras.Input((6,)),
            Layer.Reshape((1, 6)),
            Layer.TimeDistributed(keras.Sequential([keras.Input((6,)), layer])),
            Layer.Flatten(),
        ]
    ),
    "a layer": Composite,
}


@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS)
def test_adapted_layers_are_refused_at_any_depth(nest):
    inner = nest(adapted())
    model = keras.Sequential([keras.Input((6,)), inner, Layer.Dense(4)])
    refused("adapted", "'normalization", "function", model_fn=compiled(model))


def pretrained():
    """A frozen network with weights that no initializer draws."""
    model = keras.Sequential(
        [keras.Input((6,)), Layer.Dense(6, "tanh"), Layer.BatchNormalization()]
    )
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(1, 2, w.shape) for w in model.weights])
    model.trainable = False
    return model


BASES = {**NESTS, "none": lambda layer: layer}
del BASES["a layer"]


@pytest.mark.parametrize("nest", BASES.values(), ids=BASES)
def test_frozen_weights_are_kept_and_all_others_drawn(nest):
    base = pretrained()
    model = keras.Sequential([keras.Input((6,)), nest(base), Layer.Dense(4)])
    frozen = [k for k, w in enumerate(model.weights) if not w.trainable]
    assert len(frozen) == 6
    values = model.get_weights()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        born = keras_ban.BornAgain(compiled(model))
        lineage = born.fit(X, Y, 1, **FIT)
    for generation in lineage:
        found = generation.model
        assert [w.trainable for w in found.weights] == [
            w.trainable for w in model.weights
        ]
        for k, (one, two) in enumerate(
            zip(values, found.get_weights(), strict=True)
        ):
            assert np.array_equal(one, two) == (k in frozen)
    assert not same(*(g.model for g in lineage))
    # As plain Keras: the base is as it was, whatever was trained around it.
    assert same(base, pretrained())


def test_weights_that_are_frozen_one_by_one_are_kept():
    model = mlp()
    kernel = model.layers[0].kernel
    kernel.trainable = False
    lineage = keras_ban.BornAgain(compiled(model)).fit(X, Y, 1, **FIT)
    for generation in lineage:
        found = generation.model.layers[0].kernel
        assert not found.trainable
        np.testing.assert_array_equal(found, kernel)
    assert len(generation.model.trainable_weights) == 3


def test_frozen_recurrent_layers_are_kept():
    inner = Layer.Bidirectional(Layer.LSTM(2))
    model = keras.Sequential(
        [keras.Input((6,)), Layer.Reshape((2, 3)), inner, Layer.Dense(4)]
    )
    inner.trainable = False
    lineage = keras_ban.BornAgain(compiled(model)).fit(X, Y, 1, **FIT)
    for generation in lineage:
        assert same(generation.model.layers[1], inner)


def trained(model):
    model.fit(X, Y, verbose=0)
    return model


def loaded(path):
    trained(compiled(mlp())).save(path / "model.keras")
    return keras.models.load_model(path / "model.keras", compile=False)


def set_by_hand(path):
    model = linear()
    model.set_weights([np.ones(w.shape) for w in model.weights])
    return model


TOUCHED = {
    "trained": lambda path: trained(compiled(mlp())),
    "loaded": loaded,
    "set by hand": set_by_hand,
    "beside others": lambda path: [linear, trained(compiled(mlp()))],
}


@pytest.mark.parametrize(
    "make", values(TOUCHED, "trained", "loaded", "beside others")
)
def test_that_training_is_not_taken_up_is_said_once(make, tmp_path):
    born = keras_ban.BornAgain(make(tmp_path), from_logits=True)
    words = "drawn anew.*`fit\\(..., teacher=model\\)`"
    with pytest.warns(UserWarning, match=words) as found:
        born.fit(X, Y, 2, **FIT)
    assert len(found) == 1
    assert found[0].filename == __file__


def bidirectional():
    inner = Layer.Bidirectional(Layer.LSTM(2))
    return keras.Sequential(
        [keras.Input((6,)), Layer.Reshape((2, 3)), inner, Layer.Dense(4)]
    )


UNTOUCHED = {
    "compiled": lambda: compiled(mlp()),
    "uncompiled": mlp,
    "called": lambda: (lambda m: (m(X), m)[1])(compiled(mlp())),
    "normalized": lambda: compiled(mlp(3, Layer.BatchNormalization())),
    "recurrent": lambda: compiled(bidirectional()),
    "a clone": lambda: keras.models.clone_model(compiled(mlp())),
    "not built": lambda: compiled(keras.Sequential([Layer.Dense(4)])),
}


OFTEN = ("compiled", "recurrent", "a clone", "not built")


@pytest.mark.parametrize("make", values(UNTOUCHED, *OFTEN))
def test_nothing_is_said_of_a_model_that_was_never_trained(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keras_ban.BornAgain(make()).fit(X, Y, 1, **{**FIT, "epochs": 1})


def test_a_class_that_a_clone_would_lose():
    class Doubling(keras.Sequential):
        def call(self, x, training=None, mask=None):
            return 2 * super().call(x, training, mask)

    model = compiled(Doubling([keras.Input((6,)), Layer.Dense(4)]))
    words = "cannot clone", "Sequential of a Doubling", "`call`", "function"
    refused(*words, model_fn=model)
