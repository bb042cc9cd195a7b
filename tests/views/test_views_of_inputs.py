"""Views that change inputs alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from matrices import pairs
from scipy import stats

from keras_ban import views
from keras_ban.feeding.views import Views
from keras_ban.views import names
from keras_ban.views.base import Batch

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(6, 5, 7, 2)).astype("float32")
SIGNALS = RNG.normal(size=(6, 9, 2)).astype("float32")


def shown(augment, x, epoch=0, count=None, pool=None):
    x = keras.tree.map_structure(tf.constant, x)
    numbers = np.arange(len(keras.tree.flatten(x)[0]))
    made = Views(augment, count, 5, pool)
    found, y, _ = made(x, None, numbers, tf.constant(epoch, "int64"))
    assert y is None
    return keras.tree.map_structure(np.asarray, found)


def places(augment, x, expected, epochs=200):
    """Which of the expected views each epoch shows of the first example."""
    known = {view.tobytes(): place for place, view in expected.items()}
    return [
        known[shown(augment, x, epoch)[0].tobytes()] for epoch in range(epochs)
    ]


def crops(image, padding, flip):
    padded = np.pad(image, [[padding] * 2] * (image.ndim - 1) + [[0, 0]])
    size, ends = image.shape[:-1], range(2 * padding + 1)
    found = {}
    for top in ends:
        for left in ends if image.ndim == 3 else [0]:
            crop = padded[top : top + size[0]]
            if image.ndim == 3:
                crop = crop[:, left : left + size[1]]
            for mirrored in (False, True) if flip else (False,):
                view = np.ascontiguousarray(crop[:, ::-1] if mirrored else crop)
                found[top, left, mirrored] = view
    return found


@pytest.mark.parametrize(
    ("augment", "x", "padding", "flip"),
    [
        (views.crop_and_flip(1), IMAGES, 1, True),
        (views.crop_and_flip(1, flip=False), IMAGES, 1, False),
        (views.shift(1), IMAGES, 1, False),
        (views.shift(2), SIGNALS, 2, False),
    ],
    ids=lambda v: v if isinstance(v, (int, views.View)) else "",
)
def test_crops_shifts_and_flips_are_those_of_numpy(augment, x, padding, flip):
    expected = crops(x[0], padding, flip)
    found = places(augment, x, expected)
    counts = [found.count(place) for place in expected]
    assert min(counts) > 0
    assert stats.chisquare(counts).pvalue > 1e-4


def test_whole_images_are_cropped_by_their_own_seeds():
    found = shown(views.crop_and_flip(2), IMAGES)
    chosen = [
        next(
            place
            for place, view in crops(image, 2, True).items()
            if np.array_equal(view, one)
        )
        for image, one in zip(IMAGES, found, strict=True)
    ]
    assert len(set(chosen)) > 3


def test_only_images_are_cropped_and_bytes_stay_bytes():
    x = {
        "table": RNG.normal(size=(6, 3)).astype("float32"),
        "picture": RNG.integers(1, 256, (6, 5, 5, 1)).astype("uint8"),
    }
    found = shown("crop_and_flip", x)
    np.testing.assert_array_equal(found["table"], x["table"])
    assert found["picture"].dtype == "uint8"
    assert not np.array_equal(found["picture"], x["picture"])


def test_noise_is_normal_and_apart_for_each_input_and_example():
    x = {"a": np.ones((500, 20), "float32"), "b": np.ones((500, 4, 5), "uint8")}
    found = shown(views.noise(0.5), x)
    drawn = [(found[k].reshape(500, 20) - 1) / 0.5 for k in ("a", "b")]
    for one in drawn:
        assert stats.kstest(one.ravel(), "norm").pvalue > 1e-4
        assert abs(np.corrcoef(one[:-1].ravel(), one[1:].ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(*(one.ravel() for one in drawn))[0, 1]) < 0.05
    assert found["b"].dtype == "float32"


def test_views_of_a_list_draw_by_themselves():
    x = np.zeros((500, 20), "float32")
    found = shown([views.noise(1), views.noise(1)], x)
    assert found.std() == pytest.approx(2**0.5, rel=0.03)


TABLE = {
    "numbers": np.arange(2000, dtype="float32").reshape(500, 4),
    "words": np.array([f"w{n}" for n in range(500)]),
    "whole": np.arange(500)[:, None],
}


@pytest.mark.parametrize("how", ["batch", "all"])
def test_smeared_values_are_of_other_rows_in_their_column(how):
    part = keras.tree.map_structure(lambda a: a[:250], TABLE)
    whole = part if how == "batch" else TABLE
    tensors = keras.tree.map_structure(tf.constant, TABLE)
    pool = Batch(tensors) if how == "all" else None
    found = shown(views.smear(0.3), part, pool=pool)
    rows = {
        "numbers": found["numbers"] // 4,
        "words": np.array([int(w[1:]) for w in found["words"]])[:, None],
        "whole": found["whole"],
    }
    columns = np.broadcast_to(np.arange(4), (250, 4))
    np.testing.assert_array_equal(found["numbers"] % 4, columns)
    drawn = np.concatenate([*rows.values()], axis=1)
    changed = drawn != np.arange(250)[:, None]
    assert changed.mean() == pytest.approx(0.3, abs=0.04)
    # Values of one row are replaced independently, from rows of their own.
    assert abs(np.corrcoef(changed[:, 0], changed[:, 1])[0, 1]) < 0.2
    count = len(whole["whole"])
    assert stats.kstest(drawn[changed] / count, "uniform").pvalue > 1e-4


def test_smear_of_nothing_is_nothing():
    found = shown(views.smear(0), TABLE)
    np.testing.assert_array_equal(found["numbers"], TABLE["numbers"])


# --- Layers of Keras

PICTURES = RNG.random((6, 8, 8, 3)).astype("float32")
LAYERS = {
    "flip": lambda: keras.layers.RandomFlip(),
    "rotation": lambda: keras.layers.RandomRotation(0.2),
    "randaugment": lambda: keras.layers.RandAugment(value_range=(0, 1)),
    "augmix": lambda: keras.layers.AugMix(value_range=(0, 1)),
    "erasing": lambda: keras.layers.RandomErasing(
        factor=1.0, value_range=(0, 1)
    ),
    "noise": lambda: keras.layers.GaussianNoise(0.1),
    "pipeline": lambda: keras.layers.Pipeline(
        [keras.layers.RandomFlip(), keras.layers.RandomContrast(0.5)]
    ),
}


@pytest.mark.parametrize(("name", "count"), pairs(LAYERS, [None, 2]))
def test_layers_follow_from_the_seed(name, count):
    made = [views.layer(LAYERS[name]()) for _ in range(2)]
    one, other = (shown(v, PICTURES, epoch=1, count=count) for v in made)
    np.testing.assert_array_equal(one, other)
    assert one.dtype == "float32" and one.shape == PICTURES.shape
    assert not np.array_equal(one, PICTURES)
    assert not np.array_equal(one, shown(made[0], PICTURES, 0, count))
    assert repr(made[0]) == repr(made[1])


def test_a_layer_by_rows_shows_a_row_the_same_in_any_batch():
    augment = views.layer(keras.layers.RandomRotation(0.2))
    made = Views(augment, 2, 5)
    some = np.array([4, 1])
    epoch = tf.constant(1, "int64")
    part = made(tf.constant(PICTURES[some]), None, some, epoch)[0]
    whole = shown(augment, PICTURES, 1, 2)
    np.testing.assert_allclose(part, whole[some], atol=1e-6)


def test_a_layer_does_what_keras_does():
    found = shown(views.layer(keras.layers.RandomFlip("horizontal")), PICTURES)
    flipped = [
        np.array_equal(a, b[:, ::-1])
        for a, b in zip(found, PICTURES, strict=True)
    ]
    same = [np.array_equal(a, b) for a, b in zip(found, PICTURES, strict=True)]
    assert all(np.logical_or(flipped, same)) and 0 < sum(flipped) < 6


def test_the_given_layer_and_the_global_seeds_are_left_alone():
    given = keras.layers.RandomFlip(seed=3)
    state = np.array(given.generator.state)
    keras.utils.set_random_seed(1)
    expected = np.random.random()
    keras.utils.set_random_seed(1)
    shown(views.layer(given), PICTURES)
    assert np.random.random() == expected
    np.testing.assert_array_equal(given.generator.state, state)


def test_layers_compute_in_float32_under_mixed_precision():
    expected = shown(views.layer(keras.layers.RandomContrast(0.5)), PICTURES)
    keras.config.set_dtype_policy("mixed_float16")
    found = shown(views.layer(keras.layers.RandomContrast(0.5)), PICTURES)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda: keras.layers.MixUp(0.3), "mixup(alpha=0.3)"),
        (lambda: keras.layers.CutMix(0.5), "cutmix(alpha=0.5)"),
    ],
)
def test_mixing_layers_become_views_that_mix(layer, words):
    made = views.layer(layer())
    assert repr(made) == words and made.mixes


def test_layers_of_other_arguments_are_told_apart():
    one, other = (
        views.layer(keras.layers.RandomRotation(f)) for f in (0.1, 0.2)
    )
    assert repr(one) != repr(other)


def test_layers_of_keras_are_views_as_they_are():
    """Alone, in a list and in a `Sequential`, whose mixing layers mix."""

    def flip():
        return keras.layers.RandomFlip("horizontal")

    def turn():
        return keras.layers.RandomRotation(0.2)

    expected = shown([views.layer(flip()), views.layer(turn())], PICTURES)
    for given in ([flip(), turn()], keras.Sequential([flip(), turn()])):
        np.testing.assert_array_equal(shown(given, PICTURES), expected)
    expected = shown(views.layer(flip()), PICTURES)
    np.testing.assert_array_equal(shown(flip(), PICTURES), expected)
    made = names.get(keras.Sequential([flip(), keras.layers.MixUp(0.4)]))
    assert [view.describe() for view in made] == [
        views.layer(flip()).describe(),
        views.mixup(0.4).describe(),
    ]
