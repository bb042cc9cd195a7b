"""Identifiers, serialisation, arguments and objectives of one's own."""

import re

import keras
import numpy as np
import pytest
import reference
from objective_cases import ALL
from objective_cases import B
from objective_cases import Halfway
from objective_cases import N
from objective_cases import assert_close
from objective_cases import batch
from objective_cases import float64
from objective_cases import loss_and_gradient

from keras_ban import objectives
from keras_ban.tasks import losses

# --- Names, configurations, errors


@keras.saving.register_keras_serializable(package="keras_ban_tests")
def first_logit(y_true, student_logits, teacher_logits):
    return student_logits[..., 0]


NAMES = {
    "labels": objectives.Labels,
    "ban": objectives.BAN,
    "ban+l": objectives.BANWithLabels,
    "cwtm": objectives.CWTM,
    "dkpp": objectives.DKPP,
    "kd": objectives.KD,
    "dkd": objectives.DKD,
    "dist": objectives.DIST,
    "logits": objectives.LogitRegression,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_get_name(name, spell):
    objective = objectives.get(spell(name))
    assert type(objective) is NAMES[name]
    assert objective.name == name


def test_get_name_gives_a_new_one_each_time():
    assert objectives.get("dkpp") is not objectives.get("dkpp")


@pytest.mark.parametrize("objective", [*ALL, Halfway])
def test_get_instance_and_class(objective):
    instance = objective()
    assert objectives.get(instance) is instance
    assert type(objectives.get(objective)) is objective


@pytest.mark.parametrize(
    "objective, arguments",
    [(cls, {}) for cls in ALL if cls is not objectives.DKPP]
    + [
        (objectives.DKPP, {"seed": 11}),
        (objectives.KD, {"alpha": 0.25, "temperature": 4.0}),
        (objectives.KD, {"temperature": 4.0, "standardize": True}),
        (objectives.DKD, {"alpha": 0.5, "beta": 2.0, "temperature": 2.0}),
        (objectives.DIST, {"beta": 2.0, "gamma": 0.5, "temperature": 4.0}),
        (Halfway, {"share": 0.25}),
        (objectives.FunctionObjective, {"function": first_logit}),
    ],
)
def test_get_configuration(objective, arguments):
    y, s, t = batch()
    original = objective(**arguments, name="mine", reduction="sum")
    config = keras.saving.serialize_keras_object(original)
    again = objectives.get(config)
    assert type(again) is objective
    assert (again.name, again.reduction) == ("mine", "sum")
    for name, value in arguments.items():
        assert getattr(again, name) == value
    np.testing.assert_array_equal(again(y, s, t), original(y, s, t))


def test_get_function():
    y, s, t = batch()
    objective = objectives.get(first_logit)
    assert objective.name == "first_logit"
    assert_close(objective(y, s, t), float64(s[:, 0]).mean())
    assert_close(
        objective(y, s, t, sample_weight=np.arange(B)),
        (np.arange(B) * float64(s[:, 0])).mean(),
    )


def test_get_function_without_a_name():
    y, s, t = batch()
    objective = objectives.get(lambda y, s, t: t[..., 0])
    assert_close(objective(y, s, t), float64(t[:, 0]).mean())


def test_fresh_function_need_not_be_registered():
    def last_logit(y_true, student_logits, teacher_logits):
        return student_logits[..., -1]

    fresh = objectives.get(last_logit).fresh()
    assert fresh.function is last_logit
    assert fresh.name == "last_logit"


def test_fresh_subclass_need_not_be_registered():
    class Scaled(objectives.BAN):
        def __init__(self, scale):
            super().__init__()
            self.scale = scale

        def call(self, y_true, student_logits, teacher_logits):
            return self.scale * super().call(
                y_true, student_logits, teacher_logits
            )

    y, s, t = batch()
    original = Scaled(3.0)
    fresh = original.fresh()
    assert type(fresh) is Scaled
    np.testing.assert_array_equal(fresh(y, s, t), original(y, s, t))


def test_get_configuration_of_a_function():
    config = keras.saving.serialize_keras_object(first_logit)
    assert objectives.get(config).function is first_logit


@pytest.mark.parametrize(
    "identifier",
    [
        "ban-l",
        "",
        None,
        3,
        0.5,
        keras.losses.MeanSquaredError(),
        keras.losses.MeanSquaredError,
        int,
        {},
    ],
)
def test_get_of_anything_else(identifier):
    with pytest.raises(ValueError) as raised:
        objectives.get(identifier)
    for name in NAMES:
        assert repr(name) in str(raised.value)
    assert f"Received: {identifier!r}" in str(raised.value)


def test_get_of_what_is_no_objective_of_an_output():
    with pytest.raises(ValueError, match=r"Unknown objective.*Received: 0\.5"):
        objectives.get({"alpha": 0.5})


@pytest.mark.parametrize(
    "name, value",
    [("alpha", value) for value in (-0.1, 1.1, float("nan"), "x", None, True)]
    + [
        ("temperature", value)
        for value in (0, -1, float("inf"), float("nan"), "x", None, True)
    ],
)
def test_kd_argument_out_of_range(name, value):
    with pytest.raises(
        ValueError, match=f"`{name}`.*Received: {re.escape(repr(value))}"
    ):
        objectives.KD(**{name: value})


@pytest.mark.parametrize("number", [int, np.int64, np.float32])
def test_kd_takes_any_real_number(number):
    kd = objectives.KD(alpha=number(1), temperature=number(4))
    assert type(kd.alpha) is type(kd.temperature) is float
    assert (kd.alpha, kd.temperature) == (1.0, 4.0)


def test_kd_defaults():
    assert (objectives.KD().alpha, objectives.KD().temperature) == (0.5, 2.0)


def test_base_class_has_no_call():
    y, s, t = batch()
    with pytest.raises(NotImplementedError):
        objectives.Objective().call(y, s, t)
    with pytest.raises(NotImplementedError):
        objectives.Objective()(y, s, t)


def test_subclass():
    y, s, t = batch()
    loss, gradient = loss_and_gradient(Halfway(0.3), y, s, t)
    y = reference.one_hot(y, N)
    values, expected = reference.kd(y, s, t, alpha=0.3, temperature=1)
    assert_close(loss, values.mean())
    assert_close(gradient, expected)
    assert Halfway().name == "halfway"


@pytest.mark.parametrize(
    "objective",
    [
        objectives.Labels(),
        objectives.CWTM(),
        objectives.KD(alpha=1),
        Halfway(share=1),
    ],
)
def test_label_loss_of_the_instance(objective):
    y, s, t = batch()
    objective = objective.fresh()
    objective.label_loss = lambda y, z: 0 * z[:, 0] + 3
    assert_close(objective(y, s, t), 3)
    assert type(objective).label_loss is losses.cross_entropy


def test_label_loss_of_the_instance_beside_the_teacher():
    y, s, t = batch()
    objective = objectives.BANWithLabels()
    objective.label_loss = lambda y, z: 0 * z[:, 0] + 3
    assert_close(objective(y, s, t), 3 + reference.ban(y, s, t)[0].mean())
