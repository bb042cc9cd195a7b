"""What the replicas of a global batch have in common: sums and places."""

import contextlib
import threading

import keras
import tensorflow as tf

from keras_ban.distribution.parts import Part


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


class _Step(threading.local):
    """What a replica, a thread of its own, knows of the step it is in."""

    part = None
    sums = None


_STEP = _Step()


@contextlib.contextmanager
def step(data):
    """A context in which the place in the global batch need not be asked for.

    And what is summed `once` is so.

    Args:
        data: What a step of a model is given: a `Part`, or else nothing is
            known.
    """
    before = _STEP.part, _STEP.sums
    _STEP.part = data if isinstance(data, Part) else None
    _STEP.sums = {}
    try:
        yield
    finally:
        _STEP.part, _STEP.sums = before


def once(function, words, given):
    """What a function returns, called once in a step for what it is of.

    Args:
        function: A function without arguments.
        words: Words and numbers that tell it from others, a tuple.
        given: A tuple of what it is of, which counts as the same if it is the
            same object.
    """
    if _STEP.sums is None:
        return function()
    key = words, *map(id, given)
    if key not in _STEP.sums:
        # An object that is kept cannot give its number to another one.
        _STEP.sums[key] = given, function()
    return _STEP.sums[key][1]


def total(x):
    """The sum over all replicas, of a tensor or of each of a list.

    Those of a list travel together, in one operation for each of their types:
    each operation waits for all replicas.
    """
    context = tf.distribute.get_replica_context()
    if context is None or replicas() == 1:
        return x
    tensors, groups = keras.tree.flatten(x), {}
    for number, tensor in enumerate(tensors):
        # Rows of a table are gathered, each table by itself.
        is_table = isinstance(tensor, tf.IndexedSlices)
        kind = number if is_table else tensor.dtype
        groups.setdefault(kind, []).append(number)
    for numbers in groups.values():
        summed = _packed([tensors[number] for number in numbers], context)
        for number, tensor in zip(numbers, summed, strict=True):
            tensors[number] = tensor
    return keras.tree.pack_sequence_as(x, tensors)


def _packed(tensors, context):
    """The sums of several tensors of a type, in one operation."""
    if len(tensors) == 1:
        return [context.all_reduce(tf.distribute.ReduceOp.SUM, tensors[0])]
    shapes = [
        t.shape if t.shape.is_fully_defined() else tf.shape(t) for t in tensors
    ]
    # Numbers, where they are known, as XLA needs them.
    sizes = [
        t.shape.num_elements() if t.shape.is_fully_defined() else tf.size(t)
        for t in tensors
    ]
    joined = tf.concat([tf.reshape(t, [-1]) for t in tensors], 0)
    joined = context.all_reduce(tf.distribute.ReduceOp.SUM, joined)
    pieces = tf.split(joined, sizes, num=len(sizes))
    return [tf.reshape(*pair) for pair in zip(pieces, shapes, strict=True)]


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
    if _STEP.part is not None and _STEP.part.place:
        return _STEP.part.place
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
