"""Views: functions of example and seed, whoever asks."""

import functools

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from pictures import CLASSES
from pictures import DATA
from pictures import NAMES
from pictures import views
from reference import FORMULAS
from replicas import mirrored
from weights import assert_close
from weights import assert_same

import keras_ban
from keras_ban import models
from keras_ban import recipes
from keras_ban.data import vision
from keras_ban.feeding.views import Views


def mixes(names):
    return "mix" in str(names)


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


def one_epoch_in_numpy(generation, names):
    """Labels and logits of its views, while its weights do not move."""
    views = Views(vision.augmentation(names, DATA), seed=generation.seed)
    numbers, epoch = np.arange(24), tf.constant(0, "int64")
    return views(*DATA.train, numbers, epoch)[:2]


def logits(generation, x):
    return np.asarray(generation.model(x, training=True), "float64")


@pytest.mark.parametrize("objective", ["labels", *FORMULAS, "dkpp"])
def test_soft_labels_go_through_every_objective(objective):
    teacher, student = trained("cutmix", objective, epochs=1, rate=0.0)
    x, y = one_epoch_in_numpy(student, "cutmix")
    y = np.asarray(y, "float64")
    z, t = logits(student, x), logits(teacher, x)
    expected = {"loss": reference.labels(y, z)[0].mean()}
    if objective != "labels":
        soft = FORMULAS["logits" if objective == "logits" else "ban"]
        if objective == "kd":
            soft = functools.partial(FORMULAS["kd"], alpha=0)
        expected["label_loss"] = expected.pop("loss")
        expected["teacher_loss"] = soft(y, z, t)[0].mean()
    if objective in FORMULAS:
        expected["loss"] = FORMULAS[objective](y, z, t)[0].mean()
    if objective == "dist":
        relations = expected["loss"] - expected["label_loss"]
        expected["teacher_loss"] = relations
    found = {name: student.history[name][0] for name in expected}
    assert found == pytest.approx(expected, rel=1e-4)
    if objective == "dkpp":
        # Of 3 classes, the two that are not the teacher's first may change.
        p = reference.softmax(t)
        last, second, _ = p.argsort(-1).T
        swapped, rows = p.copy(), np.arange(len(p))
        swapped[rows, last] = p[rows, second]
        swapped[rows, second] = p[rows, last]
        either = [reference.cross_entropy(q, z) for q in (p, swapped)]
        low, high = np.min(either, 0).mean(), np.max(either, 0).mean()
        assert low < student.history["loss"][0] < high


def test_label_term_is_that_of_the_mixed_labels():
    lineage = trained("mixup", "labels", epochs=1, rate=0.0)
    for generation in lineage:
        x, y = one_epoch_in_numpy(generation, "mixup")
        y = np.asarray(y, "float64")
        expected = reference.labels(y, logits(generation, x))[0].mean()
        found = generation.history["loss"][0]
        assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("names", [("crop_and_flip", "cutout", "cutmix")])
def test_cached_is_online_and_resumed_is_whole(names, tmp_path):
    online = trained(names, "ban+l", views=2)
    cached = trained(names, "ban+l", views=2, teacher_outputs="cached")
    for one, other in zip(online, cached, strict=True):
        assert_close(one.model, other.model, atol=2e-4)

    stops = {"first": True}

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if stops.pop("first", False):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(names, "ban+l", directory=tmp_path, callbacks=[Stop()])
    whole = trained(names, "ban+l")
    resumed = trained(names, "ban+l", directory=tmp_path, callbacks=[Stop()])
    for one, other in zip(whole, resumed, strict=True):
        assert_same(one.model, other.model)


def test_two_replicas_see_the_views_of_one():
    one = trained(("crop_and_flip", "cutmix"), "ban+l")
    two = trained(("crop_and_flip", "cutmix"), "ban+l", strategy=mirrored(2))
    for a, b in zip(one, two, strict=True):
        assert_close(a.model, b.model, rtol=1e-4, atol=1e-5)


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
