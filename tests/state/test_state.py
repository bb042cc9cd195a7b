"""What a running training is saved as: bytes, and what callbacks remember."""

import ml_dtypes
import numpy as np
import pytest

from keras_ban.state import file as state
from keras_ban.state.callbacks import CallbackStates

ARRAYS = [
    np.arange(6, dtype="float32").reshape(2, 3),
    np.array(np.nan, "float64"),
    np.array([], "int64"),
    np.array([[1.5, -2.0]], ml_dtypes.bfloat16),
    np.array([True, False]),
    np.array(7, "uint32"),
    np.array([3], "uint8"),
    np.arange(4, dtype="float16")[::-1],
]


def test_arrays_come_back():
    meta = {"epoch": 3, "logs": {"loss": 0.1}, "text": "ä"}
    content = state.pack(meta, ARRAYS)
    found, arrays = state.unpack(content)
    assert found == meta
    for one, other in zip(ARRAYS, arrays, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


def test_is_an_hdf5_file(tmp_path):
    import h5py

    path = tmp_path / "backup.h5"
    path.write_bytes(state.pack({"epoch": 3}, ARRAYS))
    with h5py.File(path) as file:
        assert list(file) == ["state"]
        assert file["state"][()].tobytes().startswith(b'{"meta": {"epoch": 3}')


@pytest.mark.parametrize("where", ["beginning", "middle", "end"])
def test_damage_is_seen(where):
    content = bytearray(state.pack({"epoch": 3}, ARRAYS))
    index = {"beginning": 9, "middle": len(content) // 2, "end": -1}[where]
    content[index] ^= 1
    part = "beginning|checksum" if where == "beginning" else "checksum"
    with pytest.raises(ValueError, match=f"its ({part})"):
        state.unpack(bytes(content))


class Callback:
    def __init__(self, **attributes):
        vars(self).update(attributes)


PLAIN = {
    "none": None,
    "bool": True,
    "number": -3,
    "float": float("inf"),
    "text": "min",
    "list": [1, [2.5, "three"], ()],
    "tuple": (1, (2, [3])),
    "dict": {"a": 1, 2: (3,), (4, 5): {}},
    "array": np.arange(3.0),
    "scalar": np.float32(0.1),
    "weights": [np.ones((2, 2), "float16"), np.array(2)],
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_callbacks_remember(name):
    before, after = Callback(), Callback()
    saved, restored = CallbackStates([before]), CallbackStates([after])
    before.held = PLAIN[name]
    meta, arrays = state.unpack(state.pack(*reversed_pair(saved.get())))
    restored.set(meta["states"], arrays)
    assert type(after.held) is type(before.held)
    assert repr(after.held) == repr(before.held)
    if name == "array":
        after.held[0] = 9.0  # is not read-only


def reversed_pair(states_and_arrays):
    states, arrays = states_and_arrays
    return {"states": states}, arrays


def test_what_did_not_change_is_left_to_the_script():
    callback = Callback(patience=3, count=0)
    states = CallbackStates([callback])
    callback.count = 1
    held, _ = states.get()
    other = Callback(patience=5, count=0)
    CallbackStates([other]).set(held)
    assert vars(other) == {"patience": 5, "count": 1}


def test_what_cannot_be_kept_is_left_alone():
    callback = Callback()
    states = CallbackStates([callback])
    callback.file, callback.objects = open, np.array([object()])
    callback.nested = [1, open]
    held, arrays = states.get()
    assert held[0]["state"] == {}
    assert arrays == []


class Other(Callback):
    pass


def counted(*callbacks):
    """What is remembered of callbacks that have counted 1, 2, ..."""
    states = CallbackStates(callbacks)
    for number, callback in enumerate(callbacks, 1):
        callback.count = number
        callback.weights = [np.full(2, number)]
    return states.get()


def test_states_are_matched_by_class_and_occurrence():
    held = counted(Callback(), Other(), Callback(), Other())
    # One more, one less, in another order.
    now = [Other(), Callback(), Callback(), Callback(count=0)]
    states = CallbackStates(now)
    states.set(*held)
    assert [c.count for c in now] == [2, 1, 3, 0]
    assert [c.weights[0][0] for c in now[:3]] == [2, 1, 3]
    assert states.unmatched(held[0]) == (["Callback"], ["Other"])


def test_nothing_is_told_of_a_state_with_nothing_in_it():
    held, _ = CallbackStates([Callback(), Other()]).get()
    assert CallbackStates([Callback()]).unmatched(held) == ([], [])


def test_what_has_changed_back_is_remembered_too():
    """Else it would be as an earlier state, of another generation, has it."""
    callback, seen = Callback(wait=0), {}
    callback.wait = 3
    first = CallbackStates([callback], seen)
    callback.wait = 5
    earlier, _ = first.get()
    callback.wait = 3
    later, _ = CallbackStates([callback], seen).get()
    other = Callback(wait=3)
    states = CallbackStates([other])
    states.set(earlier)
    states.set(later)
    assert other.wait == 3


def test_places_are_the_scripts_own(tmp_path):
    """No path from a file is where a callback of Keras writes."""
    import keras

    board = keras.callbacks.TensorBoard(tmp_path / "mine")
    backup = keras.callbacks.BackupAndRestore(tmp_path / "mine")
    states = CallbackStates([board, backup])
    before = [dict(vars(c)) for c in (board, backup)]
    names = (
        ("log_dir", "_log_write_dir", "_train_dir", "_val_dir"),
        ("backup_dir", "_weights_path", "_training_metadata_path"),
    )
    hostile = [
        {"class": kind, "state": {k: ["/elsewhere", 0] for k in held}}
        for kind, held in zip(
            ("TensorBoard", "BackupAndRestore"), names, strict=True
        )
    ]
    states.set(hostile, [])
    assert [vars(c) for c in (board, backup)] == before
