"""What may be set is what may be saved: a file configures no callback."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from hostile import nested

from keras_ban.state import plain
from keras_ban.state import remembered
from keras_ban.state.callbacks import CallbackStates


def restored(callback, arrays=(), **state):
    """Sets what a file says of a callback; returns whether it warned."""
    held = {
        "class": type(callback).__name__,
        "state": {name: [value, 0] for name, value in state.items()},
    }
    remembered.check([held], len(arrays))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CallbackStates([callback]).set([held], list(arrays))
    return [str(w.message) for w in caught]


class Own(keras.callbacks.Callback):
    limit = 3

    def __init__(self, path="mine/log"):
        super().__init__()
        self.path = path
        self.count = 1
        self.best = None
        self.words = ["a"]
        self.function = print

    @property
    def height(self):
        return 2


CALLBACKS = {
    "ModelCheckpoint": (
        lambda: keras.callbacks.ModelCheckpoint("mine.keras"),
        ["filepath", "monitor", "save_freq"],
    ),
    "CSVLogger": (lambda: keras.callbacks.CSVLogger("mine"), ["filename"]),
    "TensorBoard": (
        lambda: keras.callbacks.TensorBoard("mine"),
        ["log_dir", "_log_write_dir", "_train_dir", "_val_dir"],
    ),
    "EarlyStopping": (lambda: keras.callbacks.EarlyStopping(), ["monitor"]),
    "own": (Own, ["path", "new_path", "best"]),
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_no_file_says_where_a_callback_writes(name):
    make, names = CALLBACKS[name]
    callback = make()
    before = dict(vars(callback))
    restored(callback, **dict.fromkeys(names, "../victim/x"))
    assert vars(callback) == before
    # And so it is not saved either.
    callback, states = make(), CallbackStates([callback])
    for one in names:
        setattr(callback, one, "../victim/y")
    assert CallbackStates([callback]).get()[0][0]["state"] == {}
    assert states.get()[0][0]["state"] == {}


@pytest.mark.parametrize(
    "name",
    [
        "__class__",
        "__dict__",
        "_model",
        "params",
        "model",
        "height",
        "set_model",
        "on_epoch_end",
        "function",
        "a b",
        "",
        "\ud800",
    ],
)
@pytest.mark.parametrize("value", [7, {"list": [1]}, {"dict": []}])
def test_what_a_callback_is_stays(name, value):
    callback = Own()
    before = dict(vars(callback))
    assert "is left aside" in restored(callback, **{name: value})[0]
    assert vars(callback) == before
    assert type(callback) is Own


def test_another_kind_is_left_aside():
    for name, value in [
        ("count", "text"),
        ("count", {"list": []}),
        ("words", 3),
        ("words", "a"),
    ]:
        callback = Own()
        before = dict(vars(callback))
        restored(callback, **{name: value})
        assert vars(callback) == before


def test_what_changes_its_kind_by_right_is_restored():
    callback = Own()
    found = restored(
        callback,
        [np.arange(3.0)],
        count={"scalar": ["float32", 0.5]},
        best=0.25,
        words={"tuple": [1]},
        limit=4,
        new="text",
        weights={"list": [{"array": 0}]},
    )
    assert found == []
    assert (callback.count, callback.best) == (np.float32(0.5), 0.25)
    assert (callback.words, callback.limit, callback.new) == ((1,), 4, "text")
    np.testing.assert_array_equal(callback.weights[0], np.arange(3.0))


FORMS = {
    "no list": {},
    "no dict": [3],
    "no class": [{"state": {}}],
    "no state": [{"class": "A"}],
    "shown": [{"class": "A\x1b[2J", "state": {}}],
    "long": [{"class": "A" * 1000, "state": {}}],
    "class": [{"class": 3, "state": {}}],
    "state": [{"class": "A", "state": []}],
    "pair": [{"class": "A", "state": {"a": [1]}}],
    "start": [{"class": "A", "state": {"a": [1, -1]}}],
    "start of text": [{"class": "A", "state": {"a": [1, "0"]}}],
    **{
        f"value {k}": [{"class": "A", "state": {"a": [value, 0]}}]
        for k, value in enumerate(
            [
                [1],
                {"array": 1},
                {"array": -1},
                {"array": True},
                {"array": 0, "list": []},
                {"scalar": ["object", 1]},
                {"scalar": ["string", 1]},
                {"scalar": ["float32", "1"]},
                {"scalar": [["float32"], 1]},
                {"scalar": 1},
                {"scalar": ["uint8", 300]},
                {"scalar": ["uint8", -1]},
                {"scalar": ["int32", float("nan")]},
                10**400,
                {"list": [-(10**400)]},
                {"dict": [[{"list": []}, 1]]},
                {"dict": [[{"dict": []}, 1]]},
                {"dict": [1]},
                {"list": {"array": 0}},
                {"tuple": 3},
                {"function": "print"},
                {},
            ]
        )
    },
}


@pytest.mark.parametrize("name", FORMS)
def test_other_forms_are_refused(name):
    with pytest.raises(ValueError, match="`callbacks`"):
        remembered.check(FORMS[name], 1)


ARRAYS = {
    "no list": 3,
    "text": "float32",
    "pairs": [["float32"]],
    "type": [["object", [1]]],
    "kind": [[["float32"], [1]]],
    "texts": [["float32", ["1"]]],
    "nothing": [["float32", [None]]],
    "dicts": [["float32", [{}]]],
    "ragged": [["float32", [[1], [1, 2]]]],
    "too large": [["uint8", [300]]],
    "far too large": [["float32", [10**400]]],
    "axes": [["float32", nested(150)]],
}


@pytest.mark.parametrize("name", ARRAYS)
def test_other_arrays_are_refused(name):
    with pytest.raises(ValueError, match="`arrays`"):
        remembered.check_arrays(ARRAYS[name])


def test_arrays_are_counted():
    kinds = "float32", "int8", "bool", "bfloat16"
    arrays = [np.ones((2, 3), tf.as_dtype(k).as_numpy_dtype) for k in kinds]
    assert remembered.check_arrays(plain.to_lists(arrays)) == 4
    assert remembered.check_arrays(None) is None


def test_a_metric_of_texts_takes_no_memory():
    """As an array, each text would take as much room as the longest."""
    held = ["x" * 10**6] + ["x"] * 10**6
    assert plain.metric_of_json(held) is held
    found = plain.metric_of_json([[0.5, 1.0]])
    np.testing.assert_array_equal(found, np.float32([[0.5, 1.0]]))
    assert found.dtype == "float32"


def test_what_callbacks_save_has_the_form():
    callback = Own()
    states = CallbackStates([callback])
    callback.held = {"a": [1, (2.5, None)], (1, 2): np.ones(2), 3: np.int8(4)}
    found, arrays = states.get()
    remembered.check(found, len(arrays))
    other = Own()
    assert (
        restored(
            other, arrays, **{k: v for k, (v, _) in found[0]["state"].items()}
        )
        == []
    )
    assert repr(other.held) == repr(callback.held)
