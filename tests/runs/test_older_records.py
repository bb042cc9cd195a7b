"""An older run.json is put back, or read while the run goes on."""

import shutil
import threading

import keras
import pytest
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import model_fn
from weights import same

import keras_ban
from keras_ban import files

GENERATIONS = 3


class Copy(keras.callbacks.Callback):
    """Copies run.json as each generation begins."""

    def __init__(self, directory, folder):
        super().__init__()
        self.directory = directory
        self.folder = folder
        self.trained = 0

    def on_train_begin(self, logs=None):
        target = self.folder / f"run-{self.trained}.json"
        shutil.copy(self.directory / "run.json", target)
        self.trained += 1


def run(directory, callbacks=None, generations=GENERATIONS, **born):
    return keras_ban.BornAgain(model_fn, directory=directory, **born).fit(
        X,
        Y,
        generations,
        epochs=2,
        verbose=0,
        validation_data=VALIDATION,
        callbacks=callbacks,
    )


class Counted(keras.callbacks.Callback):
    def __init__(self, trained, number):
        super().__init__()
        self.on_train_begin = lambda logs: trained.append(number)


class Untrained(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        pytest.fail("trained again")


def whole(tmp_path, **born):
    """A finished run, and the copies of its run.json."""
    copy = Copy(tmp_path / "run", tmp_path)
    lineage = run(tmp_path / "run", copy, **born)
    assert copy.trained == GENERATIONS + 1
    return lineage


def put_back(tmp_path, number):
    shutil.copy(tmp_path / f"run-{number}.json", tmp_path / "run/run.json")


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def check(found, expected):
    assert [g.name for g in found] == [g.name for g in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.history == other.history
        assert one.metrics == other.metrics
        assert (one.model is None) == (other.model is None)
        assert one.model is None or same(one.model, other.model)


@pytest.mark.parametrize(
    "keep",
    [
        pytest.param("all", marks=pytest.mark.slow),
        1,
        pytest.param("best", marks=pytest.mark.slow),
    ],
)
def test_an_older_copy_is_made_up_for(tmp_path, keep):
    expected = whole(tmp_path, keep=keep)
    for number in range(GENERATIONS + 1):
        put_back(tmp_path, number)
        before = contents(tmp_path / "run")
        check(keras_ban.load(tmp_path / "run"), expected)
        assert contents(tmp_path / "run") == before
        with pytest.warns(UserWarning, match=r"run\.json is older"):
            found = run(tmp_path / "run", Untrained(), keep=keep)
        check(found, expected)
        check(run(tmp_path / "run", Untrained(), keep=keep), expected)


def test_an_older_copy_of_a_shorter_plan(tmp_path):
    """What came later was not planned yet: other callbacks that act."""

    def callbacks(number):
        rate = keras.callbacks.LearningRateScheduler(lambda e, r: r / 2)
        return [rate] if number == 3 else []

    run(tmp_path, callbacks, 1)
    kept = (tmp_path / "run.json").read_bytes()
    expected = run(tmp_path, callbacks, 3)
    (tmp_path / "run.json").write_bytes(kept)
    assert len(keras_ban.load(tmp_path)) == 3
    untrained = Untrained()
    with pytest.warns(UserWarning, match="the files of BAN-2, BAN-3"):
        found = run(tmp_path, lambda k: [*callbacks(k), untrained], 3)
    check(found, expected)


def test_what_is_not_sound_is_trained_again(tmp_path):
    expected = whole(tmp_path)
    put_back(tmp_path, 1)
    path = tmp_path / "run/generation-2/model.keras"
    path.write_bytes(path.read_bytes()[:-1])
    assert len(keras_ban.load(tmp_path / "run")) == 2
    trained = []
    with pytest.warns(UserWarning, match="older than the files of BAN-1"):
        found = run(tmp_path / "run", lambda k: [Counted(trained, k)])
    assert trained == [2, 3]
    check(found, expected)


def test_a_generation_of_another_run_is_not_taken_up(tmp_path):
    whole(tmp_path)
    put_back(tmp_path, 1)
    run(tmp_path / "other", seed=1)
    for name in ("model.keras", "history.json"):
        path = f"generation-1/{name}"
        shutil.copy(tmp_path / "other" / path, tmp_path / "run" / path)
    assert len(keras_ban.load(tmp_path / "run")) == 1


def test_load_beside_a_training_run(tmp_path):
    """Each reading is of one moment, whatever `keep` removes meanwhile."""
    directory = tmp_path / "run"
    run(directory, generations=1, keep=1)
    ends = threading.Event()
    found, failures = [], []

    def read():
        while not ends.is_set() and len(found) < 1000:
            try:
                found.append(keras_ban.load(directory))
            except Exception as error:
                failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        run(directory, generations=5, keep=1)
    finally:
        ends.set()
        reader.join(60)
    assert failures == []
    assert len(found) > 3
    assert all(lineage[-1].model for lineage in found)
    assert len({len(lineage) for lineage in found}) > 1


def test_a_model_that_is_removed_between_two_readings(tmp_path, monkeypatch):
    """Its record is read, and then the next generation is finished."""
    directory = tmp_path / "run"
    run(directory, generations=1, keep=1)
    digest, hurried = files.digest, []

    def slow(path, *args):
        if not hurried:
            hurried.append(path)
            run(directory, generations=2, keep=1)
        return digest(path, *args)

    monkeypatch.setattr(files, "digest", slow)
    lineage = keras_ban.load(directory)
    assert [bool(g.model) for g in lineage] == [False, False, True]
    assert hurried == [directory / "generation-1/model.keras"]


def test_a_model_that_is_gone_is_named(tmp_path):
    run(tmp_path, generations=1)
    (tmp_path / "generation-0/model.keras").unlink()
    with pytest.raises(ValueError, match=r"generation-0/model\.keras"):
        keras_ban.load(tmp_path)
