"""`keras.utils.PyDataset`: batches by their numbers, in their own order."""

import functools
import itertools
import random

import keras
import numpy as np

from keras_ban.distribution.parts import Own
from keras_ban.feeding.class_weights import of_arrays
from keras_ban.feeding.examples import UNSAID
from keras_ban.feeding.examples import Examples
from keras_ban.feeding.passes import Needed
from keras_ban.feeding.passes import from_pass
from keras_ban.rows import count_rows
from keras_ban.state import seeds
from keras_ban.state.attributes import Attributes


class PyBatches(Examples):
    """A `keras.utils.PyDataset`."""

    has_places = True
    orders_itself = True
    takes_parts = True

    @property
    def sources(self):
        """The data sets of the user that it reads, a list."""
        return [self._x]

    @property
    def reorders(self):
        return self.how.shuffle is UNSAID or bool(self.how.shuffle)

    def size(self):
        count = self._x.num_batches
        return float("inf") if count is None else count

    def epochs(self, generation, seed, first, views=None, size=1):
        found = self.as_given()
        data = _Viewed(found["x"], views) if views else found["x"]
        found |= {"x": data} | from_pass(self.course(size), first)
        if self.how.epoch_seed is None or not self._has_hooks():
            return found
        read = found.get("initial_epoch", first)
        order = _Order(
            self.sources,
            seed,
            functools.partial(self.how.epoch_seed, generation),
            range(self.how.initial_epoch, read),
        )
        return found | {"x": _Ordered(data, order), "callbacks": [order]}

    def as_given(self):
        if self.how.class_weight is None or self.how.label_axes == 1:
            return {"x": self._x}
        return {"x": _Weighted(self._x, self.how), "class_weight": None}

    def owned(self, x):
        return _Owned(x)

    def sample(self, anew=False):
        return None if self._has_hooks() else super().sample(anew)

    def _has_hooks(self):
        """Whether a data set does anything between epochs."""
        own = keras.utils.PyDataset
        return any(
            getattr(type(source), name) is not getattr(own, name)
            for source in self.sources
            for name in ("on_epoch_begin", "on_epoch_end")
        )

    def _batches(self):
        count = self._x.num_batches
        indices = itertools.count() if count is None else range(count)
        return (self._x[i] for i in indices)


class Pairs(PyBatches):
    """Batches with labels, to each of which one without them is joined.

    Args:
        labelled: The `PyBatches` with labels.
        more: The `PyBatches` without.
        join: Function of a batch of each, `(x, y, sample_weight)`.
    """

    def __init__(self, labelled, more, join):
        self._pair, self._join = (labelled, more), join
        super().__init__(self._joined(labelled._x), labelled.how)

    @property
    def sources(self):
        return [examples._x for examples in self._pair]

    def as_given(self):
        x = self.sources[0]
        if self.how.class_weight is not None:
            x = _Weighted(x, self.how)
        return {"x": self._joined(x), "class_weight": None}

    def _joined(self, data):
        return _Joined(data, self.sources[1], self._join)


class _Wrapped(keras.utils.PyDataset):
    """Another data set, read as it says.

    Args:
        data: A `keras.utils.PyDataset`.
    """

    def __init__(self, data):
        super().__init__(
            workers=data.workers,
            use_multiprocessing=data.use_multiprocessing,
            max_queue_size=data.max_queue_size,
        )
        self._data = data

    @property
    def num_batches(self):
        return self._data.num_batches

    def __getitem__(self, index):
        return self._data[index]

    def on_epoch_begin(self):
        self._data.on_epoch_begin()

    def on_epoch_end(self):
        self._data.on_epoch_end()


class _Weighted(_Wrapped):
    """Batches of another data set, weighted by the classes of their labels.

    Args:
        data: A `keras.utils.PyDataset`.
        how: The `Reading`.
    """

    def __init__(self, data, how):
        super().__init__(data)
        self._class_weight, self._axes = how.class_weight, how.label_axes

    def __getitem__(self, index):
        batch = keras.utils.unpack_x_y_sample_weight(self._data[index])
        batch = tuple(part for part in batch if part is not None)
        return *batch, of_arrays(self._class_weight, batch, self._axes)


class _Joined(_Wrapped):
    """Batches of two data sets, joined one to one.

    Args:
        data: A `keras.utils.PyDataset`.
        more: Another one.
        join: As `Pairs` takes it.
    """

    def __init__(self, data, more, join):
        super().__init__(data)
        self._more, self._join = more, join

    def __getitem__(self, index):
        batches = (data[index] for data in (self._data, self._more))
        unpack = keras.utils.unpack_x_y_sample_weight
        joined = self._join(*map(unpack, batches))
        return tuple(part for part in joined if part is not None)

    def on_epoch_begin(self):
        super().on_epoch_begin()
        self._more.on_epoch_begin()

    def on_epoch_end(self):
        super().on_epoch_end()
        self._more.on_epoch_end()


class _Owned(_Wrapped):
    """Batches of another data set, as a worker's own parts of them."""

    def __getitem__(self, index):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(self._data[index])
        return tuple(part for part in (Own(x), y, weight) if part is not None)


class _Viewed(_Wrapped):
    """Batches of another data set, the teacher's outputs joined to them.

    Args:
        data: A `keras.utils.PyDataset`.
        views: Function of inputs, labels, numbers and epoch, whose `starts`
            are the numbers of each batch's first example.
    """

    def __init__(self, data, views):
        super().__init__(data)
        self._views = views

    def __getitem__(self, index):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(self._data[index])
        start = self._views.starts[index]
        numbers = np.arange(start, start + count_rows(x))
        x, y, weight = self._views(x, y, numbers, 0, weight)
        return tuple(part for part in (x, y, weight) if part is not None)


class _Ordered(_Wrapped):
    """A data set that reorders itself when an `_Order` says so.

    Args:
        data: A `keras.utils.PyDataset`.
        order: The `_Order`.
    """

    def __init__(self, data, order):
        super().__init__(data)
        self._order = order

    def __getstate__(self):
        # Processes that only read it have no use for a callback.
        return {**vars(self), "_order": None}

    def on_epoch_begin(self):
        self._order.begin()

    def on_epoch_end(self):
        self._order.end()


class _Order(Needed):
    """Lets data sets reorder themselves as their epoch says.

    What one draws from `random` and NumPy follows from the epoch alone. As it
    may reorder what it has reordered before, each training starts from the
    order in which it was given, and goes through the epochs before its first.

    Args:
        sources: `keras.utils.PyDataset`s, a list.
        seed: The seed of the generation.
        epoch_seed: Function from an epoch to its seed.
        earlier: The epochs that are not read any more.
    """

    def __init__(self, sources, seed, epoch_seed, earlier):
        super().__init__()
        self._sources = sources
        self._seed = seed
        self._epoch_seed = epoch_seed
        self._earlier = earlier
        self._epoch = self._states = None
        self._given = list(map(Attributes, sources))

    def on_train_begin(self, logs=None):
        with seeds.undisturbed():
            # As Keras, which asks for a new order before it begins.
            seeds.set_seed(self._seed)
            self._let("on_epoch_end")
            for epoch in self._earlier:
                self._epoch = epoch
                self.begin()
                self.end()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def begin(self):
        """Begins the epoch."""
        if self._epoch is not None:
            value = self._epoch_seed(self._epoch)
            random.seed(value)
            np.random.seed(value)
            self._let("on_epoch_begin")
            self._states = random.getstate(), np.random.get_state()

    def end(self):
        """Ends the epoch, if one was begun in this training."""
        if self._states is not None:
            random.setstate(self._states[0])
            np.random.set_state(self._states[1])
            self._let("on_epoch_end")

    def close(self):
        for given in self._given:
            given.put_back()

    def _let(self, hook):
        for source in self._sources:
            getattr(source, hook)()
