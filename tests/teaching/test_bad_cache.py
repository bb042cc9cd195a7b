"""What cannot be kept, or used again, is refused."""

import json
import pathlib
import shutil

import pytest
import tensorflow as tf
from builders import Batches
from builders import mlp
from builders import noisy
from caching import X
from caching import Y
from caching import fit
from caching import unknown_size
from caching import unshuffled

import keras_ban
from keras_ban import TeacherCache
from keras_ban import files


@pytest.fixture(scope="module")
def whole(tmp_path_factory, teacher):
    path = tmp_path_factory.mktemp("whole") / "cache"
    fit(teacher, path, "ban", x=X, augment=noisy, views=2)
    return path


@pytest.fixture
def filled(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "cache")


def doubled(x, seed):
    return 2 * noisy(x, seed)


OTHERS = {
    "teacher": lambda t: {"teacher": mlp(3)},
    "data": lambda t: {"x": X[::-1]},
    "views": lambda t: {"views": 3},
    "augment": lambda t: {"augment": doubled},
    "dtype": lambda t: {"dtype": "float16"},
    "top_k": lambda t: {"top_k": 2},
}


@pytest.mark.parametrize("name", OTHERS)
def test_outputs_of_another_kind_are_refused(filled, teacher, name):
    given = {"teacher": teacher, "x": X, "augment": noisy, "views": 2}
    given |= OTHERS[name](teacher)
    kinds = {k: given.pop(k) for k in ("dtype", "top_k") if k in given}
    with pytest.raises(ValueError, match=f"`{name}` differs"):
        fit(
            given.pop("teacher"),
            TeacherCache(filled, **kinds),
            "ban",
            **given,
        )


@pytest.mark.parametrize("name", ["cache.json", "0-00000.npy"])
def test_damage_is_named(filled, teacher, name):
    content = bytearray((filled / name).read_bytes())
    content[len(content) // 2] ^= 1
    (filled / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        fit(teacher, filled, "ban", x=X, augment=noisy, views=2)


def test_what_was_not_finished_is_computed_again(filled, teacher):
    whole = (filled / "0-00000.npy").read_bytes()
    (filled / "cache.json").unlink()
    (filled / "0-00000.npy").write_bytes(whole[:500])
    fit(teacher, filled, "ban", x=X, augment=noisy, views=2)
    assert (filled / "0-00000.npy").read_bytes() == whole
    assert json.loads((filled / "cache.json").read_text())["made_of"]


def random_views():
    """Noise that no seed fixes, whatever another module has seeded."""
    noise = tf.random.Generator.from_non_deterministic_state()
    return unshuffled().map(lambda x, y: (x + noise.normal(tf.shape(x)), y))


def changing_later(first):
    """The passes from the one of that number on differ from those before."""
    passes = []

    def batches():
        passes.append(None)
        late = len(passes) >= first
        yield X[:8] + late, Y[:8]
        yield X[8:16], Y[8:16]

    return tf.data.Dataset.from_generator(
        batches, output_signature=unknown_size().element_spec
    )


REFUSED = {
    "shuffled": ({"x": unshuffled().shuffle(7)}, "differs from one pass"),
    "random": ({"x": random_views()}, "differs from one pass"),
    "infinite": (
        {"x": unshuffled().repeat(), "steps_per_epoch": 2},
        "infinite",
    ),
    "generator": ({"x": iter([(X, Y)])}, "its place in the data"),
    "unknown": ({"x": unknown_size()}, "steps_per_epoch"),
    "objective": ({"x": X, "y": Y, "objective": "labels"}, "no teacher"),
    "logits": (
        {
            "x": X,
            "objective": "logits",
            "teacher_outputs": TeacherCache(top_k=2),
        },
        "compares logits",
    ),
    "top_k": (
        {"x": X, "y": Y, "teacher_outputs": TeacherCache(top_k=4)},
        "less than the 4 classes",
    ),
    "no views": ({"x": X, "augment": noisy}, "Expected `views=`"),
    "views alone": ({"x": X, "views": 2}, "Expected `augment=`"),
    "0 views": ({"x": X, "augment": noisy, "views": 0}, "`views`.*0"),
    "unseeded": (
        {
            "x": X,
            "y": Y,
            "views": 2,
            "augment": lambda x, seed: x + tf.random.normal(tf.shape(x)),
        },
        "another view each time",
    ),
    "arguments": (
        {"x": X, "y": Y, "views": 2, "augment": lambda x: x},
        "cannot be applied",
    ),
    "PyDataset": (
        {"x": Batches(X, Y), "augment": noisy, "views": 2},
        "`augment` needs",
    ),
    "kind": ({"x": X, "teacher_outputs": 3}, "`teacher_outputs`.*3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(teacher, name):
    given, words = REFUSED[name]
    given = {"teacher_outputs": "cached", "objective": "ban+l", **given}
    with pytest.raises(ValueError, match=words):
        fit(teacher, **given)


@pytest.mark.parametrize("first", [2, 5, 6, 7])
def test_data_that_changes_while_it_is_used_is_refused(teacher, first):
    with pytest.raises(ValueError, match="differs from one pass"):
        x = changing_later(first)
        fit(teacher, "cached", "ban", x=x, steps_per_epoch=2)


@pytest.mark.parametrize("name", ["shuffled", "random", "unseeded", "no views"])
def test_refused_before_generation_0(name):
    given, words = REFUSED[name]
    given = {**given, "y": Y if given["x"] is X else None}
    born = keras_ban.BornAgain(mlp, "ban")
    with pytest.raises(ValueError, match=words):
        born.fit(generations=1, teacher_outputs="cached", verbose=0, **given)
    assert not born.lineage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dtype": "bfloat16"}, "`dtype`.*bfloat16"),
        ({"top_k": 0}, "`top_k`.*0"),
        ({"directory": __file__}, "is a file"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        TeacherCache(**arguments)


def test_two_processes_do_not_fill_one_folder(tmp_path, teacher):
    with files.lock(pathlib.Path(tmp_path) / "lock"):
        with pytest.raises(BlockingIOError):
            fit(teacher, tmp_path, "ban", x=X)
