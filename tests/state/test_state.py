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


def test_another_callback_in_its_place_is_left_alone():
    class Other(Callback):
        pass

    callback, other = Callback(), Other(count=7)
    states = CallbackStates([callback])
    callback.count = 1
    CallbackStates([other]).set(*states.get())
    assert other.count == 7
