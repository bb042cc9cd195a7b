"""A comparison trains what its methods are, one by one, and each once."""

import contextlib
import io

import keras
import numpy as np
import pytest
from builders import data_set
from builders import learnable
from builders import linear
from builders import noisy
from comparisons import LADDER
from comparisons import Count
from lineages import FIT
from lineages import VALIDATION
from lineages import X
from lineages import Y
from weights import same

import keras_ban
from keras_ban import Method

TEST = learnable(50, 3)
SEEDS = [4, 1]
METHODS = {
    "ban": "ban",
    "two": Method("ban+l", noisy, teachers=2, generations=2),
    "long": Method("labels", noisy, epochs="2x"),
}


def compare(methods=METHODS, seeds=SEEDS, model_fn=linear, **kwargs):
    kwargs = {"validation_data": VALIDATION, **FIT, **kwargs}
    return keras_ban.compare(model_fn, X, Y, methods, seeds, **kwargs)


def alone(objective, seed, **fit):
    """The same training by itself."""
    ban = keras_ban.BornAgain(linear, objective, seed=seed)
    return ban.fit(X, Y, **{**FIT, **fit})


@pytest.fixture(scope="module")
def count():
    return Count()


@pytest.fixture(scope="module")
def study(count):
    return compare(callbacks=count)


@pytest.mark.parametrize("place", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_networks_are_those_of_trainings_one_by_one(study, place):
    for seed in SEEDS[place : place + 1]:
        found = {name: of[place] for name, of in study.lineages.items()}
        labels = alone("labels", seed, generations=0)
        assert same(found["labels"][0].model, labels[0].model)
        ban = alone("ban", seed, generations=1)
        assert [g.name for g in found["ban"]] == ["Teacher", "BAN-1"]
        assert all(
            same(a.model, b.model)
            for a, b in zip(found["ban"], ban, strict=True)
        )
        views = alone("labels", seed, generations=1, augment=noisy)
        twins = found["labels+noisy"]
        assert len(twins) == 2
        assert all(
            same(a.model, b.model) for a, b in zip(twins, views, strict=True)
        )
        two = alone("ban+l", seed, generations=2, teachers=2, augment=noisy)
        for one, other in zip(found["two"], two, strict=True):
            assert same(one.model, other.model)
        long = alone("labels", seed, generations=0, augment=noisy, epochs=4)
        assert same(found["long"][0].model, long[0].model)


def test_teachers_on_views_of_their_own_are_those_of_one_training():
    method = Method("kd", noisy, 2, teacher_augment="mixup", name="mild")
    twin = Method("labels", "mixup", name="labels+views")
    study = compare([method, twin])
    found = {name: of[1] for name, of in study.lineages.items()}
    how = {"augment": noisy, "teacher_augment": "mixup", "teachers": 2}
    one = alone("kd", SEEDS[1], generations=1, **how)
    assert same(one[1].model, found["mild"][1].model)
    teachers = found["labels+views"]
    for lineage in (one.teachers, found["mild"].teachers):
        for a, b in zip(lineage, teachers, strict=True):
            assert same(a.model, b.model)
    twin = alone("labels", SEEDS[1], generations=0, augment=noisy)
    assert same(found["labels+noisy"][0].model, twin[0].model)


@pytest.mark.slow
def test_a_number_of_views_is_that_of_teachers_alone():
    method = Method("kd", None, teacher_augment=noisy, name="mild")
    how = {"views": 2, "teacher_outputs": "cached"}
    found = compare([method], **how)
    one = alone("kd", SEEDS[0], generations=1, teacher_augment=noisy, **how)
    for a, b in zip(found.lineages["mild"][0], one, strict=True):
        assert same(a.model, b.model)


def test_table_shows_what_was_trained(study):
    rows = {row["name"]: row for row in study.rows}
    assert list(rows) == [
        "labels",
        "ban",
        "labels+noisy",
        "2 of labels+noisy",
        "two",
        "long",
    ]
    for name, last in (("labels", 0), ("two", 2), ("long", 0)):
        lineages = study.lineages[name]
        for measure in ("error", "nll", "ece"):
            expected = [of[last].metrics[measure] for of in lineages]
            np.testing.assert_allclose(rows[name][f"{measure}s"], expected)
    means = [
        keras_ban.ensemble([g.model for g in of])
        for of in study.lineages["labels+noisy"]
    ]
    x, y = VALIDATION
    expected = [np.mean(m.predict(x, verbose=0).argmax(-1) != y) for m in means]
    np.testing.assert_allclose(rows["2 of labels+noisy"]["errors"], expected)
    assert str(study).startswith("validation data, 2 seeds")
    assert study.verdict.splitlines()
    assert repr(study) == (
        "<Comparison of labels, ban, labels+noisy, two, long, 2 seeds>"
    )
    assert "<table>" in study._repr_html_()


def test_test_data_selects_nothing(study):
    best = study.best
    assert best in study.methods
    validated = str(study.rows)
    found = study.evaluate(*TEST, title="test data")
    assert str(found) == str(study)
    assert str(study).startswith("test data, 2 seeds")
    assert study.best is best
    again = study.evaluate(*VALIDATION, title="validation data")
    assert str(again) == validated != str(found)


def test_picture(study, tmp_path):
    study.plot(tmp_path / "study.png")
    assert (tmp_path / "study.png").read_bytes().startswith(b"\x89PNG")
    left, _ = study.plot(measure="nll").axes
    assert left.get_xlabel() == "NLL (nats)"
    with pytest.raises(ValueError, match=r"`measure`.*'nll'.*'ece'"):
        study.plot(tmp_path / "never.png", measure="ece")
    assert not (tmp_path / "never.png").exists()


@pytest.mark.usefixtures("study")
def test_every_network_is_trained_once(count):
    # On the labels 1, 2 and 1; students 1 and 2.
    assert count.networks == 7 * len(SEEDS)


def test_ladder_trains_12_networks_a_seed():
    count = Count()
    found = compare(None, 2, augment=noisy, epochs=1, callbacks=count)
    assert count.networks == 12 * 2
    assert list(found.lineages) == LADDER
    assert len(found.lineages["labels+views"][0]) == 5
    teachers = found.lineages["one from five"][1].teachers
    twins = found.lineages["labels+views"][1]
    assert all(
        same(a.model, b.model) for a, b in zip(teachers, twins, strict=True)
    )


def test_lengths_differ_within_a_method():
    lengths = []

    def model_of(epochs):
        lengths.append(epochs)
        return linear()

    method = Method(epochs=lambda k: 1 + 2 * k, name="longer")
    found = compare([method], model_fn=model_of, epochs=1)
    (twin, *_), (taught, *_) = (
        found.lineages[name] for name in ("labels 3 epochs", "longer")
    )
    assert len(twin[0].history["loss"]) == 3
    assert [len(g.history["loss"]) for g in taught] == [1, 3]
    assert set(lengths) == {1, 3}


def test_a_schedule_of_one_length_is_named():
    def scheduled(epochs=None):
        model = linear()
        rate = keras.optimizers.schedules.CosineDecay(0.1, 2 * (epochs or 2))
        model.compile(keras.optimizers.SGD(rate), model.loss, run_eagerly=True)
        return model

    methods = ["labels", Method("labels", epochs="2x")]
    with pytest.warns(UserWarning, match=r"CosineDecay.*\[2, 4\].*`epochs`"):
        compare(methods, model_fn=lambda: scheduled())
    compare(methods, model_fn=scheduled)


def test_without_validation_data():
    found = compare(["ban"], validation_data=None)
    assert "nothing measured yet" in str(found)
    with pytest.raises(ValueError, match=r"`validation_data=`"):
        _ = found.best
    for call in (lambda: found.rows, lambda: found.verdict, found.plot):
        with pytest.raises(ValueError, match=r"evaluate\(x_test, y_test\)"):
            call()
    found.evaluate(*TEST)
    assert len(found.rows) == 2
    with pytest.raises(ValueError, match=r"`validation_data=`"):
        _ = found.best


def test_validation_data_may_be_split_off():
    found = compare(["ban"], validation_data=None, validation_split=0.25)
    metrics = found.lineages["ban"][0][1].metrics
    assert found.rows[1]["errors"][0] == pytest.approx(metrics["error"])


def test_cached_outputs_are_those_of_teachers_alone():
    cached = {"teacher_outputs": "cached", "views": 2}
    methods = ["ban", Method("ban", noisy, name="views")]
    found = compare(methods, **cached)
    ban = alone("ban", SEEDS[1], generations=1, teacher_outputs="cached")
    assert same(found.lineages["ban"][1][1].model, ban[1].model)
    views = alone("ban", SEEDS[1], generations=1, augment=noisy, **cached)
    assert same(found.lineages["views"][1][1].model, views[1].model)
    twin = alone("labels", SEEDS[1], generations=0, augment=noisy, views=2)
    assert same(found.lineages["labels+noisy"][1][0].model, twin[0].model)


def test_data_of_a_function():
    def shown(generation, epoch):
        return data_set(X, Y, size=32)

    kwargs = {"epochs": 1, "verbose": 0, "validation_data": VALIDATION}
    found = keras_ban.compare(linear, shown, None, ["ban"], 2, **kwargs)
    expected = found.lineages["ban"][1][1].metrics["error"]
    assert found.rows[1]["errors"][1] == pytest.approx(expected)


def printed(methods, **kwargs):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        compare(methods, **kwargs)
    return out.getvalue().splitlines()


def test_a_line_for_each_training():
    plan, *lines = printed(["ban"], verbose=1)
    assert plan == "2 methods, 2 seeds: 4 networks, 8 epochs of a network"
    assert [line.split(":")[0] for line in lines] == [
        "seed 4 (1 of 2), labels",
        "seed 4 (1 of 2), ban",
        "seed 1 (2 of 2), labels",
        "seed 1 (2 of 2), ban",
    ]
    assert lines[0].endswith(" to go") and "; done" in lines[-1]


def test_silence():
    assert printed(["labels"]) == []


def test_a_line_for_each_network_too():
    lines = printed(["labels"], verbose=2)
    own = [line for line in lines if line.startswith("Labels-0: ")]
    assert len(own) == 2 and all(", loss " in line for line in own)
    assert "seed 1 (2 of 2), labels" in lines[-1]
