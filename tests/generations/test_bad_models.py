"""Models, teachers and arguments that the driver refuses."""

import functools

import keras
import numpy as np
import pytest
from builders import LOGITS
from builders import Silent
from builders import linear
from builders import silent
from builders import two_outputs
from refusals import INF
from refusals import NAN
from refusals import Untouched
from refusals import Y
from refusals import refused

from keras_ban import objectives

PROBABILITIES = keras.losses.SparseCategoricalCrossentropy()


NOT_CALLABLE = ("Invalid value for argument `model_fn`", "Expected a function")


@pytest.mark.parametrize(
    "model_fn", [None, 3, "densenet", [], [linear, 3], {"a": linear}]
)
def test_model_fn_is_no_function(model_fn):
    refused(*NOT_CALLABLE, repr(model_fn), model_fn=model_fn)


@pytest.mark.parametrize("result", [None, 3, (1, 2), keras.layers.Dense(4)])
def test_model_fn_returns_no_model(result):
    words = "`model_fn` must return", type(result).__name__, "return model"
    refused(*words, model_fn=lambda: result)


def test_model_fn_returns_the_class():
    refused("must return a `keras.Model`", "Received", model_fn=lambda: Silent)


def test_model_fn_returns_the_same_model_twice():
    model = linear()
    words = "one call", "weights of their own", "creates its layers anew"
    refused(*words, model_fn=lambda: model)


def test_model_fn_returns_models_that_share_layers():
    shared = keras.layers.Dense(6)
    shared.build((None, 6))

    def model_fn():
        model = keras.Sequential([keras.Input((6,)), shared])
        model.add(keras.layers.Dense(4))
        return model

    refused("shares 2 weights", "of their own", "anew", model_fn=model_fn)


def test_one_model_in_a_sequence_is_bad():
    refused("must return", model_fn=[linear, lambda: None])
    refused("(8, 4)", "(8, 3)", "same", model_fn=[linear, lambda: linear(3)])


def test_one_object_from_two_functions():
    model = linear()
    models = iter([linear(), linear(), linear(), model, model])
    one, other = (functools.partial(next, models) for _ in range(2))
    refused("weights of their own", model_fn=[one, other])


OUTPUTS = {
    "too few": (
        {},
        {"model_fn": lambda: linear(3)},
        ("0 to 3", "0 to 2", "as many outputs"),
    ),
    "too few, one-hot": (
        {"y": np.eye(4)[Y]},
        {"model_fn": lambda: linear(3)},
        ("(96, 4)", "(96, 3)", "Give the labels"),
    ),
    "labels of another rank": (
        {"y": np.zeros((96, 2, 2), int)},
        {},
        ("(96, 2, 2)", "(96, 4)", "Give the labels"),
    ),
    "one sigmoid, four classes": (
        {},
        {"model_fn": lambda: linear(1, "sigmoid", "binary_crossentropy")},
        ("0 to 3", "0 to 1", "as many outputs"),
    ),
    "several outputs": (
        {},
        {"model_fn": two_outputs},
        ("has the outputs", "labels of each", "one array of shape"),
    ),
    "no classes axis": (
        {},
        {"model_fn": lambda: no_axis()},
        ("must have the shape", "(8,)", "last axis"),
    ),
}


def no_axis():
    x = keras.Input((6,))
    return keras.Model(x, keras.ops.sum(x, axis=-1))


@pytest.mark.parametrize("case", OUTPUTS.values(), ids=OUTPUTS)
def test_outputs_do_not_fit_the_labels(case):
    fit, kwargs, words = case
    refused(*words, **kwargs, **fit)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", None, NAN])
def test_generations(value):
    words = "`generations`", "an integer of at least 1", repr(value)
    refused(*words, generations=value)


@pytest.mark.parametrize("value", [-1, 0.0, 1.5, True, "3", None])
def test_seed(value):
    words = "`seed`", "an integer of at least 0", repr(value)
    refused(*words, born={"seed": value})


def test_model_of_one_class():
    model_fn = functools.partial(linear, 1, "softmax", "bce")
    words = "one class only", "two or more classes", "one sigmoid"
    with pytest.warns(UserWarning, match="softmax"):
        refused(*words, y=Y % 2, model_fn=model_fn)


@pytest.mark.parametrize("name", ["bann", "", 3, None, LOGITS])
def test_unknown_objective(name):
    known = "'ban'", "'ban+l'", "'cwtm'", "'dkpp'", "'kd'", "'logits'"
    refused(*known, "'labels'", "Received", born={"objective": name})


@pytest.mark.parametrize("value", [-0.1, 1.1, NAN, "1", None, True])
def test_alpha(value):
    with pytest.raises(ValueError, match=r"`alpha`.*from 0 to 1.*Received"):
        objectives.KD(alpha=value)


@pytest.mark.parametrize("value", [0, -1, NAN, INF, "1", None, True])
def test_temperature(value):
    with pytest.raises(ValueError, match=r"`temperature`.*positive.*Received"):
        objectives.KD(temperature=value)


TEACHERS = {
    "no weights": (
        lambda: keras.Sequential([keras.layers.Dense(4)]),
        ("no weights", "Expected a trained model", "Train it"),
    ),
    "not built": (
        Silent,
        ("no weights", "Expected a trained model", "call it on a batch"),
    ),
    "other classes": (
        lambda: linear(3),
        ("(8, 4)", "(8, 3)", "the same classes", "Give them"),
    ),
    "no model": (
        lambda: "teacher",
        ("`teacher`", "`.keras` file", "'teacher'"),
    ),
    "a layer": (
        lambda: keras.layers.Dense(4),
        ("`teacher`", "a trained model of the layer"),
    ),
    "the function": (lambda: linear, ("'linear'", "a function of a batch")),
    "empty list": (lambda: [], ("`teacher`", "Expected a trained", "[]")),
    "list with none": (lambda: [linear(), None], ("`teacher`", "None")),
    "other inputs": (
        lambda: keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)]),
        ("expected", "5", "6"),
    ),
    "uncertain": (silent, ("Cannot tell for certain", "from_logits")),
}


@pytest.mark.parametrize("case", TEACHERS.values(), ids=TEACHERS)
def test_teacher(case):
    make, words = case
    refused(*words, teacher=make())


def test_teacher_is_returned_by_model_fn():
    teacher = linear()
    models = iter([teacher, linear()])
    words = "student is the teacher", "weights of their own", "clone"
    refused(*words, teacher=teacher, model_fn=lambda: next(models))


def test_teacher_shares_layers_with_the_second_function():
    teacher = linear()

    def sharing():
        model = keras.Sequential([keras.Input((6,)), *teacher.layers])
        model.compile("sgd", LOGITS)
        return model

    words = "weights", "of their own"
    refused(*words, teacher=teacher, model_fn=[linear, sharing])


def test_teacher_of_the_control():
    words = "'labels'", "no teacher", "`teacher=`", "Leave it out"
    refused(*words, teacher=linear(), born={"objective": "labels"})


UNCERTAIN = {
    "relu": (
        lambda: linear(4, "relu", None),
        ("Cannot tell for certain", "Received: nothing", "`from_logits=True`"),
    ),
    "softplus": (
        lambda: linear(4, "softplus", None),
        ("Cannot tell for certain", "Received: nothing", "`from_logits=True`"),
    ),
    "several sigmoids": (
        lambda: linear(4, "sigmoid", None),
        ("several labels at once", "(96, 4)", "task='classes'"),
    ),
    "several sigmoids, compiled": (
        lambda: linear(4, "sigmoid", PROBABILITIES),
        ("probabilities", "sum of 1", "softmax"),
    ),
    "subclass": (
        silent,
        ("Cannot tell for certain", "Received: nothing", "`from_logits=True`"),
    ),
    "layer and loss": (
        lambda: linear(4, "softmax", LOGITS),
        ("probabilities by its last layer", "logits by its loss", "End the"),
    ),
    "loss and layer": (
        lambda: linear(4, None, PROBABILITIES),
        ("logits by its last layer", "probabilities by its loss", "End the"),
    ),
    "no distribution": (
        lambda: linear(4, "relu", PROBABILITIES),
        ("says that it gives probabilities", "sum of 1", "softmax"),
    ),
}


@pytest.mark.parametrize("case", UNCERTAIN.values(), ids=UNCERTAIN)
def test_output_is_uncertain(case):
    model_fn, words = case
    refused(*words, model_fn=model_fn)


def test_own_train_step():
    class Own(keras.Sequential):
        def train_step(self, data):
            return super().train_step(data)

    def model_fn():
        return Own([keras.Input((6,)), keras.layers.Dense(4)])

    words = "overrides `train_step`", "Expected a model", "compile"
    refused(*words, model_fn=model_fn)


def test_unknown_fit_argument():
    words = "epoch", "Expected", "epochs"
    refused(*words, epoch=3)
    refused("of `fit`: lr", "Expected", lr=3, optimiser="sgd")


@pytest.mark.parametrize(
    "callbacks",
    [
        3,
        "stop",
        [3],
        [keras.callbacks.EarlyStopping],
        [Untouched(), "stop"],
        lambda k: 3,
        lambda k: [Untouched(), "stop"],
    ],
)
def test_callbacks(callbacks):
    words = "`callbacks`", "Expected a list", "Received"
    refused(*words, callbacks=callbacks)


def test_callbacks_of_a_later_generation():
    words = "`callbacks`", "Expected a list", "Received: 3"
    refused(*words, callbacks=lambda k: [Untouched()] if k < 2 else 3)


def test_model_fn_needs_arguments():
    words = "no arguments", "'width'", "lambda"
    refused(*words, model_fn=lambda width, depth: linear())


def test_first_model_function_takes_a_model_that_is_not_there():
    words = "generation 0 has none", "[first_fn, model_fn]"
    refused(*words, model_fn=lambda teacher: linear())


def test_model_functions_share_an_optimizer():
    optimizer = keras.optimizers.Adam()

    def model_fn():
        model = linear(loss=None)
        model.compile(optimizer, LOGITS)
        return model

    refused("same optimizer", "inside `model_fn`", model_fn=model_fn)


def test_clone_would_forget_what_a_layer_adapted_to():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Normalization(),
            keras.layers.Dense(4),
        ]
    )
    refused("adapted", "function", model_fn=model)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (keras.losses.kl_divergence, ("cannot be computed", "3 were given")),
        (lambda y, s, t: None, ("cannot be computed",)),
        (lambda y, s, t: keras.ops.mean(s), ("shape (8,)", "shape ()")),
        (lambda y, s, t: s - t, ("shape (8,)", "shape (8, 4)")),
    ],
)
def test_own_objective(objective, words):
    refused(*words, born={"objective": objective})
