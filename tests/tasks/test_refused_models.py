"""Models of another Keras, teachers that give no numbers, and pickling."""

import copy
import pickle

import keras
import numpy as np
import pytest
from builders import data_set
from builders import linear
from forests import classifier
from forests import regressor
from refusals import INF
from refusals import NAN
from refusals import X
from refusals import Y
from refusals import refused

import keras_ban


class OldModel:
    """Stands for a model of the package tf_keras."""

    def __call__(self, x):
        return x

    def fit(self, x, y=None):
        pytest.fail("it was fitted")

    predict = fit


OldModel.__module__ = "tf_keras.src.engine.training"
OLD = OldModel()
PLACES = {
    "model_fn": lambda: keras_ban.BornAgain(OLD),
    "in a sequence": lambda: keras_ban.BornAgain([linear, OLD]),
    "returned": lambda: keras_ban.BornAgain(lambda: OLD).fit(X, Y),
    "teacher": lambda: keras_ban.BornAgain(linear).fit(X, Y, teacher=OLD),
    "teachers": lambda: keras_ban.Distiller(linear(), [linear(), OLD]),
    "student": lambda: keras_ban.Distiller(OLD, linear()),
    "ensemble": lambda: keras_ban.ensemble([linear(), OLD]),
    "tree": lambda: classifier(OLD).fit(X),
    "tree of values": lambda: regressor(OLD).fit(X),
}


@pytest.mark.parametrize("call", PLACES.values(), ids=PLACES)
def test_models_of_tf_keras(call):
    with pytest.raises(ValueError, match=r"tf_keras, which is Keras 2.*import"):
        call()


def scaled(factor):
    model = linear()
    model.set_weights([factor * w for w in model.get_weights()])
    return model


@pytest.mark.parametrize("x", [X, data_set(X, Y, size=32)], ids=["x", "ds"])
def test_a_teacher_of_nan(x):
    y = Y if x is X else None
    teacher = scaled(NAN)
    refused("gives NaN", "weights", x=x, y=y, teacher=teacher)
    with pytest.raises(ValueError, match="gives NaN"):
        keras_ban.Distiller(linear(), teacher).fit(x, y)


def test_a_teacher_of_infinite_logits():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    model.set_weights([np.full((6, 4), 3e38), np.full(4, INF)])
    refused("gives NaN or infinity", "weights", teacher=model)


def test_infinite_logits_far_into_the_data():
    x = np.concatenate([X, np.full((1, 6), 3e38, "float32")])
    distiller = keras_ban.Distiller(linear(), scaled(10.0))
    words = r"NaN or infinity.*the example 96"
    with pytest.raises(ValueError, match=words):
        distiller.fit(x, np.append(Y, 0), teacher_outputs="cached", verbose=0)


def distilled(teacher, **options):
    student = linear(seed=1)
    cache = keras_ban.TeacherCache(**options)
    keras_ban.Distiller(student, teacher).fit(
        X, Y, teacher_outputs=cache, verbose=0, shuffle=False
    )
    return student.get_weights()


def test_large_logits_do_not_fit_into_float16():
    teacher = scaled(1e6)
    words = "do not fit into float16.*65504.*the example.*dtype='float32'"
    with pytest.raises(ValueError, match=words):
        distilled(teacher, dtype="float16")
    assert np.isfinite(distilled(teacher)[0]).all()


def test_probabilities_of_large_logits_fit_into_float16():
    teacher = scaled(1e6)
    one, other = (
        distilled(teacher, dtype=dtype, top_k=2)
        for dtype in ("float16", "float32")
    )
    assert np.isfinite(one[0]).all()
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_lineage_is_copied_and_pickled_after_evaluation(again):
    ban = keras_ban.BornAgain(linear)
    lineage = ban.fit(X, Y, 1, validation_data=(X, Y), verbose=0)
    table = lineage.evaluate(X, Y)
    found = again(lineage)
    assert str(found) == str(lineage)
    assert found.best.name == lineage.best.name
    assert found.evaluate(X, Y)[1]["nll"] == table[1]["nll"]
