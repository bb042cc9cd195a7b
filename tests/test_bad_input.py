import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ban
from keras_ban import losses
from keras_ban import objectives

NAN, INF = float("nan"), float("inf")


def toy(rows=96):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 6)).astype("float32")
    return x, (x @ rng.normal(size=(6, 4))).argmax(-1)


X, Y = toy()
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
PROBABILITIES = keras.losses.SparseCategoricalCrossentropy()


def network(outputs=4, activation=None, loss=LOGITS, seed=None):
    initializer = keras.initializers.GlorotUniform(seed)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(
                outputs, activation, kernel_initializer=initializer
            ),
        ]
    )
    if loss is not None:
        model.compile("sgd", loss, run_eagerly=True)
    return model


def dict_network():
    x = {"a": keras.Input((6,), name="a"), "b": keras.Input((2,), name="b")}
    h = keras.layers.Concatenate()([x["a"], x["b"]])
    model = keras.Model(x, keras.layers.Dense(4)(h))
    model.compile("sgd", LOGITS, run_eagerly=True)
    return model


class Untouched(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        pytest.fail("a training began")


def refused(*words, model_fn=network, born=None, **fit):
    fit = {"x": X, "y": Y, "generations": 2, "callbacks": Untouched(), **fit}
    with pytest.raises(ValueError) as info:
        keras_ban.BornAgain(model_fn, **(born or {})).fit(verbose=0, **fit)
    message = str(info.value)
    for word in words:
        assert word in message


def changed(array, index, value, dtype=None):
    array = array.astype(dtype or array.dtype)
    array[index] = value
    return array


def data_set(*arrays, size=8):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


DS = {"y": None, "x": data_set(X, Y)}


def endless():
    while True:
        yield X, Y


def one_shot():
    left = iter([(X, Y)] * 3)
    signature = (
        tf.TensorSpec((None, 6), tf.float32),
        tf.TensorSpec((None,), tf.int64),
    )
    return tf.data.Dataset.from_generator(
        lambda: left, output_signature=signature
    )


class Endless(keras.utils.PyDataset):
    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        return X, Y


class Short(keras.utils.PyDataset):
    def __init__(self, count=2, y=Y):
        super().__init__()
        self.count = count
        self.y = y

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return X, self.y


class Silent(keras.Model):
    def __init__(self, build=True):
        super().__init__()
        self.dense = keras.layers.Dense(4)
        if build:
            self(X[:1])

    def call(self, x):
        return self.dense(x)


NOT_CALLABLE = ("Invalid value for argument `model_fn`", "Expected a function")


@pytest.mark.parametrize(
    "model_fn", [None, 3, "densenet", [], [network, 3], {"a": network}]
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
    model = network()
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
    refused("must return", model_fn=[network, lambda: None])
    refused("(8, 4)", "(8, 3)", "same", model_fn=[network, lambda: network(3)])


def test_one_object_from_two_functions():
    model = network()
    models = iter([network(), network(), model, model])
    one, other = (functools.partial(next, models) for _ in range(2))
    refused("weights of their own", model_fn=[one, other])


OUTPUTS = {
    "too few": (
        {},
        {"model_fn": lambda: network(3)},
        ("0 to 3", "0 to 2", "as many outputs"),
    ),
    "too few, one-hot": (
        {"y": np.eye(4)[Y]},
        {"model_fn": lambda: network(3)},
        ("(96, 4)", "(96, 3)", "Give the labels"),
    ),
    "labels of another rank": (
        {"y": np.zeros((96, 2, 2), int)},
        {},
        ("(96, 2, 2)", "(96, 4)", "Give the labels"),
    ),
    "one sigmoid, four classes": (
        {},
        {"model_fn": lambda: network(1, "sigmoid", "binary_crossentropy")},
        ("0 to 3", "0 to 1", "as many outputs"),
    ),
    "several outputs": (
        {},
        {"model_fn": lambda: two_outputs()},
        ("one output", "Received", "Wrap"),
    ),
    "no classes axis": (
        {},
        {"model_fn": lambda: no_axis()},
        ("one output of shape", "(8,)", "Wrap"),
    ),
}


def two_outputs():
    x = keras.Input((6,))
    return keras.Model(x, [keras.layers.Dense(4)(x), keras.layers.Dense(4)(x)])


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


EMPTY = {
    "arrays": {"x": X[:0], "y": Y[:0]},
    "tf.data": {"x": data_set(X[:0], Y[:0]), "y": None},
    "filtered": {"x": DS["x"].filter(lambda x, y: False), "y": None},
    "remainder": {
        "x": tf.data.Dataset.from_tensor_slices((X, Y)).batch(
            97, drop_remainder=True
        ),
        "y": None,
    },
    "PyDataset": {"x": Short(0), "y": None},
}


@pytest.mark.parametrize("fit", EMPTY.values(), ids=EMPTY)
def test_no_data(fit):
    refused("`x` is empty", "at least one batch", "Check", **fit)


@pytest.mark.parametrize("x", [None, 3])
def test_no_data_at_all(x):
    refused("`x`", "Expected", "Received", x=x, y=None)


@pytest.mark.parametrize("fit", [{"x": endless()}, {"x": iter([(X, Y)])}])
def test_generator(fit):
    words = "exhausted after one pass", "Received: <", "Give arrays"
    refused(*words, y=None, **fit)
    refused(*words, y=None, steps_per_epoch=2, **fit)


def test_one_shot_data_set():
    words = "exhausted after one pass", "starts anew", "Create the generator"
    refused(*words, x=one_shot(), y=None)


@pytest.mark.parametrize("x", [DS["x"].repeat(), Endless()], ids=["tf", "py"])
def test_infinite(x):
    words = "`x` is infinite", "with an end", "Pass `steps_per_epoch`"
    refused(*words, x=x, y=None)


@pytest.mark.parametrize(
    "fit",
    [{}, DS, {"x": Short(12), "y": None}],
    ids=["arrays", "tf.data", "PyDataset"],
)
def test_more_steps_than_data(fit):
    words = "steps_per_epoch=13", "Received: 12", "Lower `steps_per_epoch`"
    batch_size = None if fit else 8
    refused(*words, steps_per_epoch=13, batch_size=batch_size, **fit)


@pytest.mark.parametrize("steps", [0, -1, 1.5])
def test_steps_per_epoch(steps):
    refused("steps_per_epoch", "Expected", repr(steps), steps_per_epoch=steps)


RANGE = ("0 to 3", "Correct the labels")
LABELS = {
    "out of range": (changed(Y, 0, 4), ("to 4", *RANGE)),
    "late": (changed(Y, -1, 9), ("to 9", *RANGE)),
    "negative": (changed(Y, -1, -1), ("from -1", *RANGE)),
    "fractional": (
        changed(Y, -1, 0.5, "float32"),
        ("0.5", "whole class numbers", "Correct"),
    ),
    "NaN": (
        changed(Y, -1, NAN, "float32"),
        ("NaN", "finite numbers", "Correct"),
    ),
    "strings": (Y.astype(str), ("numbers of type <U", "Correct")),
    "no distribution": (
        changed(np.eye(4)[Y], -1, 0.4),
        ("[0.4 0.4 0.4 0.4]", "a sum of 1", "Correct"),
    ),
    "negative distribution": (
        changed(np.eye(4)[Y], -1, [-1, 2, 0, 0]),
        ("[-1.  2.  0.  0.]", "none negative", "Correct"),
    ),
    "NaN distribution": (
        changed(np.eye(4)[Y], -1, NAN),
        ("NaN", "finite numbers", "Correct"),
    ),
    "one class": (
        np.full(96, 2),
        ("one class only", "two classes", "the class 2", "Check"),
    ),
    "one class, one-hot": (
        np.eye(4)[np.full(96, 2)],
        ("one class only", "two classes", "the class 2", "Check"),
    ),
}


@pytest.mark.parametrize("case", LABELS.values(), ids=LABELS)
def test_labels(case):
    y, words = case
    refused(*words, y=y)


@pytest.mark.parametrize(
    "name", ["late", "negative", "fractional", "no distribution", "one class"]
)
def test_labels_of_data_sets(name):
    y, words = LABELS[name]
    refused(*words, x=data_set(X, y), y=None)


def test_labels_of_py_dataset():
    y, words = LABELS["late"]
    refused(*words, x=Short(2, y), y=None)


def test_labels_far_into_the_data():
    y = np.concatenate([np.tile(Y, 100), [7]])
    x = np.zeros((len(y), 6), "float32")
    refused("to 7", *RANGE, x=x, y=y)


@pytest.mark.parametrize("value", [-0.1, 1.1, 2, NAN])
def test_labels_of_a_sigmoid(value):
    y = changed(Y % 2, -1, value, "float32")
    model_fn = functools.partial(network, 1, "sigmoid", "binary_crossentropy")
    refused("Invalid labels in `y`", "Correct", y=y, model_fn=model_fn)


def test_two_columns_of_labels_for_a_sigmoid():
    y = np.eye(2, dtype="float32")[Y % 2]
    model_fn = functools.partial(network, 1, "sigmoid", "binary_crossentropy")
    refused("(96, 2)", "(96, 1)", "Correct", y=y, model_fn=model_fn)


@pytest.mark.parametrize(
    ("born", "teacher"),
    [({}, False), ({"objective": "ban+l"}, True), ({"objective": "kd"}, True)],
)
@pytest.mark.parametrize("x", [X, data_set(X)], ids=["arrays", "tf.data"])
def test_labels_are_missing(x, born, teacher):
    teacher = network() if teacher else None
    words = "has no labels", "Expected (inputs, labels)", "`teacher=`"
    refused(*words, x=x, y=None, born=born, teacher=teacher)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_inputs_are_not_finite(value):
    x = changed(X, (-1, 3), value)
    words = "NaN or infinity in `x`", f"{value} at index", "Clean the data"
    refused(*words, "[95, 3]", x=x)
    refused(*words, x=data_set(x, Y), y=None)


def test_dict_inputs_are_not_finite():
    x = {"a": X, "b": changed(X[:, :2], (-1, 1), NAN)}
    words = "NaN or infinity in `x`", "[95, 1]", "Clean the data"
    refused(*words, x=x, model_fn=dict_network)


@pytest.mark.parametrize("value", [NAN, INF])
def test_sample_weight_is_not_finite(value):
    weight = changed(np.ones(96, "float32"), -1, value)
    words = "in `sample_weight`", f"{value} at index", "Clean the data"
    refused(*words, sample_weight=weight)
    refused(*words, x=data_set(X, Y, weight), y=None)


def test_model_of_one_class():
    model_fn = functools.partial(network, 1, "softmax", "bce")
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
        lambda: Silent(build=False),
        ("no weights", "Expected a trained model", "call it on a batch"),
    ),
    "other classes": (
        lambda: network(3),
        ("(8, 4)", "(8, 3)", "the same classes", "Give them"),
    ),
    "no model": (lambda: "teacher", ("`teacher`", "keras.Model", "'teacher'")),
    "a layer": (lambda: keras.layers.Dense(4), ("`teacher`", "Received")),
    "the function": (lambda: network, ("`teacher`", "Expected a trained")),
    "empty list": (lambda: [], ("`teacher`", "Expected a trained", "[]")),
    "list with none": (lambda: [network(), None], ("`teacher`", "None")),
    "other inputs": (
        lambda: keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)]),
        ("expected", "5", "6"),
    ),
    "uncertain": (Silent, ("Cannot tell for certain", "from_logits")),
}


@pytest.mark.parametrize("case", TEACHERS.values(), ids=TEACHERS)
def test_teacher(case):
    make, words = case
    refused(*words, teacher=make())


def test_teacher_is_returned_by_model_fn():
    teacher = network()
    models = iter([teacher, network()])
    words = "student is the teacher", "weights of their own", "clone"
    refused(*words, teacher=teacher, model_fn=lambda: next(models))


def test_teacher_shares_layers_with_the_second_function():
    teacher = network()

    def sharing():
        model = keras.Sequential([keras.Input((6,)), *teacher.layers])
        model.compile("sgd", LOGITS)
        return model

    words = "weights", "of their own"
    refused(*words, teacher=teacher, model_fn=[network, sharing])


def test_teacher_of_the_control():
    words = "'labels'", "no teacher", "`teacher=`", "Leave it out"
    refused(*words, teacher=network(), born={"objective": "labels"})


UNCERTAIN = {
    "relu": (
        lambda: network(4, "relu", None),
        ("Cannot tell for certain", "Received: nothing", "`from_logits=True`"),
    ),
    "softplus": (
        lambda: network(4, "softplus", None),
        ("Cannot tell for certain", "Received: nothing", "`from_logits=True`"),
    ),
    "several sigmoids": (
        lambda: network(4, "sigmoid", None),
        ("Cannot tell for certain", "Received: nothing", "Softmax()"),
    ),
    "several sigmoids, compiled": (
        lambda: network(4, "sigmoid", PROBABILITIES),
        ("probabilities", "sum of 1", "softmax"),
    ),
    "subclass": (
        Silent,
        ("Cannot tell for certain", "Received: nothing", "`from_logits=True`"),
    ),
    "layer and loss": (
        lambda: network(4, "softmax", LOGITS),
        ("probabilities by its last layer", "logits by its loss", "End the"),
    ),
    "loss and layer": (
        lambda: network(4, None, PROBABILITIES),
        ("logits by its last layer", "probabilities by its loss", "End the"),
    ),
    "no distribution": (
        lambda: network(4, "relu", PROBABILITIES),
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
    refused("lr, optimiser", "Expected", lr=3, optimiser="sgd")


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


VALIDATION = {
    "out of range": (
        {"validation_data": (X, changed(Y, -1, 9))},
        ("`validation_data`", "to 9", "0 to 3"),
    ),
    "missing labels": (
        {"validation_data": X},
        ("`validation_data` has no labels", "(inputs, labels)", "Give"),
    ),
    "missing labels, tf.data": (
        {"validation_data": data_set(X)},
        ("`validation_data` has no labels", "(inputs, labels)", "Give"),
    ),
    "empty": (
        {"validation_data": (X[:0], Y[:0])},
        ("`validation_data` is empty", "at least one batch", "Check"),
    ),
    "empty tf.data": (
        {"validation_data": DS["x"].filter(lambda x, y: False)},
        ("`validation_data` is empty", "at least one batch", "Check"),
    ),
    "infinite": (
        {"validation_data": DS["x"].repeat()},
        ("`validation_data` is infinite", "Pass `validation_steps`"),
    ),
    "too many steps": (
        {"validation_data": DS["x"], "validation_steps": 13},
        ("validation_steps=13", "Received: 12", "Lower `validation_steps`"),
    ),
    "generator": (
        {"validation_data": endless()},
        ("`validation_data` is exhausted", "Give arrays"),
    ),
    "NaN": (
        {"validation_data": (changed(X, (5, 1), NAN), Y)},
        ("NaN or infinity in `validation_data`", "[5, 1]", "Clean"),
    ),
    "length": ({"validation_data": (X, Y[:-3])}, ("96", "93")),
    "weights": ({"validation_data": (X, Y, np.ones(5))}, ("96", "5")),
    "four parts": (
        {"validation_data": (X, Y, Y, Y)},
        ("(x, y, sample_weight)", "found"),
    ),
    "split of tf.data": (
        {**DS, "validation_split": 0.2},
        ("`validation_split` needs arrays", "0.2", "`validation_data`"),
    ),
    "split of PyDataset": (
        {"x": Short(), "y": None, "validation_split": 0.2},
        ("`validation_split` needs arrays", "0.2", "`validation_data`"),
    ),
    "split above 1": (
        {"validation_split": 1.5},
        ("`validation_split` needs", "between 0 and 1", "1.5"),
    ),
    "negative split": (
        {"validation_split": -0.5},
        ("`validation_split` needs", "between 0 and 1", "-0.5"),
    ),
    "split that leaves nothing": (
        {"validation_split": 0.999},
        ("empty", "at least one batch"),
    ),
}


@pytest.mark.parametrize("case", VALIDATION.values(), ids=VALIDATION)
def test_validation(case):
    fit, words = case
    refused(*words, **fit)


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        ({"y": Y[:-3]}, ("96", "93")),
        ({"x": X[:-3]}, ("96", "93")),
        ({"sample_weight": np.ones(5)}, ("96", "5")),
    ],
)
def test_lengths_differ(fit, words):
    refused(*words, "same number", **fit)


def test_lengths_of_dict_inputs_differ():
    x = {"a": X, "b": X[:-3, :2]}
    refused("96", "93", "same number", x=x, model_fn=dict_network)


@pytest.mark.parametrize(
    "model_fn",
    [
        functools.partial(network, seed=1),
        lambda: keras.utils.set_random_seed(1) or network(),
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
        model.compile(keras.optimizers.SGD(1e30), LOGITS)
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


@pytest.mark.parametrize("eager", [True, False])
def test_loss_turns_nan(eager):
    poison = keras.Variable(0.0)

    def objective(y_true, student_logits, teacher_logits):
        ban = losses.soft_cross_entropy(
            keras.ops.softmax(teacher_logits), student_logits
        )
        return ban + keras.ops.convert_to_tensor(poison)

    def model_fn():
        model = network()
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

    ban = keras_ban.BornAgain(network)
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
    ban = keras_ban.BornAgain(network)
    lineage = ban.fit(X, Y, 1, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="Correct the labels"):
        ban.fit(X, Y + 1, 1, verbose=0)
    assert ban.lineage is lineage
