"""Models whose configuration runs code or reads elsewhere: refused unbuilt."""

import json
import random
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from archives import pack
from archives import parts
from builders import compiled
from builders import functional_mlp
from builders import mlp
from hostile import VALUES
from hostile import changed
from hostile import outcome
from hostile import paths
from hostile import snapshot
from hostile import within

from keras_ban.networks import archive
from keras_ban.networks import saving

TFSM = {
    "module": "keras.layers",
    "class_name": "TFSMLayer",
    "registered_name": None,
    "config": {"name": "t", "filepath": "/somewhere", "call_endpoint": "f"},
}
KERAS = "keras.layers"


@keras.saving.register_keras_serializable("tests")
class Mine(keras.layers.TFSMLayer):
    pass


@keras.saving.register_keras_serializable("tests")
class Reader(keras.layers.Layer):
    """What a script's own class reads is the script's to say."""

    def __init__(self, filepath=None, **kwargs):
        super().__init__(**kwargs)
        self.filepath = filepath

    def call(self, x):
        return x

    def get_config(self):
        return {**super().get_config(), "filepath": self.filepath}


@keras.saving.register_keras_serializable("tests")
def doubled(x):
    return 2 * x


def layer(name, config=None, module=KERAS, registered=None):
    return {
        "module": module,
        "class_name": name,
        "registered_name": registered,
        "config": config or {},
    }


def function(name, module="builtins"):
    return layer("function", name, module, "function")


REFUSED = {
    "layer": TFSM,
    "without a module": {"class_name": "TFSMLayer", "config": {}},
    "another module": layer("TFSMLayer", module="keras.src.export.tfsm_layer"),
    "a dotted name": layer("layers.TFSMLayer", module="keras"),
    "subclass": layer("Mine", {"filepath": "x"}, None, "tests>Mine"),
    "wrapper": layer("TimeDistributed", {"layer": TFSM}),
    "model": layer("Sequential", {"layers": [TFSM]}, "keras"),
    "list in a list": layer("Sequential", {"layers": [[[TFSM]]]}, "keras"),
    "compilation": {**layer("Dense"), "compile_config": {"metrics": [[TFSM]]}},
    "building": {**layer("Dense"), "build_config": {"x": TFSM}},
    "own class": layer("Reader", {"inner": TFSM}, None, "tests>Reader"),
    "pickle": layer("TorchModuleWrapper", {"module": "gASV"}),
    "code": layer(
        "Lambda", {"function": layer("__lambda__", {"code": "4wEA"})}
    ),
    "vocabulary": layer("StringLookup", {"vocabulary": "/etc/passwd"}),
    "text": layer("TextVectorization", {"vocabulary": "/etc/passwd"}),
    "tokenizer": layer("Tokenizer", {"proto": "/etc/passwd"}, "keras_hub.x"),
    "get_file": layer(
        "Lambda", {"function": function("get_file", "keras.utils")}
    ),
    "a function as a class": layer("get_file", module="keras.utils"),
    "pretrained": function("ResNet50", "keras.applications"),
    "numbers": layer("AUC", {"num_thresholds": 10**9}, "keras.metrics"),
    "data": function("load_data", "keras.datasets.mnist"),
    "unsafe": function("enable_unsafe_deserialization", "keras.config"),
    "loading": function("load_model", "keras.models"),
    "dotted function": function("utils.get_file", "keras"),
    "no name": layer(["TFSMLayer"]),
    "no module": layer("Dense", module=["keras"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_runs_or_reads_elsewhere_is_refused(name):
    for depth in (0, 1, 50):
        config = REFUSED[name]
        for _ in range(depth):
            config = layer("Sequential", {"layers": [config]}, "keras")
        with pytest.raises(ValueError, match=r"its|it names"):
            archive.check_config(config)


def inserted(config, node):
    config["config"]["layers"].insert(1, node)


PLACES = {
    "in a model": inserted,
    "in a model in a model": lambda config, node: inserted(
        config, layer("Sequential", {"layers": [node]}, "keras")
    ),
    "in the compilation": lambda config, node: config["compile_config"].update(
        metrics=[node]
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_saved_model_in_a_model_file_is_not_run(tmp_path, place, monkeypatch):
    """Whatever Keras' version: nothing of it is built."""
    held = parts(compiled(mlp()), tmp_path / "model.keras")
    config = json.loads(held["config.json"])
    PLACES[place](config, TFSM)
    held["config.json"] = json.dumps(config)
    pack(tmp_path / "model.keras", held)
    monkeypatch.setattr(keras.models, "load_model", pytest.fail)
    with pytest.raises(ValueError, match=r"model\.keras.*safe mode.*TFSMLayer"):
        saving.load_model(tmp_path / "model.keras")


def test_a_configuration_that_is_none(tmp_path):
    path = tmp_path / "model.keras"
    held = parts(mlp(), path)
    deepest = b"[" * 100_000 + b"]" * 100_000
    for content in (b"", b"{", deepest, b"\xff"):
        pack(path, {**held, "config.json": content})
        with pytest.raises(ValueError, match=r"model\.keras"):
            saving.load_model(path)


def with_words():
    words = keras.layers.StringLookup(vocabulary=["a", "b"])
    text = keras.layers.TextVectorization(vocabulary=["c"])
    inputs = keras.Input((), dtype="string")
    return keras.Model(inputs, [words(inputs), text(inputs)])


def with_operations():
    inputs = keras.Input((6,))
    h = keras.ops.relu(keras.layers.Dense(4, "silu")(inputs) + 1.0)
    h = keras.layers.Lambda(doubled)(h)
    return keras.Model(inputs, keras.layers.Activation(keras.ops.tanh)(h))


def in_low_precision():
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(3, dtype="bfloat16")(inputs))


def with_metrics():
    model = functional_mlp()
    loss = keras.losses.sparse_categorical_crossentropy
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    optimizer = keras.optimizers.Adam(schedule)
    model.compile(optimizer, loss, metrics=["mae", keras.metrics.F1Score()])
    return model


KEPT = {
    "Sequential": lambda: compiled(mlp()),
    "words": with_words,
    "operations": with_operations,
    "low precision": in_low_precision,
    "metrics": with_metrics,
    "own class": lambda: mlp(8, Reader("x")),
    "in another": lambda: keras.Sequential([keras.Input((6,)), mlp()]),
    "random": lambda: mlp(8, keras.layers.Dropout(0.5, seed=2**31)),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_keras_loads_is_loaded(tmp_path, name):
    model = KEPT[name]()
    model.save(tmp_path / "model.keras")
    x = np.ones((2, 6), "float32")
    if name == "words":
        x = tf.constant(["a", "c"])
    found = saving.load_model(tmp_path / "model.keras")
    for one, other in zip(
        keras.tree.flatten(model(x)), keras.tree.flatten(found(x)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "count", [60, pytest.param(100_000, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_every_field_of_a_model(tmp_path, name, count):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "model.keras").write_text("mine")
    outside = snapshot(tmp_path / "victim")
    path = tmp_path / "run" / "model.keras"
    path.parent.mkdir()
    held = parts(with_metrics(), path)
    content = json.loads(held[name])
    cases = [(place, value) for place in paths(content) for value in VALUES]
    random.Random(0).shuffle(cases)
    seen = set()
    for place, value in cases[:count]:
        other = json.dumps(changed(content, place, VALUES[value]))
        pack(path, {**held, name: other})
        how, found = outcome(lambda: saving.load_model(path), "model.keras")
        seen.add(how)
        # Nobody reads a text of a megabyte.
        assert how != "refused" or len(str(found)) < 4000, (place, value)
        assert snapshot(tmp_path / "victim") == outside, (place, value)
    assert "right" in seen


SIZES = {
    "units": 10**12,
    "some memory": 10**8,
    "beyond": 10**30,
}


@pytest.mark.parametrize("name", SIZES)
def test_no_more_weights_are_made_than_the_file_holds(tmp_path, name):
    """TensorFlow would try for ten seconds, or take the memory."""
    path = tmp_path / "model.keras"
    held = parts(functional_mlp(), path)
    config = json.loads(held["config.json"])
    dense = next(
        one
        for one in config["config"]["layers"]
        if one["class_name"] == "Dense"
    )
    dense["config"]["units"] = SIZES[name]
    pack(path, {**held, "config.json": json.dumps(config)})
    with within(3), pytest.raises(ValueError, match="more than the file holds"):
        saving.load_model(path)


def test_no_larger_metric_is_made(tmp_path):
    path = tmp_path / "model.keras"
    model = functional_mlp()
    model.compile("sgd", "mse", metrics=[keras.metrics.MeanIoU(3)])
    held = parts(model, path)
    assert saving.load_model(path)
    config = held["config.json"].replace(
        b'"num_classes": 3', b'"num_classes": 1000000'
    )
    assert config != held["config.json"]
    pack(path, {**held, "config.json": config})
    with within(3), pytest.raises(ValueError, match="more than the file holds"):
        saving.load_model(path).evaluate(np.ones((2, 6)), np.ones((2, 3)))


def test_others_make_weights_as_ever(tmp_path, monkeypatch):
    """While a model is loaded, in another thread, and after it."""
    path = tmp_path / "model.keras"
    mlp().save(path)
    before = keras.Layer.add_weight, keras.Metric.add_variable
    load, made = keras.models.load_model, []

    def other():
        made.append(keras.layers.Dense(4).build((1, 2)))

    def meanwhile(*args, **kwargs):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return load(*args, **kwargs)

    monkeypatch.setattr(keras.models, "load_model", meanwhile)
    monkeypatch.setattr(saving, "_UNSAVED", 0)
    assert saving.load_model(path).count_params() == mlp().count_params()
    assert len(made) == 1
    assert (keras.Layer.add_weight, keras.Metric.add_variable) == before
