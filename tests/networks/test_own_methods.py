"""Models that do more to data than their layers do, and swapped models."""

import keras
import pytest
from builders import compiled
from builders import learnable
from builders import linear
from builders import mlp
from matrices import pairs
from refusals import refused

import keras_ban

X, Y = learnable(32)
METHODS = ("fit", "evaluate", "predict", "predict_step")


def task(method):
    """A network whose class treats its data first, as KerasHub's tasks do."""

    def own(self, x=None, *args, **kwargs):
        return getattr(super(Task, self), method)(x / 255, *args, **kwargs)

    Task = type("Task", (keras.Sequential,), {method: own})
    model = Task([keras.Input((6,)), keras.layers.Dense(4)])
    return compiled(model)


PLACES = {
    "model_fn": lambda make: keras_ban.BornAgain(make).fit(X, Y),
    "control": lambda make: keras_ban.BornAgain(make, "labels").fit(X, Y),
    "later": lambda make: keras_ban.BornAgain([linear, make]).fit(X, Y),
    "clone": lambda make: keras_ban.BornAgain(make()).fit(X, Y),
    "teacher": lambda make: keras_ban.BornAgain(linear).fit(
        X, Y, teacher=make()
    ),
    "teachers": lambda make: keras_ban.BornAgain(linear).fit(
        X, Y, teacher=[linear(), make()]
    ),
    "student": lambda make: keras_ban.Distiller(make(), linear()),
    "distiller's teacher": lambda make: keras_ban.Distiller(linear(), make()),
    "ensemble": lambda make: keras_ban.ensemble([linear(), make()]),
}


@pytest.mark.parametrize(("place", "method"), pairs(PLACES, METHODS))
def test_methods_of_its_own_are_refused(place, method):
    words = rf"(?s)a Task.*`{method}` of its own.*Keras' own.*keras\.Model\("
    with pytest.raises(ValueError, match=words):
        PLACES[place](lambda: task(method))


def test_a_method_that_was_put_on_the_model():
    def model_fn():
        model = linear()
        model.predict = lambda x: x
        return model

    refused("`predict` of its own", "a plain", model_fn=model_fn)


def test_the_way_out_is_one():
    class Task(keras.Model):
        def predict(self, x):
            return super().predict(x / 255)

    def model_fn():
        x = keras.Input((6,))
        model = Task(x, keras.layers.Dense(4)(x))
        return compiled(keras.Model(model.input, model.output))

    keras_ban.BornAgain(model_fn).fit(X, Y, 1, verbose=0)


def trained(**kwargs):
    model = compiled(mlp(), **kwargs)
    model.fit(X, Y, verbose=0)
    return model


def test_models_in_the_order_of_keras():
    with pytest.raises(ValueError, match=r"student first.*student=.*teacher="):
        keras_ban.Distiller(trained(), mlp())
    with pytest.raises(ValueError, match="other way round"):
        keras_ban.Distiller(trained(), compiled(mlp()), "kd")


def pretrained(model):
    model.set_weights(trained().get_weights())
    return model


ORDERS = {
    "trained teacher": lambda: keras_ban.Distiller(mlp(), trained()),
    "named": lambda: keras_ban.Distiller(student=trained(), teacher=mlp()),
    "named teacher": lambda: keras_ban.Distiller(trained(), teacher=mlp()),
    "both trained": lambda: keras_ban.Distiller(trained(), trained()),
    "both untouched": lambda: keras_ban.Distiller(mlp(), mlp()),
    "pretrained student": lambda: keras_ban.Distiller(pretrained(mlp()), mlp()),
    "teacher set by hand": lambda: keras_ban.Distiller(
        trained(), pretrained(mlp())
    ),
    "teachers": lambda: keras_ban.Distiller(trained(), [trained(), mlp()]),
    "no teacher": lambda: keras_ban.Distiller(trained(), None, "labels"),
}


@pytest.mark.parametrize("make", ORDERS.values(), ids=ORDERS)
def test_no_false_alarm(make):
    assert isinstance(make(), keras.Model)


def test_no_false_alarm_for_a_teacher_that_was_loaded(tmp_path):
    trained().save(tmp_path / "model.keras")
    path = tmp_path / "model.keras"
    teacher = keras.models.load_model(path, compile=False)
    keras_ban.Distiller(trained(), teacher)
