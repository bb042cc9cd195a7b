"""A run that was broken off, to be changed by somebody who means harm."""

import shutil

import pytest
from broken_off import STATE
from broken_off import Data
from broken_off import Interrupt
from broken_off import fit
from broken_off import resumed
from lineages import X
from lineages import Y
from lineages import model_fn

import keras_ban
from keras_ban import files
from keras_ban.networks import saving
from keras_ban.runs.directory import RunDirectory
from keras_ban.runs.records import Records
from keras_ban.state.callbacks import CallbackStates
from keras_ban.state.variables import Variables


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Two finished generations, and a third that was broken off."""
    directory = tmp_path_factory.mktemp("kept") / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(directory)
    assert (directory / STATE).exists()
    return directory


@pytest.fixture
def copy(kept, tmp_path):
    """The run, beside something that is not its own."""
    victim = tmp_path / "victim"
    victim.mkdir()
    for name in ("model.keras", "backup.h5", "history.json", "tmp-run.json"):
        (victim / name).write_text("mine")
    return shutil.copytree(kept, tmp_path / "run")


@pytest.fixture
def unbuilt(monkeypatch):
    """Keras builds nothing: what is refused is refused before."""
    monkeypatch.setattr(saving, "load_model", lambda path: path)
    # To wait for the disk would take most of the time.
    monkeypatch.setattr(files, "_flush", lambda path: None)


@pytest.fixture(scope="module")
def identity(kept):
    """What the script of the run plans, as it was recorded."""
    found = Records(kept)._content["fingerprint"]
    return {**found, "networks": found["networks"][:1] * 3}


@pytest.fixture(scope="module")
def trained(kept):
    """What is trained in the generation that was broken off."""
    student, teacher = model_fn(), keras_ban.load(kept)[1].model
    distiller = keras_ban.Distiller(student, teacher, "ban")
    Variables(distiller).build(X, Y)
    return distiller


@pytest.fixture(scope="module")
def opened(kept, identity, trained):
    """Opens a directory and resumes as `fit` does, without the training."""
    data = Data(Records(kept)._content["samples"])
    assert data.samples()["data"]["x"]

    def opened(directory):
        with RunDirectory(directory).open(lambda: identity, data) as run:
            finished = run.finished(None)
            run.remind(
                [CallbackStates([Interrupt(g.number)]) for g in finished]
            )
            return resumed(run, trained)

    return opened
