"""The networks: counts of the paper, shapes, bad arguments."""

import functools
import math

import keras
import numpy as np
import pytest

from keras_ban import models
from keras_ban.models.blocks import Blocks


def trained(model):
    return sum(math.prod(v.shape) for v in model.trainable_weights)


@pytest.mark.parametrize(
    ("width", "millions"),
    [
        (1, 0.38),
        pytest.param(2, 1.48, marks=pytest.mark.slow),
        pytest.param(5, 9.16, marks=pytest.mark.slow),
        (10, 36.54),
    ],
)
def test_wide_resnet_28_has_the_published_parameters(width, millions):
    model = models.wide_resnet(28, width, 100)
    assert round(trained(model) / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("depth", "growth_rate", "classes", "millions"),
    [
        (80, 80, 100, 22.58),
        *(
            pytest.param(*published, marks=pytest.mark.slow)
            for published in [
                (90, 60, 10, 15.98),
                (90, 60, 100, 16.12),
                (80, 80, 10, 22.41),
                (112, 33, 100, 6.72),
                (80, 120, 10, 50.22),
                (80, 120, 100, 50.47),
            ]
        ),
    ],
)
def test_densenet_has_the_published_parameters(
    depth, growth_rate, classes, millions
):
    model = models.get(f"densenet_{depth}_{growth_rate}", classes)
    assert round(trained(model) / 1e6, 2) == millions


def test_pre_resnet_164_has_the_published_parameters():
    # He et al., 2016, Table 4.
    model = models.pre_resnet(164, 10)
    assert round(trained(model) / 1e6, 1) == 1.7


# In millions: published (Furlanello et al., 2018, Table 5), and ours.
MATCHED = [
    ("ban_wide_resnet_1_1", 20.9, 20.74),
    ("ban_wide_resnet_2_1", 43.1, 44.03),
    ("ban_wide_resnet_4_1", 87.3, 90.60),
    ("ban_wide_resnet_4_0.5", 24.3, 25.30),
    ("ban_pre_resnet_14_0.5", 7.3, 7.16),
    ("ban_pre_resnet_14_1", 17.7, 17.26),
]


OFTEN = ("ban_wide_resnet_1_1", "ban_pre_resnet_14_0.5")


@pytest.mark.parametrize(
    ("name", "published", "ours"),
    [
        pytest.param(*row, marks=[] if row[0] in OFTEN else pytest.mark.slow)
        for row in MATCHED
    ],
)
def test_matched_students_have_about_the_published_parameters(
    name, published, ours
):
    # The size of the image changes no weight.
    model = models.get(name, input_shape=(8, 8, 3))
    assert round(trained(model) / 1e6, 2) == ours
    assert abs(ours / published - 1) <= 0.05
    shapes = [(8, 8, 458), (4, 4, 679), (2, 2, 1579)]
    assert models.hidden_shapes(model) == shapes


@pytest.mark.parametrize(
    ("make", "numbers"),
    [
        pytest.param(models.densenet, (90, 60), marks=pytest.mark.slow),
        (models.wide_resnet, (28, 10)),
    ],
)
def test_examples_of_the_docstrings_say_what_is_counted(make, numbers):
    model = make(*numbers, num_classes=100, input_shape=(8, 8, 3))
    assert f"{model.count_params()}\n" in make.__doc__


@pytest.mark.parametrize("block", ["residual", "bottleneck"])
@pytest.mark.parametrize("filters", [2, 3, 5])
def test_shortcuts_without_parameters_add_zeros_or_leave_out(block, filters):
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    inputs = keras.Input((4, 4, 3))
    blocks = Blocks(0, projected=False)
    options = {"inner": 2} if block == "bottleneck" else {}
    outputs = getattr(blocks, block)(inputs, filters, **options)
    model = keras.Model(inputs, outputs)
    kernels = [c.kernel for c in convolutions(model)]
    assert len(kernels) == (3 if options else 2)
    kernels[-1].assign(0 * kernels[-1])
    expected = np.pad(x, [[0, 0], [0, 0], [0, 0], [0, 2]])[..., :filters]
    np.testing.assert_array_equal(model(x), expected)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("wide_resnet_28_1", models.wide_resnet_28_1),
        *(
            pytest.param(name, getattr(models, name), marks=pytest.mark.slow)
            for name in (
                "densenet_112_33",
                "densenet_90_60",
                "wide_resnet_28_2",
            )
        ),
    ],
)
def test_functions_and_names_make_the_same_network(name, make):
    options = {"num_classes": 7, "input_shape": (8, 8, 3)}
    one, other = make(**options), models.get(name, **options)
    assert one.name == other.name == name
    assert [w.shape for w in one.weights] == [w.shape for w in other.weights]


def test_weight_decay_is_that_of_sgd():
    options = {"num_classes": 3, "input_shape": (8, 8, 1)}
    model = models.wide_resnet(10, 1, weight_decay=0.01, **options)
    before = [v.numpy() for v in model.trainable_variables]
    model.compile(keras.optimizers.SGD(0.5), loss=lambda y, z: 0.0 * z[:, 0])
    model.train_on_batch(np.zeros((2, 8, 8, 1)), np.zeros(2))
    # w - rate * decay * w, each weight: kernels, biases, BatchNorm's.
    for v, old in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_allclose(v, old * (1 - 0.5 * 0.01), rtol=1e-5)
    assert not models.wide_resnet(10, 1, weight_decay=0, **options).losses


def test_dropout_is_between_the_convolutions_of_a_block():
    model = models.wide_resnet(16, 1, 3, dropout=0.3, input_shape=(8, 8, 1))
    kind = keras.layers.Dropout
    drops = [x for x in model.layers if isinstance(x, kind)]
    assert len(drops) == 6
    assert {x.rate for x in drops} == {0.3}
    for drop in drops:
        (relu,) = (x for x in model.layers if x.output is drop.input)
        (norm,) = (x for x in model.layers if x.output is relu.input)
        (first,) = (x for x in model.layers if x.output is norm.input)
        (second,) = (x for x in model.layers if x.input is drop.output)
        assert first.kernel_size == second.kernel_size == (3, 3)


def convolutions(model):
    kind = keras.layers.Conv2D
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_depth_counts_convolutions_and_the_last_layer():
    # The shortcuts' own 1×1 convolutions do not count.
    deep = [c for c in convolutions(models.wide_resnet(16, 1, 10))]
    shortcuts = [c for c in deep if c.kernel_size == (1, 1)]
    assert len(deep) - len(shortcuts) + 1 == 16 - 2
    assert len(convolutions(models.densenet(40, 12, 10))) + 1 == 40


@pytest.mark.parametrize(
    "make",
    [
        lambda shape: models.wide_resnet(10, 1, 7, input_shape=shape),
        lambda shape: models.densenet(10, 4, 7, input_shape=shape),
    ],
)
@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1), (8, 12, 2)])
def test_logits_of_any_image(make, shape):
    model = make(shape)
    assert model.output_shape == (None, 7)
    assert model.layers[-1].activation is keras.activations.linear
    out = model(np.random.default_rng(0).normal(size=(2, *shape)))
    assert np.isfinite(out).all()
    last = model.layers[-3].output.shape
    assert last[1:3] == (math.ceil(shape[0] / 4), math.ceil(shape[1] / 4))


def test_compression_keeps_a_share_of_the_channels():
    for share in (0.5, 1.0):
        model = models.densenet(10, 4, 3, compression=share)
        pools = [
            layer.output.shape[-1]
            for layer in model.layers
            if isinstance(layer, keras.layers.AveragePooling2D)
        ]
        first = int(share * (16 + 4))
        assert pools == [first, int(share * (first + 4))]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: models.wide_resnet(17, 1, 10), "`depth`.*6 n \\+ 4.*17"),
        (lambda: models.wide_resnet(4, 1, 10), "`depth`.*4"),
        (lambda: models.wide_resnet(16, 0, 10), "`width`.*0"),
        (lambda: models.wide_resnet(16, 1, 2.0), "`num_classes`.*2.0"),
        (lambda: models.densenet(5, 12, 10), "`depth`.*5"),
        (lambda: models.densenet(40, "12", 10), "`growth_rate`.*12"),
        (lambda: models.densenet(40, 12, 10, 1.5), "`compression`.*1.5"),
        (lambda: models.densenet(40, 12, 10, 0), "`compression`.*0"),
        (lambda: models.pre_resnet(20.0, 3), "`depth`.*20.0"),
        (lambda: models.pre_resnet(21, 3), "`depth`.*9 n \\+ 2.*21"),
        (lambda: models.wide_resnet(10, 1, 3, 1.0), "`dropout`.*1.0"),
        (lambda: models.wide_resnet_28_1(weight_decay=-1), "`weight_d.*-1"),
        (lambda: models.densenet_90_60(input_shape=3), "`input_shape`.*3"),
        *(
            (functools.partial(make, input_shape=shape), "`input_shape`.*Rec")
            for make, shape in [
                (models.densenet_90_60, (8, 8)),
                (models.densenet_90_60, "abc"),
                (models.densenet_90_60, (8.0, 8, 3)),
                (models.densenet_90_60, (8, 8, None)),
                (models.densenet_90_60, (2, 8, 3)),
                (models.ban_densenet, (8, 3, 3)),
                (functools.partial(models.ban_pre_resnet, 1), (2, 2, 3)),
                (functools.partial(models.ban_wide_resnet, 1), (None, 8, 3)),
            ]
        ),
        (lambda: models.ban_densenet(0), "`depth`.*0"),
        (lambda: models.ban_densenet(1, 3), "`compression`.*3"),
        (lambda: models.ban_wide_resnet(0), "`units`.*0"),
        (lambda: models.ban_pre_resnet(1, -1), "`ratio`.*-1"),
        (lambda: models.get("resnet_50"), "densenet_DEPTH.*'resnet_50'"),
        (lambda: models.get("densenet_90"), "Unknown network.*densenet_90"),
        (lambda: models.get("densenet_a_1"), "Unknown network.*densenet_a_1"),
        (lambda: models.get("wide_resnet_28_1.5"), "Unknown network.*1.5"),
        (lambda: models.get(None), "Unknown network.*None"),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()
