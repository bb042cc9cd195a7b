"""What is written for TensorBoard is what was trained, each epoch once."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from interruptions import Interrupted
from interruptions import fit_once
from lineages import FIT
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import model_fn
from lineages import run

import keras_ban

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import plugin_data_pb2

HPARAMS = "_hparams_/session_start_info"
EPOCHS = 3


def read(folder):
    """All that the event files of a folder say, as TensorBoard reads them."""
    sizes = {event_accumulator.TENSORS: 0}
    found = event_accumulator.EventAccumulator(str(folder), sizes)
    found.Reload()
    return found


def scalars(folder, kind="epoch"):
    """Steps and values of each tag."""
    found = read(folder)
    return {
        tag.partition("/")[2]: [
            (event.step, float(tf.make_ndarray(event.tensor_proto)))
            for event in found.Tensors(tag)
        ]
        for tag in found.Tags()["tensors"]
        if tag.startswith(f"{kind}/")
    }


def hyperparameters(folder):
    content = read(folder).SummaryMetadata(HPARAMS).plugin_data.content
    told = plugin_data_pb2.HParamsPluginData.FromString(content)
    return {
        key: getattr(value, value.WhichOneof("kind"))
        for key, value in told.session_start_info.hparams.items()
    }


def check(folder, lineage):
    """That each generation has its history, each epoch once, in order."""
    for generation in lineage:
        found = scalars(folder / generation.name)
        rates = found.pop("learning_rate")
        assert [step for step, _ in rates] == [*range(EPOCHS)]
        assert set(found) == set(generation.history)
        for name, values in generation.history.items():
            expected = [*enumerate(np.float32(values).tolist())]
            assert found[name] == expected
        reached = scalars(folder / generation.name, "generation")
        assert set(reached) == set(generation.metrics)
        for name, value in generation.metrics.items():
            assert reached[name] == [(generation.number, np.float32(value))]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    board = keras_ban.callbacks.TensorBoard(folder)
    kd = keras_ban.objectives.KD(temperature=3.0)
    fit = {"epochs": EPOCHS, "validation_data": VALIDATION}
    return folder, run(objective=kd, callbacks=[board], generations=2, **fit)


def test_each_generation_is_a_run_of_its_own(written):
    folder, lineage = written
    assert [g.name for g in lineage] == ["Teacher", "BAN-1", "BAN-2"]
    check(folder, lineage)
    rates = scalars(folder / "BAN-1")["learning_rate"]
    assert rates == [(k, np.float32(0.1)) for k in range(EPOCHS)]


def test_hyperparameters(written):
    folder, lineage = written
    teacher = hyperparameters(folder / "Teacher")
    student = hyperparameters(folder / "BAN-1")
    for generation, found in ((lineage[0], teacher), (lineage[1], student)):
        assert found["generation"] == generation.number
        assert found["objective"] == generation.objective
        assert found["seed"] == generation.seed
        assert found["epochs"] == EPOCHS
        assert found["batch_size"] == FIT["batch_size"]
        assert found["optimizer"] == "SGD"
    assert student["temperature"] == 3.0
    assert student["learned from"] == "Teacher"
    assert not {"temperature", "learned from"} & set(teacher)


def test_the_table_is_a_text(written):
    folder, lineage = written
    (event,) = read(folder).Tensors("table")
    text = tf.make_ndarray(event.tensor_proto).item().decode()
    assert text == lineage.to_markdown()
    rows = [line.split("|") for line in text.split("\n")]
    assert f"{lineage[1].metrics['nll']:.4f}" in rows[3][5]
    assert rows[3][1].strip() == "BAN-1" and len({*map(len, rows)}) == 1


class Stop(keras.callbacks.Callback):
    """Fails after the board has written an epoch that is not saved yet."""

    def __init__(self, number, stops):
        super().__init__()
        self.number = number
        self.stops = stops

    def on_epoch_end(self, epoch, logs=None):
        if (self.number, epoch) in self.stops:
            self.stops.remove((self.number, epoch))
            raise Interrupted


def test_each_epoch_stands_there_once_though_it_was_resumed(tmp_path):
    folder, stops = tmp_path / "logs", [(0, 1), (1, 1), (1, 2)]

    def fit():
        board = keras_ban.callbacks.TensorBoard(folder)
        return fit_once(
            {"directory": tmp_path / "run"},
            (),
            callbacks=lambda: lambda k: [board, Stop(k, stops)],
            epochs=EPOCHS,
            validation_data=VALIDATION,
        )

    for _ in range(3):
        with pytest.raises(Interrupted):
            fit()
    check(folder, fit())
    # A run that is finished trains nothing, and writes nothing twice.
    check(folder, fit())


def test_a_run_anew_takes_the_place_of_the_one_before(tmp_path):
    (tmp_path / "Labels-0").mkdir(parents=True)
    other = tmp_path / "Labels-0" / "events.out.tfevents.1.mine.0.v2"
    other.write_bytes(b"")
    fit = {"epochs": EPOCHS, "validation_data": VALIDATION, "generations": 0}
    for seed in (1, 2):
        board = keras_ban.callbacks.TensorBoard(tmp_path)
        lineage = run(objective="labels", seed=seed, callbacks=board, **fit)
    assert other.exists()
    other.unlink()
    check(tmp_path, lineage)


def test_a_board_of_each_generation_and_teachers(tmp_path):
    lineage = run(
        generations=1,
        teachers=2,
        epochs=EPOCHS,
        validation_data=VALIDATION,
        callbacks=lambda k: [keras_ban.callbacks.TensorBoard(tmp_path)],
    )
    check(tmp_path, [*lineage.teachers, lineage[1]])


def test_a_run_outside_writes_nothing(tmp_path):
    board = keras_ban.callbacks.TensorBoard(tmp_path)
    model_fn().fit(X, Y, callbacks=[board], **FIT)
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_is_not_installed(tmp_path, uninstall):
    uninstall("tensorboard")
    with pytest.raises(ImportError, match=r"tensorboard.*\[tensorboard\]"):
        keras_ban.callbacks.TensorBoard(tmp_path)


def test_a_folder_that_is_a_file(tmp_path):
    path = tmp_path / "logs"
    path.write_text("")
    with pytest.raises(ValueError, match="is a file"):
        keras_ban.callbacks.TensorBoard(path)
