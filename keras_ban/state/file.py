"""Everything that a running training would lose, as one file.

An HDF5 file of one dataset: a JSON text that says what is in it, and then the
bytes of all arrays, one after another. The 512 bytes before it, which HDF5
leaves to the user, hold the length of the text and the checksum of the rest.
"""

import hashlib
import io
import json

import h5py
import numpy as np
import tensorflow as tf

from keras_ban import files

_HEADER = 512


def pack(meta, arrays):
    """The content of a state file.

    Args:
        meta: A dict that JSON can hold.
        arrays: A list of NumPy arrays.

    Returns:
        Bytes.
    """
    index = [[a.dtype.name, list(a.shape)] for a in arrays]
    text = files.dumps({"meta": meta, "arrays": index}).encode()
    content = b"".join([text, *(a.tobytes() for a in arrays)])
    # A memory image: one writing to the disk, of a file that is complete.
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        file["state"] = np.frombuffer(content, "uint8")
        file.flush()
        image = file.id.get_file_image()
    known = {"json": len(text), "sha256": hashlib.sha256(image).hexdigest()}
    return json.dumps(known).encode().ljust(_HEADER) + image


def unpack(content):
    """What `pack` was given: the dict and the list of arrays.

    Raises:
        ValueError: If the content is damaged.
    """
    try:
        known = json.loads(content[:_HEADER])
        length, expected = known["json"], known["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("its beginning is not that of a state") from error
    if hashlib.sha256(content[_HEADER:]).hexdigest() != expected:
        raise ValueError("its checksum differs")
    with h5py.File(io.BytesIO(content), "r") as file:
        held = file["state"][()].tobytes()
    known = json.loads(held[:length])
    arrays, start = [], length
    for name, shape in known["arrays"]:
        dtype = np.dtype(tf.as_dtype(name).as_numpy_dtype)
        count = int(np.prod(shape, dtype="int64"))
        array = np.frombuffer(held, dtype, count, start)
        arrays.append(array.reshape(shape))
        start += array.nbytes
    return known["meta"], arrays
