"""Training over several devices or machines, exact as on one.

`tf.distribute` is the engine. A global batch is split into one part for each
replica, in the order of its rows and as evenly as possible; what is summed or
averaged over a batch is so over the global one.
"""

import contextlib
import functools
import os
import shutil
from typing import Any
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_ban import cluster
from keras_ban import rendezvous
from keras_ban.views import Joined


class Part(NamedTuple):
    """A replica's part of a global batch.

    Attributes:
        batch: What `fit` reads, at least a row of it.
        rows: How many of its rows count, an integer tensor: all, or none if
            the global batch has fewer rows than there are replicas.
    """

    batch: Any
    rows: Any


def get(identifier):
    """Returns the strategy to train under, or `None` if nothing is to be done.

    Args:
        identifier: "auto", a `tf.distribute.Strategy`, or `None`.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(identifier, tf.distribute.Strategy) or identifier is None:
        return identifier
    if identifier != "auto":
        raise ValueError(
            "Invalid value for argument `strategy`. Expected 'auto', a "
            "`tf.distribute.Strategy` or `None`. Received: "
            f"{identifier!r}"
        )
    if tf.distribute.has_strategy():
        return tf.distribute.get_strategy()
    resolver = _cluster()
    if resolver is not None:
        return _workers(resolver)
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return _mirrored()
    return None


@functools.cache
def _mirrored():
    # TensorFlow confuses the reductions of two in one process.
    return tf.distribute.MirroredStrategy()


@functools.cache
def _cluster():
    """What knows the other workers, or `None` if there are none."""
    if "TF_CONFIG" in os.environ:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    elif int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        resolver = _slurm()
    else:
        return None
    addresses, _ = cluster.places(resolver)
    return resolver if len(addresses) > 1 else None


def _slurm():
    resolvers = tf.distribute.cluster_resolver
    if shutil.which("nvidia-smi"):
        return resolvers.SlurmClusterResolver()
    # On nodes without GPUs it fails, unless it thinks that each task has one.
    known = resolvers.SlurmClusterResolver(
        gpus_per_node=int(os.environ["SLURM_STEP_NUM_TASKS"]),
        gpus_per_task=1,
        auto_set_gpu=False,
    )
    return resolvers.SimpleClusterResolver(
        known.cluster_spec(),
        task_type=known.task_type,
        task_id=known.task_id,
        num_accelerators={"GPU": 0},
    )


@functools.cache
def _workers(resolver):
    rendezvous.meet(*cluster.places(resolver))
    try:
        with rendezvous.watchdog():
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except RuntimeError as error:
        raise RuntimeError(
            "TensorFlow has begun already, too late to connect it to the "
            f"other workers: {error} Create `keras_ban.BornAgain` first, "
            "before any model or tensor."
        ) from error


def scope(strategy):
    """The scope of a strategy, or of nothing for `None`."""
    return strategy.scope() if strategy else contextlib.nullcontext()


def replicas_of(model):
    """The number of replicas that a model is trained on."""
    return model.distribute_strategy.num_replicas_in_sync


def replicas():
    """The number of replicas in the strategy that is entered, else 1."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def total(x):
    """The sum over all replicas, of a tensor or of each of a list."""
    context = tf.distribute.get_replica_context()
    if context is None or replicas() == 1:
        return x
    return context.all_reduce(tf.distribute.ReduceOp.SUM, x)


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


def opened(data):
    """A batch, and a function to leave out the rows that do not count.

    Args:
        data: A batch as the steps of a model are given it, or a `Part`.

    Returns:
        The batch, and a function from structures of tensors, with the axis of
        the batch, to a tuple of these.
    """
    if not isinstance(data, Part):
        return data, lambda *given: given

    def cut(*given):
        return keras.tree.map_structure(
            lambda a: None if a is None else _cut(a, data.rows), given
        )

    return data.batch, cut


def _cut(tensor, rows):
    found = tensor[:rows]
    # What Keras and its layers know of a tensor besides.
    for name in ("_keras_mask", "_keras_logits"):
        known = getattr(tensor, name, None)
        if known is not None:
            setattr(found, name, known[:rows])
    return found


def apply(optimizer, gradients, variables):
    """Updates variables as one device would with the global gradient.

    Keras sums the replicas' gradients when they are scaled back, found finite,
    clipped and accumulated. Here that comes first, so that all of it is done
    to the sum.

    Args:
        optimizer: A Keras optimizer.
        gradients: Gradients of a replica's summand of the loss.
        variables: The variables to update.
    """
    if replicas() > 1:
        known = [g for g in gradients if g is not None]
        summed = iter(total(known))
        gradients = [g if g is None else next(summed) for g in gradients]
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        # Keras has no public way to leave the summing out.
        inner._all_reduce_sum_gradients = list
        if inner.gradient_accumulation_steps:
            inner._backend_apply_gradients = functools.partial(
                _accumulate, inner
            )
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def _accumulate(optimizer, gradients, variables):
    """Keras' own accumulation, its condition outside of the replicas.

    Inside of them, TensorFlow cannot update variables under a condition.
    """
    steps = optimizer.gradient_accumulation_steps
    held = [
        optimizer._accumulated_gradients[optimizer._get_variable_index(v)]
        for v in variables
    ]

    def update(gradients):
        gradients = [
            (g + h) / steps for g, h in zip(gradients, held, strict=True)
        ]
        gradients = optimizer._clip_gradients(gradients)
        optimizer._apply_weight_decay(variables)
        optimizer._backend_update_step(
            gradients, variables, optimizer.learning_rate
        )
        optimizer._backend_reset_gradient_accumulators()

    def keep(gradients):
        optimizer._backend_increment_gradient_accumulators(gradients, held)

    def choose(strategy, gradients):
        def run(function):
            # Without a value, as those of the branches would differ.
            strategy.extended.call_for_each_replica(
                lambda *g: function(g), args=tuple(gradients)
            )

        due = (optimizer._iterations + 1) % steps == 0
        tf.cond(due, lambda: run(update), lambda: run(keep))

    context = tf.distribute.get_replica_context()
    context.merge_call(choose, args=(gradients,))
    if optimizer.use_ema:
        optimizer._update_model_variables_moving_average(variables)


class Distributed(keras.Model):
    """A model whose training on several replicas is that on one device.

    A subclass has a `student`, and its steps are given `Part`s where there
    are several replicas.
    """

    @property
    def distribute_strategy(self):
        """The strategy of the student, which splits batches exactly."""
        strategy = self.student.distribute_strategy
        return (
            _Exact(strategy) if strategy.num_replicas_in_sync > 1 else strategy
        )

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras averages the first batch over the replicas, and fails at it on
        # several machines (keras issue 20585). Any part of it will do.
        strategy = self.distribute_strategy
        if strategy.num_replicas_in_sync == 1:
            return
        if iterator is not None:
            _, _, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(
                lambda v: strategy.experimental_local_results(v)[0],
                next(batches).batch,
            )
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data_batch)
        build(self.student, x.inputs if isinstance(x, Joined) else x, y)


def build(model, x, y):
    """Creates the variables of a model that only a step would create.

    Of the model, its optimizer and its metrics, on all its devices.

    Args:
        model: A compiled `keras.Model`.
        x: A batch of inputs.
        y: Its labels, or `None`.
    """
    with model.distribute_strategy.scope():
        # Where there are replicas, metrics cannot be run outside of them.
        model._symbolic_build(data_batch=(x, y, None))


class _Exact:
    """A strategy that splits a data set by the rows of its global batches.

    As it is no `MultiWorkerMirroredStrategy` to Keras, results are reduced
    over the replicas of this machine (keras issue 20585).

    Args:
        strategy: The `tf.distribute.Strategy`.
    """

    def __init__(self, strategy):
        self._strategy = strategy

    def __getattr__(self, name):
        return getattr(self._strategy, name)

    def experimental_distribute_dataset(self, dataset):
        """Splits a data set of global batches."""

        def parts(context):
            count = context.num_replicas_in_sync
            local = count // context.num_input_pipelines
            first = context.input_pipeline_id * local
            numbers = tf.data.Dataset.range(first, first + local)
            return dataset.flat_map(
                lambda *batch: numbers.map(lambda i: _part(batch, i, count))
            )

        return self._strategy.distribute_datasets_from_function(parts)


def _part(batch, number, count):
    leaf = next(
        a
        for a in keras.tree.flatten(batch)
        if not isinstance(a, tf.experimental.Optional)
    )
    rows = tf.shape(leaf, out_type="int64")[0]
    start, stop = number * rows // count, (number + 1) * rows // count
    # A network cannot be run on nothing.
    at = tf.minimum(start, rows - 1)
    cut = keras.tree.map_structure(
        lambda a: (
            a
            if isinstance(a, tf.experimental.Optional)
            else a[at : tf.maximum(stop, at + 1)]
        ),
        batch,
    )
    return Part(cut, tf.cast(stop - start, "int32"))
