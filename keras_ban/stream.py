"""The data of a generation, in an order that its seed and the epoch fix.

A generation that is interrupted reads on where it stood, in another process
too: batch b of epoch e of generation k is the same whenever it is read.
"""

import contextlib
import math
import re

import keras
import numpy as np
import tensorflow as tf

from keras_ban import batches

DIFFERS = (
    "The data differs from one pass to the next, so the teacher's outputs "
    "cannot be cached. Expected the same examples in the same order each time "
    "it is read. Give a `tf.data.Dataset` that is not shuffled, with "
    "`fit(..., shuffle=buffer)`, and its augmentation as a function of a seed, "
    "`fit(..., augment=function, views=K)`; or let the teacher run in each "
    "step, `teacher_outputs='online'`."
)
_LENGTHS = re.compile("[^\n]*was expected to contain[^\n]*")


def prepare(arguments, number=0, viewed=False):
    """Data that `of` needs no work for, in each generation.

    Args:
        arguments: The arguments of `keras.Model.fit`, a dict.
        number: A generation that is trained. Defaults to `0`.
        viewed: Whether `of` will be given views. Defaults to `False`.

    Returns:
        The arguments, with arrays as tensors, and with `steps_per_epoch`
        where `x` is a function of generation and epoch.

    Raises:
        ValueError: If nobody knows how many batches an epoch has.
    """
    x = arguments["x"]
    if batches.is_arrays(x):
        names = ("x", "y", "sample_weight")
        return arguments | {k: _tensors(arguments.get(k)) for k in names}
    viewed = viewed and isinstance(x, tf.data.Dataset)
    if is_function(x) or _is_shuffled(arguments) or viewed:
        data = example(arguments, number)
        steps = arguments.get("steps_per_epoch") or batches.size(data)
        if steps in (None, float("inf")):
            raise ValueError(
                "The number of batches in an epoch is unknown. Expected a "
                "data set with a cardinality, or `steps_per_epoch`. Pass "
                "`steps_per_epoch`, or apply "
                "`tf.data.experimental.assert_cardinality`."
            )
        return arguments | {"steps_per_epoch": steps}
    return arguments


def is_function(x):
    """Whether `x` is a function of generation and epoch."""
    known = (tf.data.Dataset, keras.utils.PyDataset)
    return callable(x) and not isinstance(x, known)


def example(arguments, number=0):
    """`x` as one data set: what `x` gives for epoch 0 if it is a function.

    Raises:
        ValueError: If such a function does not give a `tf.data.Dataset`.
    """
    x = arguments["x"]
    if not is_function(x):
        return x
    data = x(number, 0)
    if isinstance(data, tf.data.Dataset):
        return data
    raise ValueError(
        "Invalid value for argument `x`. Expected a function from generation "
        "and epoch to a `tf.data.Dataset`. Received: one that returns a "
        f"{type(data).__name__}, x({number}, 0). Build a data set in it, or "
        "give arrays."
    )


def examples(arguments):
    """Yields the batches of one pass: the examples' numbers, inputs, labels.

    Args:
        arguments: What `prepare` returned.
    """
    data = batches.read(
        arguments["x"],
        arguments.get("y"),
        batch_size=arguments.get("batch_size"),
    )
    start = 0
    for inputs, labels, _ in data:
        inputs = keras.tree.map_structure(tf.convert_to_tensor, inputs)
        stop = start + batches.rows(inputs)
        yield np.arange(start, stop), inputs, labels
        start = stop


def of(arguments, number, seed, epoch, views=None):
    """The arguments of `fit` for a generation, its data from an epoch on.

    Args:
        arguments: What `prepare` returned.
        number: The generation.
        seed: Its seed.
        epoch: The first epoch that is read, counted from 0.
        views: Optional `views.Views` that each batch passes through. Defaults
            to `None`.

    Returns:
        A dict. Arrays, shuffled data sets and functions have become one
        `tf.data.Dataset` with `steps_per_epoch`.
    """
    x, steps = arguments["x"], arguments.get("steps_per_epoch")
    ahead = tf.data.AUTOTUNE
    if isinstance(x, keras.utils.PyDataset) and views:
        return arguments | {"x": _Viewed(x, views)}
    if batches.is_arrays(x):
        rows = batches.rows(x)
        size = arguments.get("batch_size")
        size = size or (math.ceil(rows / steps) if steps else 32)
        count = math.ceil(rows / size)
        steps = steps or count
        indices = _indices(rows, size, arguments.get("shuffle", True), seed)
        gather = _gather(arguments)
        data = _from(indices, epoch * steps, count)
        if views:
            data = _viewed(
                data.map(lambda i: (i, gather(i))), views, epoch, steps
            )
        else:
            data = data.map(gather, num_parallel_calls=tf.data.AUTOTUNE)
        # Autotuning would look for the best longer than an epoch takes.
        options = tf.data.Options()
        options.autotune.enabled = False
        data, ahead = data.with_options(options), 2
    elif is_function(x):
        data = _from(_each(x, number, steps), epoch * steps, steps)
    elif _is_shuffled(arguments) or (views and isinstance(x, tf.data.Dataset)):
        count = batches.size(x)
        count = count if isinstance(count, int) else None
        x = _numbered(x) if views else x
        buffer = _is_shuffled(arguments) and arguments["shuffle"]
        made = _shuffled(x, buffer, seed, count)
        data = _from(made, epoch * steps, count)
        if views:
            data = _viewed(data, views, epoch, steps)
    elif isinstance(x, tf.data.Dataset):
        # Keras warns that its default, True, cannot shuffle a data set.
        arguments = {"shuffle": False, **arguments}
        if not steps or not epoch:
            return arguments
        count, done = batches.size(x), epoch * steps
        done = done % count if isinstance(count, int) else done
        return arguments | {"x": x.repeat().skip(done)}
    else:
        return arguments
    size = arguments.get("batch_size")
    return arguments | {
        "x": data.prefetch(ahead),
        "y": None,
        "sample_weight": None,
        "batch_size": None,
        "validation_batch_size": arguments.get("validation_batch_size", size),
        "steps_per_epoch": steps,
        "shuffle": False,
    }


@contextlib.contextmanager
def clear_errors(name):
    """Says in plain words what TensorFlow says of an epoch that is too short.

    Args:
        name: The name of the generation.
    """
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnknownError) as error:
        if DIFFERS not in str(error):
            raise
        raise ValueError(DIFFERS) from error
    except tf.errors.FailedPreconditionError as error:
        if "was expected to contain" not in str(error):
            raise
        raise ValueError(
            f"The data of {name} ends before the epoch does. Expected as many "
            "batches in each epoch as in the first. Received: "
            f"{_LENGTHS.search(error.message)[0]} Make all data sets equally "
            "long, or pass a `steps_per_epoch` that each of them has."
        ) from error


def steps(arguments):
    """The number of steps in an epoch, or `None` if nobody knows."""
    size = batches.size(arguments["x"], arguments.get("batch_size"))
    return arguments.get("steps_per_epoch") or size


def _tensors(structure):
    """Arrays as tensors in the memory of the CPU, floats as Keras has them."""

    def convert(array):
        if array is None:
            return None
        if not tf.is_tensor(array):
            array = keras.ops.convert_to_numpy(array)
        with tf.device("cpu:0"):
            tensor = tf.convert_to_tensor(array)
            if tensor.dtype.is_floating:
                tensor = tf.cast(tensor, keras.config.floatx())
        return tensor

    return keras.tree.lists_to_tuples(
        keras.tree.map_structure(convert, structure)
    )


def _from(make, done, count):
    """Passes over the data, one after another, without those that are done.

    Args:
        make: Function from the number of a pass to its `tf.data.Dataset`.
        done: How many batches to leave out.
        count: Batches in a pass, or `None` if that is unknown.
    """
    first, rest = divmod(done, count) if count else (0, done)
    return tf.data.Dataset.counter(first).flat_map(make).skip(rest)


def _indices(rows, size, shuffle, seed):
    whole = rows - rows % size

    def make(number):
        order = tf.range(rows, dtype="int64")
        pair = tf.stack([tf.constant(seed, "int64"), number])
        if shuffle == "batch":  # as Keras: among the rows of each batch
            noise = tf.random.stateless_uniform([rows], pair, dtype="float64")
            order = tf.argsort(tf.cast(order // size, "float64") + noise)
        elif shuffle:
            order = tf.random.experimental.stateless_shuffle(order, pair)
        found = tf.data.Dataset.from_tensor_slices(
            tf.reshape(order[:whole], (-1, size))
        )
        if whole < rows:
            last = tf.data.Dataset.from_tensors(order[whole:])
            found = found.concatenate(last) if whole else last
        return found

    return make


def _gather(arguments):
    data = keras.utils.pack_x_y_sample_weight(
        arguments["x"], arguments.get("y"), arguments.get("sample_weight")
    )

    def gather(indices):
        return keras.tree.map_structure(
            lambda a: None if a is None else tf.gather(a, indices), data
        )

    return gather


def _each(function, number, steps):
    """What the user's function gives for each epoch of a generation."""
    spec = function(number, 0).element_spec

    def call(epoch):
        data = function(number, int(epoch)).take(steps)
        return tf.data.experimental.to_variant(data)

    def make(epoch):
        variant = tf.py_function(call, [epoch], tf.variant)
        variant = tf.ensure_shape(variant, [])
        data = tf.data.experimental.from_variant(variant, spec)
        # An epoch that is too short would go on with the next one's data.
        return data.apply(tf.data.experimental.assert_cardinality(steps))

    return make


def _numbered(data):
    """Batches, each with the numbers that its examples have in the pass."""

    def number(start, batch):
        leaf = keras.tree.flatten(batch)[0]
        stop = start + tf.shape(leaf, out_type="int64")[0]
        numbers = tf.ensure_shape(tf.range(start, stop), leaf.shape[:1])
        return stop, (numbers, batch)

    return data.scan(tf.constant(0, "int64"), number)


def _viewed(data, views, epoch, steps):
    """Passes numbered batches through `views`."""

    def view(position, numbered):
        numbers, batch = numbered
        batch = batch if isinstance(batch, tuple) else (batch,)
        x, y, *rest = (*batch, None)[: max(len(batch), 2)]
        x, y = views(x, y, numbers, position // steps)
        return (x, y, *rest)[: len(batch)]

    data = data.enumerate(epoch * steps)
    return data.map(view, num_parallel_calls=tf.data.AUTOTUNE)


class _Viewed(keras.utils.PyDataset):
    """Batches of another data set, the teacher's outputs joined to them."""

    def __init__(self, data, views):
        super().__init__(
            workers=data.workers,
            use_multiprocessing=data.use_multiprocessing,
            max_queue_size=data.max_queue_size,
        )
        self._data = data
        self._views = views

    def __len__(self):
        return len(self._data)

    def __getitem__(self, index):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(self._data[index])
        start = self._views.outputs.starts[index]
        numbers = np.arange(start, start + batches.rows(x))
        x, y = self._views(x, y, numbers, 0)
        return tuple(part for part in (x, y, weight) if part is not None)

    def on_epoch_begin(self):
        self._data.on_epoch_begin()

    def on_epoch_end(self):
        self._data.on_epoch_end()


def _is_shuffled(arguments):
    """Whether `shuffle` is a buffer's size for an unshuffled data set."""
    shuffle = arguments.get("shuffle")
    is_number = isinstance(shuffle, int) and not isinstance(shuffle, bool)
    return is_number and isinstance(arguments["x"], tf.data.Dataset)


def _shuffled(data, buffer, seed, count):
    """Passes that shuffle single examples, batches sized as before."""
    if not buffer:
        return lambda number: data
    first = keras.tree.flatten(data.element_spec)[0].shape[0]
    size = first or len(keras.tree.flatten(next(iter(data)))[0])
    rows = data.unbatch()

    def make(number):
        pair = tf.stack([tf.constant(seed, "int64"), number])
        own = tf.random.stateless_uniform([], pair, None, None, "int64")
        # Of this function's graph; else the global seed would be mixed in.
        tf.compat.v1.set_random_seed(1)
        found = rows.shuffle(buffer, own, reshuffle_each_iteration=False)
        found = found.batch(size, drop_remainder=first is not None)
        if count:
            # Batches of uneven sizes would not be as many as before.
            found = found.apply(tf.data.experimental.assert_cardinality(count))
        return found

    return make
