"""Students that match their teacher: shapes, shared ends, in a run."""

import keras
import numpy as np
import pytest
from builders import compiled
from weights import assert_same

import keras_ban
from keras_ban import models

SHAPE = (8, 8, 1)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, *SHAPE)).astype("float32")
Y = RNG.integers(0, 3, 48)


def trainable(model):
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    return compiled(model, optimizer=optimizer)


def dense_fn():
    return trainable(models.densenet(10, 4, 3, input_shape=SHAPE))


def residual_fn(teacher):
    return trainable(models.ban_wide_resnet(1, 0.5, teacher))


def ends(model):
    first = next(x for x in model.layers if isinstance(x, keras.layers.Conv2D))
    return first, model.layers[-1]


def sequential():
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(6, 3, padding="same", use_bias=False),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )


@pytest.fixture(scope="module")
def teacher():
    keras.utils.set_random_seed(7)
    model = dense_fn()
    model.fit(X, Y, verbose=0)
    return model


@pytest.mark.parametrize(
    ("make", "ratio", "share"),
    [
        (models.ban_wide_resnet, 0.5, True),
        (models.ban_wide_resnet, 1, False),
        (models.ban_pre_resnet, 0.5, False),
        (models.ban_pre_resnet, 1, True),
    ],
)
def test_every_stage_has_the_shape_of_the_teachers(make, ratio, share, teacher):
    before = teacher.get_weights()
    student = make(1, ratio, teacher, share=share)
    assert models.hidden_shapes(student) == models.hidden_shapes(teacher)
    assert student.output_shape == teacher.output_shape
    for ours, theirs in zip(ends(student), ends(teacher), strict=True):
        same = [
            np.array_equal(a, b)
            for a, b in zip(
                ours.get_weights()[:1], theirs.get_weights(), strict=False
            )
        ]
        assert all(same) == share
        assert ours.trainable != share
        assert theirs.trainable
    assert_same(teacher, before)


@pytest.mark.parametrize(
    "objective", ["ban", pytest.param("labels", marks=pytest.mark.slow)]
)
def test_shared_layers_stay_the_teachers_through_a_run(objective, tmp_path):
    ban = keras_ban.BornAgain(
        [dense_fn, residual_fn], objective, directory=tmp_path
    )
    lineage = ban.fit(X, Y, generations=2, verbose=0)
    first, one, two = (g.model for g in lineage)
    for model in (one, two):
        for ours, theirs in zip(ends(model), ends(first), strict=True):
            assert not ours.trainable
            assert_same(ours, theirs)
    middle = [m.trainable_weights[4].numpy() for m in (one, two)]
    assert not np.array_equal(*middle)
    loaded = keras_ban.load(tmp_path)
    np.testing.assert_array_equal(
        loaded[2].model.predict(X, verbose=0), two.predict(X, verbose=0)
    )


def test_student_of_a_given_teacher(teacher):
    lineage = keras_ban.BornAgain(residual_fn).fit(
        X, teacher=teacher, generations=1, verbose=0
    )
    ours, theirs = ends(lineage[1].model), ends(teacher)
    np.testing.assert_array_equal(
        ours[1].get_weights()[0], theirs[1].get_weights()[0]
    )


def test_first_network_has_no_generation_before():
    with pytest.raises(ValueError, match="generation 0 has none"):
        keras_ban.BornAgain(residual_fn).fit(X, Y, generations=1, verbose=0)


def test_two_arguments_are_one_too_many():
    with pytest.raises(ValueError, match="no arguments, or the model"):
        keras_ban.BornAgain([dense_fn, lambda a, b: a]).fit(
            X, Y, generations=1, verbose=0
        )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: keras.Sequential(
                [keras.Input((4,)), keras.layers.Dense(3)], name="flat"
            ),
            "'flat' has no feature maps",
        ),
        (
            lambda: keras.applications.MobileNetV3Small(
                weights=None, input_shape=(32, 32, 3), classes=3
            ),
            r"No residual stages match.*\(32, 32\), \(16, 16\).*Received",
        ),
        (lambda: "densenet_90_60", "Expected a `keras.Model`.*densenet_90_60"),
        (
            lambda: models.densenet(10, 4, 3, input_shape=(None, None, 1)),
            r"images of any size.*\(None, None\).*`input_shape`",
        ),
    ],
)
def test_teacher_that_nothing_matches(make, words):
    with pytest.raises(ValueError, match=words):
        models.ban_wide_resnet(1, 1, make())


@pytest.mark.parametrize(
    "ratio", [pytest.param(0.5, marks=pytest.mark.slow), 1, 2]
)
def test_a_sequential_model_is_a_teacher_too(ratio):
    teacher = sequential()
    assert models.hidden_shapes(teacher) == [(8, 8, 6), (4, 4, 4)]
    # From more channels to fewer, in the second stage.
    for make in (models.ban_wide_resnet, models.ban_pre_resnet):
        student = make(1, ratio, teacher)
        assert models.hidden_shapes(student) == models.hidden_shapes(teacher)
        for ours, theirs in zip(ends(student), ends(teacher), strict=True):
            assert_same(ours, theirs)


def test_ends_of_other_shapes_are_not_shared(teacher):
    other = models.wide_resnet(10, 1, 3, input_shape=SHAPE)
    with pytest.raises(ValueError, match=r"'logits'.*\(11, 3\).*\(64, 3\)"):
        models.share_ends(other, teacher)


def test_a_name_is_no_teacher_to_share_with(teacher):
    with pytest.raises(ValueError, match=r"a `keras.Model`.*densenet_10_4"):
        models.share_ends(teacher, "densenet_10_4")


@pytest.mark.parametrize(
    "factor",
    [0.2, *(pytest.param(f, marks=pytest.mark.slow) for f in (0.5, 2))],
)
def test_depth_leaves_the_hidden_sizes_as_they_are(factor):
    student = models.ban_densenet(factor, input_shape=SHAPE)
    expected = [(8, 8, 458), (4, 4, 679), (2, 2, 1579)]
    assert models.hidden_shapes(student) == expected


@pytest.mark.slow
def test_compression_multiplies_the_teachers():
    student = models.ban_densenet(1, 1.5, input_shape=SHAPE)
    assert models.hidden_shapes(student)[0] == (8, 8, int(0.75 * (16 + 900)))
