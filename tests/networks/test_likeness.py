"""A compiled function serves two networks only if it is the same for both.

Each case makes a network from a number. Two of one number are alike; those of
two numbers differ in what no variable tells of, and each is traced by itself.
"""

import elsewhere
import keras
import numpy as np
import pytest
from builders import SparseCE
from builders import silent
from hidden import ALIKE
from hidden import APART
from hidden import CASES
from hidden import X
from hidden import Y
from hidden import normalization
from hidden_compilations import made

from keras_ban.generations.workshop import Workshop
from keras_ban.networks.likeness import describe
from keras_ban.networks.predictor import Predictor
from keras_ban.state.seeds import Names


@pytest.fixture(autouse=True)
def _epsilon():
    yield
    keras.config.set_epsilon(1e-7)


def shares(make, one, other):
    """Whether one from `other` is trained in what one from `one` was."""
    names = Names()
    found = []
    for number in (one, one, other):
        with names.again():
            model = make(number)
        model(X[:8])
        if not found:
            workshop = Workshop([model], (X[:8], Y[:8]), None)
            found.append(model)
        else:
            found.append(workshop.student(model))
    return found[0] is found[2]


ALIKE = {**ALIKE, **elsewhere.ALIKE}
APART = {**APART, **elsewhere.APART}
DIFFERENT = {**CASES, **elsewhere.ALIKE, **elsewhere.APART}


@pytest.mark.parametrize("make", ALIKE.values(), ids=ALIKE)
def test_networks_of_one_kind_share(make):
    assert shares(make, 1, 1)


@pytest.mark.parametrize("make", DIFFERENT.values(), ids=DIFFERENT)
@pytest.mark.parametrize(
    "one, other", [(0, 1), pytest.param(1, 0, marks=pytest.mark.slow)]
)
def test_networks_that_differ_are_apart(make, one, other):
    assert not shares(make, one, other)


@pytest.mark.parametrize("make", APART.values(), ids=APART)
def test_what_cannot_be_compared_is_apart(make):
    assert not shares(make, 1, 1)


# In inference, these make no difference.
IN_TRAINING = (
    *("accumulation", "activity", "added loss", "averages", "clipping"),
    *("compiler", "constraint set by hand", "excluded layers"),
    *("excluded names", "excluded variables", "frozen layer"),
    *("frozen weights", "own gradient", "penalty in an own layer"),
    *("regularizer", "regularizer set by hand", "schedule", "steps"),
    *("weight decay", "epsilon of Keras"),
)
ANSWERS = {
    name: make
    for name, make in CASES.items()
    if name not in IN_TRAINING and "loss" not in name and "metric" not in name
}


@pytest.mark.parametrize("make", ANSWERS.values(), ids=ANSWERS)
def test_predictions_are_the_models_own(make):
    predictor, found = Predictor(), []
    for number in (0, 1, 0):
        model = make(number)
        found.append(np.asarray(predictor.function(model)(X)[0]))
        model.run_eagerly = True
        own = model.predict(X, verbose=0)
        np.testing.assert_allclose(found[-1], own, rtol=1e-5, atol=1e-6)


def test_a_teacher_is_told_by_its_loss():
    """It says whether the outputs are logits."""
    kinds = [silent() for _ in range(3)]
    for model, from_logits in zip(kinds, (True, True, False), strict=True):
        model.compile("sgd", SparseCE(from_logits=from_logits))
    one, same, other = (describe(model, compiled=False).key for model in kinds)
    assert one == same
    assert one != other


def test_predictions_share_a_trace_if_models_are_alike():
    predictor = Predictor()
    for shift in (0, 0, 1, 1):
        predictor.function(normalization(shift))(X)
    assert len(predictor._functions) == 2


def test_predictions_after_the_first_model_was_changed():
    """A batch of another shape is traced anew, of what is there then."""
    predictor = Predictor()
    first, second = made(None), made(None)
    predictor.function(first)(X)
    first.layers[0].activation = keras.activations.relu
    found = predictor.function(second)(X[:5])[0]
    np.testing.assert_allclose(found, second(X[:5]), rtol=1e-5)
