"""Members and weights that make no ensemble."""

import keras
import pytest
from builders import Silent
from builders import functional_mlp
from builders import two_inputs
from builders import two_outputs

import keras_ban


def other_inputs():
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])


ERRORS = {
    "empty": (lambda: [], "`models`.*one or more.*Received: \\[\\]"),
    "none": (lambda: None, "`models`.*one or more.*Received"),
    "no models": (lambda: [functional_mlp(), "b"], "`models`.*Received"),
    "function": (lambda: [functional_mlp], "`models`.*Received"),
    "unbuilt": (
        lambda: [functional_mlp(), keras.Sequential([keras.layers.Dense(4)])],
        "no weights yet.*Expected trained.*Call it",
    ),
    "unbuilt subclass": (lambda: [Silent()], "no weights yet.*Call it"),
    "other classes": (
        lambda: [functional_mlp(), functional_mlp(outputs=3)],
        r"same classes.*\(None, 4\).*\(None, 3\)",
    ),
    "other inputs": (
        lambda: [functional_mlp(), other_inputs()],
        "(?s)does not take the inputs.*same inputs.*Received",
    ),
    "dict and array": (
        lambda: [functional_mlp(), two_inputs()],
        "(?s)does not take the inputs.*same inputs.*Received",
    ),
    "array and dict": (
        lambda: [two_inputs(), functional_mlp()],
        "(?s)does not take the inputs.*same inputs.*Received",
    ),
    "two outputs": (
        lambda: [two_outputs(), functional_mlp()],
        "(?s)has the outputs.*Received: one with one output",
    ),
    "relu": (
        lambda: [functional_mlp(last="relu")],
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
        keras_ban.ensemble([functional_mlp(), functional_mlp()], weights)


def test_same_model_twice():
    model = functional_mlp()
    with pytest.raises(ValueError, match="twice"):
        keras_ban.ensemble([model, model])
