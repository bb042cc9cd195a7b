"""A damaged file is made up for, or named: never a wrong model in silence."""

import random
import shutil
import warnings

import keras
import pytest
from interruptions import Interrupted
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import model_fn
from weights import same

import keras_ban

FILES = [
    "run.json",
    "generation-0/model.keras",
    "generation-0/history.json",
    "generation-1/model.keras",
    "generation-1/history.json",
    "generation-2/backup.h5",
]
EPOCHS = 3


class Interrupt(keras.callbacks.Callback):
    def __init__(self, number, at):
        super().__init__()
        self.ends = number == at

    def on_epoch_begin(self, epoch, logs=None):
        if self.ends and epoch == EPOCHS - 1:
            raise Interrupted


def run(directory, at=None, seed=0):
    return keras_ban.BornAgain(model_fn, directory=directory, seed=seed).fit(
        X,
        Y,
        generations=2,
        epochs=EPOCHS,
        verbose=0,
        validation_data=VALIDATION,
        callbacks=lambda number: [Interrupt(number, at)],
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def broken_off(tmp_path_factory):
    """A run that ended in the last epoch of the last generation."""
    directory = tmp_path_factory.mktemp("broken") / "run"
    with pytest.raises(Interrupted):
        run(directory, at=2)
    return directory


@pytest.fixture
def copy(broken_off, tmp_path):
    return shutil.copytree(broken_off, tmp_path / "run")


def check(directory, name, whole):
    """Loads and goes on: equal to the whole run, or an error that names it."""
    is_backup = name.endswith("backup.h5")
    check_one(keras_ban.load, directory, name, whole, silent=is_backup)
    # Without a state, the generation starts like one that has not begun.
    silent = is_backup and not (directory / name).exists()
    check_one(run, directory, name, whole, silent)


def check_one(work, directory, name, whole, silent):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = work(directory)
        except ValueError as error:
            assert name in str(error)
            assert "overwrite=True" in str(error)
            return
    assert silent or name in " ".join(str(w.message) for w in caught)
    assert not name.endswith("model.keras")
    # What is loaded are the two that were finished.
    assert len(found) == (3 if work is run else 2)
    for one, other in zip(found, whole, strict=False):
        assert same(one.model, other.model)
        assert one.history == other.history
        assert one.metrics == other.metrics


def flipped(content, position):
    content = bytearray(content)
    content[position] ^= 1 << random.Random(position).randrange(8)
    return bytes(content)


def slow(case):
    return pytest.param(case, marks=pytest.mark.slow)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "share", [0.7, *(slow(share) for share in (0, 0.001, 0.3, 0.999))]
)
def test_truncated(copy, whole, name, share):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(share * len(content))])
    check(copy, name, whole)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("seed", [0, *map(slow, (1, 2, 3, 4))])
def test_one_bit_flipped(copy, whole, name, seed):
    content = (copy / name).read_bytes()
    position = random.Random(f"{name}{seed}").randrange(len(content))
    (copy / name).write_bytes(flipped(content, position))
    check(copy, name, whole)


@pytest.mark.parametrize("name", FILES)
def test_deleted(copy, whole, name):
    (copy / name).unlink()
    check(copy, name, whole)


@pytest.mark.parametrize("name", ["model.keras", "history.json"])
def test_swapped(copy, whole, name):
    first, second = (copy / f"generation-{k}" / name for k in (0, 1))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    check(copy, name, whole)


def test_state_of_another_generation(copy, whole, tmp_path):
    with pytest.raises(Interrupted):
        run(tmp_path / "other", at=1)
    shutil.copy(
        tmp_path / "other/generation-1/backup.h5",
        copy / "generation-2/backup.h5",
    )
    with pytest.warns(UserWarning, match=r"backup.h5 is damaged"):
        found = run(copy)
    assert same(found[2].model, whole[2].model)


def test_run_of_another_seed(copy, tmp_path):
    run(tmp_path / "other", seed=1)
    shutil.copy(tmp_path / "other/run.json", copy / "run.json")
    with (
        pytest.warns(UserWarning, match=r"history\.json is missing or damaged"),
        pytest.raises(ValueError, match="`seed` differs"),
    ):
        run(copy)


def test_both_records_lost(copy):
    (copy / "run.json").write_text("")
    (copy / "generation-1/history.json").write_text("{}")
    for work in (keras_ban.load, run):
        with pytest.raises(ValueError, match=r"run\.json.*generation-1"):
            work(copy)


@pytest.mark.parametrize("content", [b"", b"dead process", b"\0" * 4096])
def test_lock_says_nothing(copy, whole, content):
    (copy / "lock").write_bytes(content)
    assert same(run(copy)[2].model, whole[2].model)
