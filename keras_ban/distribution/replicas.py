"""What the replicas of a global batch have in common: sums and places."""

import contextlib

import keras
import tensorflow as tf


def replicas_of(model):
    """The number of replicas that a model is trained on."""
    return model.distribute_strategy.num_replicas_in_sync


def building(model):
    """A context in which a model that is not built yet gets its weights.

    Args:
        model: A `keras.Model`.
    """
    if model.built:
        return contextlib.nullcontext()
    return model.distribute_strategy.scope()


def replicas():
    """The number of replicas in the strategy that is entered, else 1."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def total(x):
    """The sum over all replicas, of a tensor or of each of a list."""
    context = tf.distribute.get_replica_context()
    if context is None or replicas() == 1:
        return x
    return context.all_reduce(tf.distribute.ReduceOp.SUM, x)


def largest(x):
    """The largest over all replicas, elementwise; it gets no gradient."""
    x = tf.stop_gradient(x)
    context = tf.distribute.get_replica_context()
    if context is None or replicas() == 1:
        return x
    number = context.replica_id_in_sync_group
    own = tf.equal(tf.range(replicas()), number)
    own = tf.reshape(own, (-1, *[1] * len(x.shape)))
    return tf.reduce_max(total(tf.where(own, x, tf.zeros_like(x))), axis=0)


def place(rows):
    """Where a replica's rows are in the global batch.

    Args:
        rows: How many rows it has, an integer tensor.

    Returns:
        The number of its first row, and the number of all rows.
    """
    context = tf.distribute.get_replica_context()
    if context is None or replicas() == 1:
        return 0, rows
    number = context.replica_id_in_sync_group
    counts = total(tf.one_hot(number, replicas(), dtype="int32") * rows)
    return tf.reduce_sum(counts[:number]), tf.reduce_sum(counts)


def all_rows(structure):
    """A replica's rows; of several workers, those of all.

    Keras puts the rows of this machine's replicas one after another; of
    several workers, the first of these replicas has all rows and the others
    none, so that every worker has the whole.

    Args:
        structure: Tensors, with the axis of the batch.
    """
    if replicas() == 1:
        return structure
    local = len(tf.distribute.get_strategy().extended.worker_devices)
    if local == replicas():
        return structure
    context = tf.distribute.get_replica_context()
    is_first = context.replica_id_in_sync_group % local == 0

    def gather(tensor):
        rows = context.all_gather(tensor, axis=0)
        return rows[: tf.where(is_first, tf.shape(rows)[0], 0)]

    return keras.tree.map_structure(gather, structure)
