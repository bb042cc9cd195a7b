"""The directory of a comparison: what it holds, and what is refused."""

import json
import os
import shutil
import warnings

import numpy as np
import pytest
from builders import linear
from comparisons import Count
from lineages import VALIDATION
from lineages import X
from lineages import Y

import keras_ban
from keras_ban import Method
from keras_ban import views
from keras_ban.comparison import record

SEEDS = [4, 1]
FIT = {"epochs": 2, "batch_size": 32, "verbose": 0}


def compare(methods=("ban",), seeds=SEEDS, **kwargs):
    kwargs = {"validation_data": VALIDATION, **FIT, **kwargs}
    return keras_ban.compare(linear, X, Y, methods, seeds, **kwargs)


def by_seed(study):
    """The errors of each method, by seed."""
    return {
        (row["name"], seed): error
        for row in study.rows
        for seed, error in zip(study.seeds, row["errors"], strict=True)
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A directory of a comparison, and what it gave."""
    path = tmp_path_factory.mktemp("finished") / "study"
    count = Count()
    study = compare(directory=path, callbacks=count)
    assert count.networks == 4
    return path, str(study)


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the directory."""
    shutil.copytree(finished[0], tmp_path / "study")
    return tmp_path / "study"


def test_what_it_holds(finished):
    path, _ = finished
    names = {str(p.relative_to(path)) for p in path.glob("*/*/run.json")}
    assert names == {
        f"seed-{seed}/{name}/run.json"
        for seed in SEEDS
        for name in ("labels-2-epochs", "ban")
    }
    content = json.loads((path / "comparison.json").read_text())
    assert set(content["methods"]) == {"labels", "ban"}
    assert content["epochs"] == 2


def test_nothing_is_trained_again(finished, copy):
    count = Count()
    again = compare(directory=copy, callbacks=count)
    assert count.networks == 0
    assert str(again) == finished[1]


def test_what_selects_is_no_part_of_it(finished, copy):
    count = Count()
    content = (copy / "comparison.json").read_bytes()
    again = compare(directory=copy, callbacks=count, select="nll")
    assert count.networks == 0
    assert str(again) == finished[1]
    assert again.best in again.methods
    assert (copy / "comparison.json").read_bytes() == content


def test_seeds_and_methods_are_added(copy):
    count = Count()
    kwargs = {"directory": copy, "callbacks": count}
    kd = Method("kd")
    found = by_seed(compare(["ban", kd], [*SEEDS, 7], **kwargs))
    # Of the seeds before the new method alone.
    assert count.networks == 2 + 3
    again = by_seed(compare([kd, "ban"], [7, *SEEDS], **kwargs))
    assert count.networks == 5
    assert again == found
    content = json.loads((copy / "comparison.json").read_text())
    assert set(content["methods"]) == {"labels", "ban", "kd"}
    # What is left out stays.
    compare(["labels"], **kwargs)
    assert json.loads((copy / "comparison.json").read_text()) == content


def test_teachers_on_other_views_are_another_method(copy):
    content = (copy / "comparison.json").read_bytes()
    count = Count()
    how = {"directory": copy, "callbacks": count}
    compare([Method("ban", teacher_augment=None)], **how)
    assert count.networks == 0
    # A method of one kind of views is recorded as ever.
    assert (copy / "comparison.json").read_bytes() == content
    with pytest.raises(ValueError, match=r"`ban\.teacher_augment` differs"):
        compare({"ban": Method("ban", teacher_augment="mixup")}, **how)
    kd = {"kd": Method("kd", "mixup", teacher_augment=None)}
    compare(kd, **how)
    # The twins on its views, and the students.
    assert count.networks == 2 * len(SEEDS)
    compare(kd, **how)
    assert count.networks == 2 * len(SEEDS)
    found = json.loads((copy / "comparison.json").read_text())
    assert found["methods"]["kd"]["teacher_augment"] is None
    for other in ("same", views.noise(0.1)):
        kd = {"kd": Method("kd", "mixup", teacher_augment=other)}
        with pytest.raises(ValueError, match=r"`kd\.teacher_augment` differs"):
            compare(kd, **how)


def test_a_twin_is_joined_by_more_teachers(copy):
    count = Count()
    two = Method("ban", teachers=2, name="two")
    compare([two], directory=copy, callbacks=count)
    assert count.networks == 2 * len(SEEDS)


def test_twins_go_by_what_they_are(copy):
    count = Count()
    mine = Method("labels", name="mine")
    compare({"mine": mine, "ban": "ban"}, directory=copy, callbacks=count)
    assert count.networks == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"epochs": 3}, ("`epochs` differs", "Recorded: 2", "Received: 3")),
        (
            {"methods": {"ban": Method("kd")}},
            ("`ban.objective` differs", "'ban'", "'kd'"),
        ),
        (
            {"methods": {"ban": Method("ban", generations=2)}},
            ("`ban.generations` differs", "1", "2"),
        ),
    ],
    ids=str,
)
def test_another_comparison(change, expected, copy):
    count = Count()
    with pytest.raises(ValueError) as info:
        compare(**{"directory": copy, "callbacks": count, **change})
    assert count.networks == 0
    for text in ("holds another comparison", *expected, "another directory"):
        assert text in str(info.value)


def test_another_run_in_its_place(copy):
    with pytest.raises(ValueError, match="holds another run"):
        compare(directory=copy, batch_size=16)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{}",
        b"[" * 10_000,
        b'{"schema": 1, "epochs": 2, "methods": {"ban": 3}, "sha256": "0"}',
    ],
    ids=["empty", "no checksum", "nested", "another checksum"],
)
def test_a_damaged_file_is_written_again(damage, finished, copy):
    path = copy / "comparison.json"
    path.write_bytes(damage)
    with pytest.warns(UserWarning, match=r"damaged.* written again"):
        again = compare(directory=copy)
    assert str(again) == finished[1]
    assert path.read_text() == (finished[0] / "comparison.json").read_text()


@pytest.mark.parametrize(
    "methods", [3, {"ban": {}}, {"ban": None}, {"../x": {"objective": 1}}]
)
def test_a_sound_checksum_proves_nothing(methods, finished, copy):
    content = {"schema": 1, "epochs": 2, "methods": methods}
    keras_ban.files.write_json(copy / "comparison.json", content)
    with pytest.warns(UserWarning, match=r"damaged.* written again"):
        assert str(compare(directory=copy)) == finished[1]


@pytest.mark.parametrize("name", ["comparison.json", "lock"])
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_something_else_in_the_way(kind, name, copy):
    (copy / name).unlink()
    (os.mkdir if kind == "folder" else os.mkfifo)(copy / name)
    with pytest.raises(OSError, match=name):
        compare(directory=copy)


@pytest.mark.parametrize("place", ["seed-4", "seed-4/ban"])
def test_a_link_is_not_followed(place, copy, tmp_path):
    shutil.move(copy / place, tmp_path / "elsewhere")
    (copy / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"in the way.*a link"):
        compare(directory=copy)


def test_another_process_trains_there(copy):
    with keras_ban.files.lock(copy / "lock"):
        with pytest.raises(BlockingIOError, match="Another process"):
            compare(directory=copy)


def test_names_that_would_share_a_folder(tmp_path):
    methods = {"my ban": Method(), "my-ban": Method("kd")}
    with pytest.raises(ValueError, match=r"share a folder, 'my-ban'"):
        compare(methods, directory=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_titles_of_any_length_have_folders_that_a_disk_takes(tmp_path):
    titles = ["b" * 300, "b" * 299 + "c"]
    found = {record.folder(tmp_path, 4, title) for title in titles}
    assert len(found) == 2
    for folder in found:
        folder.mkdir(parents=True)


def test_names_lead_nowhere_else(tmp_path):
    names = ["../../up", "/root", "a/b", "β", "γ", "..", "."]
    methods = {name: Method() for name in names}
    compare(methods, directory=tmp_path / "study", epochs=1)
    assert {p.name for p in tmp_path.iterdir()} == {"study"}
    found = {p.parent for p in (tmp_path / "study").rglob("run.json")}
    assert {p.parent.parent for p in found} == {tmp_path / "study"}
    assert len(found) == (1 + len(names)) * len(SEEDS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lineages = [keras_ban.load(path) for path in found]
    assert np.unique([len(lineage) for lineage in lineages]).tolist() == [1, 2]
