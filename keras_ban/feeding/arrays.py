"""Arrays, in an order that the seed of a generation and the epoch fix."""

import functools
import itertools
import math

import keras
import tensorflow as tf

from keras_ban.feeding import passes
from keras_ban.feeding.batches import numbered
from keras_ban.feeding.batches import unpacked
from keras_ban.feeding.class_weights import weigher
from keras_ban.feeding.class_weights import weighted
from keras_ban.feeding.examples import UNSAID
from keras_ban.feeding.examples import Examples
from keras_ban.feeding.samples import sample
from keras_ban.feeding.scan import Scan
from keras_ban.feeding.scan import same_rows
from keras_ban.feeding.scan import unlabelled
from keras_ban.rows import between
from keras_ban.rows import count_rows
from keras_ban.rows import floats
from keras_ban.rows import gatherer
from keras_ban.rows import map_arrays
from keras_ban.rows import slice_rows
from keras_ban.views.base import Batch

# As Keras.
_BATCH_SIZE = 32
# So many rows are checked at a time.
_SCANNED_ROWS = 4096


class Arrays(Examples):
    """Arrays or tensors, or structures of them, that share their rows.

    Args:
        x: Inputs.
        y: Labels, or `None`.
        sample_weight: Weights, or `None`.
        how: How they are read.
    """

    has_places = True
    takes_views = True
    takes_parts = True
    is_fixed = True
    joins_passes = True
    shuffles = "`True`, `False` or 'batch'"

    def __init__(self, x, y, sample_weight, how):
        super().__init__(x, how)
        self._data = x, y, sample_weight
        self._count = count_rows(x)

    @property
    def reorders(self):
        return bool(self._shuffle)

    @property
    def _shuffle(self):
        return True if self.how.shuffle is UNSAID else self.how.shuffle

    def size(self):
        return math.ceil(count_rows(self._x) / self._batch_size)

    def count(self):
        return self._count

    def numbered(self, limit=None):
        batches = slice_rows(self._tensors, self._batch_size)
        return numbered(unpacked(itertools.islice(batches, limit)))

    def pool(self):
        x, y, weight = self._tensors
        if self.how.class_weight is not None:
            parts = tuple(a for a in (x, y, weight) if a is not None)
            axes = self.how.label_axes
            weight = weigher(self.how.class_weight, parts, axes)(y)
        return Batch(x, y, weight)

    def scan(self):
        """Begins a `Scan`: of all rows, or of a worker's share of them."""
        share, data = self.how.share, self._data
        found = Scan(self, unpacked(slice_rows(data, _SCANNED_ROWS)))
        if share is not None:
            place = share.first, share.first + share.local
            rows = [count_rows(self._x) * at // share.count for at in place]
            found.share(unpacked(slice_rows(data, _SCANNED_ROWS, *rows)))
        return found

    def check_size(self):
        """Checks that there is a row, and that all arrays have as many."""
        same_rows(self._data, self.how.role.data)
        super().check_size()

    def check_labelled(self):
        if self._data[1] is None:
            unlabelled(self.how.role.data, self._x)

    def _can_shuffle(self, shuffle):
        is_word = isinstance(shuffle, str)
        return shuffle == "batch" if is_word else super()._can_shuffle(shuffle)

    def check_epochs(self, size):
        """Checks nothing: passes over arrays follow each other."""

    def split(self, fraction, how):
        if not 0 < fraction < 1:
            super().split(fraction, how)
        rows = count_rows(self._x)
        at = math.floor(rows * (1 - fraction))
        found = [
            Arrays(*map_arrays(lambda a, p=part: between(a, *p), self._data), h)
            for part, h in (((0, at), self.how), ((at, rows), how))
        ]
        for examples in found:
            examples.check_size()
        found[0]._count = rows
        return found

    def epochs(self, generation, seed, first, views=None, size=1):
        course = self.course(size)
        order = self._order(seed)
        class_weight, share = self.how.class_weight, self._share(views)
        tensors = self._tensors
        mixes = views and views.mixes
        if class_weight is not None and (mixes or share):
            # Each of the labels that are mixed brings its own weight.
            tensors, class_weight = self.pool(), None
        gather = _gathering(tensors)
        if views or share:
            data, callbacks = passes.stream(
                order, course, first, views, gather, share
            )
        else:
            data, callbacks = passes.stream(order, course, first)
            data = data.map(gather, num_parallel_calls=tf.data.AUTOTUNE)
        if class_weight is not None:
            data = weighted(data, class_weight, self.how.label_axes)
        return passes.arguments(_untuned(data), callbacks, course, first)

    def _share(self, views):
        """The `Share` of each batch that is gathered, or `None` for all."""
        if views and (views.sees_batch or self.how.class_weight is not None):
            # What is done to an example hangs on the others, or its weight on
            # the label that it is shown with.
            return None
        return self.how.share

    def _order(self, seed):
        """A function from the number of a pass to batches of rows' numbers."""
        rows = count_rows(self._x)
        return _ordered(rows, self._batch_size, self._shuffle, seed)

    def as_given(self):
        data = dict(zip(("x", "y", "sample_weight"), self._data, strict=True))
        if self.how.class_weight is None or self.how.label_axes == 1:
            return data
        return data | {
            "sample_weight": self.pool().weight,
            "class_weight": None,
        }

    def as_validation(self):
        return keras.utils.pack_x_y_sample_weight(*self._data)

    def is_steady(self):
        return True

    def as_dataset(self):
        order = _ordered(count_rows(self._x), self._batch_size, False, 0)
        return _untuned(order(0).map(_gathering(self._tensors)))

    def describe(self):
        # Networks are trained on tensors, and validated by Keras on these.
        data = self._tensors if self.how.role.trains else self._data
        parts = zip(("x", "y", "sample_weight"), data, strict=True)
        size = {"rows": count_rows(self._x)}
        if self.how.is_part:
            # Of which one worker may have a few more than another.
            size = {"batches": self.size()}
        return {
            **size,
            **{k: _shapes(v) for k, v in parts if v is not None},
        }

    def sample(self, anew=False):
        return sample(*self._data)

    def _batches(self):
        return slice_rows(self._data, self._batch_size)

    @property
    def _batch_size(self):
        if self.how.batch_size or not self.how.steps:
            return self.how.batch_size or _BATCH_SIZE
        return math.ceil(count_rows(self._x) / self.how.steps)

    @functools.cached_property
    def _tensors(self):
        """The arrays in the memory of the CPU, floats as Keras has them."""
        return keras.tree.lists_to_tuples(map_arrays(_tensor, self._data))


def _tensor(array):
    with tf.device("cpu:0"):
        return floats(array, keras.config.floatx())


def _untuned(data):
    """Batches ahead of the steps; tuning it would take longer than an epoch."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options).prefetch(passes.AHEAD)


def _gathering(tensors):
    """A function from the numbers of rows to a batch of them."""
    data = keras.utils.pack_x_y_sample_weight(*tensors)
    gatherers = [gatherer(a) for a in keras.tree.flatten(data)]
    return lambda numbers: keras.tree.pack_sequence_as(
        data, [gather(numbers) for gather in gatherers]
    )


def _ordered(rows, size, shuffle, seed):
    """A function from the number of a pass to batches of rows' numbers."""
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


def _shapes(structure):
    """Type and shape of each array, without the axis of samples."""
    leaves = [a for a in keras.tree.flatten(structure) if a is not None]
    return [
        f"{getattr(a.dtype, 'name', a.dtype)}{list(a.shape[1:])}"
        for a in leaves
    ]
