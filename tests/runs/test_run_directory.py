"""Which runs a directory takes, what it keeps, and who may use it."""

import functools
import os
import signal
import time

import keras
import numpy as np
import pytest
from builders import Silent
from builders import SparseCE
from builders import compiled
from builders import mlp
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import model_fn
from weights import same

import keras_ban
from keras_ban import files


def run(directory, model=model_fn, objective="ban", seed=0, born=None, **fit):
    fit = {"generations": 1, "epochs": 2, "verbose": 0, **fit}
    x, y = fit.pop("x", X), fit.pop("y", Y)
    ban = keras_ban.BornAgain(
        model, objective, directory, seed=seed, **(born or {})
    )
    return ban.fit(x, y, **fit)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A finished run, which is not to be changed."""
    path = tmp_path_factory.mktemp("runs") / "run"
    run(path, objective=keras_ban.objectives.KD(temperature=2.0))
    return path


def plateau(patience):
    return [keras.callbacks.ReduceLROnPlateau("loss", patience=patience)]


KD = keras_ban.objectives.KD(temperature=2.0)
OTHER = {
    "architecture": {"model": lambda: compiled(mlp(9))},
    "objective.temperature": {
        "objective": keras_ban.objectives.KD(temperature=3.0)
    },
    "objective.class": {"objective": "ban"},
    "seed": {"seed": 1},
    "optimizer.config.learning_rate": {
        "model": lambda: compiled(
            mlp(), optimizer=keras.optimizers.SGD(0.2, momentum=0.9)
        )
    },
    "optimizer.class_name": {
        "model": lambda: compiled(mlp(), optimizer="adam")
    },
    "loss": {
        "model": lambda: compiled(
            mlp(), loss=SparseCE(from_logits=True, reduction="sum")
        )
    },
    "data.rows": {"x": X[:60], "y": Y[:60]},
    "data.y": {"y": keras.ops.one_hot(Y, 4), "model": None},
    "validation data": {"validation_data": VALIDATION},
    "schedule.epochs": {"epochs": 3},
    "schedule.batch_size": {"batch_size": 16},
    "schedule.shuffle": {"shuffle": False},
    "callbacks": {"callbacks": plateau(2)},
}


def categorical():
    return compiled(
        mlp(), loss=keras.losses.CategoricalCrossentropy(from_logits=True)
    )


@pytest.mark.parametrize("field", OTHER)
def test_another_run_is_refused(directory, field):
    changed = {"objective": KD, **OTHER[field]}
    if changed.get("model", 0) is None:
        changed["model"] = categorical
    with pytest.raises(ValueError, match="holds another run") as caught:
        run(directory, **changed)
    message = str(caught.value)
    assert f"holds another run: `{field}" in message
    for part in ("Recorded:", "Received:", "overwrite=True", "another dir"):
        assert part in message


def test_another_number_of_layers_is_told(directory):
    def deeper():
        return compiled(mlp(8, keras.layers.Dense(8)))

    with pytest.raises(ValueError, match=r"layers` differs. Recorded: .\d ent"):
        run(directory, objective=KD, model=deeper)


def test_another_dtype_policy_is_refused(directory):
    keras.config.set_dtype_policy("mixed_bfloat16")
    with pytest.raises(ValueError, match=r"dtype.*mixed_bfloat16"):
        run(directory, objective=KD)


def test_the_same_run_in_one_process(directory):
    keras.layers.Dense(3)  # the automatic names count on
    assert len(run(directory, objective=KD)) == 2


@pytest.fixture
def untrained(monkeypatch):
    """Whatever trains, fails."""

    @functools.wraps(keras.Model.fit)
    def fit(self, *args, **kwargs):
        raise AssertionError("trained")

    monkeypatch.setattr(keras.Model, "fit", fit)


@pytest.mark.usefixtures("untrained")
def test_finished_run_is_not_trained(directory):
    before = keras_ban.load(directory)
    after = run(directory, objective=KD)
    for one, other in zip(before, after, strict=True):
        assert same(one.model, other.model)
        assert (one.history, one.seed) == (other.history, other.seed)


def test_directory_changes_no_bits(tmp_path):
    options = {"validation_data": VALIDATION, "objective": "dkpp"}
    with_directory = run(tmp_path, **options)
    without = run(None, **options)
    loaded = keras_ban.load(tmp_path)
    for one, two, three in zip(with_directory, without, loaded, strict=True):
        assert same(one.model, two.model) and same(one.model, three.model)
        assert one.history == two.history == three.history
        assert one.metrics == two.metrics == three.metrics
    assert loaded.best.name == without.best.name
    one, other = (n.ensemble().predict(X, verbose=0) for n in (loaded, without))
    np.testing.assert_array_equal(one, other)
    assert len(loaded.evaluate(*VALIDATION)) == 3


def test_more_generations_extend(tmp_path):
    run(tmp_path, generations=1)
    extended = run(tmp_path, generations=3)
    whole = run(None, generations=3)
    assert [g.name for g in extended] == [g.name for g in whole]
    assert all(map(same, *([g.model for g in n] for n in (extended, whole))))
    assert len(run(tmp_path, generations=2)) == 3


def test_overwrite(tmp_path):
    run(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "generation-old").mkdir()
    lineage = run(tmp_path, seed=1, born={"overwrite": True})
    assert same(lineage[1].model, run(None, seed=1)[1].model)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "generation-old").is_dir()


def test_leftovers_are_swept(tmp_path):
    run(tmp_path)
    ours = [
        tmp_path / "tmp-run.json",
        tmp_path / "generation-1/tmp-model.keras",
    ]
    for path in ours:
        path.write_text("half")
    mine = tmp_path / "tmp-mine"
    mine.write_text("whole")
    run(tmp_path)
    assert not any(path.exists() for path in ours)
    assert mine.exists()


def models(directory):
    return [p.parent.name[-1] for p in sorted(directory.glob("*/model.keras"))]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        pytest.param("all", "0123", marks=pytest.mark.slow),
        (2, "23"),
        pytest.param(1, "3", marks=pytest.mark.slow),
    ],
)
def test_keep(tmp_path, keep, kept):
    lineage = run(
        tmp_path,
        generations=3,
        validation_data=VALIDATION,
        born={"keep": keep},
    )
    assert models(tmp_path) == list(kept)
    loaded = keras_ban.load(tmp_path)
    for one in (lineage, loaded):
        assert [str(g.number) for g in one if g.model] == list(kept)
        assert all(g.metrics for g in one)
        assert "Teacher" in str(one)
    rows = loaded.evaluate(*VALIDATION)
    assert sum("nll" in r for r in rows[:4]) == len(kept)
    assert "Teacher" in str(loaded)
    loaded.plot(tmp_path / "plot.png")
    if keep != "all":
        with pytest.raises(ValueError, match=r"Teacher.*were not kept"):
            loaded.ensemble()
    whole = run(None, generations=3)
    assert same(lineage[3].model, whole[3].model)


def test_keep_the_best(tmp_path):
    lineage = run(
        tmp_path,
        generations=3,
        validation_data=VALIDATION,
        born={"keep": "best"},
    )
    assert set(models(tmp_path)) == {str(lineage.best.number), "3"}
    assert lineage.best.model is not None


def test_keep_the_best_needs_validation_data(tmp_path):
    with pytest.raises(ValueError, match="keep='best'"):
        run(tmp_path, born={"keep": "best"})


@pytest.mark.slow
def test_disk_use_is_flat(tmp_path):
    sizes = []
    for generations in range(1, 20):
        run(tmp_path, generations=generations, epochs=1, born={"keep": 2})
        found = tmp_path.glob("**/*.keras")
        sizes.append(sum(p.stat().st_size for p in found))
        assert not list(tmp_path.glob("**/backup.h5"))
    assert max(sizes[1:]) <= 1.01 * min(sizes[1:])


@pytest.mark.parametrize(
    ("born", "message"),
    [
        ({"keep": 0}, "`keep`"),
        ({"keep": "some"}, "`keep`"),
        ({"save_every": 0}, "`save_every`"),
    ],
)
def test_bad_arguments(tmp_path, born, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, born=born)


@pytest.mark.parametrize(
    "born", [{"keep": 2}, {"save_every": 3}, {"overwrite": True}]
)
def test_arguments_without_a_directory(born):
    with pytest.raises(ValueError, match="`directory=`"):
        run(None, born=born)


def test_directory_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        run(tmp_path / "file")


def test_backup_and_restore_is_refused(tmp_path):
    callback = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(ValueError, match="BackupAndRestore"):
        run(tmp_path / "run", callbacks=[callback])


def test_second_run_is_refused(tmp_path):
    files.make_folder(tmp_path)
    with (
        files.lock(tmp_path / "lock"),
        pytest.raises(BlockingIOError, match="Another process"),
    ):
        run(tmp_path)


def holder(path):
    """The process id of a child that holds a lock, when it does."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        with files.lock(path):
            os.write(writing, b"held")
            time.sleep(60)
        os._exit(0)
    os.close(writing)
    assert os.read(reading, 4) == b"held"
    os.close(reading)
    return pid


def test_lock_of_a_dead_process(tmp_path):
    path = tmp_path / "lock"
    pid = holder(path)
    try:
        with pytest.raises(BlockingIOError, match="Another process"):
            run(tmp_path)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert path.exists()
    assert len(run(tmp_path)) == 2


@pytest.mark.parametrize("path", ["", "nothing"])
def test_nothing_to_load(tmp_path, path):
    with pytest.raises(ValueError, match="no finished generation"):
        keras_ban.load(tmp_path / path)


@keras.saving.register_keras_serializable("tests")
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x


class Unregistered(keras.layers.Layer):
    def call(self, x):
        return x


class Argument(keras.Model):
    """Keras cannot know how to call this one again."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return self.layer(x)


def test_own_classes(tmp_path):
    layered = run(tmp_path / "a", lambda: compiled(mlp(8, Twice())))
    subclass = run(tmp_path / "b", lambda: compiled(Silent()))
    for name, lineage in (("a", layered), ("b", subclass)):
        loaded = keras_ban.load(tmp_path / name)
        assert same(loaded[1].model, lineage[1].model)


UNSAVABLE = {
    "Lambda": lambda: mlp(8, keras.layers.Lambda(lambda x: 2 * x)),
    "Unregistered": lambda: mlp(8, Unregistered()),
    "Argument": lambda: Argument(keras.layers.Dense(4)),
}


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("name", UNSAVABLE)
def test_what_keras_cannot_save(tmp_path, name):
    with pytest.raises(ValueError, match=f"Keras .*{name}|{name}"):
        run(tmp_path, lambda: compiled(UNSAVABLE[name]()))


@pytest.mark.parametrize("name", ["Lambda", "Unregistered"])
def test_file_with_code_is_refused(tmp_path, name):
    """Even one whose checksum somebody has made to fit."""
    run(tmp_path)
    path = tmp_path / "generation-1/model.keras"
    UNSAVABLE[name]().save(path)
    for record in (tmp_path / "run.json", path.with_name("history.json")):
        content = files.read_json(record)
        content.get("generations", [content])[-1]["model"] = files.digest(path)
        files.write_json(record, content)
    with pytest.raises(ValueError, match=f"keras in safe mode.*{name}"):
        keras_ban.load(tmp_path)


def test_read_only(tmp_path):
    """As root, a folder's mode stops nobody; a folder in the way does."""
    (tmp_path / "lock").mkdir()
    with pytest.raises(OSError, match=r"Cannot write .*lock"):
        run(tmp_path)


def test_weights_that_are_not_tracked(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Hidden(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.factor = np.random.default_rng().normal()

        def call(self, x):
            return x * self.factor

    with pytest.raises(ValueError, match="other outputs"):
        run(tmp_path, lambda: compiled(mlp(8, Hidden())))
