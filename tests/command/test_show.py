"""The command line: how a run is looked at, and a model taken out of it."""

import copy
import runpy
import shutil
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from lineages import FIT
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import model_fn

import keras_ban
from keras_ban import files
from keras_ban.__main__ import main
from keras_ban.generations import progress
from keras_ban.runs.standing import standing

EPOCHS = 4


class Look(keras.callbacks.Callback):
    """Looks at the run in the midst of the third epoch."""

    def __init__(self, number, look):
        super().__init__()
        self.number = number
        self.look = look

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        # By now the state of the epoch before is on the disk.
        if self.epoch == 2 and batch == 1:
            self.look(self.number)


def train(path, look, teachers=1, **fit):
    ban = keras_ban.BornAgain(model_fn, "kd", directory=path)
    return ban.fit(
        X,
        Y,
        generations=2,
        teachers=teachers,
        callbacks=lambda number: [Look(number, look)],
        **{**FIT, "epochs": EPOCHS, "validation_data": VALIDATION, **fit},
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run, how it stood while each generation was trained, and its end."""
    path = tmp_path_factory.mktemp("run") / "digits"
    seen = {}

    def look(number):
        # Whoever trains in this process holds the lock of the directory.
        before = {p: p.stat().st_mtime_ns for p in path.rglob("*")}
        started = time.perf_counter()
        seen[number] = standing(path)
        seen[number].took = time.perf_counter() - started
        assert before == {p: p.stat().st_mtime_ns for p in path.rglob("*")}

    return path, seen, train(path, look)


@pytest.mark.parametrize("number", range(3))
def test_a_run_is_looked_at_while_it_runs(run, number):
    _, seen, lineage = run
    found = seen[number]
    assert [g.name for g in found.finished] == [
        g.name for g in lineage[:number]
    ]
    (running,) = found.running
    assert (running.number, running.name) == (number, lineage[number].name)
    assert (running.epoch, running.step) == (2, 0)
    assert found.count == 3 and found.lengths[number] == EPOCHS
    assert {k: v[:2] for k, v in lineage[number].history.items()} == (
        running.history
    )
    assert 0 < running.seconds < lineage[number].seconds
    assert found.took < 2


def test_the_words(run):
    path, seen, lineage = run
    found = copy.deepcopy(seen[1])
    (one,) = found.running
    # Epochs of the student take a minute, and so did those of the teacher.
    one.seconds, teacher = 120.0, 240.0
    object.__setattr__(found.finished[0], "seconds", teacher)
    first, running, left, empty, *table = progress.told(found, one.saved + 20)
    assert first == f"{path}: 1 of 3 generations finished"
    logs = lineage["BAN-1"].history
    assert running.startswith("BAN-1: 2 of 4 epochs, ")
    assert f"loss {logs['loss'][1]:.4g}" in running
    assert f"val_accuracy {logs['val_accuracy'][1]:.4g}" in running
    assert running.endswith(
        "; saved 20 s ago, by its pace 33 % through epoch 3"
    )
    # Two epochs of BAN-1 and four of BAN-2, less the 20 seconds.
    assert left.startswith("about 6 min to go, until ")
    table = "\n".join(table)
    assert f"{lineage[0].metrics['nll']:.4f}" in table and "BAN" not in table
    assert f" {lineage[0].model.count_params()} " in table
    assert empty == ""
    # 16 of an epoch's 32 steps more, in the same time: 48 seconds an epoch.
    one.step, one.steps = 16, 32
    _, running, left, *_ = progress.told(found, one.saved + 12)
    assert running.startswith("BAN-1: 2 of 4 epochs and 16 of 32 steps, ")
    assert running.endswith(
        "; saved 12 s ago, by its pace 75 % through epoch 3"
    )
    # Of the 5.5 epochs that are left, less the 12 seconds.
    assert left.startswith("about 4 min to go, until ")
    one.step, one.steps = 0, None
    late = progress.told(found, one.saved + 1000)
    assert any("Nothing was saved for 17 min" in line for line in late)


def test_a_finished_run(run, capsys):
    path, _, lineage = run
    assert main(["show", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{path}: 3 of 3 generations finished\n\n")
    assert "to go" not in out and "saved" not in out and err == ""
    for generation in lineage:
        (line,) = [s for s in out.split("\n") if s.startswith(generation.name)]
        assert f"{generation.metrics['nll']:.4f}" in line


def test_teachers_come_first(tmp_path):
    seen = {}

    def look(number):
        seen[number] = standing(tmp_path)

    train(tmp_path, look, teachers=2, validation_data=None, epochs=3)
    assert [seen[k].teachers.count for k in range(4)] == [2] * 4
    assert [len(seen[k].teachers.finished) for k in range(4)] == [0, 1, 2, 2]
    assert [len(seen[k].finished) for k in range(4)] == [0, 0, 1, 2]
    lines = progress.told(seen[1])
    assert lines[0] == f"{tmp_path / 'teachers'}: 1 of 2 teachers finished"
    assert lines[1].startswith("Labels-1: 2 of 3 epochs, ")
    assert lines[2] == f"{tmp_path}: 0 of 3 generations finished"
    # One epoch of a teacher and two students, where a step with a teacher
    # takes a third more.
    (one,) = seen[1].teachers.running
    one.seconds = 240.0
    left = progress.told(seen[1], one.saved)[3]
    assert left.startswith("about 18 min to go")


@pytest.mark.parametrize("whole", ["arrays", "data set", "steps"])
def test_steps_within_an_epoch(tmp_path, whole):
    fit = {"validation_data": None, "epochs": 1}
    data, seen = (X, Y), []
    if whole == "data set":
        data = (tf.data.Dataset.from_tensor_slices(data).batch(32),)
        fit |= {"batch_size": None}
    if whole == "steps":
        fit |= {"steps_per_epoch": 2}

    class Step(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            lines = progress.told(standing(tmp_path))
            seen.extend(s for s in lines if s.startswith("Labels-0: "))

    ban = keras_ban.BornAgain(model_fn, "labels", tmp_path, save_every=1)
    fit = {**FIT, **fit, "callbacks": [Step()]}
    ban.fit(*data, generations=0, **{k: v for k, v in fit.items() if v})
    assert seen[0].startswith("Labels-0: none of 1 epochs is saved yet; ")
    assert seen[1].startswith(
        "Labels-0: 0 of 1 epochs and 1 of 2 steps; saved "
    )


def test_more_generations_were_planned_later(tmp_path, run):
    path = shutil.copytree(run[0], tmp_path / "copy")
    found = []

    def look(number):
        found.append(standing(path).count)

    ban = keras_ban.BornAgain(model_fn, "kd", directory=path)
    fit = {**FIT, "epochs": EPOCHS, "validation_data": VALIDATION}
    ban.fit(X, Y, 3, callbacks=lambda k: [Look(k, look)], **fit)
    assert found == [4]
    # Fewer take nothing away.
    ban.fit(X, Y, 1, **fit)
    assert standing(path).count == 4


def test_plot_draws_a_curve_of_each_generation(run, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from keras_ban.reporting import curves

    drawn = []
    draw = curves.draw
    monkeypatch.setattr(curves, "draw", lambda *a: drawn.append(draw(*a)))
    path, _, lineage = run
    out = tmp_path / "curves.png"
    assert main(["plot", str(path), "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    loss = drawn[0].axes[0]
    assert loss.get_title() == "loss"
    lines = {line.get_label(): line.get_ydata() for line in loss.get_lines()}
    for generation in lineage:
        expected = generation.history["val_loss"]
        np.testing.assert_array_equal(lines[generation.name], expected)
    monkeypatch.chdir(tmp_path)
    assert main(["plot", str(path)]) == 0
    assert (tmp_path / "digits.png").is_file()


def test_export_takes_a_model_out(run, tmp_path, capsys):
    path, _, lineage = run
    out = tmp_path / "m.keras"
    command = ["export", str(path), str(out), "--model", "1"]
    assert main(command) == 0
    model = keras.models.load_model(out, compile=False)
    expected = lineage[1].model(X, training=False)
    np.testing.assert_array_equal(model(X, training=False), expected)
    card = (tmp_path / "m.keras.md").read_text()
    assert card.startswith("# BAN-1\n") and '"rows": 64' in card
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--model", "Teacher"]) == 0
    model = keras.models.load_model(out, compile=False)
    expected = lineage[0].model(X, training=False)
    np.testing.assert_array_equal(model(X, training=False), expected)


def missing(path):
    return path / "none"


def foreign(path):
    (path / "notes.txt").write_text("mine")
    return path


def damaged(path):
    (path / "run.json").write_text("{")
    (path / "generation-0").mkdir()
    (path / "generation-0" / "model.keras").write_bytes(b"PK")
    return path


def a_file(path):
    (path / "file").write_text("")
    return path / "file"


@pytest.mark.parametrize("command", ["show", "plot", "export"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing, "Expected the directory of a run"),
        (foreign, "Expected the directory of a run"),
        (damaged, "cannot be made up for"),
        (a_file, "is a file"),
    ],
    ids=["missing", "foreign", "damaged", "file"],
)
def test_one_line_says_what_is_wrong(command, make, words, tmp_path, capsys):
    path = make(tmp_path)
    arguments = [command, str(path)]
    if command == "export":
        arguments.append(str(tmp_path / "m.keras"))
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err
    assert err.startswith("keras_ban: ") and err.count("\n") == 1


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_damaged_state_is_left_out(run, tmp_path, damage, capsys):
    path = shutil.copytree(run[0], tmp_path / "copy")
    shutil.rmtree(path / "generation-2")
    whole = files.read_json(path / "run.json")
    whole["generations"].pop()
    files.write_json(path / "run.json", whole)
    state = path / "generation-2" / "backup.h5"
    state.parent.mkdir()
    state.write_bytes(b"no state" if damage == "other" else b'{"json": 9, "sh')
    assert main(["show", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "2 of 3 generations finished" in out
    assert "backup.h5 is damaged" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["show"], 0, "3 of 3 generations finished"),
        (["show", "--nothing"], 2, "unrecognized arguments: --nothing"),
        (["destroy"], 2, "invalid choice: 'destroy'"),
    ],
    ids=["show", "option", "command"],
)
def test_the_command_itself(run, arguments, status, words, monkeypatch, capsys):
    command, *options = arguments
    given = ["keras_ban", command, str(run[0]), *options]
    monkeypatch.setattr(sys, "argv", given)
    monkeypatch.delitem(sys.modules, "keras_ban.__main__")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("keras_ban", run_name="__main__")
    assert ended.value.code == status
    out, err = capsys.readouterr()
    assert words in (err if status else out)


def test_a_number_of_generations_that_nobody_trains(run, tmp_path, capsys):
    path = shutil.copytree(run[0], tmp_path / "copy")
    content = files.read_json(path / "run.json")
    files.write_json(path / "run.json", {**content, "planned": 2**53})
    assert main(["show", str(path)]) == 0
    assert f"{path}: 3 generations finished" in capsys.readouterr().out
    files.write_json(path / "run.json", {**content, "planned": 2**70})
    main(["show", str(path)])
    assert "run.json is missing or damaged" in capsys.readouterr().err
