"""Every file of a run, damaged: made up for, or named, never believed."""

import hashlib
import json
import random
import shutil
import types
import warnings

import keras
import numpy as np
import pytest
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import compiled
from lineages import model_fn
from lineages import network
from lineages import same

import keras_ban
from keras_ban import files
from keras_ban import state

STOPS = set()
MODELS = ["generation-0/model.keras", "generation-1/model.keras"]
HISTORIES = ["generation-0/history.json", "generation-1/history.json"]
BACKUP = "generation-2/backup.h5"


class Interrupted(RuntimeError):
    pass


class Interrupt(keras.callbacks.Callback):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def on_epoch_begin(self, epoch, logs=None):
        # Not an attribute: those come back when the training is resumed.
        if (self.number, epoch) in STOPS:
            raise Interrupted


def run(directory=None, stop=None, seed=0, overwrite=False):
    STOPS.clear()
    STOPS.update([stop] if stop else [])
    born = keras_ban.BornAgain(
        model_fn, directory=directory, seed=seed, overwrite=overwrite
    )
    return born.fit(
        X,
        Y,
        generations=2,
        epochs=2,
        verbose=0,
        validation_data=VALIDATION,
        callbacks=lambda number: [Interrupt(number)],
    )


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """Two finished generations, a broken-off one, and a run on its own."""
    folder = tmp_path_factory.mktemp("pristine")
    with pytest.raises(Interrupted):
        run(folder / "run", (1, 1))
    shutil.copy(folder / "run/generation-1/backup.h5", folder / "earlier.h5")
    with pytest.raises(Interrupted):
        run(folder / "run", (2, 1))
    return types.SimpleNamespace(
        directory=folder / "run", earlier=folder / "earlier.h5", whole=run()
    )


@pytest.fixture
def copy(pristine, tmp_path):
    return shutil.copytree(pristine.directory, tmp_path / "run")


def truncated(length):
    """Cut to a share of its length; a negative number counts from the end."""

    def damage(path, pristine):
        content = path.read_bytes()
        end = length if length < 0 else int(length * len(content))
        path.write_bytes(content[:end])

    return damage


def flipped(place):
    """A bit flipped at a share of the length, or anywhere, by a seed."""

    def damage(path, pristine):
        content = bytearray(path.read_bytes())
        rng = random.Random(f"{place}{path.name}")
        position = rng.randrange(len(content))
        if isinstance(place, float):
            position = int(place * (len(content) - 1))
        content[position] ^= 1 << rng.randrange(8)
        path.write_bytes(content)

    return damage


def deleted(path, pristine):
    path.unlink()


def zeroed(path, pristine):
    path.write_bytes(bytes(path.stat().st_size))


def swapped(path, pristine):
    """Changes places with the file of that name of another generation."""
    if path.name == "backup.h5":
        shutil.copy(pristine.earlier, path)
        return
    number = 1 - int(path.parent.name[-1])
    other = path.parent.with_name(f"generation-{number}") / path.name
    kept = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(kept)


DAMAGES = {
    "emptied": truncated(0.0),
    "a tenth": truncated(0.1),
    "half": truncated(0.5),
    "most": truncated(0.95),
    "end cut": truncated(-2),
    "zeroed": zeroed,
    "deleted": deleted,
    "first byte": flipped(0.0),
    "middle byte": flipped(0.5),
    "last byte": flipped(1.0),
    **{f"bit {k}": flipped(k) for k in range(8)},
}


def cases(names, damages):
    return [
        pytest.param(name, DAMAGES[damage], id=f"{name}-{damage}")
        for name in names
        for damage in damages
    ]


def equal(found, whole):
    """Equal in all that a run gives, but for the time it took."""
    for one, other in zip(found, whole, strict=True):
        assert same(one.model, other.model)
        assert one.history == other.history
        assert one.metrics == other.metrics
        assert (one.number, one.seed) == (other.number, other.seed)
        pairs = zip(
            one.model.optimizer.variables,
            other.model.optimizer.variables,
            strict=True,
        )
        assert all(np.array_equal(a, b) for a, b in pairs)


def meaning(path):
    """What a file says: JSON without its layout, or else its bytes."""
    if not path.exists():
        return None
    content = path.read_bytes()
    try:
        return json.loads(content) if path.suffix == ".json" else content
    except ValueError:
        return content


def attempt(work, directory):
    """What it returns, or `None` if refused, and what it says."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = work(directory)
        except ValueError as error:
            return None, str(error)
    return found, " ".join(str(w.message) for w in caught)


def check(copy, name, work, whole, quiet=False):
    """Equal to the intact run, saying what was wrong, or refused by name."""
    found, said = attempt(work, copy)
    assert quiet or str(copy / name) in said
    if found is None:
        # A refusal leaves everything as it is, so it is repeated.
        again, said = attempt(work, copy)
        assert again is None
        assert str(copy / name) in said
        return
    equal(found, whole[: len(found)])
    if work is run:
        assert len(found) == 3
        # What was repaired is so on the disk: no warning any more.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            equal(keras_ban.load(copy), whole)


RECORDS = ["run.json", *MODELS, *HISTORIES]


@pytest.mark.parametrize(("name", "damage"), cases(RECORDS, DAMAGES))
def test_damaged_then_loaded(pristine, copy, name, damage):
    before = meaning(copy / name)
    damage(copy / name, pristine)
    # A bit in the last digit of a number may change nothing.
    quiet = meaning(copy / name) == before
    check(copy, name, keras_ban.load, pristine.whole, quiet)


@pytest.mark.parametrize("name", MODELS + HISTORIES)
@pytest.mark.parametrize("work", [keras_ban.load, run])
def test_swapped(pristine, copy, name, work):
    swapped(copy / name, pristine)
    check(copy, name, work, pristine.whole)


RESUMED = [
    *cases(["run.json", HISTORIES[0]], ["deleted", "half", "middle byte"]),
    *cases([HISTORIES[1]], ["emptied", "first byte"]),
    *cases(MODELS, ["deleted", "last byte"]),
]


@pytest.mark.parametrize(("name", "damage"), RESUMED)
def test_damaged_then_resumed(pristine, copy, name, damage):
    damage(copy / name, pristine)
    check(copy, name, run, pristine.whole)


STATES = ["emptied", "half", "end cut", "zeroed", "deleted", "first byte"]
STATES += ["middle byte", "last byte", "bit 0", "bit 1", "bit 2"]


@pytest.mark.parametrize(("name", "damage"), cases([BACKUP], STATES))
def test_damaged_state(pristine, copy, name, damage):
    damage(copy / name, pristine)
    check(copy, name, run, pristine.whole, damage is deleted)
    assert not (copy / name).exists()


def test_state_of_another_generation(pristine, copy):
    swapped(copy / BACKUP, pristine)
    check(copy, BACKUP, run, pristine.whole)


@pytest.mark.parametrize("damage", ["emptied", "zeroed", "deleted"])
def test_load_reads_no_state(pristine, copy, damage):
    DAMAGES[damage](copy / BACKUP, pristine)
    found, said = attempt(keras_ban.load, copy)
    equal(found, pristine.whole[:2])
    assert not said


@pytest.mark.parametrize("content", [None, b"", b"4711", bytes(4096)])
def test_lock_says_nothing(pristine, copy, content):
    (copy / "lock").unlink()
    if content is not None:
        (copy / "lock").write_bytes(content)
    equal(keras_ban.load(copy), pristine.whole[:2])
    equal(run(copy), pristine.whole)


def test_every_bit_before_the_state(pristine):
    """That part is under no checksum."""
    content = (pristine.directory / BACKUP).read_bytes()
    for position in range(512):
        for bit in range(8):
            broken = bytearray(content)
            broken[position] ^= 1 << bit
            with pytest.raises((ValueError, KeyError, OSError)):
                state.unpack(bytes(broken))


@pytest.mark.parametrize("name", ["run.json", *HISTORIES])
def test_every_byte_of_a_record(pristine, copy, name):
    path, rng = copy / name, random.Random(name)
    content, sound = path.read_bytes(), files.read_json(path)
    for position in range(len(content)):
        broken = bytearray(content)
        broken[position] ^= 1 << rng.randrange(8)
        path.write_bytes(broken)
        try:
            assert files.read_json(path) == sound
        except ValueError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize("name", HISTORIES)
@pytest.mark.parametrize("damage", ["emptied", "middle byte", "deleted"])
@pytest.mark.parametrize("work", [keras_ban.load, run])
def test_both_records_damaged(pristine, copy, name, damage, work):
    for each in ("run.json", name):
        DAMAGES[damage](copy / each, pristine)
    found, said = attempt(work, copy)
    assert found is None
    assert str(copy / "run.json") in said
    assert name.split("/")[0] in said
    assert "history.json" in said


@pytest.mark.parametrize("work", [keras_ban.load, run])
def test_index_and_last_model_deleted(pristine, copy, work):
    """The last model always stays, so it cannot have been left out."""
    for name in ("run.json", MODELS[1]):
        (copy / name).unlink()
    found, said = attempt(work, copy)
    if found is None:
        assert MODELS[1] in said
    else:
        equal(found, pristine.whole[: len(found)])


@pytest.mark.parametrize("work", [keras_ban.load, run])
@pytest.mark.parametrize(
    ("source", "name"),
    [("run.json", HISTORIES[1]), (HISTORIES[1], "run.json")],
)
def test_sound_record_of_another_kind(pristine, copy, source, name, work):
    shutil.copy(copy / source, copy / name)
    check(copy, name, work, pristine.whole)


@pytest.mark.parametrize("content", ["[]", "{}", "null", "7", '"text"', "NaN"])
@pytest.mark.parametrize("name", ["run.json", HISTORIES[0]])
def test_other_json(pristine, copy, content, name):
    (copy / name).write_text(content)
    check(copy, name, keras_ban.load, pristine.whole)


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b"\xff\xfe{\0}\0"],
    ids=["lists", "dicts", "digits", "utf-16"],
)
@pytest.mark.parametrize("name", ["run.json", HISTORIES[0]])
def test_extreme_json(pristine, copy, content, name):
    (copy / name).write_bytes(content)
    check(copy, name, keras_ban.load, pristine.whole)


def test_run_of_another_seed(pristine, copy, tmp_path):
    with pytest.raises(Interrupted):
        run(tmp_path / "other", (1, 0), seed=1)
    shutil.copy(tmp_path / "other/run.json", copy / "run.json")
    # Its records do not fit the models that lie here.
    found, said = attempt(keras_ban.load, copy)
    assert found is None
    assert str(copy / MODELS[0]) in said
    with (
        pytest.warns(UserWarning, match=r"history\.json"),
        pytest.raises(ValueError, match="another run: `seed` differs"),
    ):
        run(copy)


def test_generation_of_another_seed(copy, tmp_path):
    """All its files, but not what the index says of them."""
    with pytest.raises(Interrupted):
        run(tmp_path / "other", (1, 0), seed=1)
    shutil.rmtree(copy / "generation-0")
    shutil.copytree(tmp_path / "other/generation-0", copy / "generation-0")
    for work in (keras_ban.load, run):
        found, said = attempt(work, copy)
        assert found is None
        assert str(copy / MODELS[0]) in said
    # Without the index, the history says what it is of.
    (copy / "run.json").unlink()
    found, said = attempt(run, copy)
    assert found is None
    assert "another run" in said
    assert str(copy / HISTORIES[0]) in said


def replace_model(directory, model):
    """Another model in generation 1, with every checksum that fits it."""
    model.save(directory / MODELS[1])
    digest = files.digest(directory / MODELS[1])
    history = files.read_json(directory / HISTORIES[1])
    files.write_json(directory / HISTORIES[1], {**history, "model": digest})
    content = files.read_json(directory / "run.json")
    content["generations"][1]["model"] = digest
    files.write_json(directory / "run.json", content)


def unregistered():
    class Unregistered(keras.layers.Layer):
        def call(self, x):
            return x

    return Unregistered()


def lambda_layer():
    return keras.layers.Lambda(lambda x: x)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [(lambda_layer, "lambda"), (unregistered, "Unregistered")],
)
@pytest.mark.parametrize("work", [keras_ban.load, run])
def test_model_with_code(copy, layer, reason, work):
    replace_model(copy, compiled(network(8, layer())))
    found, said = attempt(work, copy)
    assert found is None
    assert str(copy / MODELS[1]) in said
    assert "safe mode" in said
    assert reason in said
    assert "register_keras_serializable" in said


def test_replaced_model_loads_if_known(copy):
    """The checksums above do fit, and only the code is refused."""
    model = compiled(network(8, keras.layers.Dropout(0.1)))
    replace_model(copy, model)
    found, said = attempt(keras_ban.load, copy)
    assert not said
    assert same(found[1].model, model)


LEFTOVERS = ["tmp-run.json", "generation-1/tmp-model.keras"]
LEFTOVERS += ["generation-2/tmp-backup.h5", "generation-0/tmp-history.json"]
FOREIGN = ["notes.txt", "tmp-data/x", "generation-old/x", "tmp-notes.txt"]
FOREIGN += ["generation-old/tmp-x", "my-generation-1/x", "models/model.keras"]


def put(directory, names):
    for name in names:
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(name.encode())


def digests(directory):
    return {
        p.relative_to(directory).as_posix(): hashlib.sha256(p.read_bytes())
        for p in directory.rglob("*")
        if p.is_file()
    }


@pytest.mark.parametrize("overwrite", [False, True])
def test_leftovers_go_and_what_is_foreign_stays(pristine, copy, overwrite):
    put(copy, LEFTOVERS + FOREIGN)
    equal(run(copy, overwrite=overwrite), pristine.whole)
    assert not [name for name in LEFTOVERS if (copy / name).exists()]
    for name in FOREIGN:
        assert (copy / name).read_bytes() == name.encode()


def test_load_changes_nothing(pristine, copy):
    put(copy, LEFTOVERS + FOREIGN)
    DAMAGES["half"](copy / HISTORIES[0], pristine)
    before = {k: v.hexdigest() for k, v in digests(copy).items()}
    with pytest.warns(UserWarning, match=r"generation-0/history\.json"):
        equal(keras_ban.load(copy), pristine.whole[:2])
    assert {k: v.hexdigest() for k, v in digests(copy).items()} == before
