"""A map of classes beside a class of the whole, by NumPy."""

import keras
import numpy as np
from builders import compiled

import keras_ban
from keras_ban import objectives

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 6, 6, 3)).astype("float32")
MAPS = RNG.integers(0, 3, (12, 6, 6))
MAPS[RNG.random(MAPS.shape) < 0.3] = 255
Y = {"map": MAPS, "whole": RNG.integers(0, 4, 12)}
SCALES = {"map": 0.7, "whole": 2.0}
CE = keras.losses.SparseCategoricalCrossentropy


def network(rate=0.0):
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", activation="tanh")(inputs)
    outputs = {
        "map": keras.layers.Conv2D(3, 1, name="map")(x),
        "whole": keras.layers.Dense(4, name="whole")(
            keras.layers.GlobalAveragePooling2D()(x)
        ),
    }
    return compiled(
        keras.Model(inputs, outputs),
        optimizer=keras.optimizers.SGD(rate),
        loss={"map": CE(True, ignore_class=255), "whole": CE(True)},
        loss_weights=SCALES,
        metrics=None,
    )


def log_softmax(z):
    z = z.astype("float64") - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def soft(student, teacher, temperature=1.0):
    """Cross-entropies to the teacher, times the temperature squared."""
    a, b = (log_softmax(z / temperature) for z in (student, teacher))
    return -(temperature**2) * (np.exp(b) * a).sum(-1)


def hard(logits, labels):
    p = log_softmax(logits)
    return -np.take_along_axis(p, labels[..., None], -1)[..., 0]


def test_both_outputs_by_numpy():
    student, teacher = network(), network()
    objective = {"map": objectives.KD(0.3, temperature=2.0), "whole": "ban+l"}
    weights = {k: RNG.random(12).astype("float32") + 0.5 for k in Y}
    history = (
        keras_ban.Distiller(student, teacher, objective)
        .fit(X, Y, sample_weight=weights, batch_size=12, verbose=0)
        .history
    )
    z, t = (m.predict(X, verbose=0) for m in (student, teacher))
    # Positions without a class count in neither term.
    known = MAPS != 255
    w = weights["map"][:, None, None] * known
    label = (w * hard(z["map"], MAPS * known)).sum() / known.sum()
    taught = (w * soft(z["map"], t["map"], 2.0)).sum() / known.sum()
    whole = (weights["whole"] * hard(z["whole"], Y["whole"])).mean()
    other = (weights["whole"] * soft(z["whole"], t["whole"])).mean()
    expected = {
        "map_loss": label,
        "whole_loss": whole,
        "label_loss": 0.7 * label + 2 * whole,
        "teacher_loss": 0.7 * taught + 2 * other,
        "loss": 0.7 * (0.3 * label + 0.7 * taught) + 2 * (whole + other),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(history[name], [value], rtol=1e-5)


def test_generations_are_measured_by_each_output():
    fit = {"epochs": 2, "batch_size": 5, "verbose": 0}
    lineage = keras_ban.BornAgain(lambda: network(0.05)).fit(X, Y, 1, **fit)
    rows = lineage.evaluate(X, Y)
    z = lineage[1].model.predict(X, verbose=0)
    right = (z["map"].argmax(-1) == MAPS)[MAPS != 255]
    np.testing.assert_allclose(rows[1]["map_accuracy"], right.mean(), 1e-6)
    nll = hard(z["map"], MAPS * (MAPS != 255))[MAPS != 255]
    np.testing.assert_allclose(rows[1]["map_nll"], nll.mean(), 1e-5)
