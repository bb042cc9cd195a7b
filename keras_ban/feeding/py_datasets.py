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
    def reorders(self):
        return self.how.shuffle is UNSAID or bool(self.how.shuffle)

    def size(self):
        count = self._x.num_batches
        return float("inf") if count is None else count

    def epochs(self, generation, seed, first, views=None, size=1):
        found = self.as_given()
        data = _Viewed(found["x"], views) if views else found["x"]
        found |= {"x": data} | from_pass(self.course(size), first)
        if self.how.epoch_seed is None or not _reorders(self._x):
            return found
        read = found.get("initial_epoch", first)
        order = _Order(
            self._x,
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
        kind, own = type(self._x), keras.utils.PyDataset
        hooks = ("on_epoch_begin", "on_epoch_end")
        if any(getattr(kind, k) is not getattr(own, k) for k in hooks):
            return None
        return super().sample(anew)

    def _batches(self):
        count = self._x.num_batches
        indices = itertools.count() if count is None else range(len(self._x))
        return (self._x[i] for i in indices)


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
    """Lets a data set reorder itself as its epoch says.

    What it draws from `random` and NumPy follows from the epoch alone. As it
    may reorder what it has reordered before, each training starts from the
    order in which it was given, and goes through the epochs before its first.

    Args:
        data: A `keras.utils.PyDataset`.
        seed: The seed of the generation.
        epoch_seed: Function from an epoch to its seed.
        earlier: The epochs that are not read any more.
    """

    def __init__(self, data, seed, epoch_seed, earlier):
        super().__init__()
        self._data = data
        self._seed = seed
        self._epoch_seed = epoch_seed
        self._earlier = earlier
        self._epoch = self._states = None
        self._given = Attributes(data)

    def on_train_begin(self, logs=None):
        with seeds.undisturbed():
            # As Keras, which asks for a new order before it begins.
            seeds.set_seed(self._seed)
            self._data.on_epoch_end()
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
            self._data.on_epoch_begin()
            self._states = random.getstate(), np.random.get_state()

    def end(self):
        """Ends the epoch, if one was begun in this training."""
        if self._states is not None:
            random.setstate(self._states[0])
            np.random.set_state(self._states[1])
            self._data.on_epoch_end()

    def close(self):
        self._given.put_back()


def _reorders(data):
    """Whether a data set does anything between epochs."""
    return any(
        getattr(type(data), name) is not getattr(keras.utils.PyDataset, name)
        for name in ("on_epoch_begin", "on_epoch_end")
    )
