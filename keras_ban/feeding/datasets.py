"""`tf.data`: read as it is, or shuffled and shown here."""

import numbers
import re

import keras
import tensorflow as tf

from keras_ban.feeding import passes
from keras_ban.feeding.class_weights import weighted
from keras_ban.feeding.examples import UNSAID
from keras_ban.feeding.examples import Examples
from keras_ban.feeding.passes import from_pass
from keras_ban.feeding.scan import unlabelled
from keras_ban.rows import count_rows

# Those whose names begin with `Stateless` follow from their seed.
_RANDOM = re.compile("Random|Truncated|Parameterized|Multinomial|Stateful")


class Dataset(Examples):
    """A `tf.data.Dataset` of batches.

    Args:
        data: The data set.
        how: How it is read. A number as `shuffle` is the size of a buffer in
            which the examples of an unshuffled data set are shuffled.
    """

    has_places = True
    takes_views = True
    takes_parts = True
    reads_freely = False
    shuffles = "`True`, `False` or the size of a buffer of examples"

    def __init__(self, data, how):
        super().__init__(data, how)
        self._buffer = _buffer(how.shuffle)
        self._counts_steps = self._buffer is not None or how.viewed
        self.joins_passes = self._counts_steps
        self.keeps_batches = not self._buffer

    @property
    def reorders(self):
        return bool(self._buffer) or any(map(_shuffles, _pipeline(self._x)))

    @property
    def steps(self):
        return self.epoch_steps() if self._counts_steps else self.how.steps

    def size(self):
        count = int(self._x.cardinality())
        if count == tf.data.INFINITE_CARDINALITY:
            return float("inf")
        return None if count == tf.data.UNKNOWN_CARDINALITY else count

    def check_labelled(self):
        parts = keras.utils.unpack_x_y_sample_weight(self._x.element_spec)
        if parts[1] is None:
            unlabelled(self.how.role.data, parts[0])

    def check_shape(self, model):
        inputs = getattr(model, "inputs", None) or ()
        x, _, _ = keras.utils.unpack_x_y_sample_weight(self._x.element_spec)
        given = keras.tree.flatten(x)
        if len(inputs) != 1 or len(given) != 1:
            return
        expected, shape = tf.TensorShape(inputs[0].shape), given[0].shape
        # Keras adds or drops an axis of one.
        if shape.rank == expected.rank and not expected[1:].is_compatible_with(
            shape[1:]
        ):
            raise ValueError(
                f"The model {model.name!r} cannot be run on "
                f"`{self.how.role.data}`. Expected inputs of shape "
                f"{expected.as_list()}. Received: {shape.as_list()}. Give it "
                "the inputs that it was built for."
            )

    def check_steps(self):
        if self._counts_steps or self.how.is_part:
            check_known(self.epoch_steps())

    def _can_shuffle(self, shuffle):
        is_buffer = isinstance(shuffle, numbers.Integral) and shuffle >= 0
        return is_buffer or super()._can_shuffle(shuffle)

    def epochs(self, generation, seed, first, views=None, size=1):
        course = self.course(size)
        if self._buffer is None and not views:
            return self._unchanged(course, first)
        data, class_weight = self._x, self.how.class_weight
        axes = self.how.label_axes
        if class_weight is not None and views and views.mixes:
            # Each of the labels that are mixed brings its own weight.
            data, class_weight = weighted(data, class_weight, axes), None
        data = _numbered(data) if views else data
        make = _shuffled(data, self._buffer, seed, course.count)
        data, callbacks = passes.stream(make, course, first, views)
        if class_weight is not None:
            data = weighted(data, class_weight, axes)
        data = data.prefetch(passes.AHEAD)
        return passes.arguments(data, callbacks, course, first)

    def _unchanged(self, course, first):
        """What Keras reads of a data set that is passed as it is."""
        steps = {"steps_per_epoch": self.steps}
        if course is None or not course.is_even:
            return self.as_given() | steps | from_pass(course, first)
        rest = course.place(first)[1]
        data = self._x.repeat().skip(rest) if rest else self._x
        return self.as_given(data) | steps

    def as_given(self, data=None):
        data = self._x if data is None else data
        found = {"x": data}
        if self.how.class_weight is not None:
            found = {
                "x": weighted(data, self.how.class_weight, self.how.label_axes),
                "class_weight": None,
            }
        if self.how.shuffle is not UNSAID:
            return found
        # Keras warns that its default, True, cannot shuffle a data set.
        return {**found, "shuffle": False}

    def describe(self):
        return {
            "batches": self.size(),
            "elements": [
                str(s) for s in keras.tree.flatten(self._x.element_spec)
            ],
        }

    def sample(self, anew=False):
        return super().sample(anew) if self._is_fixed() else None

    def is_steady(self):
        return (
            self.size() is not None
            and self.epoch_steps() != float("inf")
            and self._is_fixed()
            and not any(map(_has_a_state, _pipeline(self._x)))
        )

    def _is_fixed(self):
        """Whether nothing is known that another reading would find other."""
        is_ordered = self._x.options().deterministic is not False
        if not is_ordered or any(map(_shuffles, _pipeline(self._x))):
            return False
        return not self.is_random()

    def is_random(self):
        """Whether something is drawn anew in each reading."""
        return any(map(_draws, _pipeline(self._x)))


def _pipeline(data):
    """Yields a data set, and all that it reads from."""
    yield data
    for held in keras.tree.flatten(list(vars(data).values())):
        if isinstance(held, tf.data.Dataset):
            yield from _pipeline(held)


def _shuffles(data):
    return "Shuffle" in type(data).__name__


def _draws(data):
    """Whether a function that it maps draws at random, its seed its own."""
    return any(map(_RANDOM.match, _operations(data)))


def _has_a_state(data):
    """Whether two readings at a time may see something of each other."""
    calls_python = any("PyFunc" in kind for kind in _operations(data))
    return calls_python or "Cache" in type(data).__name__


def _operations(data):
    """The types of all operations in the functions that it maps."""
    functions = [getattr(f, "function", None) for f in vars(data).values()]
    graphs = [f.graph for f in functions if hasattr(f, "graph")]
    return [o.type for graph in graphs for o in graph.get_operations()]


def check_known(steps):
    """Checks that the number of batches in an epoch is known.

    Raises:
        ValueError: If it is not.
    """
    if steps in (None, float("inf")):
        raise ValueError(
            "The number of batches in an epoch is unknown. Expected a "
            "data set with a cardinality, or `steps_per_epoch`. Pass "
            "`steps_per_epoch`, or apply "
            "`tf.data.experimental.assert_cardinality`."
        )


def _buffer(shuffle):
    """The size of a buffer, or `None` where `shuffle` says something else."""
    is_number = isinstance(shuffle, numbers.Integral)
    is_flag = isinstance(shuffle, bool)
    return int(shuffle) if is_number and not is_flag else None


def _numbered(data):
    """Batches, each with the numbers that its examples have in the pass."""

    def number(start, batch):
        leaf = keras.tree.flatten(batch)[0]
        stop = start + tf.shape(leaf, out_type="int64")[0]
        numbers = tf.ensure_shape(tf.range(start, stop), leaf.shape[:1])
        return stop, (numbers, batch)

    return data.scan(tf.constant(0, "int64"), number)


def _shuffled(data, buffer, seed, count):
    """Passes that shuffle single examples, batches sized as before."""
    if not buffer:
        return lambda number: data
    first = keras.tree.flatten(data.element_spec)[0].shape[0]
    size = first or count_rows(next(iter(data)))
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
