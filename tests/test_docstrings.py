"""The examples of the docstrings run, and give what they say."""

import ast
import doctest
import functools
import importlib
import pathlib
import re
import shutil
import wave

import keras
import numpy as np
import pytest
import sklearn.impute
import sklearn.model_selection
import sklearn.pipeline
import sklearn.tree
import tensorflow as tf
from scripts import ROOT
from shortening import eagerly
from shortening import of_two_seeds
from shortening import shortened

import keras_ban
from keras_ban.data import speech
from keras_ban.data import vision

# What is not run, and why.
LEFT_OUT = {
    "data.augmentations.augmentation": "CIFAR-10 is made for docs/paper.md, "
    "which has the same lines",
    "data.filterbanks.log_mel": "librosa's formula, for the reader: "
    "tests/data/test_speech.py compares with its numbers",
}
# Networks of millions of weights, and searches.
SLOW = {
    "data.text.from_folder",
    "models.acoustic_models.acoustic",
    "models.densenets.densenet",
    "models.matching.hidden_shapes",
    "models.resnets.pre_resnet",
    "models.resnets.wide_resnet",
    "models.students.ban_densenet",
    "models.students.ban_pre_resnet",
    "models.students.ban_wide_resnet",
    "comparison.running.compare",
    "sklearn.estimators.BornAgainClassifier",
    "trees.estimators.BornAgainTreeClassifier",
}
FENCE = re.compile(r"(?ms)^```python\n(.*?)^```")


def found():
    """Name, module and docstring of whatever has an example."""
    for path in sorted((ROOT / "keras_ban").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node) or ""
                if re.search(r"^Examples?:$|>>>|```", text, re.MULTILINE):
                    last = getattr(node, "name", "")
                    name = f"{module}.{last}".strip(".")
                    yield name.removeprefix("keras_ban."), module, text


EXAMPLES = {name: (module, text) for name, module, text in found()}


def statements(text):
    """The examples of a docstring: code, and what it gives or ""."""
    parsed = doctest.DocTestParser().get_examples(text)
    return parsed + [doctest.Example(code, "") for code in FENCE.findall(text)]


def images(rows):
    x = np.random.default_rng(rows).integers(0, 256, (rows, 8, 8, 3))
    return x.astype("float32"), np.arange(rows) % 4


def classifier(shape=(8, 8, 3)):
    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(4, "relu", name="hidden"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def prepared():
    """What the examples speak of without making it."""
    teacher, student = classifier(), classifier()
    distiller = keras_ban.Distiller(student, teacher, objective="kd")
    distiller.compile("adam")
    names = {
        "ban": keras_ban.BornAgain(classifier),
        "distiller": distiller,
        "keras": keras,
        "keras_ban": keras_ban,
        "loss": student.loss,
        "model": classifier(),
        "model_fn": classifier,
        "speech": speech,
        "student": student,
        "teacher": teacher,
        "vision": vision,
    }
    for part, rows in {"": 16, "_val": 8, "_test": 8}.items():
        x, y = images(rows)
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
        names |= {f"x{part}": x, f"y{part}": y, f"{part}_ds"[1:]: data}
    return names | {"ds": names.pop("ds")}


def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    y = (x @ np.ones(3) > 0).astype(int)
    return {
        **{"X": x, "y": y, "X_test": x, "y_test": y},
        "GridSearchCV": sklearn.model_selection.GridSearchCV,
        "SimpleImputer": sklearn.impute.SimpleImputer,
        "export_text": sklearn.tree.export_text,
        "make_pipeline": sklearn.pipeline.make_pipeline,
    }


def rows_to_smear():
    ban = keras_ban.BornAgain(lambda: classifier((3,)))
    x = np.random.default_rng(0).normal(size=(16, 3))
    return {"ban": ban, "x": x.astype("float32")}


def three():
    return {f"model_{number}": classifier() for number in (1, 2, 3)}


def finished():
    ban = keras_ban.BornAgain(classifier, directory="runs/digits")
    ban.fit(*images(16), generations=1, verbose=0)
    return {}


def carried():
    sequence = keras.Input((None, 5))
    return {"sequence": sequence, "starts": keras.Input((), dtype="bool")}


def play():
    """The corpus of the examples, and a model of words."""
    source = ROOT / "examples" / "coriolanus"
    shutil.copytree(source, "wikitext-2")
    corpus = keras_ban.data.text.from_folder("wikitext-2", size=200)

    def model_fn():
        return keras_ban.models.gpt(10_000, units=8, blocks=1, heads=1)

    return {"corpus": corpus, "model_fn": model_fn}


def dense():
    return {"teacher": keras_ban.models.densenet_90_60()}


def recordings():
    """Noise, in files that are named as spoken digits are."""
    folder = pathlib.Path("fsdd")
    folder.mkdir()
    rng = np.random.default_rng(0)
    for digit in range(2):
        for take in (0, 7):
            place = folder / f"{digit}_ann_{take}.wav"
            with wave.open(str(place), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                noise = rng.integers(-9000, 9000, 4000).astype("int16")
                file.writeframes(noise.tobytes())
    shutil.make_archive("fsdd", "zip", folder)
    frames = speech.load("fsdd.zip")[-1].samples
    count = len(speech.log_mel(frames, 8000))
    return {"probabilities": np.full((count, 30), 1 / 30), "digit": 1}


def digits():
    return {"model_fn": lambda: classifier((8, 8, 1))}


SPECIAL = {
    "data.recordings.load": recordings,
    "data.speech": recordings,
    "data.text.from_folder": play,
    "data.vision.load": digits,
    "models.carried.CarriedLSTM": carried,
    "models.language.cnn_lstm_lm": play,
    "models.students.ban_pre_resnet": dense,
    "models.students.ban_wide_resnet": dense,
    "models.transformers.gpt": play,
    "networks.ensembles.ensemble": three,
    "runs.directory.load": finished,
    "sklearn.estimators.BornAgainClassifier": table,
    "sklearn.estimators.BornAgainRegressor": table,
    "trees.estimators.BornAgainTreeClassifier": table,
    "trees.estimators.BornAgainTreeRegressor": table,
    "trees.smearing.smear": table,
    "views.inputs.smear": rows_to_smear,
}


def of_one_generation(fit):
    """`fit`, of one generation where nothing else is asked for."""

    @functools.wraps(fit)
    def short(*args, **kwargs):
        return fit(*args, **{"generations": 1} | kwargs)

    return short


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW))
        for name in EXAMPLES
    ],
)
def test_an_example_runs(name, tmp_path, monkeypatch):
    if name in LEFT_OUT:
        pytest.skip(LEFT_OUT[name])
    module, text = EXAMPLES[name]
    examples = statements(text)
    # Whatever is meant to be one is read.
    assert examples
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras.Model, "compile", eagerly(keras.Model.compile))
    for trains in (keras_ban.BornAgain, keras_ban.Distiller):
        monkeypatch.setattr(trains, "fit", shortened(trains.fit))
    few = of_one_generation(keras_ban.BornAgain.fit)
    monkeypatch.setattr(keras_ban.BornAgain, "fit", few)
    short = of_two_seeds(keras_ban.compare)
    monkeypatch.setattr(keras_ban, "compare", short)
    names = vars(importlib.import_module(module)) | prepared()
    names |= SPECIAL.get(name, dict)()
    for example in examples:
        run(example, names, name)


def run(example, names, name):
    """Runs an example, whose value must be what stands below it, if any."""
    kind = "single" if "\n" not in example.source.rstrip() else "exec"
    if not example.want:
        exec(compile(example.source, name, kind), names)
        return
    value = eval(compile(example.source, name, "eval"), names)
    assert repr(value) == example.want.strip()


def test_what_is_said_of_examples_is_said_of_one():
    assert {*LEFT_OUT, *SLOW, *SPECIAL} <= set(EXAMPLES)
