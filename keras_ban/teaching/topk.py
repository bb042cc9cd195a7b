"""The largest probabilities of a teacher, and logits from them."""

import numpy as np
import tensorflow as tf
from keras import ops


def encode(logits, top_k, dtype="float32"):
    """The largest probabilities of each row, and what is left.

    Args:
        logits: Logits of shape `(..., n)`.
        top_k: How many.
        dtype: Of the probabilities' logarithms. Defaults to `"float32"`.

    Returns:
        Logarithms of the probabilities and their classes, of shape
        `(..., k)`, and the logarithm of the remaining probability, of shape
        `(..., 1)`.
    """
    log_p = tf.nn.log_softmax(tf.cast(logits, "float32"))
    order = tf.argsort(log_p, direction="DESCENDING", stable=True)
    log_p = tf.gather(log_p, order, batch_dims=len(order.shape) - 1)
    rest = tf.reduce_logsumexp(log_p[..., top_k:], axis=-1, keepdims=True)
    # A probability of 0 stays one, and its logarithm a number.
    kept = tf.maximum(log_p[..., :top_k], tf.as_dtype(dtype).min)
    return tf.cast(kept, dtype), order[..., :top_k], rest


def decode(outputs, student=None):
    """Logits, from what is kept of them.

    Of the classes that are not kept, their probability together is known, and
    nothing of each: it is shared among them as the student shares its own. The
    gradient `q - p` then moves their logits together, and pulls none towards
    another, as would the even shares that no teacher has.

    Args:
        outputs: A tuple: logits of shape `(..., n)`, or what `encode` gives.
        student: Logits of the student of shape `(..., n)`, which get no
            gradient here. Defaults to `None`: all logits were kept.

    Returns:
        Logits of shape `(..., n)` in float32.
    """
    if len(outputs) == 1:
        return ops.cast(outputs[0], "float32")
    log_p, order, rest = outputs
    log_p = ops.cast(log_p, "float32")
    student = ops.stop_gradient(ops.cast(student, "float32"))
    shape, classes = ops.shape(student), student.shape[-1]
    order = ops.reshape(order, (-1, log_p.shape[-1]))
    start = ops.expand_dims(ops.arange(ops.shape(order)[0]), -1) * classes
    places = ops.reshape(order + ops.cast(start, order.dtype), (-1, 1))

    def put(logits, values):
        flat = ops.reshape(logits, (-1,))
        values = ops.reshape(values, (-1,))
        return ops.reshape(ops.scatter_update(flat, places, values), shape)

    others = put(student, ops.full_like(log_p, -np.inf))
    return put(ops.log_softmax(others) + rest, log_p)
