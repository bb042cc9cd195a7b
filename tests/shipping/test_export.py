"""A model that was written gives elsewhere what it gives in memory."""

import importlib.util
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from builders import Silent
from builders import compiled
from builders import mlp
from builders import silent
from builders import split_features
from builders import two_inputs
from exported import PACKAGES
from exported import needing
from exported import of
from exported import reads_backwards
from lineages import X

import keras_ban
from keras_ban.shipping.formats import FORMATS

L = keras.layers
IMAGES = np.random.default_rng(0).normal(size=(5, 8, 8, 3)).astype("float32")
WORDS = np.random.default_rng(0).integers(0, 11, (5, 6)).astype("int32")


def conv():
    """Its BatchNormalization has moved from where it began."""
    x = keras.Input((8, 8, 3))
    h = L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(x))
    h = L.GlobalAveragePooling2D()(L.ReLU()(h))
    model = keras.Model(x, L.Dense(4)(h))
    for _ in range(3):
        model(3 * IMAGES + 1, training=True)
    return model


def two_heads():
    """Inputs and outputs in dicts, in another order than the alphabet's."""
    x = {"b": keras.Input((2,), name="b"), "a": keras.Input((4,), name="a")}
    h = L.Dense(8, "gelu")(L.Concatenate()([x["a"], x["b"]]))
    zed = L.Dense(3, name="zed")(h)
    return keras.Model(x, {"zed": zed, "age": L.Dense(1, name="age")(h)})


def ensemble():
    return keras_ban.ensemble([compiled(mlp()), compiled(mlp(5))])


def gpt():
    return keras_ban.models.gpt(11, units=8, blocks=1, heads=2, length=40)


def half():
    keras.config.set_dtype_policy("mixed_float16")
    return conv()


NETWORKS = {
    "mlp": (mlp, X[:5]),
    "conv": (conv, IMAGES),
    "two_heads": (two_heads, split_features(X[:5])),
    "ensemble": (ensemble, X[:5]),
    "gpt": (gpt, WORDS),
    "half": (half, IMAGES),
    "lstm": (reads_backwards, WORDS),
}
DICTS = ("two_heads",)
FAST = {
    "keras": ("two_heads", "ensemble", "gpt", "half", "lstm"),
    "saved_model": ("conv", "two_heads"),
    "onnx": ("two_heads", "half"),
    "litert": ("two_heads",),
}
# No LiteRT runtime has the loop of an LSTM.
SLOW = {
    "keras": ("mlp", "conv"),
    "saved_model": ("mlp", "ensemble", "gpt", "half", "lstm"),
    "onnx": ("mlp", "conv", "ensemble", "gpt", "lstm"),
    "litert": ("mlp", "conv", "ensemble", "gpt", "half"),
}


def written(folder, format, names):
    """Exports networks; returns the models by the names of their files."""
    found = {}
    for name in names:
        model = NETWORKS[name][0]()
        keras.config.set_dtype_policy("float32")
        path = folder / f"{name}{FORMATS[format].ending}"
        exported = of(model).export(path, format, 0)
        assert exported.path == path and exported.rows == 3
        assert exported.difference <= exported.tolerance
        assert exported.tolerance == (1e-3 if name == "half" else 1e-5)
        found[path.name] = name, model
    return found


READ = """
import json, pathlib, sys
sys.modules["keras_ban"] = None
import numpy as np

for file, (name, use) in json.loads(sys.argv[1]).items():
    held = np.load(f"{name}.npz")
    x = {key: held[key] for key in held}
    x = x.get("x", x)
    exec(use)
    if not isinstance(outputs, dict):
        outputs = list(outputs) if isinstance(outputs, list) else [outputs]
        outputs = {str(k): v for k, v in enumerate(outputs)}
    outputs = {key: np.asarray(value) for key, value in outputs.items()}
    np.savez(f"{file}-outputs.npz", **outputs)
"""


def use(card):
    """The code that a card says the model is used by."""
    return card.read_text().split("```python\n")[1].split("```")[0]


def read_elsewhere(folder, models):
    """Runs what cards say, in a process without this package, on other rows."""
    lines = {}
    for file, (name, _) in models.items():
        x = NETWORKS[name][1]
        np.savez(folder / f"{name}.npz", **(x if name in DICTS else {"x": x}))
        lines[file] = name, use(folder / f"{file}.md")
    command = [sys.executable, "-c", READ, json.dumps(lines)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def check_read(folder, models):
    """Compares what was read elsewhere with the models in memory."""
    for file, (name, model) in models.items():
        expected = keras.tree.flatten(model(NETWORKS[name][1], training=False))
        held = np.load(folder / f"{file}-outputs.npz")
        theirs = [held[key] for key in sorted(held, key=lambda k: (len(k), k))]
        near = 1e-3 if name == "half" else 1e-5
        for one, other in zip(expected, theirs, strict=True):
            one = np.asarray(one, "float64")
            np.testing.assert_allclose(other, one, rtol=near, atol=near)


def is_installed(format):
    specs = map(importlib.util.find_spec, PACKAGES.get(format, ()))
    return None not in list(specs)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Networks in each format, run by one process without this package."""
    folder, found = tmp_path_factory.mktemp("models"), {}
    for format in filter(is_installed, FAST):
        found[format] = written(folder, format, FAST[format])
    # What holds layers of this package needs them.
    found["keras"].pop("gpt.keras")
    read_elsewhere(
        folder, {k: v for one in found.values() for k, v in one.items()}
    )
    return folder, found


@pytest.mark.parametrize("format", FAST)
def test_it_gives_elsewhere_what_it_gives_here(format, elsewhere):
    needing(format)
    folder, found = elsewhere
    assert found[format]
    check_read(folder, found[format])


@pytest.mark.slow
@pytest.mark.parametrize("format", SLOW)
def test_other_networks_too(format, tmp_path):
    needing(format)
    models = written(tmp_path, format, SLOW[format])
    read_elsewhere(tmp_path, models)
    check_read(tmp_path, models)


def test_a_class_of_ones_own(tmp_path):
    path = tmp_path / "own.keras"
    model = silent()
    exported = of(model).export(path, model="Teacher")
    loaded = keras.models.load_model(path)
    assert isinstance(loaded, Silent)
    np.testing.assert_array_equal(loaded(X), model(X))
    assert f"`Silent` of {Silent.__module__}" in exported.card.read_text()


def test_a_batch_of_fixed_size(tmp_path):
    x = keras.Input(batch_shape=(2, 6))
    model = keras.Model(x, L.Dense(4)(x))
    assert of(model).export(tmp_path / "two.keras", model=0).rows == 2


def test_rows_of_ones_own_are_compared(tmp_path):
    seen = []

    class Watched(L.Layer):
        def call(self, x):
            if hasattr(x, "numpy"):
                seen.append(x.numpy())
            return x

    keras.saving.register_keras_serializable("tests")(Watched)
    model = keras.Sequential([keras.Input((6,)), Watched(), L.Dense(4)])
    seen.clear()
    exported = of(model).export(tmp_path / "m.keras", model=0, x=X)
    assert exported.rows == 8
    np.testing.assert_array_equal(seen[0], X[:8])
    np.testing.assert_array_equal(seen[1], X[:1])


def test_texts_need_rows_of_ones_own(tmp_path):
    x = keras.Input((1,), dtype="string")
    h = L.Hashing(8, output_mode="one_hot")(x)
    lineage = of(keras.Model(x, L.Dense(4)(h)))
    path = tmp_path / "texts.keras"
    with pytest.raises(ValueError, match=r"takes texts. Give rows .* x=x"):
        lineage.export(path, model=0)
    lineage.export(path, model=0, x=np.array([["one"], ["two"]]))


def test_what_is_carried_stays_as_it_was(tmp_path):
    model = keras_ban.models.lstm_lm(11, units=4, layers=1, rows=4)
    first = {"words": WORDS[:2], "starts": np.ones(2, bool)}
    later = {"words": WORDS[2:4], "starts": np.zeros(2, bool)}
    model(first, training=False)
    expected = model(later, training=False)
    model(first, training=False)
    of(model).export(tmp_path / "lstm.keras", model=0)
    np.testing.assert_array_equal(model(later, training=False), expected)
    assert np.ptp(expected - model(later, training=False)) > 0
    with pytest.raises(ValueError, match="carries a state"):
        of(model).export(tmp_path / "lstm", "saved_model", 0)


def test_inputs_in_a_list(tmp_path):
    needing("onnx")
    model = two_inputs(list)
    x = list(split_features(X[:3]).values())
    path = tmp_path / "m.onnx"
    assert of(model).export(path, "onnx", 0, x=x).difference < 1e-5
    assert "[x[0], x[1]]" in use(tmp_path / "m.onnx.md")


# --- Of a run


def test_the_best_and_the_ensemble_leave(lineage, tmp_path):
    best = lineage.export(tmp_path / "best.keras")
    mean = lineage.export(tmp_path / "mean.keras", model="ensemble")
    loaded = keras.models.load_model(best.path, compile=False)
    expected = lineage.best.model(X, training=False)
    np.testing.assert_array_equal(loaded(X, training=False), expected)
    loaded = keras.models.load_model(mean.path, compile=False)
    outputs = [g.model(X, training=False) for g in lineage]
    p = [keras.ops.softmax(one).numpy().astype("float64") for one in outputs]
    np.testing.assert_allclose(loaded(X), np.mean(p, axis=0), atol=1e-6)
    assert best.card.read_text().startswith(f"# {lineage.best.name}\n")
