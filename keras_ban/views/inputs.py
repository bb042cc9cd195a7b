"""Views that change inputs, and leave labels as they are."""

import itertools

import keras
import tensorflow as tf

from keras_ban import checks
from keras_ban.views import draws
from keras_ban.views.base import View
from keras_ban.views.base import floats
from keras_ban.views.base import is_dense
from keras_ban.views.base import is_image
from keras_ban.views.base import is_number
from keras_ban.views.base import is_signal
from keras_ban.views.base import received


class OfInputs(View):
    """A view of each input that fits; the others stay as they are.

    Args:
        name: As in `View`.
        expected: What fits, in words.
        fits: Function from an input to whether it fits.
        show: Function from an input and seeds of shape `(batch, 2)` to the
            input as it is shown.
        **arguments: As in `View`.
    """

    def __init__(self, name, expected, fits, show, **arguments):
        super().__init__(name, **arguments)
        self._expected = expected
        self._fits = fits
        self._show = show

    def __call__(self, batch, seeds, others):
        show = self._shown(seeds)
        inputs = keras.tree.map_structure(
            lambda a: show(a) if self._fits(a) else a, batch.inputs
        )
        return batch._replace(inputs=inputs)

    def check(self, batch, positions=False):
        """Checks that there is an input that fits."""
        if not any(map(self._fits, keras.tree.flatten(batch.inputs))):
            raise ValueError(
                f"The view {self!r} cannot be applied. Expected "
                f"{self._expected}. Received: {received(batch.inputs)}. Give "
                "the inputs such a shape and type, or choose another view."
            )

    def _shown(self, seeds):
        return lambda array: self._show(array, seeds)


class _Apart(OfInputs):
    """A view in which the inputs of one example do not share what is drawn."""

    def _shown(self, seeds):
        places = itertools.count()
        return lambda a: self._show(a, draws.fold(seeds, next(places)))


def noise(std):
    """Adds normal noise to the inputs, another draw for each number.

    Args:
        std: Its standard deviation, in the units of the inputs, a positive
            number.

    Returns:
        A `View`, of all inputs that are floats or pixels.

    Raises:
        ValueError: If `std` is no such number.

    Example:
    >>> lineage = ban.fit(x, y, augment=keras_ban.views.noise(0.1))
    """
    std = checks.number(
        "std", std, lambda v: 0 < v < float("inf"), "a positive number"
    )

    def show(array, seeds):
        array = floats(array)
        size = array.shape[1:].num_elements()
        drawn = draws.normal(draws.bits(seeds, size))
        drawn = tf.cast(std * drawn, array.dtype)
        return array + tf.reshape(drawn, tf.shape(array))

    expected = "floats, or pixels of type uint8"
    return _Apart("noise", expected, is_number, show, std=std)


def shift(pixels):
    """Shifts images in both directions, signals in time; zeros move in.

    All shifts by -`pixels` to `pixels` are equally likely.

    Args:
        pixels: The largest shift in pixels or steps of time, a positive
            integer.

    Returns:
        A `View`, of the inputs of shape `(rows, height, width, channels)` or
        `(rows, time, channels)`.

    Raises:
        ValueError: If `pixels` is no such integer.

    Example:
    >>> lineage = ban.fit(x, y, augment=keras_ban.views.shift(2))
    """
    checks.integer("pixels", pixels, 1)
    return OfInputs(
        "shift",
        "images of shape (rows, height, width, channels), or signals of shape "
        "(rows, time, channels)",
        lambda a: is_image(a) or is_signal(a),
        lambda a, seeds: _cropped(a, pixels, draws.bits(seeds, 2)),
        pixels=pixels,
    )


def crop_and_flip(padding=4, flip=True):
    """Random crops of the padded image, and random horizontal flips.

    The distribution is that of `keras_ban.data.vision.crop_and_flip`, which
    works row by row.

    Source: Zagoruyko and Komodakis, "Wide Residual Networks", 2016, Section
    3; Furlanello et al., 2018, Section 4.

    Args:
        padding: Pixels of zeros around the image, a non-negative integer.
            Defaults to `4`.
        flip: Whether half of the images are mirrored, left to right. Leave
            it out for digits and letters. Defaults to `True`.

    Returns:
        A `View`, of the inputs that are images, of shape `(rows, height,
        width, channels)`.

    Raises:
        ValueError: If `padding` is no such integer.

    Example:
    >>> lineage = ban.fit(x, y, augment=keras_ban.views.crop_and_flip())
    """
    checks.integer("padding", padding, 0)

    def show(array, seeds):
        drawn = draws.bits(seeds, 3)
        mirrored = draws.uniform(drawn[:, 2]) < 0.5 if flip else None
        return _cropped(array, padding, drawn, mirrored)

    return OfInputs(
        "crop_and_flip",
        "images of shape (rows, height, width, channels)",
        is_image,
        show,
        padding=padding,
        flip=bool(flip),
    )


def _cropped(array, padding, drawn, mirrored=None):
    """Crops of what is padded, at random places.

    Args:
        array: Shape `(batch, ..., channels)` with one or two axes between.
        padding: Zeros on each side, an integer.
        drawn: Random bits of shape `(batch, 2)` or more.
        mirrored: Whether each is mirrored, booleans of shape `(batch,)`.
            Defaults to `None`: none is.
    """
    axes = range(1, len(array.shape) - 1)
    pad = [[0, 0], *[[padding, padding] for _ in axes], [0, 0]]
    array = tf.pad(array, pad)
    for axis in axes:
        size = tf.shape(array, out_type="int64")[axis] - 2 * padding
        begin = draws.integers(drawn[:, axis - 1], 2 * padding + 1)
        places = tf.range(size)[None]
        if mirrored is not None and axis == 2:
            places = tf.where(mirrored[:, None], size - 1 - places, places)
        # Rows of other axes are gathered as they are.
        array = tf.gather(
            array, begin[:, None] + places, axis=axis, batch_dims=1
        )
    return array


class _Smear(OfInputs):
    """Takes values from other rows.

    Args:
        p: Probability with which a value is replaced.
    """

    draws_others = True

    def __init__(self, p):
        self._p = p
        expected = "tables, of shape (rows, columns) or (rows,)"
        super().__init__("smear", expected, _is_table, None, p=p)

    def __call__(self, batch, seeds, others):
        leaves = keras.tree.flatten(batch.inputs)
        sources = keras.tree.flatten(others.inputs)
        shown = [
            self._smeared(a, source, draws.fold(seeds, place), others.count)
            if self._fits(a)
            else a
            for place, (a, source) in enumerate(
                zip(leaves, sources, strict=True)
            )
        ]
        inputs = keras.tree.pack_sequence_as(batch.inputs, shown)
        return batch._replace(inputs=inputs)

    def _smeared(self, array, source, seeds, count):
        columns = array.shape[1:].num_elements()
        drawn = draws.bits(seeds, 2 * columns)
        rows = draws.integers(drawn[:, columns:], count)
        # One number for row and column.
        places = rows * columns + tf.range(columns, dtype="int64")
        values = tf.gather(tf.reshape(source, [-1]), places)
        is_replaced = draws.uniform(drawn[:, :columns]) < self._p
        shape = tf.shape(array)
        values = tf.cast(tf.reshape(values, shape), array.dtype)
        return tf.where(tf.reshape(is_replaced, shape), values, array)


def _is_table(array):
    return is_dense(array) and len(array.shape) < 3


def smear(p=0.5):
    """Replaces values by those that other rows have in the same column.

    Each value is replaced with the probability `p`, independently of the
    others, by that of a row drawn anew for each: from all rows of arrays, from
    the batch of a `tf.data.Dataset`. Each column keeps its distribution, so
    whole numbers, categories and text stay what they are.

    Source: Breiman and Shang, "Born Again Trees", 1996, Section 2.

    Args:
        p: Probability from 0 to 1 with which a value is replaced. Defaults to
            `0.5`.

    Returns:
        A `View`, of the inputs that are tables, of shape `(rows, columns)` or
        `(rows,)`.

    Raises:
        ValueError: If `p` is no such number.

    Example:
    >>> lineage = ban.fit(x, y, augment=keras_ban.views.smear(0.1))
    """
    p = checks.number("p", p, lambda v: 0 <= v <= 1, "a number from 0 to 1")
    return _Smear(p)
