"""Training over several devices or machines, exact as on one.

`tf.distribute` is the engine. A global batch is split into one part for each
replica, in the order of its rows and as evenly as possible; what is summed or
averaged over a batch is so over the global one.
"""

import contextlib

import keras
import tensorflow as tf

from keras_ban.distribution.added import AddedLosses
from keras_ban.distribution.parts import Joined
from keras_ban.distribution.parts import Mixed
from keras_ban.distribution.parts import Partly
from keras_ban.distribution.replicas import replicas_of
from keras_ban.distribution.share import Share


class Distributed(keras.Model):
    """A model whose training on several replicas is that on one device.

    Its steps are given `Part`s where there are several replicas.

    Args:
        student: The `keras.Model` that is trained.
        **kwargs: As in `keras.Model`.

    Attributes:
        student: As given.
    """

    def __init__(self, student, **kwargs):
        super().__init__(**kwargs)
        self.student = student
        self._added = AddedLosses(student)

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
        check_executions(self)
        if iterator is not None:
            _, _, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(
                lambda v: strategy.experimental_local_results(v)[0],
                next(batches).batch,
            )
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data_batch)
        x = x.inputs if isinstance(x, Joined) else x
        y = y.first if isinstance(y, Mixed) else y
        y = y.labels if isinstance(y, Partly) else y
        build(self.student, x, y)
        with strategy.scope():
            self._added.learn(x)

    def with_added(self, loss, x, training, added=None):
        """A loss with the student's regularisers and added losses.

        Args:
            loss: A scalar.
            x: Inputs of the batch.
            training: Whether it is a step of training.
            added: What `student.losses` was right after the forward pass: where
                replicas wait for each other, the next one's take their place.
                Defaults to `None`: what it is.
        """
        # In the order of the student: Keras has them in another one here.
        added = self.student.losses if added is None else added
        if added:
            total = self._added.total(added, x, training)
            if total is None:
                # Without a loss of its own, Keras' sums up the others, scaled
                # for the number of replicas.
                total = super().compute_loss()
            loss = loss + keras.ops.cast(total, loss.dtype)
        return loss


def check_executions(model):
    """Refuses executions of several steps on several replicas.

    Args:
        model: A compiled `keras.Model`.

    Raises:
        ValueError: If it is such.
    """
    size = model.steps_per_execution
    if replicas_of(model) > 1 and size > 1:
        raise ValueError(
            f"The model {model.name!r} is compiled with `steps_per_execution="
            f"{size}`, and trained on {replicas_of(model)} replicas, where "
            "Keras fails at executions of several steps. Expected 1. Leave "
            "the argument out, or train on one device with `strategy=None`."
        )


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
        """Splits a data set of global batches, or what is split already."""
        _check_dense(dataset.element_spec)

        def parts(context):
            count = context.num_replicas_in_sync
            local = count // context.num_input_pipelines
            first = context.input_pipeline_id * local
            return Share(first, local, count).split(dataset)

        with _unasked(self._strategy.extended, dataset):
            return self._strategy.distribute_datasets_from_function(parts)


@contextlib.contextmanager
def _unasked(extended, dataset):
    """A context for data that ends on all workers at the same step.

    Else TensorFlow lets them sum up, before each step, how many replicas have
    a batch: a collective operation more, for which each waits.

    Args:
        extended: What a strategy keeps for those who extend it.
        dataset: A `tf.data.Dataset` of global batches.
    """
    before = extended.experimental_enable_get_next_as_optional
    is_known = int(dataset.cardinality()) != tf.data.UNKNOWN_CARDINALITY
    extended.experimental_enable_get_next_as_optional = not is_known
    try:
        yield
    finally:
        extended.experimental_enable_get_next_as_optional = before


def _check_dense(spec):
    if any(
        isinstance(s, tf.SparseTensorSpec) for s in keras.tree.flatten(spec)
    ):
        raise ValueError(
            "The data is sparse, and its batches are split among several "
            "replicas. Expected dense arrays, of which rows can be taken. "
            "Convert it by `toarray` or `tf.sparse.to_dense`, or train on one "
            "device with `strategy=None`."
        )
