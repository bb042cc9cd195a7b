"""Generation 0 and the control give the bits of plain Keras."""

import itertools

import keras
import numpy as np
import pytest
from builders import Batches
from builders import compiled
from builders import data_set
from builders import learnable
from builders import mlp
from matrices import names
from matrices import pairs
from weights import assert_same

import keras_ban

# Five batches of 16, the last one of 6.
X, Y = learnable(70)
WEIGHT = np.linspace(0.5, 2, 70).astype("float32")
VALIDATION = learnable(40, 2)
FIT = {"epochs": 2, "verbose": 0, "shuffle": False}
DATA = {
    "arrays": lambda: {"x": X, "y": Y, "batch_size": 16},
    "weighted arrays": lambda: {
        "x": X,
        "y": Y,
        "sample_weight": WEIGHT,
        "batch_size": 16,
    },
    "tf.data": lambda: {"x": data_set(X, Y, size=16)},
    "weighted tf.data": lambda: {"x": data_set(X, Y, WEIGHT, size=16)},
    "endless tf.data": lambda: {
        "x": data_set(X, Y, size=16).repeat(),
        "steps_per_epoch": 5,
    },
    "PyDataset": lambda: {"x": Batches(X, Y, size=16)},
}
SIZES = (1, 2, 3, 50)


def model_fn(**compilation):
    compilation = {"optimizer": adam(), **compilation}
    return lambda: compiled(mlp(8, keras.layers.Dropout(0.2)), **compilation)


def adam(steps=None):
    """A configuration, as each network needs an optimizer of its own."""
    optimizer = keras.optimizers.Adam(0.02, gradient_accumulation_steps=steps)
    return keras.optimizers.serialize(optimizer)


def check(model, data, objective="labels", callbacks=None, **fit):
    """Compares a run of two generations with plain Keras."""
    fit = {**FIT, **fit}
    own = {"callbacks": callbacks} if callbacks else {}
    born = keras_ban.BornAgain(model, objective, seed=7)
    lineage = born.fit(**{"y": None, **data()}, generations=1, **fit, **own)
    for generation in lineage if objective == "labels" else lineage[:1]:
        keras.utils.set_random_seed(generation.seed)
        plain = model()
        own = {"callbacks": callbacks(0)} if callbacks else {}
        history = plain.fit(**data(), **fit, **own).history
        assert_same(generation.model, plain)
        assert generation.history == history
        updates = generation.model.optimizer.iterations
        assert int(updates) == int(plain.optimizer.iterations)
    return lineage


FEW = [
    *itertools.product(["arrays"], SIZES),
    *itertools.product(sorted({*DATA} - {"arrays"}), [2, 50]),
]
OFTEN = {
    ("arrays", 3),
    ("weighted arrays", 2),
    ("endless tf.data", 2),
    ("PyDataset", 50),
}


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        pytest.param(*case, marks=[] if case in OFTEN else pytest.mark.slow)
        for case in FEW
    ],
)
def test_executions(kind, size):
    check(model_fn(steps_per_execution=size), DATA[kind])


@pytest.mark.parametrize(
    ("kind", "size"), pairs(["arrays", "tf.data"], [2, 50])
)
def test_first_generation_of_students(kind, size):
    check(model_fn(steps_per_execution=size), DATA[kind], objective="ban")


@pytest.mark.parametrize("jit", names([True, False, "auto"], "auto"))
def test_compiled(jit):
    model = model_fn(steps_per_execution=2, eager=False, jit_compile=jit)
    check(model, DATA["arrays"])


def stopping(number):
    return [
        keras.callbacks.EarlyStopping("val_loss", min_delta=9.0, patience=1),
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch)),
    ]


ARGUMENTS = {
    "class_weight": {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5, 3: 1.0}},
    "validation_data": {"validation_data": VALIDATION},
    "validation_freq": {
        "validation_data": VALIDATION,
        "validation_freq": 2,
        "validation_batch_size": 7,
        "validation_steps": 2,
    },
    "initial_epoch": {"initial_epoch": 1, "epochs": 3},
    "callbacks": {
        "callbacks": stopping,
        "validation_data": VALIDATION,
        "epochs": 4,
    },
}


def test_arguments_together():
    fit = {**ARGUMENTS["class_weight"], **ARGUMENTS["validation_freq"]}
    fit |= ARGUMENTS["initial_epoch"]
    check(model_fn(steps_per_execution=2), DATA["arrays"], **fit)


@pytest.mark.parametrize("kind", names(["arrays", "tf.data"], "tf.data"))
@pytest.mark.parametrize("name", names(ARGUMENTS, "callbacks"))
def test_arguments(kind, name):
    check(model_fn(steps_per_execution=2), DATA[kind], **ARGUMENTS[name])


@pytest.mark.parametrize(
    ("kind", "size"), pairs(["arrays", "tf.data", "PyDataset"], [1, 2, 3])
)
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_steps_that_fill_a_pass(kind, size):
    """Two epochs of 2 batches, or of an execution, read 4."""

    def data():
        found = DATA[kind]()
        if kind == "arrays":
            return {**found, "x": X[:64], "y": Y[:64]}
        cls = type(found["x"])
        if kind == "PyDataset":
            return {"x": cls(X[:64], Y[:64], size=16)}
        return {"x": found["x"].take(4)}

    model = model_fn(steps_per_execution=size)
    check(model, data, steps_per_epoch=2, epochs=3)


def test_steps_give_the_size_of_batches():
    model = model_fn(steps_per_execution=3)
    check(model, lambda: {"x": X, "y": Y}, steps_per_epoch=7, epochs=1)


def test_validation_split():
    model = model_fn(steps_per_execution=3)
    check(model, DATA["arrays"], validation_split=0.3)


@pytest.mark.parametrize("size", names([1, 3], 3))
def test_accumulated_gradients(size):
    model = model_fn(optimizer=adam(2), steps_per_execution=size)
    check(model, DATA["weighted arrays"])


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("jit", [True, False, "auto"])
@pytest.mark.parametrize("accumulated", [None, 2])
@pytest.mark.parametrize("kind", DATA)
def test_grid(kind, accumulated, jit, size):
    model = model_fn(
        optimizer=adam(accumulated),
        eager=False,
        jit_compile=jit,
        steps_per_execution=size,
    )
    for name in (None, *ARGUMENTS):
        if name == "class_weight" and "weighted" in kind:
            continue
        check(model, DATA[kind], **ARGUMENTS.get(name, {}))


ORDERED = {
    "shuffled arrays": {"x": X, "y": Y, "batch_size": 16, "shuffle": True},
    "batches": {"x": X, "y": Y, "batch_size": 16, "shuffle": "batch"},
    "buffer": {"x": data_set(X, Y, size=16), "shuffle": 70},
    "function": {"x": lambda k, e: data_set(X, Y, size=16), "shuffle": None},
    "steps of a function": {
        "x": lambda k, e: data_set(X, Y, size=4),
        "steps_per_epoch": 5,
        "shuffle": None,
    },
    "views": {
        "x": X,
        "y": Y,
        "batch_size": 16,
        "augment": lambda x, seed: x,
        "views": 2,
    },
    "cached": {
        "x": X,
        "y": Y,
        "batch_size": 16,
        "teacher_outputs": "cached",
    },
}


@pytest.mark.parametrize(("name", "size"), pairs(ORDERED, [2, 50]))
def test_updates_of_what_is_ordered_here(name, size):
    """Plain Keras trains on five batches in each epoch."""
    fit = {"y": None, "generations": 1, **FIT, **ORDERED[name]}
    model = model_fn(steps_per_execution=size)
    lineage = keras_ban.BornAgain(model).fit(**fit)
    for generation in lineage:
        assert int(generation.model.optimizer.iterations) == 10


def test_no_epoch_left():
    born = keras_ban.BornAgain(model_fn())
    for initial, epochs in itertools.product([2, 5], [2]):
        with pytest.raises(ValueError, match="leaves no epoch") as error:
            born.fit(X, Y, epochs=epochs, initial_epoch=initial)
        assert f"epochs={epochs}. Received: {initial}" in str(error.value)
    with pytest.raises(ValueError, match=r"initial_epoch.*at least 0.*-1"):
        born.fit(X, Y, epochs=2, initial_epoch=-1)
