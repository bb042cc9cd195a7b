"""Everything that a running training would lose, as one file.

An HDF5 file of one dataset: a JSON text that says what is in it, and then the
bytes of all arrays, one after another. The 512 bytes before it, which HDF5
leaves to the user, hold the length of the text and the checksum of the rest.
"""

import hashlib
import io
import json
import math
import threading

import h5py
import numpy as np
import tensorflow as tf

from keras_ban import files
from keras_ban.state.remembered import DTYPES

HEADER = 512
# As many as any NumPy can have.
_AXES = 32
# More than any run says of itself.
_TEXT = 2**28


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
    return packed(content, len(text))


def packed(content, length):
    """The content of a state file.

    Args:
        content: A JSON text, and the bytes of all arrays.
        length: The length of the text.

    Returns:
        Bytes.
    """
    # A memory image: one writing to the disk, of a file that is complete. Runs
    # side by side pack at the same time, which HDF5 tells apart by the name.
    name = f"memory {threading.get_ident()}"
    with h5py.File(name, "w", driver="core", backing_store=False) as file:
        file["state"] = np.frombuffer(content, "uint8")
        file.flush()
        image = file.id.get_file_image()
    known = {"json": length, "sha256": hashlib.sha256(image).hexdigest()}
    return json.dumps(known).encode().ljust(HEADER) + image


def unpack(content):
    """What `pack` was given: the dict and the list of arrays.

    Raises:
        ValueError: If the content is damaged.
    """
    length, expected = header(content)
    if hashlib.sha256(content[HEADER:]).hexdigest() != expected:
        raise ValueError("its checksum differs")
    held = _held(io.BytesIO(content), len(content))
    if type(length) is not int or not 0 <= length <= len(held):
        raise ValueError("its text has no such length")
    known = files.parsed(held[:length])
    if not isinstance(known, dict) or set(known) != {"meta", "arrays"}:
        raise ValueError("it does not say what it holds")
    return known["meta"], _arrays(known["arrays"], held, length)


def look(stream, size):
    """What the text of a state file says, of one that may be gigabytes.

    Its arrays are not read, and its checksum is not compared.

    Args:
        stream: The file, opened to read bytes.
        size: How many it has.

    Returns:
        The dict that `pack` was given, and how many arrays there are.

    Raises:
        ValueError: If it is damaged.
    """
    length, _ = header(stream.read(HEADER))
    if type(length) is not int or not 0 <= length <= min(size, _TEXT):
        raise ValueError("its text has no such length")
    known = files.parsed(_held(stream, size, length))
    if (
        not isinstance(known, dict)
        or set(known) != {"meta", "arrays"}
        or not isinstance(known["arrays"], list)
    ):
        raise ValueError("it does not say what it holds")
    return known["meta"], len(known["arrays"])


def header(content):
    """What the beginning of a state file says.

    Args:
        content: Its first 512 bytes, or more.

    Returns:
        The length of the text, and the checksum of all that follows.

    Raises:
        ValueError: If they are not the beginning of one.
    """
    try:
        known = json.loads(content[:HEADER])
        return known["json"], known["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("its beginning is not that of a state") from error


def _held(stream, size, stop=None):
    """The first bytes of the one dataset, if it is as `pack` makes it."""
    try:
        with h5py.File(stream, "r") as file:
            link = file.get("state", getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError("its state is somewhere else")
            state = file["state"]
            if (
                not isinstance(state, h5py.Dataset)
                or state.dtype != "uint8"
                or state.ndim != 1
                or state.external
                or state.is_virtual
                or state.chunks
                or state.size > size
            ):
                raise ValueError("its state is no bytes")
            return state[:stop].tobytes()
    except ValueError:
        raise
    except Exception as error:  # Whatever is made of somebody's bytes.
        raise ValueError(f"HDF5 cannot read it: {error}") from error


def _arrays(index, held, start):
    """The arrays that lie one after another, as the text says."""
    arrays = []
    if not isinstance(index, list):
        raise ValueError("it does not say what its arrays are")
    for entry in index:
        name, shape = _described(entry)
        dtype = np.dtype(tf.as_dtype(name).as_numpy_dtype)
        count = math.prod(shape)
        if count * dtype.itemsize > len(held) - start:
            raise ValueError(f"it has no array of shape {shape}")
        array = np.frombuffer(held, dtype, count, start)
        try:
            arrays.append(array.reshape(shape))
        except ValueError as error:
            raise ValueError(f"it has no array of shape {shape}") from error
        start += array.nbytes
    if start != len(held):
        raise ValueError("it holds more than its arrays")
    return arrays


def _described(entry):
    """The name of a type and a shape, as `pack` writes them down."""
    name, shape = (
        entry if isinstance(entry, list) and len(entry) == 2 else (0, 0)
    )
    if (
        not isinstance(name, str)
        or name not in DTYPES
        or not isinstance(shape, list)
        or len(shape) > _AXES
        or not all(type(n) is int and 0 <= n <= 2**62 for n in shape)
    ):
        raise ValueError(f"it has an array of {ascii(entry)[:80]}")
    return name, shape
