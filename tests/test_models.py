"""The networks: counts of the paper, shapes, bad arguments."""

import math

import keras
import numpy as np
import pytest

from keras_ban import models


def trained(model):
    return sum(math.prod(v.shape) for v in model.trainable_weights)


@pytest.mark.parametrize(
    ("width", "millions"), [(1, 0.38), (2, 1.48), (5, 9.16), (10, 36.54)]
)
def test_wide_resnet_28_has_the_published_parameters(width, millions):
    model = models.wide_resnet(28, width, 100)
    assert round(trained(model) / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("depth", "growth_rate", "classes", "millions"),
    [
        (90, 60, 10, 15.98),
        (90, 60, 100, 16.12),
        (80, 80, 10, 22.41),
        (80, 80, 100, 22.58),
        (112, 33, 100, 6.72),
    ],
)
def test_densenet_has_the_published_parameters(
    depth, growth_rate, classes, millions
):
    model = models.densenet(depth, growth_rate, classes)
    assert round(trained(model) / 1e6, 2) == millions


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
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()
