"""The acoustic model: the published count, its arithmetic, bad arguments."""

import keras
import numpy as np
import pytest

from keras_ban import models


def test_the_defaults_have_about_the_published_parameters():
    # Symbols have no numbers: 85 million of these would be slow to draw.
    scope = keras.StatelessScope()
    with scope:
        model = models.acoustic()
    counted = 1040 * 2560 + 7 * 2560**2 + 8 * 2560 + 2560 * 14_000 + 14_000
    assert model.count_params() == counted == 84_412_080
    assert abs(counted / 85e6 - 1) < 0.01
    assert f"{counted}\n" in models.acoustic.__doc__
    assert model.input_shape == (None, 1040)
    assert model.output_shape == (None, 14_000)


@pytest.mark.parametrize("inputs", [12, (3, 4), (3, 4, 1)])
def test_it_is_rectified_layers_and_logits(inputs):
    model = models.acoustic(inputs, layers=2, units=5, targets=7)
    rng = np.random.default_rng(0)
    # Biases begin at 0, where nobody would miss them.
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    shape = (inputs,) if isinstance(inputs, int) else inputs
    x = rng.normal(size=(6, *shape)).astype("float32")
    kernels, biases = model.get_weights()[::2], model.get_weights()[1::2]
    expected = x.reshape(6, 12).astype("float64")
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        expected = np.maximum(expected @ kernel + bias, 0)
    expected = expected @ kernels[-1] + biases[-1]
    np.testing.assert_allclose(
        model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4
    )
    assert len(kernels) == 3


def test_it_begins_with_the_variance_that_rectified_units_keep():
    kernel = models.acoustic(400, 1, 500, 2).get_weights()[0]
    assert np.var(kernel) == pytest.approx(2 / 400, rel=0.05)


@pytest.mark.parametrize("inputs", [0, -3, 2.5, "26", True, (), (26, 0), None])
def test_what_is_no_window_is_refused(inputs):
    with pytest.raises(ValueError, match=r"`inputs`.*1040 or \(26, 40\)"):
        models.acoustic(inputs)


@pytest.mark.parametrize("name", ["layers", "units", "targets"])
@pytest.mark.parametrize("value", [0, 1.5, "8"])
def test_what_is_no_count_is_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*{value!r}"):
        models.acoustic(**{name: value})
