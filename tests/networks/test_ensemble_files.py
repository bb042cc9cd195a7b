"""Ensembles as files: what loads, where, and teaches again."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import functional_mlp
from builders import silent
from builders import two_inputs
from ensembles import SPLIT
from ensembles import X
from ensembles import Y
from ensembles import sequential
from ensembles import sharp
from matrices import pairs
from weights import assert_same

import keras_ban

LOADS = """
import json, sys, warnings
sys.modules["keras_ban"] = None
try:
    import keras_ban
except ImportError:
    pass
else:
    raise SystemExit("keras_ban can be imported")
import keras, numpy as np
warnings.simplefilter("error")
data = dict(np.load("x.npz"))
for name, inputs in json.loads(sys.argv[1]).items():
    x = {k: data[k] for k in inputs} if len(inputs) > 1 else data[inputs[0]]
    model = keras.models.load_model(name + ".keras")
    assert model.compiled
    np.save(name + ".npy", model.predict(x, verbose=0))
"""


def test_loads_where_keras_ban_is_not_installed(tmp_path):
    members = {
        "mixed": [
            functional_mlp(),
            functional_mlp(last="softmax"),
            sequential(),
        ],
        "binary": [
            functional_mlp(last="sigmoid", outputs=1),
            functional_mlp(outputs=1),
        ],
        "dict": [two_inputs(), two_inputs()],
    }
    expected, inputs = {}, {}
    for name, models in members.items():
        bane = keras_ban.ensemble(models, range(1, len(models) + 1))
        expected[name] = bane.predict(SPLIT if name == "dict" else X, verbose=0)
        inputs[name] = ["a", "b"] if name == "dict" else ["x"]
        bane.save(tmp_path / f"{name}.keras")
    np.savez(tmp_path / "x.npz", x=X, **SPLIT)
    ran = subprocess.run(
        [sys.executable, "-I", "-c", LOADS, json.dumps(inputs)],
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    for name, p in expected.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), p)


def loaded(model, path):
    model.save(path / "model.keras")
    return keras.models.load_model(path / "model.keras")


def test_subclassed_members_load(tmp_path):
    models = [silent(), functional_mlp(), silent()]
    bane = keras_ban.ensemble(models, from_logits=True)
    np.testing.assert_array_equal(loaded(bane, tmp_path)(X), bane(X))


@pytest.mark.parametrize(
    "build, trained", pairs([functional_mlp, sequential], [True, False])
)
def test_compiled_members_load(tmp_path, build, trained):
    models = [build(), build()]
    for model in models:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, run_eagerly=True)
        if trained:
            model.fit(X, Y, verbose=0)
    bane = keras_ban.ensemble(models)
    np.testing.assert_array_equal(loaded(bane, tmp_path)(X), bane(X))


def test_half_precision_members_load_under_another_policy(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    bane = keras_ban.ensemble(
        [functional_mlp(), functional_mlp(last="softmax")]
    )
    keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(loaded(bane, tmp_path)(X), bane(X))


def test_exports(tmp_path):
    bane = keras_ban.ensemble(
        [functional_mlp(), functional_mlp(last="softmax"), sequential()]
    )
    bane.export(tmp_path / "bane", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "bane"))
    np.testing.assert_allclose(exported.serve(X), bane(X), atol=1e-6)


def test_teaches_from_memory_and_after_loading(tmp_path):
    bane = keras_ban.ensemble(
        [sharp(functional_mlp()), sharp(functional_mlp(last="softmax"))]
    )

    def model_fn():
        model = functional_mlp()
        model.compile("sgd", run_eagerly=True)
        return model

    students = []
    for teacher in (bane, loaded(bane, tmp_path)):
        ban = keras_ban.BornAgain(model_fn)
        lineage = ban.fit(X, teacher=teacher, generations=1, verbose=0)
        assert lineage[0].model is teacher
        students.append(lineage[1].model.get_weights())
    assert_same(*students)
