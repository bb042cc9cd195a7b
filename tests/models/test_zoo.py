"""Every network of the zoo: a step, saved and loaded, in half precision,
on two replicas.
"""

import keras
import numpy as np
import pytest
from replicas import mirrored

import keras_ban
from keras_ban import models
from keras_ban import recipes

SHAPE = (8, 8, 3)
RNG = np.random.default_rng(0)
# Halves are equal, and so are their statistics in BatchNorm.
X = np.tile(RNG.normal(size=(4, *SHAPE)), (2, 1, 1, 1)).astype("float32")
Y = np.tile([0, 1, 2, 1], 2)
SMALL = ("densenet_10_4",)
# Half an hour for all.
NAMED = (
    "pre_resnet_11",
    "densenet_112_33",
    "densenet_90_60",
    "densenet_80_80",
    "densenet_80_120",
    "wide_resnet_28_1",
    "wide_resnet_28_2",
    "wide_resnet_28_5",
    "wide_resnet_28_10",
    "ban_densenet_0.5_1",
    "ban_densenet_2_1",
    "ban_densenet_3_1",
    "ban_densenet_4_1",
    "ban_densenet_1_0.5",
    "ban_densenet_1_0.75",
    "ban_densenet_1_1.5",
    "ban_pre_resnet_14_0.5",
    "ban_pre_resnet_14_1",
    "ban_wide_resnet_1_1",
    "ban_wide_resnet_2_1",
    "ban_wide_resnet_4_0.5",
    "ban_wide_resnet_4_1",
)
ALL = [*SMALL, *(pytest.param(n, marks=pytest.mark.slow) for n in NAMED)]


def compiled(name):
    keras.utils.set_random_seed(1)
    model = models.get(name, num_classes=3, input_shape=SHAPE)
    recipe = recipes.Recipe(learning_rate=1e-3)
    return recipe.compile(model, len(X))


def step(model):
    """One step of the student in a `Distiller`, on one device or more."""
    keras_ban.Distiller(model, None, "labels").fit(
        X, Y, batch_size=len(X), shuffle=False, verbose=0
    )
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_step_saved_and_loaded_in_half_precision_on_replicas(name, tmp_path):
    # In float32, rounding alone moves the gradients of a deep network on so
    # few and small images by up to a third: what is near 0 changes its sign.
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    one = step(compiled(name))
    outputs = one.predict(X, verbose=0)
    assert np.isfinite(outputs).all()

    one.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), outputs)

    with mirrored(2).scope():
        two = compiled(name)
    step(two)
    for a, b in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8, err_msg=a.path)
    scale = np.abs(outputs).max()
    np.testing.assert_allclose(
        two.predict(X, verbose=0) / scale, outputs / scale, atol=1e-6
    )

    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("mixed_float16")
    half = compiled(name)
    half.set_weights(one.get_weights())
    # Rounded to 11 bits in each layer.
    np.testing.assert_allclose(
        half.predict(X, verbose=0) / scale, outputs / scale, atol=0.03
    )
    step(half)
    assert np.isfinite(half.predict(X, verbose=0)).all()
