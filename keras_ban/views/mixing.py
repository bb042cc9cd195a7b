"""Views that mix each example, and its label, with another."""

import math

import keras
import tensorflow as tf

from keras_ban import checks
from keras_ban.distribution.parts import Mixed
from keras_ban.views import draws
from keras_ban.views.base import Batch
from keras_ban.views.base import View
from keras_ban.views.base import floats
from keras_ban.views.base import is_image
from keras_ban.views.base import is_number
from keras_ban.views.base import is_signal
from keras_ban.views.base import received

_UNIFORM = "uniform"


class Mixing(View):
    """Mixes each example with another, drawn from all with equal chances.

    Args:
        name: As in `View`.
        alpha: Of Beta(alpha, alpha), from which the share is drawn, or
            "uniform".

    Raises:
        ValueError: If `alpha` is no positive number.
    """

    mixes = True
    changes_labels = True
    draws_others = True

    def __init__(self, name, alpha):
        self._alpha = 1.0 if alpha == _UNIFORM else _positive(alpha)
        super().__init__(name, alpha=alpha)

    def __call__(self, batch, seeds, others):
        drawn = draws.bits(seeds, 4)
        chosen = draws.integers(drawn[:, 0], others.count)
        other = others.take(chosen, draws.fold(seeds, 0))
        share = draws.uniform(drawn[:, 1])
        if self._alpha != 1:
            share = draws.beta(draws.fold(seeds, 1), self._alpha)
        share = tf.cast(share, "float32")
        inputs, share = self._mixed(
            batch.inputs, other.inputs, share, drawn[:, 2:]
        )
        return _joined(batch, other, inputs, share)

    def check(self, batch, positions=False):
        """Checks that all inputs are numbers that have a mean."""
        leaves = keras.tree.flatten(batch.inputs)
        if not all(map(is_number, leaves)):
            raise ValueError(
                f"The view {self!r} cannot mix these inputs. Expected dense "
                "floats, or pixels of type uint8 and shape (rows, height, "
                f"width, channels). Received: {received(batch.inputs)}. Text "
                "and integers, as those of words or categories, have no mean: "
                "convert what is measured by `astype('float32')`; embed words "
                "before, and mix their vectors; or choose a view that mixes "
                "nothing, as `keras_ban.views.smear` for tables."
            )

    def _mixed(self, inputs, others, share, drawn):
        """Mixes inputs.

        Args:
            inputs: A structure of tensors of shape `(batch, ...)`.
            others: What they are mixed with, alike.
            share: The share that stays of each, shape `(batch,)`.
            drawn: Random bits of shape `(batch, 2)`.

        Returns:
            The inputs, and the share that has stayed in fact.
        """
        raise NotImplementedError


class _MixUp(Mixing):
    def _mixed(self, inputs, others, share, drawn):
        def mixed(one, other):
            one, other = floats(one), floats(other)
            part = _aligned(tf.cast(share, one.dtype), one)
            return other + part * (one - other)

        return keras.tree.map_structure(mixed, inputs, others), share


class _CutMix(Mixing):
    def check(self, batch, positions=False):
        """Checks that all inputs have axes, and labels none of them."""
        super().check(batch)
        leaves = keras.tree.flatten(batch.inputs)
        if not all(is_image(a) or is_signal(a) for a in leaves):
            raise ValueError(
                f"The view {self!r} cannot be applied. Expected images of "
                "shape (rows, height, width, channels), or signals of shape "
                f"(rows, time, channels). Received: {received(batch.inputs)}. "
                "Give signals an axis of channels, by `x[..., None]`, or "
                "choose `keras_ban.views.mixup`, which mixes inputs of any "
                "shape."
            )
        if positions:
            raise ValueError(
                f"The view {self!r} mixes one label a sample. Received: a "
                "model that has a label for each position of a sequence. "
                "Choose `keras_ban.views.mixup`, which mixes position by "
                "position."
            )

    def _mixed(self, inputs, others, share, drawn):
        found = [
            _cut(floats(one), floats(other), share, draws.uniform(drawn))
            for one, other in zip(
                keras.tree.flatten(inputs),
                keras.tree.flatten(others),
                strict=True,
            )
        ]
        shown, shares = zip(*found, strict=True)
        shown = keras.tree.pack_sequence_as(inputs, shown)
        return shown, tf.add_n(shares) / len(shares)


def mixup(alpha="uniform"):
    """Mixes each example with another: λ of it, and 1 - λ of the other.

    λ is the same for all inputs of an example and for its label. The other
    example is drawn from all that arrays hold, from the batch of a
    `tf.data.Dataset`. Pixels of type uint8 are mixed as floats.

    Labels need no change: the loss that the model was compiled with is `λ
    L(y₁) + (1 - λ) L(y₂)`, each with the weight of its own example; the
    teacher's term has the weight `λ w₁ + (1 - λ) w₂`, and metrics are given
    the label of the larger share.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018,
    Equation 1; λ uniform as in Beyer et al., "Knowledge distillation: A good
    teacher is patient and consistent", 2022, Section 2.

    Args:
        alpha: "uniform", λ from 0 to 1, or a positive number: λ is drawn from
            Beta(alpha, alpha), small for views that are close to one example.
            Defaults to `"uniform"`.

    Returns:
        A `View`.

    Raises:
        ValueError: If `alpha` is neither.

    Example:
    >>> lineage = ban.fit(x, y, augment=keras_ban.views.mixup(0.2))
    """
    return _MixUp("mixup", alpha)


def cutmix(alpha=1.0):
    """Replaces a part of each example by that of another, at the same place.

    In images it is a rectangle of the share 1 - λ, as wide and high in
    proportion as they are, in signals and sequences of vectors a segment of
    the time. Its center is uniform, and what would stand over the edge is left
    out. Labels are mixed as in `mixup`, by the share that was kept in fact;
    several inputs are cut at the same place, and their shares averaged.

    Source: Yun et al., "CutMix: Regularization Strategy to Train Strong
    Classifiers with Localizable Features", 2019, Equations 1 and 2.

    Args:
        alpha: λ is drawn from Beta(alpha, alpha), a positive number, or
            "uniform". Defaults to `1.0`, which is uniform.

    Returns:
        A `View`, of inputs of shape `(rows, height, width, channels)` or
        `(rows, time, channels)`.

    Raises:
        ValueError: If `alpha` is no such number.

    Example:
    >>> lineage = ban.fit(x, y, augment=["crop_and_flip", "cutmix"])
    """
    return _CutMix("cutmix", alpha)


def _positive(alpha):
    return checks.number(
        "alpha",
        alpha,
        lambda v: 0 < v < math.inf,
        "'uniform' or a positive number",
    )


def _cut(one, other, share, centers):
    """Puts a part of others in the place of their own.

    Args:
        one: Shape `(batch, ..., channels)` with one or two axes between.
        other: Alike.
        share: The share that is to stay, of shape `(batch,)`.
        centers: Where the part is, from 0 to 1 along each axis, `(batch, 2)`.

    Returns:
        What is shown, and the share that has stayed.
    """
    axes = range(1, len(one.shape) - 1)
    ratio = (1 - tf.cast(share, "float64")) ** (1 / len(axes))
    inside, cut = True, 1.0
    for axis in axes:
        size = tf.shape(one)[axis]
        length = tf.cast(size, "float64")
        center = tf.cast(centers[:, axis - 1] * length, "int32")
        half = tf.cast(ratio * length, "int32") // 2
        low = tf.maximum(center - half, 0)
        high = tf.minimum(center + half, size)
        shape = [1] * len(one.shape)
        shape[axis] = -1
        places = tf.reshape(tf.range(size), shape)
        inside &= places >= _aligned(low, one)
        inside &= places < _aligned(high, one)
        cut *= tf.cast(high - low, "float64") / length
    return tf.where(inside, other, one), tf.cast(1 - cut, "float32")


def _joined(batch, other, inputs, share):
    """The batch of mixed examples, its labels and weights of both."""
    part, weight = share, None
    if batch.weight is not None:
        one, two = (tf.cast(b.weight, share.dtype) for b in (batch, other))
        part = _aligned(share, one) * one
        weight = part + (1 - _aligned(share, two)) * two
        part = tf.math.divide_no_nan(part, weight)
    labels = None
    if batch.labels is not None:
        labels = Mixed(batch.labels, other.labels, share, part)
    return Batch(inputs, labels, weight)


def _aligned(column, array):
    """Numbers of shape `(batch,)` with as many axes as an array has."""
    return tf.reshape(column, [-1] + [1] * (len(array.shape) - 1))
