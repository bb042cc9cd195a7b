"""The documents: their code runs, their links and their commands exist."""

import gzip
import importlib.util
import pathlib
import re
import shutil
import struct

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from shortening import eagerly
from shortening import of_two_seeds
from shortening import shortened
from tensorflow_datasets.image_classification import mnist

import keras_ban

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"
GUIDES = (README, *sorted(ROOT.glob("docs/**/*.md")))
DOCUMENTS = (
    *GUIDES,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted(ROOT.glob("benchmarks/**/*.md")),
)
LANGUAGES = {"python", "bash", "yaml"}
FEW = 48


def named(path):
    return str(path.relative_to(ROOT))


# Language models, the two dozen networks of a ladder, and what takes 20 s.
SLOW = (
    "docs/compare.md",
    "docs/paper.md",
    "docs/scikit-learn.md",
    "docs/sequences.md",
)
every_guide = pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] * (named(path) in SLOW))
        for path in GUIDES
    ],
    ids=named,
)
every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=named)


def blocks(path):
    """Language, number of the first line and text of each block of code."""
    found, fence = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        mark = re.match(r"\s*(`{3,}|~{3,})\s*(\S*)", line)
        if fence is None and mark:
            fence = mark[1]
            found.append((mark[2], number, []))
        elif fence and line.strip() == fence:
            fence = None
        elif fence:
            found[-1][2].append(line)
    assert fence is None, f"{path}: a block without an end"
    return [(kind, number, "\n".join(text)) for kind, number, text in found]


def prose(path):
    """The text of a document without its blocks of code."""
    return re.sub(r"(?ms)^\s*```.*?^\s*```$", "", path.read_text())


# What the documents speak of without making it: images of ten classes, from 0
# to 255, and networks for them.


def pictures(rows, shape=(32, 32, 3)):
    x = np.random.default_rng(rows).integers(0, 256, (rows, *shape))
    return x.astype("float32"), np.arange(rows) % 10


def small():
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def stand_ins():
    sets = {"": pictures(FEW), "_val": pictures(20), "_test": pictures(24)}
    found = {"model_fn": small, "student": small(), "teacher": small()}
    for name, (x, y) in sets.items():
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
        found |= {f"x{name}": x, f"y{name}": y, f"{name}_ds"[1:]: data}
    return found | {"ds": found.pop("ds")}


class Cifar10(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """CIFAR-10 of few images, that `tfds.load` takes for the real one."""

    VERSION = tfds.core.Version("3.0.2")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=(32, 32, 3)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, manager):
        examples = self._generate_examples
        return {"train": examples(FEW), "test": examples(20)}

    def _generate_examples(self, rows):
        for number, (x, y) in enumerate(zip(*pictures(rows), strict=True)):
            image = x.astype("uint8")
            yield number, {"id": str(number), "image": image, "label": y}


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.astype("uint8").tobytes(), 1)


def prepare(folder, monkeypatch):
    """The image sets that the documents load, with few images each."""
    Cifar10(data_dir=folder / "datasets").download_and_prepare()
    rows = {"train": FEW, "t10k": 20}
    monkeypatch.setattr(mnist, "_TRAIN_EXAMPLES", rows["train"])
    monkeypatch.setattr(mnist, "_TEST_EXAMPLES", rows["t10k"])
    files = folder / "fashion-mnist"
    files.mkdir()
    for name, count in rows.items():
        x, y = pictures(count, (28, 28))
        (files / f"{name}-images-idx3-ubyte.gz").write_bytes(idx(x))
        (files / f"{name}-labels-idx1-ubyte.gz").write_bytes(idx(y))


@every_guide
def test_code_runs(path, tmp_path, monkeypatch):
    code = [block[1:] for block in blocks(path) if block[0] == "python"]
    # Whatever is meant to be Python is run.
    assert len(code) == len(re.findall(r"(?i)(```|~~~) *py", path.read_text()))
    if any("vision.load" in text for _, text in code):
        prepare(tmp_path, monkeypatch)
    if any("text.from_folder" in text for _, text in code):
        play = ROOT / "examples" / "coriolanus"
        shutil.copytree(play, tmp_path / "wikitext-2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras.Model, "compile", eagerly(keras.Model.compile))
    for trains in (keras_ban.BornAgain, keras_ban.Distiller):
        monkeypatch.setattr(trains, "fit", shortened(trains.fit))
    short = of_two_seeds(keras_ban.compare)
    monkeypatch.setattr(keras_ban, "compare", short)
    names = stand_ins() if code else {}
    for line, text in code:
        # Tracebacks name the line of the document.
        exec(compile("\n" * line + text, str(path), "exec"), names)


@every_document
def test_blocks_say_their_language(path):
    assert {kind for kind, *_ in blocks(path)} <= LANGUAGES


def test_readme_is_short():
    assert len(README.read_text().splitlines()) <= 200


def test_readme_links_every_guide():
    linked = {target for target, _ in links(README)}
    assert {named(path) for path in GUIDES} - {"README.md"} <= linked


def links(path):
    """Relative links of a document: the file and the anchor of each."""
    found = re.findall(r"\]\(([^)\s]*)\)", prose(path))
    local = [t for t in found if not re.match(r"\w+:", t)]
    return [target.partition("#")[::2] for target in local]


def anchors(path):
    """What a heading is linked by: in lower case, with hyphens."""
    headings = re.findall(r"(?m)^#+ (.*)$", prose(path))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


@every_document
def test_links_lead_somewhere(path):
    for target, anchor in links(path):
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), f"{target}#{anchor}"


PLACE = r"\b(?:examples|benchmarks|docs|tests|keras_ban)/[\w./-]*\w"
COMMAND = r"python (?:-m (?P<module>[\w.]+)|(?P<script>[\w/-]+\.py))"
OPTION = r"(?<![\w-])--[a-z][\w-]*"


def commands(path):
    """The commands of a document that start one of our scripts."""
    lines = [text for kind, _, text in blocks(path) if kind == "bash"]
    lines += re.findall(r"`([^`]+)`", prose(path))
    lines = [line for text in lines for line in text.splitlines()]
    parts = [part for line in lines for part in re.split(r"&&|#", line)]
    return [part for part in parts if re.search(COMMAND, part)]


def sources(command):
    """The text that a command of ours starts, or `None` if it is another's."""
    found = re.search(COMMAND, command)
    if found["script"]:
        # "train.py" stands for the reader's own.
        own = "/" in found["script"]
        return (ROOT / found["script"]).read_text() if own else None
    if found["module"].partition(".")[0] != "keras_ban":
        return None
    assert importlib.util.find_spec(found["module"]), command
    package = pathlib.Path(keras_ban.__file__).parent
    return "".join(path.read_text() for path in package.rglob("*.py"))


@every_document
def test_files_that_are_named_exist(path):
    for place in re.findall(PLACE, path.read_text()):
        assert (ROOT / place).exists(), place


@every_document
def test_commands_know_their_options(path):
    known = ""
    for command in commands(path):
        text = sources(command)
        if text is None:
            continue
        known += text
        for option in re.findall(OPTION, command):
            assert f'"{option}"' in text, (option, command)
    # Options that stand alone are those of one of these.
    for option in re.findall(rf"`({OPTION})[^`]*`", prose(path)):
        assert f'"{option}"' in known, option
