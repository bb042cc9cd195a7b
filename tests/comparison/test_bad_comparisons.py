"""What `compare` refuses, before anything is trained."""

import keras
import pytest
from builders import data_set
from builders import learnable
from builders import linear
from builders import noisy
from refusals import Untouched

import keras_ban
from keras_ban import Method

X, Y = learnable(64)


def refused(*words, model_fn=linear, error=ValueError, **kwargs):
    kwargs = {"x": X, "y": Y, "methods": ["ban"], "seeds": 2, **kwargs}
    kwargs = {"callbacks": lambda number: [Untouched()], **kwargs}
    with pytest.raises(error) as info:
        keras_ban.compare(model_fn, verbose=0, **kwargs)
    for word in words:
        assert word in str(info.value)


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        (1, ("no spread", "at least 2", "Received: 1")),
        (0, ("at least 2", "Received: 0")),
        (-3, ("at least 2",)),
        ([7], ("at least 2", "Received: 1")),
        ([1, 2, 1], ("seed 1 is given twice", "[1, 2, 1]")),
        ([1, -1], ("`seeds`", "at least 0", "-1")),
        ([1, 2.5], ("`seeds`", "2.5")),
        ("01", ("`seeds`", "list of different integers", "'01'")),
        (True, ("`seeds`", "True")),
    ],
    ids=str,
)
def test_seeds(seeds, expected):
    refused(*expected, seeds=seeds)


def test_unknown_method():
    refused("Unknown method", "'one from five'", "'bann'", methods=["bann"])


def test_two_methods_of_one_name():
    refused("Two methods", "'ban'", methods=["ban", Method()])


@pytest.mark.parametrize(
    "argument",
    [
        {"objective": "kd"},
        {"teachers": 5},
        {"generations": 2},
        {"learn_from": "all"},
        {"teacher_augment": "mixup"},
    ],
    ids=str,
)
def test_what_a_method_says(argument):
    ((name, value),) = argument.items()
    refused(f"`{name}` differs between methods", f"{value!r}", **argument)


def test_given_teacher():
    refused("trains its teachers", "`teacher=`", teacher=linear())


@pytest.mark.parametrize("select", ["ece", "Error", ["nll"]], ids=str)
def test_what_selects(select):
    words = "`select`", "Expected 'error' or 'nll'", f"Received: {select!r}"
    refused(*words, select=select)


def test_later_beginning():
    refused("from the first epoch", "initial_epoch=1", initial_epoch=1)


@pytest.mark.parametrize("epochs", [0, "5x", lambda k: 3])
def test_length_of_the_comparison(epochs):
    refused("`epochs`", "integer of at least 1", epochs=epochs)


def test_folder_of_outputs(tmp_path):
    words = "'online' or 'cached'", str(tmp_path)
    refused(*words, teacher_outputs=str(tmp_path))


def test_unlabelled_data():
    refused("labels", x=X, y=None)
    refused("labels", x=data_set(X, size=32), y=None)


def test_unknown_argument():
    refused("Unknown argument", "epochs", epoch=3)


@pytest.mark.parametrize(
    "methods",
    [
        ["ban", Method("kd", 7)],
        ["ban", Method("labels", lambda: 3)],
        ["ban", Method("kd", teacher_augment=7)],
    ],
    ids=["number", "function", "teachers"],
)
def test_views_of_the_last_method(methods):
    refused("augment", methods=methods)


def test_cache_without_a_number_of_views():
    methods = ["ban", Method("ban", noisy)]
    refused("`views=`", methods=methods, teacher_outputs="cached")


def test_objective_of_the_last_method():
    def wrong(y_true, student_logits, teacher_logits):
        return keras.ops.matmul(student_logits, teacher_logits)

    refused("wrong", methods=["ban", Method(wrong)])


@pytest.mark.parametrize("model_fn", [[linear, linear], lambda parent: parent])
def test_networks_of_several_architectures(model_fn):
    refused("one architecture", "of the student", model_fn=model_fn)


def test_callbacks_that_write(tmp_path):
    refused(
        "`CSVLogger` writes to one place",
        "log.csv",
        "Leave it out",
        callbacks=[keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))],
    )
    refused(
        "`ModelCheckpoint` writes to one place",
        "Leave it out",
        callbacks=lambda k: keras.callbacks.ModelCheckpoint(f"{k}.keras"),
    )


def test_callbacks_that_remember():
    words = "`Untouched` would be shared", "lambda number: [Untouched(...)]"
    refused(*words, callbacks=[Untouched()])


def test_validation_data_without_labels():
    refused("validation_data", validation_data=X)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    refused("`directory` is a file", directory=tmp_path / "file")
