"""What the augmentations do to images and labels."""

import numpy as np
import pytest
import tensorflow as tf
from pictures import CLASSES
from pictures import DATA
from pictures import RNG
from pictures import pictures
from pictures import views

from keras_ban import recipes
from keras_ban.data import kerascv
from keras_ban.data import vision


@pytest.mark.parametrize("names", ["randaugment", "cutout", "cutmix"])
def test_gray_images(names):
    x, _ = views(names, channels=1)
    given = pictures(1).train[0]
    assert x.shape == given.shape
    assert not np.array_equal(x, given)


def test_no_names_are_no_augmentation():
    assert vision.augmentation((), None) is None
    for recipe in recipes.BY_DATA.values():
        found = vision.augmentation(recipe.augmentation)
        assert (found is None) == (not recipe.augmentation)


STREAMED = DATA._replace(
    train=tf.data.Dataset.range(3), mean=DATA.mean + 20, std=2 * DATA.std
)


def test_randaugment_changes_the_pixels_of_a_streamed_set(monkeypatch):
    seen = []

    def layer(name, value_range):
        assert (name, value_range) == ("RandAugment", (0, 255))

        def add_ten(pixels, seed):
            seen.append(np.asarray(pixels))
            return pixels + 10

        return add_ten

    monkeypatch.setattr(kerascv, "layer", layer)
    image = np.linspace(-3, 3, 8 * 8 * 3).reshape(8, 8, 3).astype("float32")
    view = vision.augmentation("randaugment", STREAMED)(image, [3, 1])
    mean, std = (s.astype("float64") for s in STREAMED[-2:])
    pixels = (image * std + mean).clip(0, 255)
    assert pixels.min() == 0 and pixels.max() == 255
    np.testing.assert_allclose(seen, [pixels], atol=1e-3)
    np.testing.assert_allclose(view, (pixels + 10 - mean) / std, atol=1e-5)


def test_cutout_shows_the_mean_color_of_a_streamed_set():
    augment = vision.augmentation("cutout", STREAMED)
    image = DATA.train[0][0]
    for seed in range(8):
        view = np.asarray(augment(image, tf.constant([seed, 1], "int64")))
        cut = (view != image).any(-1)
        np.testing.assert_array_equal(view[~cut], image[~cut])
        colors = view[cut] * STREAMED.std + STREAMED.mean
        assert (colors == STREAMED.mean).all()
        rows, columns = np.flatnonzero(cut.any(1)), np.flatnonzero(cut.any(0))
        assert cut[np.ix_(rows, columns)].all()
        assert len(rows) <= 4 and len(columns) <= 4


def test_crops_and_flips_are_those_of_numpy():
    augment = vision.crop_and_flip(2)
    image = DATA.train[0][0]
    padded = np.pad(image, [[2, 2], [2, 2], [0, 0]])
    expected = {}
    for top in range(5):
        for left in range(5):
            crop = padded[top : top + 8, left : left + 8]
            for flip in (False, True):
                view = crop[:, ::-1] if flip else crop
                expected[view.tobytes()] = (top, left, flip)
    function = tf.function(augment)
    found = [
        expected[
            function(image, tf.constant([k, 1], "int64")).numpy().tobytes()
        ]
        for k in range(1000)
    ]
    # All 50 are equally likely: 20 each, with a standard deviation of 4.4.
    counts = [found.count(place) for place in expected.values()]
    assert min(counts) >= 4 and max(counts) <= 40
    flips = sum(flip for _, _, flip in found)
    assert 420 <= flips <= 580


def test_mixup_is_the_same_mean_of_images_and_of_labels():
    x, y = views("mixup")
    images, labels = DATA.train
    partners = set()
    for row in range(24):
        best = None
        for other in range(24):
            difference = (images[row] - images[other]).ravel()
            if other == row:
                continue
            share = np.dot((x[row] - images[other]).ravel(), difference)
            share /= np.dot(difference, difference)
            mean = share * images[row] + (1 - share) * images[other]
            error = np.abs(mean - x[row]).max()
            if best is None or error < best[0]:
                best = error, other, share
        error, other, share = best
        if error < 1e-4:
            partners.add(other)
            label = share * labels[row] + (1 - share) * labels[other]
            np.testing.assert_allclose(y[row], label, atol=1e-4)
    assert len(partners) > 5


def test_cutmix_takes_a_rectangle_of_another_image():
    x, y = views("cutmix")
    images, labels = DATA.train
    cut = 0
    for row in range(24):
        changed = (x[row] != images[row]).any(-1)
        if not changed.any() or y[row].max() == 1:
            continue
        where = np.argwhere(changed)
        (top, left), (bottom, right) = where.min(0), where.max(0) + 1
        part = np.s_[top:bottom, left:right]
        (other,) = [
            k
            for k in range(24)
            if k != row and np.array_equal(images[k][part], x[row][part])
        ]
        # The other class, and no third one.
        extra = np.flatnonzero(y[row] * (1 - labels[row]) > 0)
        assert extra.tolist() == [labels[other].argmax()]
        cut += 1
    assert cut >= 5


NUMBERED = vision.from_arrays(
    (RNG.integers(0, 256, (6, 8, 8, 3)), np.arange(6) % CLASSES),
    (RNG.integers(0, 256, (6, 8, 8, 3)), np.arange(6) % CLASSES),
)


@pytest.mark.parametrize(
    ("names", "data", "words"),
    [
        ("sharpen", DATA, "randaugment, cutout, mixup.*'sharpen'"),
        ("randaugment", None, "1 or 3 channels.*NoneType"),
        ("randaugment", pictures(2), "1 or 3 channels.*2 channels"),
        ("mixup", None, "in arrays.*NoneType.*`batch_size`"),
        (
            "mixup",
            DATA._replace(train=tf.data.Dataset.range(3)),
            "in arrays.*Dataset.*`batch_size`",
        ),
        ("cutmix", NUMBERED, r"labels of shape \(5,\).*one_hot=True"),
    ],
)
def test_bad_arguments(names, data, words):
    with pytest.raises(ValueError, match=words):
        vision.augmentation(names, data)
