"""Logits in place of which `KD` takes their z-scores."""

import keras
import numpy as np
import pytest
import reference
from builders import mlp
from objective_cases import N
from objective_cases import batch
from objective_cases import error
from objective_cases import loss_and_gradient

import keras_ban
from keras_ban import objectives

TOLERANCE = 1e-6


def test_only_the_proportions_of_standardised_logits_count():
    y, s, t = batch(dtype="float64")
    kd = objectives.KD(alpha=0, standardize=True)
    expected = kd(y, s, t)
    assert error(kd(y, 7 * s + 3, 0.01 * t - 5), expected) <= 1e-12


@pytest.mark.parametrize("value", [0.0, 0.1, -1e4])
@pytest.mark.parametrize("of", ["student", "teacher", "both"])
def test_standardised_equal_logits(value, of):
    y, s, t = batch()
    flat = np.full_like(s, value)
    s = t if of == "teacher" else flat
    t = t if of == "student" else flat
    kd = objectives.KD(alpha=0, temperature=2, standardize=True)
    loss, gradient = loss_and_gradient(kd, y, s, t)
    if of == "teacher":
        p = reference.softmax(0 * t)
        scores = (s - s.mean(-1, keepdims=True)) / s.std(-1, keepdims=True)
        expected = 4 * reference.cross_entropy(p, scores / 2).mean()
    else:
        expected = 4 * np.log(N)
        assert not np.asarray(gradient).any()
    assert error(loss, expected) <= TOLERANCE
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("n", [1, 2])
def test_two_standardised_logits_are_refused(n):
    y, s, t = batch(n=n)
    with pytest.raises(ValueError, match=r"three classes.*Leave `standardize`"):
        objectives.KD(standardize=True)(y % 2, s, t)


@pytest.mark.parametrize("outputs", [1, 2])
def test_two_standardised_logits_are_refused_before_training(outputs):
    x, y = np.ones((8, 6), "float32"), np.arange(8) % 2
    last = "sigmoid" if outputs == 1 else "softmax"
    began = []

    def model_fn():
        model = mlp(outputs=outputs, last=last)
        loss = "binary" if outputs == 1 else "sparse_categorical"
        model.compile("sgd", f"{loss}_crossentropy")
        return model

    callback = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: began.append(True)
    )
    kd, fit = objectives.KD(standardize=True), {"callbacks": [callback]}
    with pytest.raises(ValueError, match="three classes"):
        keras_ban.BornAgain(model_fn, kd).fit(x, y, generations=1, **fit)
    with pytest.raises(ValueError, match="three classes"):
        keras_ban.Distiller(model_fn(), model_fn(), kd).fit(x, y, **fit)
    assert not began


def test_kd_of_earlier_versions_is_loaded():
    config = {
        "module": "keras_ban.objectives",
        "class_name": "KD",
        "config": {
            "name": "kd",
            "reduction": "sum_over_batch_size",
            "alpha": 0.25,
            "temperature": 4.0,
        },
        "registered_name": "keras_ban>KD",
    }
    kd = objectives.get(config)
    assert (kd.alpha, kd.temperature, kd.standardize) == (0.25, 4.0, False)
    assert kd.get_config() == config["config"]
