"""What the distiller refuses before the first step."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import LOGITS
from builders import Batches
from builders import SparseCE
from builders import data_set
from builders import mlp
from builders import two_outputs
from distilling import Counted
from distilling import N
from distilling import bits
from distilling import copy
from distilling import error
from distilling import flat
from distilling import one_hot
from distilling import squared_distance
from distilling import step
from distilling import update
from distilling import variables

import keras_ban
from keras_ban import objectives
from keras_ban.tasks import losses


def sharing(x, y):
    layer = keras.layers.Dense(8)
    models = []
    for _ in range(2):
        inputs = keras.Input((6,))
        outputs = keras.layers.Dense(N)(layer(inputs))
        models.append(keras.Model(inputs, outputs))
    return {"student": models[0], "teacher": models[1]}


def itself(x, y):
    model = mlp()
    return {"student": model, "teacher": model}


def among_teachers(x, y):
    model = mlp()
    return {"student": model, "teacher": [mlp(), model]}


def poisoned(x, value):
    x = x.copy()
    x[17, 3] = value
    return x


def relabelled(y, value):
    y = y.astype("float32")
    y[17] = value
    return y


def uncompiled(x):
    model = Counted()
    model(x)
    return model


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


class OwnLoss(keras.Sequential):
    def compute_loss(self, *args, **kwargs):
        return super().compute_loss(*args, **kwargs)


def own(cls):
    return cls([keras.Input((6,)), keras.layers.Dense(N)])


SOFTMAX = "sparse_categorical_crossentropy"


UNCERTAIN = "Cannot tell for certain whether the model"


BAD = {
    "student is teacher": ("The student is the teacher", itself),
    "shared layer": ("shares 2 weights with the teacher", sharing),
    "student among teachers": ("shares 4 weights", among_teachers),
    "teacher without weights": (
        "has no weights",
        lambda x, y: {"teacher": keras.Sequential([keras.layers.Dense(N)])},
    ),
    "no teacher": (
        "Invalid value for argument `teacher`",
        lambda x, y: {"teacher": None},
    ),
    "teacher is no function of a batch": (
        "Invalid value for argument `teacher`",
        lambda x, y: {"teacher": object()},
    ),
    "empty list": (
        "Invalid value for argument `teacher`",
        lambda x, y: {"teacher": []},
    ),
    "list with a stranger": (
        "Invalid value for argument `teacher`",
        lambda x, y: {"teacher": [mlp(), "teacher.keras"]},
    ),
    "student is no model": (
        "Invalid value for argument `student`",
        lambda x, y: {"student": keras.layers.Dense(N)},
    ),
    "unknown objective": (
        "Unknown objective",
        lambda x, y: {"objective": "bann"},
    ),
    "other classes": (
        "must give the same classes",
        lambda x, y: {"teacher": mlp(outputs=N + 1)},
    ),
    "other classes in a data set": (
        "must give the same classes",
        lambda x, y: {
            "teacher": mlp(outputs=N + 1),
            "x": data_set(x, y, size=96),
        },
    ),
    "label too large": (
        "class numbers from 0 to 3",
        lambda x, y: {"y": relabelled(y, N)},
    ),
    "negative label": (
        "class numbers from 0 to 3",
        lambda x, y: {"y": relabelled(y, -1)},
    ),
    "fractional label": (
        "whole class numbers",
        lambda x, y: {"y": relabelled(y, 1.5)},
    ),
    "NaN label": ("finite numbers", lambda x, y: {"y": relabelled(y, np.nan)}),
    "text labels": (
        "Invalid labels",
        lambda x, y: {"y": y.astype(str)},
    ),
    "row of sum 2": (
        "rows that are distributions",
        lambda x, y: {"y": one_hot(y, [1, 1, 0, 0])},
    ),
    "row with a negative": (
        "rows that are distributions",
        lambda x, y: {"y": one_hot(y, [1.5, -0.5, 0, 0])},
    ),
    "fewer labels than inputs": (
        "different lengths",
        lambda x, y: {"y": y[:-1]},
    ),
    "labels of another width": (
        "labels do not fit the outputs",
        lambda x, y: {"y": np.eye(N + 1)[y]},
    ),
    "two columns for a sigmoid": (
        "Invalid labels",
        lambda x, y: {
            "student": mlp(last="sigmoid", outputs=1),
            "teacher": mlp(last="sigmoid", outputs=1),
            "y": np.eye(2)[y // 2],
            "loss": "binary_crossentropy",
        },
    ),
    "no labels for kd": (
        "has no labels",
        lambda x, y: {"objective": "kd", "y": None},
    ),
    "no labels for kd in a data set": (
        "learns from labels",
        lambda x, y: {"objective": "kd", "x": data_set(x, size=96)},
    ),
    "NaN": ("NaN or infinity", lambda x, y: {"x": poisoned(x, np.nan)}),
    "infinity": ("NaN or infinity", lambda x, y: {"x": poisoned(x, np.inf)}),
    "NaN in a PyDataset": (
        "NaN or infinity",
        lambda x, y: {"x": Batches(poisoned(x, np.nan), y)},
    ),
    "relu student": (
        UNCERTAIN,
        lambda x, y: {"student": mlp(last="relu"), "loss": squared_distance},
    ),
    "relu student without loss": (
        UNCERTAIN,
        lambda x, y: {"student": mlp(last="relu"), "loss": None},
    ),
    "relu teacher": (UNCERTAIN, lambda x, y: {"teacher": mlp(last="relu")}),
    "relu teacher in a list": (
        UNCERTAIN,
        lambda x, y: {"teacher": [mlp(), mlp(last="relu")]},
    ),
    "uncompiled subclass": (
        UNCERTAIN,
        lambda x, y: {"teacher": uncompiled(x)},
    ),
    "subclass without loss": (
        UNCERTAIN,
        lambda x, y: {"student": uncompiled(x), "loss": None},
    ),
    "linear student, loss on probabilities": (
        UNCERTAIN,
        lambda x, y: {"loss": SOFTMAX},
    ),
    "softmax student, loss on logits": (
        UNCERTAIN,
        lambda x, y: {"student": mlp(last="softmax")},
    ),
    "several sigmoids": (
        "The student predicts several labels at once",
        lambda x, y: {"student": mlp(last="sigmoid"), "loss": None},
    ),
    "several sigmoids with a loss": (
        "says that it gives probabilities, and does not",
        lambda x, y: {"student": mlp(last="sigmoid"), "loss": SOFTMAX},
    ),
    "softmax of one class": (
        "has one class only",
        lambda x, y: {
            "student": mlp(last="softmax", outputs=1),
            "teacher": mlp(last="sigmoid", outputs=1),
            "y": y > 1,
            "loss": "binary_crossentropy",
        },
    ),
    "own train_step": (
        "overrides `train_step`",
        lambda x, y: {"student": own(OwnStep)},
    ),
    "own compute_loss": (
        "overrides `compute_loss`",
        lambda x, y: {"student": own(OwnLoss)},
    ),
    "student with two outputs": (
        "one of them at least, by its name",
        lambda x, y: {"student": two_outputs(), "loss": None},
    ),
    "teacher with two outputs": (
        "Expected a teacher with an output of this name",
        lambda x, y: {"teacher": two_outputs()},
    ),
    "one class only": (
        "hold one class only",
        lambda x, y: {"y": np.zeros_like(y)},
    ),
}


@pytest.mark.filterwarnings("ignore:[^Y]*You are using a softmax over axis")
@pytest.mark.parametrize("match, case", BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_before_the_first_step(data, match, case):
    x, y = data
    case = case(x, y)
    x, y = case.pop("x", x), case.pop("y", y)
    student = case.setdefault("student", mlp())
    case.setdefault("teacher", mlp())
    loss = case.pop("loss", LOGITS)
    is_model = isinstance(student, keras.Model)
    before = bits(variables(student)) if is_model else None
    optimizer = keras.optimizers.SGD(1.0)
    with pytest.raises(ValueError, match=match):
        keras_ban.Distiller(**case).compile(optimizer, loss)
        model = keras_ban.Distiller(**case)
        model.compile(optimizer, loss)
        model.fit(
            x,
            y if isinstance(x, np.ndarray) else None,
            shuffle=False,
            verbose=0,
        )
    assert int(optimizer.iterations) == 0
    if is_model:
        assert bits(student.get_weights()) == before[: len(student.weights)]


def test_fit_needs_a_compiled_student(data):
    with pytest.raises(ValueError, match="compile"):
        keras_ban.Distiller(mlp(), mlp()).fit(*data, verbose=0)


@pytest.mark.parametrize("last", [None, "softmax"])
def test_argument_says_what_a_model_does_not_say(data, last):
    x, y = data
    start, teacher = mlp(), mlp()
    expected = step(copy(start), teacher, "kd", x, y)
    student, unsaid = copy(start, last=last), uncompiled(x)
    unsaid.set_weights(teacher.get_weights())
    model = keras_ban.Distiller(student, unsaid, "kd", from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    assert error(update(model, x, y), expected) <= 1e-6
    assert student.loss.from_logits is (last is None)


def test_no_step_at_the_teachers_own_weights(data):
    x, y = data
    teacher = mlp(scale=3.0)
    student = copy(teacher)
    for objective in ("ban", "logits", objectives.KD(alpha=0)):
        assert not flat(step(student, teacher, objective, x, y)).any()


def test_objective_given_is_not_changed(data):
    x, y = data
    objective = objectives.KD(temperature=3)
    loss = SparseCE(from_logits=True, reduction="sum")
    step(mlp(), mlp(), objective, x, y, loss=loss)
    assert objective.reduction == "sum_over_batch_size"
    assert objective.label_loss is losses.cross_entropy
    assert math.isclose(objective.temperature, 3)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("NaN", {"sample_weight": np.full(96, np.nan)}),
        ("at least 1", {"epochs": 0}),
        ("validation_data", {"validation_data": (np.zeros((4, 6)), [7] * 4)}),
    ],
)
def test_fit_arguments_are_checked_before_the_first_step(
    data, words, arguments
):
    if "validation_data" in arguments:
        x, y = arguments["validation_data"]
        arguments = {"validation_data": (x, np.array(y))}
    student = mlp()
    student.compile("sgd", LOGITS)
    with pytest.raises(ValueError, match=words):
        keras_ban.Distiller(student, mlp()).fit(*data, verbose=0, **arguments)
    assert int(student.optimizer.iterations) == 0


@pytest.mark.parametrize(
    ("count", "words"), [(0, "is empty"), (None, "is infinite")]
)
def test_data_sets_without_a_batch_or_an_end(data, count, words):
    ds = tf.data.Dataset.from_tensor_slices(data).batch(32)
    ds = ds.repeat() if count is None else ds.take(0)
    student = mlp()
    student.compile("sgd", LOGITS)
    with pytest.raises(ValueError, match=words):
        keras_ban.Distiller(student, mlp()).fit(ds, verbose=0)


def test_reduction_of_a_given_objective_is_kept(data):
    x, y = data
    start, teacher = mlp(), mlp()
    mean = step(copy(start), teacher, "ban", x, y)
    total = step(copy(start), teacher, objectives.BAN(reduction="sum"), x, y)
    assert error(total, [96 * u for u in mean]) <= 1e-6


def test_callbacks_see_the_students_layers():
    student = mlp()
    model = keras_ban.Distiller(student, mlp())
    assert model.layers == student.layers
    assert model.get_layer(index=0) is student.layers[0]
