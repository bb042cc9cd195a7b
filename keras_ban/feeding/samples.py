"""What tells the values of one data set from those of another."""

import hashlib

import keras
import numpy as np
import tensorflow as tf

from keras_ban.rows import dense
from keras_ban.rows import parts

# So many bytes of each array are looked at, or so many rows if they are long.
_BYTES = 2**22
_ROWS = 16


def sample(x, y=None, sample_weight=None):
    """Checksums of rows that are spread over the arrays.

    Args:
        x: Inputs, a structure of arrays.
        y: Labels, or `None`. Defaults to `None`.
        sample_weight: Weights, or `None`. Defaults to `None`.

    Returns:
        A dict of the checksum of each of them that there is.
    """
    given = {"x": x, "y": y, "sample_weight": sample_weight}
    return {k: _checksum(v) for k, v in given.items() if v is not None}


def _checksum(structure):
    found = hashlib.sha256()
    for leaf in keras.tree.flatten(structure):
        if leaf is not None:
            for part in parts(leaf):
                found.update(_content(_rows(part)))
    return found.hexdigest()[:16]


def _rows(leaf):
    array = np.asarray(keras.ops.convert_to_numpy(leaf))
    if not array.size:
        return array
    array = np.atleast_1d(array)
    count = max(_ROWS, _BYTES * len(array) // array.nbytes)
    if count >= len(array):
        return array
    return array[np.linspace(0, len(array) - 1, count).astype("int64")]


def _content(rows):
    if rows.dtype.kind == "f":
        # As networks are trained on them.
        rows = rows.astype(keras.config.floatx())
    if rows.dtype.hasobject:
        return repr(rows.tolist()).encode()
    return rows.tobytes()


@tf.autograph.experimental.do_not_convert
def row_fingerprints(x):
    """64 bits of each example, of shape `(batch,)`.

    Args:
        x: Inputs, a structure of tensors of shape `(batch, ...)`.
    """
    leaves = [_bytes(dense(a)) for a in keras.tree.flatten(x)]
    found = tf.fingerprint(tf.concat(leaves, axis=1))
    return tf.bitcast(found, tf.int64)


def _bytes(x):
    if x.dtype == tf.string:
        x = tf.strings.to_hash_bucket_fast(x, 2**62)
    elif x.dtype == tf.bool:
        x = tf.cast(x, tf.uint8)
    rows = tf.shape(x)[0]
    return tf.reshape(tf.bitcast(x, tf.uint8), (rows, -1))
