"""States of a running training that somebody else has made."""

import hashlib
import io
import itertools
import json

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from hostile import within
from lineages import X
from lineages import Y
from lineages import model_fn

import keras_ban
from keras_ban.state import file as state_file
from keras_ban.state.file import HEADER


@pytest.mark.parametrize(
    "index",
    [
        [["float32", [2**40]]],
        [["float32", [-1]]],
        [["float32", [2**62, 2**62, 0]]],
        [["float32", [True]]],
        [["object", [1]]],
        [["string", [1]]],
        [["resource", [1]]],
        [["float32", [1] * 64]],
        [["../victim", [1]]],
        [["float32"]],
        [[["float32"], [1]]],
        {"float32": [1]},
        None,
        7,
        [],
    ],
)
def test_arrays_of_no_such_shape(index):
    content = state_file.pack({"epoch": 1}, [])
    text = json.dumps({"meta": {"epoch": 1}, "arrays": index}).encode()
    held = text + bytes(4)
    content = state_file.packed(held, len(text))
    with pytest.raises(ValueError, match="it "):
        state_file.unpack(content)


def test_bytes_of_a_state_that_are_turned():
    """Whatever HDF5 makes of them is an error that says it."""
    content = state_file.pack({"epoch": 1}, [np.ones((3, 2), "float32")])
    image, known = content[HEADER:], json.loads(content[:HEADER])
    refused = 0
    for place, value in itertools.product(range(len(image)), (1, 255)):
        turned = bytearray(image)
        turned[place] = value
        known["sha256"] = hashlib.sha256(turned).hexdigest()
        head = json.dumps(known).encode().ljust(HEADER)
        with within():
            try:
                state_file.unpack(head + bytes(turned))
            except ValueError:
                refused += 1
    assert refused > 100


def linked(file):
    file["state"] = h5py.ExternalLink("/etc/other.h5", "/state")


def soft(file):
    file["state"], file["other"] = h5py.SoftLink("/other"), np.ones(8, "uint8")


def external(file):
    place = [("/etc/passwd", 0, 8)]
    file.create_dataset("state", (8,), "uint8", external=place)


def virtual(file):
    layout = h5py.VirtualLayout((8,), "uint8")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (8,))
    file.create_virtual_dataset("state", layout)


def huge(file):
    file.create_dataset("state", (2**40,), "uint8")


def packed_tight(file):
    file.create_dataset("state", data=np.zeros(2**20, "uint8"), compression=9)


def folder(file):
    file.create_group("state")


PLACES = [linked, soft, external, virtual, huge, packed_tight, folder]


@pytest.mark.parametrize("change", PLACES, ids=lambda f: f.__name__)
def test_a_state_that_is_elsewhere_or_has_no_end(change):
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        change(file)
    content = image.getvalue()
    known = {"json": 8, "sha256": hashlib.sha256(content).hexdigest()}
    head = json.dumps(known).encode().ljust(HEADER)
    with within(), pytest.raises(ValueError, match=r"its state|HDF5"):
        state_file.unpack(head + content)


def batches():
    for start in range(0, 64, 32):
        yield X[start : start + 32], Y[start : start + 32]


def test_a_step_that_no_data_has(tmp_path):
    """Of data whose size nobody knows, it shows as it is read past."""
    kinds = tf.TensorSpec((None, 6)), tf.TensorSpec((None,), "int64")
    data = tf.data.Dataset.from_generator(batches, output_signature=kinds)

    def run():
        born = keras_ban.BornAgain(model_fn, directory=tmp_path, save_every=1)
        born.fit(data, generations=1, epochs=2, verbose=0, callbacks=Stopped())

    with pytest.raises(KeyboardInterrupt):
        run()
    path = tmp_path / "generation-0" / "backup.h5"
    meta, arrays = state_file.unpack(path.read_bytes())
    assert meta["step"] == 1
    path.write_bytes(state_file.pack({**meta, "step": 2**40}, arrays))
    with within(30), pytest.raises(ValueError, match=r"`step` is 1.*at most 2"):
        run()


class Stopped(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 1:
            raise KeyboardInterrupt
