"""What is not exported: other outputs, what is in the way, bad arguments."""

import keras
import numpy as np
import pytest
from builders import mlp
from exported import PACKAGES
from exported import needing
from exported import of
from exported import reads_backwards
from lineages import X

from keras_ban.shipping.formats import FORMATS

# --- What must not leave


def wrong(model, path):
    copy = keras.models.clone_model(model)
    copy.set_weights([w + 0.01 for w in model.get_weights()])
    copy.save(path)


def test_another_output_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    path, model = tmp_path / "m.keras", mlp(scale=2)
    first = of(model).export(path, model=0)
    held = path.read_bytes(), first.card.read_bytes()
    known = FORMATS["keras"]._replace(write=wrong)
    monkeypatch.setitem(FORMATS, "keras", known)
    with pytest.raises(ValueError, match=r"at most 1e-05. Received: 0.0\d"):
        of(model).export(path, model=0, overwrite=True)
    with pytest.raises(ValueError, match="gives other outputs"):
        of(model).export(tmp_path / "n.keras", model=0)
    assert held == (path.read_bytes(), first.card.read_bytes())
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        path.name,
        f"{path.name}.md",
    ]


def test_a_shape_that_is_lost_is_refused(tmp_path, monkeypatch):
    def load(path, model):
        run = known.load(path, model)
        return lambda x: [run(x)[0][:1]]

    known = FORMATS["keras"]
    monkeypatch.setitem(FORMATS, "keras", known._replace(load=load))
    with pytest.raises(ValueError, match=r"shapes \[\(1, 4\)\], not \[\(3, 4"):
        of(mlp()).export(tmp_path / "m.keras", model=0)


def test_what_the_format_cannot_run_is_refused(tmp_path):
    needing("litert")
    path = tmp_path / "lstm.tflite"
    with pytest.raises(ValueError, match=r"cannot leave as 'litert'.*Select"):
        of(reads_backwards()).export(path, "litert", 0)
    assert list(tmp_path.iterdir()) == []


def test_a_stateful_layer_is_refused(tmp_path):
    x = keras.Input(batch_shape=(2, 5, 3))
    model = keras.Model(x, keras.layers.GRU(4, stateful=True, name="memory")(x))
    with pytest.raises(ValueError, match=r"'memory' of .* is stateful"):
        of(model).export(tmp_path / "m.keras", model=0)


@pytest.mark.parametrize("format", PACKAGES)
def test_a_missing_package_is_named(format, tmp_path, uninstall):
    package = PACKAGES[format][-1]
    uninstall(package)
    path = tmp_path / f"m{FORMATS[format].ending}"
    with pytest.raises(ImportError, match=rf"{format}.*\[export\]"):
        of(mlp()).export(path, format, 0)
    assert list(tmp_path.iterdir()) == []


# --- Where it is written


@pytest.mark.parametrize("format", ["keras", "saved_model"])
def test_nothing_is_overwritten_unasked(format, tmp_path):
    path = tmp_path / f"m{FORMATS[format].ending}"
    lineage = of(mlp())
    lineage.export(path, format, 0)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        lineage.export(path, format, 0)
    other = mlp(5)
    of(other).export(path, format, 0, overwrite=True)
    known = FORMATS[format].load(path, other)
    np.testing.assert_allclose(known(X)[0], other(X), atol=1e-6)
    path.rename(
        tmp_path / "moved"
    ) if format == "saved_model" else path.unlink()
    # The card alone is something, too.
    with pytest.raises(FileExistsError, match=r"\.md"):
        lineage.export(path, format, 0)


def test_a_folder_of_something_else_stays(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is no SavedModel"):
        of(mlp()).export(folder, "saved_model", 0, overwrite=True)
    assert (folder / "thesis.txt").read_text() == "mine"


BAD = {
    "format": ({"format": "pickle"}, r"`format`.*'keras', 'saved_model'"),
    "ending": ({"path": "m.h5"}, r"ends in '\.keras'. Received: '.*m\.h5"),
    "path": ({"path": 3}, "`path`.*Received: 3"),
    "model": ({"model": "BAN-9"}, r"`model`.*'Teacher'. Received: 'BAN-9'"),
    "number": ({"model": 4}, "`model`.*Received: 4"),
    "kind": ({"model": 0.5}, "`model`.*Received: 0.5"),
    "best": ({"model": "best"}, "chosen on validation data"),
    "rows": ({"x": X[:0]}, "`x`.*one row or more"),
    "shape": ({"x": X[:, :3]}, r"cannot be compared.*\(8, 3\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case, tmp_path):
    given, match = BAD[case]
    given = {"path": tmp_path / "m.keras", "model": 0, **given}
    if given["path"] == "m.h5":
        given["path"] = tmp_path / "m.h5"
    with pytest.raises(ValueError, match=match):
        of(mlp()).export(**given)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        of(mlp()).export(tmp_path / "none" / "m.keras", model=0)


def test_a_model_that_is_not_there(tmp_path):
    lineage = of(mlp())
    lineage.keep([])
    with pytest.raises(ValueError, match="Teacher has no model to export"):
        lineage.export(tmp_path / "m.keras", model=0)
