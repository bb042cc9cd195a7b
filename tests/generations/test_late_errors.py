"""What plain Keras would find out late is found before the first step."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import compiled
from builders import data_set
from builders import linear
from builders import mlp
from lineages import FIT
from lineages import X
from lineages import Y
from matrices import pairs
from refusals import refused
from replicas import mirrored

import keras_ban

losses = keras.losses


def with_loss(loss, **kwargs):
    return lambda: compiled(mlp(), loss=loss, **kwargs)


UNFIT = {
    "one-hot loss": with_loss(losses.CategoricalCrossentropy(True)),
    "loss that raises": with_loss(lambda y, z: y["a"]),
    "metric that raises": with_loss(
        losses.SparseCategoricalCrossentropy(True),
        metrics=[lambda y, z: y["a"]],
    ),
}


@pytest.mark.parametrize("objective", ["ban", "labels"])
@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
def test_loss_of_a_later_model_function(unfit, objective):
    words = "of the model", "cannot be computed", "(8,)", "(8, 4)"
    born = {"objective": objective}
    refused(*words, model_fn=[linear, unfit], born=born)
    refused(*words, model_fn=unfit, born=born)


def squared(student, teacher):
    return (student - teacher) ** 2


WITHOUT_GRADIENT = {
    "NumPy": lambda y, s, t: np.mean(squared(np.asarray(s), np.asarray(t)), -1),
    "the teacher alone": lambda y, s, t: keras.ops.mean(t, -1),
    "stopped": lambda y, s, t: keras.ops.mean(
        squared(keras.ops.stop_gradient(s), t), -1
    ),
    "decisions": lambda y, s, t: keras.ops.cast(
        keras.ops.argmax(s, -1) == keras.ops.argmax(t, -1), "float32"
    ),
}


@pytest.mark.parametrize(
    ("name", "eager"), pairs(WITHOUT_GRADIENT, [True, False])
)
def test_objectives_that_cannot_train(name, eager):
    objective = WITHOUT_GRADIENT[name]
    model_fn = functools.partial(lambda: compiled(mlp(), eager=eager))
    words = "objective", "`keras.ops`, not NumPy"
    refused(*words, model_fn=model_fn, born={"objective": objective})
    distiller = keras_ban.Distiller(model_fn(), mlp(), objective)
    with pytest.raises(ValueError, match="not NumPy"):
        distiller.fit(X, Y, verbose=0)


def frozen():
    model = mlp()
    model.trainable = False
    return compiled(model)


def test_nothing_to_train():
    words = "nothing to train", "4 weights are frozen", "trainable = True"
    refused(*words, model_fn=frozen)
    refused(*words, model_fn=[linear, frozen])
    refused(*words, model_fn=frozen())
    with pytest.raises(ValueError, match="nothing to train"):
        keras_ban.Distiller(frozen(), linear()).fit(X, Y, verbose=0)
    # A teacher may be frozen.
    keras_ban.Distiller(linear(), frozen()).fit(X, Y, verbose=0)


def stateful():
    layers = [
        keras.Input(batch_shape=(32, 2, 3)),
        keras.layers.LSTM(2, stateful=True),
        keras.layers.Dense(4),
    ]
    return compiled(keras.Sequential(layers))


def stateless():
    layers = [keras.Input((2, 3)), keras.layers.LSTM(2), keras.layers.Dense(4)]
    return compiled(keras.Sequential(layers))


def test_batches_of_one_size():
    words = "batches of 32 rows only", "`keras.Input(shape)`", "stateful"
    x = X.reshape(-1, 2, 3)
    fit = {"x": x, "y": Y}
    refused(*words, model_fn=stateful, **fit)
    refused(*words, model_fn=stateful(), **fit)
    refused(*words, model_fn=stateless, teacher=stateful(), **fit)
    for models in ((stateful(), stateless()), (stateless(), stateful())):
        with pytest.raises(ValueError, match="batches of 32 rows only"):
            keras_ban.Distiller(*models).fit(x, Y, verbose=0)


def test_batches_of_one_size_that_no_layer_minds():
    def model_fn():
        x = keras.Input(batch_shape=(32, 6))
        return compiled(keras.Model(x, keras.layers.Dense(4)(x)))

    assert len(keras_ban.BornAgain(model_fn).fit(X, Y, 1, **FIT)) == 2


@dataclasses.dataclass
class Make:
    """Equal to others of its fields, and so without a hash."""

    units: int = 8

    def __call__(self):
        return compiled(mlp(self.units))


def test_model_functions_without_a_hash():
    with pytest.raises(TypeError):
        hash(Make())
    one, other = Make(), Make(5)
    lineage = keras_ban.BornAgain([one, other, one]).fit(X, Y, 3, **FIT)
    counts = [g.model.count_params() for g in lineage]
    assert counts == [92, 59, 92, 92]


class Recompiling(keras.callbacks.Callback):
    def __init__(self, when, again=False):
        super().__init__()
        setattr(self, when, self.compile_anew)
        self.again = again
        self.steps = 0

    def compile_anew(self, *args, **kwargs):
        self.steps += 1
        if self.steps == 2 or "train" in str(args[:1]):
            self.model.compile("sgd", linear().loss)
            if self.again:
                self.model.make_train_function()


MOMENTS = "on_epoch_begin", "on_train_batch_begin", "on_epoch_end"


@pytest.mark.parametrize(
    ("number", "again", "when"), pairs([1, 0], [False, True], MOMENTS)
)
def test_a_callback_that_compiles_anew(number, again, when):
    def callbacks(k):
        return [Recompiling(when, again)] if k == number else []

    born = keras_ban.BornAgain(linear)
    name = ("Teacher", "BAN-1")[number]
    words = f"compiled {name} anew.*LearningRateScheduler.*model_fn"
    with pytest.raises(ValueError, match=words):
        born.fit(X, Y, 1, callbacks=callbacks, **FIT)
    # What was finished before is kept.
    assert len(born.lineage) == number


def test_losses_without_a_gradient():
    """Plain Keras: no gradients provided for any variable."""

    def in_numpy(y, z):
        return np.mean(np.square(z), axis=-1)

    def decided(y, z):
        y = keras.ops.cast(y, "int32")
        return keras.ops.cast(keras.ops.argmax(z, -1) == y, "float32")

    for loss in (in_numpy, decided):
        refused("`keras.ops`, not NumPy", model_fn=with_loss(loss))
        refused("`keras.ops`", model_fn=[linear, with_loss(loss)])


def test_executions_of_several_steps_on_replicas():
    several = with_loss(linear().loss, eager=False, steps_per_execution=2)
    words = "`steps_per_execution=2`", "2 replicas", "`strategy=None`"
    born = {"strategy": mirrored(2)}
    refused(*words, model_fn=several, born=born)
    refused(*words, model_fn=[linear, several], born=born)
    with mirrored(2).scope():
        models = several(), mlp()
    with pytest.raises(ValueError, match="`steps_per_execution=2`"):
        keras_ban.Distiller(*models).fit(X, Y, verbose=0)


def test_sparse_data_on_replicas():
    x = tf.sparse.from_dense(X)
    for fit in ({"x": x, "y": Y}, {"x": data_set(x, Y, size=16), "y": None}):
        words = "data is sparse", "split among several replicas", "to_dense"
        refused(*words, born={"strategy": mirrored(2)}, **fit)


def of_large_logits():
    model = mlp()
    model.layers[-1].bias.assign([7e4, 0.0, 0.0, 0.0])
    return compiled(model)


def test_logits_beyond_the_range_of_a_cache():
    fit = {"teacher_outputs": keras_ban.TeacherCache(dtype="float16")}
    words = "logits that do not fit into float16", "dtype='float32'"
    refused(*words, model_fn=of_large_logits, **fit)
    refused(*words, model_fn=[linear, of_large_logits], **fit)
    # The last one teaches nobody.
    functions = [linear, of_large_logits]
    born = keras_ban.BornAgain(functions)
    assert len(born.fit(X, Y, 1, **FIT, **fit)) == 2
