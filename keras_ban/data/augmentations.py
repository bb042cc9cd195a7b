"""Views of images, as functions of the example and its seed.

Each is what `fit(..., augment=)` takes, so that a view is the same for student
and teacher, on any number of replicas, after a resume, cached or online.
"""

import tensorflow as tf

from keras_ban import checks
from keras_ban.data import kerascv

_fold = tf.random.experimental.stateless_fold_in


def crop_and_flip(padding=4, flip=True):
    """Random crops of the padded image, and random horizontal flips.

    Source: Zagoruyko and Komodakis, "Wide Residual Networks", 2016, Section
    3; Furlanello et al., 2018, Section 4.

    Args:
        padding: Pixels of zeros around the image, a non-negative integer.
            Defaults to `4`.
        flip: Whether half of the images are mirrored, left to right. Leave
            it out for digits and letters. Defaults to `True`.

    Returns:
        A function from an image of shape `(height, width, channels)` and a
        seed of shape `(2,)` to an image of the same shape.

    Raises:
        ValueError: If `padding` is no such integer.

    Example:
    >>> lineage = ban.fit(x, y, augment=vision.crop_and_flip())
    """
    checks.integer("padding", padding, 0)

    def augment(image, seed):
        draws = tf.random.stateless_uniform([3], seed)
        offset = tf.cast(draws[:2] * (2 * padding + 1), "int32")
        pad = [[padding, padding], [padding, padding], [0, 0]]
        begin = tf.pad(offset, [[0, 1]])
        view = tf.slice(tf.pad(image, pad), begin, tf.shape(image))
        if flip:
            view = tf.cond(
                draws[2] < 0.5, lambda: tf.reverse(view, [1]), lambda: view
            )
        return tf.ensure_shape(view, image.shape)

    augment.__qualname__ = f"crop_and_flip({padding}, {flip})"
    return augment


def augmentation(names, data=None):
    """One or several augmentations by their names, one after the other.

    - "crop_and_flip": as that function, "crop": as it without `flip`.
    - "randaugment": 3 random ones of 10 changes of color and geometry (Cubuk
      et al., 2020).
    - "cutout": the mean color in a random rectangle of up to half of each side
      (DeVries and Taylor, 2017).
    - "mixup": λ of the image and of its label and 1 - λ of another's, λ drawn
      from Beta(0.2, 0.2) (Zhang et al., 2018).
    - "cutmix": another image in a random rectangle of a share 1 - λ, and as
      much of its label, λ drawn from Beta(1, 1) (Yun et al., 2019).

    All but the first two are layers of KerasCV with its own defaults (extra
    `vision`). The other image is drawn from all that are trained on and is
    augmented too, so the view of an example depends on nothing but the data,
    its number, the epoch and the run's seed. Images are mixed last, and their
    labels must be rows, as of `load(..., one_hot=True)`.

    Args:
        names: A name or a sequence of them; an empty one for none.
        data: The `Images` that are trained on: needed for "randaugment", of
            one or three channels, and where images are mixed, in arrays.
            Defaults to `None`.

    Returns:
        What `fit` takes as `augment`: a function from an image and a seed to
        an image; where images are mixed, from an image, its label and a seed
        to an image and a label. `None` without a name.

    Raises:
        ImportError: If KerasCV is needed and missing.
        ValueError: If a name is unknown, or if the data is needed and not of
            its kind, with one-hot labels where they are mixed.

    Example:
    >>> data = vision.load("cifar10", one_hot=True)
    >>> augment = vision.augmentation(["crop_and_flip", "cutmix"], data)
    >>> lineage = ban.fit(*data.train, augment=augment)
    """
    names = [names] if isinstance(names, str) else list(names)
    if any(name not in (*_SINGLE, *_MIXED) for name in names):
        raise ValueError(
            f"Unknown augmentation. Expected one or several of "
            f"{', '.join((*_SINGLE, *_MIXED))}. Received: {names}"
        )
    if not names:
        return None
    if "randaugment" in names:
        _check_channels(data)
    if {*names} & {*_MIXED}:
        _check_mixed(names, data)
    single = [_SINGLE[name](data) for name in names if name in _SINGLE]
    mixed = [_MIXED[name]() for name in names if name in _MIXED]

    def show(image, seed):
        for number, function in enumerate(single):
            image = function(image, _fold(seed, number))
        return image

    augment = _mixing(show, mixed, data) if mixed else show
    augment.__qualname__ = f"augmentation({names})"
    return augment


def _mixing(show, mixed, data):
    images, labels = map(tf.constant, data.train)
    count = len(images)

    def augment(image, label, seed):
        _check_label(label, labels)
        view = show(image, _fold(seed, 0))
        for number, mix in enumerate(mixed, 1):
            one, two, three = tf.unstack(
                tf.random.experimental.stateless_split(_fold(seed, number), 3)
            )
            other = tf.random.stateless_uniform([], one, 0, count, "int64")
            partner = show(images[other], two)
            view, label = mix(view, label, partner, labels[other], three)
        return view, label

    return augment


def _randaugment(data):
    layer = kerascv.layer("RandAugment", value_range=(0, 255))

    def augment(image, seed):
        shown = tf.clip_by_value(image * data.std + data.mean, 0, 255)
        # Its changes of color are made for three channels.
        channels = shown.shape[-1]
        if channels == 1:
            shown = tf.image.grayscale_to_rgb(shown)
        shown = layer(shown, seed)
        if channels == 1:
            shown = tf.reduce_mean(shown, -1, keepdims=True)
        view = (shown - data.mean) / data.std
        return tf.ensure_shape(view, image.shape)

    return augment


def _cutout(data):
    layer = kerascv.layer("RandomCutout", height_factor=0.5, width_factor=0.5)
    return lambda image, seed: tf.ensure_shape(layer(image, seed), image.shape)


def _mix(name, **options):
    layer = kerascv.layer(name, **options)

    def mix(image, label, partner, other, seed):
        pair = {
            "images": tf.stack([image, partner]),
            "labels": tf.stack(
                [tf.cast(row, "float32") for row in (label, other)]
            ),
        }
        found = layer(pair, seed)
        view = tf.ensure_shape(found["images"][0], image.shape)
        return view, tf.ensure_shape(found["labels"][0], label.shape)

    return mix


_SINGLE = {
    "crop_and_flip": lambda data: crop_and_flip(),
    "crop": lambda data: crop_and_flip(flip=False),
    "randaugment": _randaugment,
    "cutout": _cutout,
}
_MIXED = {
    "mixup": lambda: _mix("MixUp", alpha=0.2),
    "cutmix": lambda: _mix("CutMix", alpha=1.0),
}


def _check_channels(data):
    mean = getattr(data, "mean", None)
    if mean is None or len(mean) not in (1, 3):
        raise ValueError(
            "'randaugment' changes colors from 0 to 255. Expected `data=` as "
            "`vision.load` or `vision.from_arrays` gives it, of 1 or 3 "
            "channels. Received: "
            + (type(data).__name__ if mean is None else f"{len(mean)} channels")
        )


def _check_mixed(names, data):
    train = getattr(data, "train", None)
    if not isinstance(train, tuple):
        raise ValueError(
            f"{names} mix each image with another. Expected `data=` as "
            "`vision.load` or `vision.from_arrays` gives it, in arrays. "
            f"Received: {type(data if train is None else train).__name__}. "
            "Load the images without `batch_size`."
        )
    if train[1].ndim != 2:
        _mixes_rows(f"labels of shape {train[1].shape}")


def _check_label(label, labels):
    """Checks the labels that are trained on against those that mix in."""
    if label.shape != labels.shape[1:]:
        _mixes_rows(
            f"labels of shape {('rows', *label.shape)} to mix with those of "
            f"shape {tuple(labels.shape)}"
        )


def _mixes_rows(received):
    raise ValueError(
        "Mixed images have mixed labels. Expected one-hot labels, rows of one "
        f"number for each class. Received: {received}. Load the images with "
        "`one_hot=True`, train on the labels that this gives, and compile the "
        "model with a `CategoricalCrossentropy`."
    )
