"""Augmentations: functions of data, example and seed, whoever asks."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from replicas import mirrored

import keras_ban
from keras_ban import models
from keras_ban import recipes
from keras_ban.data import vision
from keras_ban.feeding.views import Views

RNG = np.random.default_rng(0)
NAMES = (
    "crop_and_flip",
    "crop",
    "randaugment",
    "cutout",
    "mixup",
    "cutmix",
    ("crop_and_flip", "cutout", "cutmix", "mixup"),
)
CLASSES = 3


@functools.cache
def pictures(channels):
    x = RNG.integers(0, 256, (24, 8, 8, channels)).astype("uint8")
    y = np.arange(24) % CLASSES
    return vision.from_arrays((x, y), (x, y), validation=0, one_hot=True)


DATA = pictures(3)


def mixes(names):
    return "mix" in str(names)


@functools.cache
def viewer(names, channels=3, seed=5, policy="float32"):
    """Views of any batch, and its labels, as a training is shown them."""
    assert keras.config.dtype_policy().name == policy
    data = pictures(channels)
    return tf.function(
        Views(vision.augmentation(names, data), seed=seed),
        input_signature=[
            tf.TensorSpec((None, 8, 8, channels)),
            tf.TensorSpec((None, CLASSES)),
            tf.TensorSpec((None,), "int64"),
            tf.TensorSpec((), "int64"),
        ],
    )


def views(names, numbers=None, epoch=0, **options):
    numbers = np.arange(24) if numbers is None else numbers
    data = pictures(options.get("channels", 3))
    x, y = (part[numbers] for part in data.train)
    found = viewer(names, **options)(x, y, numbers, epoch)
    return [np.asarray(part) for part in found]


@pytest.mark.parametrize("names", NAMES, ids=str)
def test_a_view_follows_from_seed_example_and_epoch(names):
    x, y = views(names, epoch=3)
    again = views(names, epoch=3)
    np.testing.assert_array_equal(x, again[0])
    np.testing.assert_array_equal(y, again[1])
    # In another batch, of another order and size.
    some = np.array([17, 2, 9])
    part = views(names, numbers=some, epoch=3)
    np.testing.assert_allclose(part[0], x[some], atol=1e-5)
    np.testing.assert_allclose(part[1], y[some], atol=1e-6)
    others = [{"epoch": 4}]
    if names != "randaugment":  # it takes long to trace
        others.append({"epoch": 3, "seed": 6})
    for other in others:
        assert not np.array_equal(x, views(names, **other)[0])
    assert x.shape == DATA.train[0].shape
    assert np.isfinite(x).all()
    if mixes(names):
        np.testing.assert_allclose(y.sum(-1), 1, atol=1e-5)
        assert ((y > 0.05) & (y < 0.95)).any()
    else:
        np.testing.assert_array_equal(y, DATA.train[1])


@pytest.mark.parametrize("names", ["randaugment", "cutout", "cutmix"])
def test_gray_images(names):
    x, _ = views(names, channels=1)
    given = pictures(1).train[0]
    assert x.shape == given.shape
    assert not np.array_equal(x, given)


@pytest.mark.parametrize(
    ("policy", "names"),
    [
        *(("mixed_float16", names) for names in ("cutout", "mixup", "cutmix")),
        # It takes long to trace.
        ("mixed_bfloat16", "randaugment"),
    ],
)
def test_views_are_those_of_float32_in_half_precision(policy, names):
    expected = views(names, epoch=3)
    keras.config.set_dtype_policy(policy)
    found = views(names, epoch=3, policy=policy)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == "float32"
        np.testing.assert_array_equal(a, b)
    assert keras.config.dtype_policy().name == policy


def test_no_names_are_no_augmentation():
    assert vision.augmentation((), None) is None
    for recipe in recipes.BY_DATA.values():
        found = vision.augmentation(recipe.augmentation)
        assert (found is None) == (not recipe.augmentation)


@pytest.mark.parametrize("names", ["randaugment", "cutout"])
def test_a_streamed_set_is_augmented_by_its_statistics(names):
    # Traced with arrays in the tests above.
    streamed = DATA._replace(train=tf.data.Dataset.range(3))
    assert callable(vision.augmentation(names, streamed))


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


@pytest.mark.parametrize(
    "objective", ["labels", "ban", "ban+l", "cwtm", "dkpp", "kd", "logits"]
)
def test_soft_labels_go_through_every_objective(objective):
    lineage = trained("cutmix", objective)
    for generation in lineage:
        assert np.isfinite(generation.history["loss"]).all()


def test_label_term_is_that_of_the_mixed_labels():
    numbers = np.arange(24)
    lineage = trained("mixup", "labels", generations=1, epochs=1, rate=0.0)
    for generation in lineage:
        augment = vision.augmentation("mixup", DATA)
        x, y = Views(augment, seed=generation.seed)(
            *DATA.train, numbers, tf.constant(0, "int64")
        )
        z = np.asarray(generation.model(x, training=True), "float64")
        z -= z.max(-1, keepdims=True)
        log_q = z - np.log(np.exp(z).sum(-1, keepdims=True))
        expected = -(np.asarray(y) * log_q).sum(-1).mean()
        found = generation.history["loss"][0]
        assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("names", [("crop_and_flip", "cutout", "cutmix")])
def test_cached_is_online_and_resumed_is_whole(names, tmp_path):
    online = trained(names, "ban+l", views=2)
    cached = trained(names, "ban+l", views=2, teacher_outputs="cached")
    for a, b in zip(online, cached, strict=True):
        for one, other in zip(
            a.model.get_weights(), b.model.get_weights(), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=2e-4)

    stops = {"first": True}

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if stops.pop("first", False):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(names, "ban+l", directory=tmp_path, callbacks=[Stop()])
    whole = trained(names, "ban+l")
    resumed = trained(names, "ban+l", directory=tmp_path, callbacks=[Stop()])
    for a, b in zip(whole, resumed, strict=True):
        for one, other in zip(
            a.model.get_weights(), b.model.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_two_replicas_see_the_views_of_one():
    one = trained(("crop_and_flip", "cutmix"), "ban+l")
    two = trained(("crop_and_flip", "cutmix"), "ban+l", strategy=mirrored(2))
    for a, b in zip(one, two, strict=True):
        for x, y in zip(
            a.model.get_weights(), b.model.get_weights(), strict=True
        ):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def trained(
    names,
    objective,
    generations=1,
    epochs=2,
    rate=0.01,
    directory=None,
    strategy="auto",
    **fit_arguments,
):
    recipe = recipes.Recipe(epochs=epochs, batch_size=24, learning_rate=rate)

    def model_fn():
        # Without BatchNorm, which takes each replica's own statistics.
        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
        x = keras.layers.GlobalAveragePooling2D()(x)
        model = keras.Model(inputs, keras.layers.Dense(CLASSES)(x))
        return recipe.compile(model, 24, one_hot=True)

    ban = keras_ban.BornAgain(
        model_fn, objective, directory, seed=3, strategy=strategy
    )
    return ban.fit(
        *DATA.train,
        generations=generations,
        epochs=epochs,
        batch_size=24,
        shuffle=False,
        augment=vision.augmentation(names, DATA),
        verbose=0,
        **fit_arguments,
    )


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


@pytest.mark.parametrize(
    ("augment", "y", "words"),
    [
        (lambda x, y, seed: (x, y), None, "changes labels, and the data has"),
        (lambda x, y, seed: (x, y[:1]), DATA.train[1], "another shape.*1"),
        (
            vision.augmentation("mixup", DATA),
            DATA.train[1].argmax(-1),
            r"one-hot labels.*\('rows',\).*\(24, 3\).*`one_hot=True`",
        ),
        (
            lambda x, y, seed: (x, y + tf.random.uniform(y.shape)),
            DATA.train[1],
            "another view each time",
        ),
    ],
)
def test_bad_functions_of_labels(augment, y, words):
    teacher, student = (
        models.densenet(10, 2, CLASSES, input_shape=(8, 8, 3)) for _ in range(2)
    )
    distiller = keras_ban.Distiller(student, teacher)
    distiller.compile("sgd")
    with pytest.raises(ValueError, match=words):
        distiller.fit(DATA.train[0], y, augment=augment, verbose=0)
