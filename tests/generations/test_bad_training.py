"""What goes wrong during training, and what is kept."""

import functools

import keras
import pytest
import tensorflow as tf
from builders import LOGITS
from builders import linear
from refusals import NAN
from refusals import X
from refusals import Y

import keras_ban
from keras_ban.tasks import losses


@pytest.mark.parametrize(
    "model_fn",
    [
        functools.partial(linear, seed=1),
        lambda: keras.utils.set_random_seed(1) or linear(),
    ],
)
def test_model_fn_fixes_its_own_seed(model_fn):
    with pytest.warns(UserWarning, match="same initial weights") as caught:
        ban = keras_ban.BornAgain(model_fn)
        ban.fit(X, Y, 1, epochs=1, verbose=0)
    assert len(caught) == 1
    assert len(ban.lineage) == 2


def test_learning_rate_too_high():
    def model_fn():
        hidden = keras.layers.Dense(8)
        model = keras.Sequential([hidden, keras.layers.Dense(4)])
        optimizer = keras.optimizers.SGD(1e30)
        model.compile(optimizer, LOGITS, run_eagerly=True)
        return model

    ban = keras_ban.BornAgain(model_fn)
    words = r"loss of Teacher is (nan|inf) in epoch 1\..*Lower the learning"
    with pytest.raises(FloatingPointError, match=words):
        ban.fit(X, Y, 1, epochs=3, verbose=0)
    assert len(ban.lineage) == 0


class At(keras.callbacks.Callback):
    def __init__(self, act, epoch=1):
        super().__init__()
        self.act = act
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            self.act()


@pytest.mark.parametrize(
    "eager", [pytest.param(True, marks=pytest.mark.slow), False]
)
def test_loss_turns_nan(eager):
    poison = keras.Variable(0.0)

    def objective(y_true, student_logits, teacher_logits):
        ban = losses.soft_cross_entropy(
            keras.ops.softmax(teacher_logits), student_logits
        )
        return ban + keras.ops.convert_to_tensor(poison)

    def model_fn():
        model = linear()
        model.compile("sgd", LOGITS, run_eagerly=eager)
        return model

    def callbacks(k):
        return At(lambda: poison.assign(NAN)) if k == 2 else None

    ban = keras_ban.BornAgain(model_fn, objective)
    words = r"loss of BAN-2 is nan in epoch 2\..*`born_again.lineage`"
    with pytest.raises(FloatingPointError, match=words):
        ban.fit(X, Y, 3, epochs=3, callbacks=callbacks, verbose=0)
    assert [g.name for g in ban.lineage] == ["Teacher", "BAN-1"]
    assert len(ban.lineage[1].history["loss"]) == 3
    assert ban.lineage[1].model.predict(X, verbose=0).shape == (96, 4)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted(error):
    def stop():
        raise error

    ban = keras_ban.BornAgain(linear)
    with pytest.raises(error):
        ban.fit(
            X,
            Y,
            2,
            epochs=2,
            callbacks=lambda k: At(stop) if k == 2 else None,
            verbose=0,
        )
    assert [g.name for g in ban.lineage] == ["Teacher", "BAN-1"]
    assert ban.lineage.ensemble().predict(X, verbose=0).shape == (96, 4)


def test_refusal_keeps_the_lineage_of_before():
    ban = keras_ban.BornAgain(linear)
    lineage = ban.fit(X, Y, 1, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="Subtract 1"):
        ban.fit(X, Y + 1, 1, verbose=0)
    assert ban.lineage is lineage


def one_step(rate):
    model = linear(loss=None)
    model.compile(keras.optimizers.SGD(rate), LOGITS, run_eagerly=True)
    return model


@pytest.mark.parametrize(
    ("rates", "name"), [((1e38, 1e38), "Teacher"), ((0.1, 1e38), "BAN-1")]
)
def test_last_update_diverges(rates, name):
    functions = [functools.partial(one_step, rate) for rate in rates]
    ban = keras_ban.BornAgain(functions)
    words = f"weights of {name} are not finite in epoch 1"
    with pytest.raises(FloatingPointError, match=words):
        ban.fit(100 * X, Y, 1, batch_size=96, verbose=0)
    assert [g.name for g in ban.lineage] == ["Teacher"][: name == "BAN-1"]


def test_control_with_its_own_train_step_need_not_log_a_loss():
    class Own(keras.Sequential):
        def train_step(self, data):
            return {"my_loss": super().train_step(data)["loss"]}

    def model_fn():
        model = Own([keras.Input((6,)), keras.layers.Dense(4)])
        model.compile("sgd", LOGITS, run_eagerly=True)
        return model

    ban = keras_ban.BornAgain(model_fn, "labels")
    lineage = ban.fit(X, Y, generations=1, verbose=0)
    assert "my_loss" in lineage[1].history


def test_model_fn_hands_out_an_earlier_model():
    pool = [linear(), linear(), linear()]
    calls = iter(range(99))
    ban = keras_ban.BornAgain(lambda: pool[next(calls) % 3])
    with pytest.raises(ValueError, match="student is the Teacher"):
        ban.fit(X, Y, generations=3, verbose=0)
    assert len(ban.lineage) == 3


def test_nothing_is_logged_with_verbose_0(caplog):
    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    try:
        lineage = keras_ban.BornAgain(lambda: one_step(0.1)).fit(
            X,
            Y,
            generations=6,
            batch_size=96,
            validation_data=(X, Y),
            verbose=0,
        )
        for _ in range(6):
            lineage.evaluate(X, Y)
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.text == ""
