"""`keras.utils.PyDataset`: batches by their numbers, in their own order."""

import itertools

import keras
import numpy as np

from keras_ban.feeding.examples import Examples
from keras_ban.rows import count_rows


class PyBatches(Examples):
    """A `keras.utils.PyDataset`."""

    has_places = True
    orders_itself = True

    def size(self):
        count = self._x.num_batches
        return float("inf") if count is None else count

    def epochs(self, generation, seed, first, views=None):
        return {"x": _Viewed(self._x, views)} if views else self.as_given()

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


class _Viewed(keras.utils.PyDataset):
    """Batches of another data set, the teacher's outputs joined to them.

    Args:
        data: A `keras.utils.PyDataset`.
        views: Function of inputs, labels, numbers and epoch, whose `starts`
            are the numbers of each batch's first example.
    """

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
        start = self._views.starts[index]
        numbers = np.arange(start, start + count_rows(x))
        x, y = self._views(x, y, numbers, 0)
        return tuple(part for part in (x, y, weight) if part is not None)

    def on_epoch_begin(self):
        self._data.on_epoch_begin()

    def on_epoch_end(self):
        self._data.on_epoch_end()
