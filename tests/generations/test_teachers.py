"""Teachers of many, teaching as their mean; and lengths by generation."""

import keras
import numpy as np
import pytest
from interruptions import Interrupted
from interruptions import interrupt
from lineages import FIT
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import distilled
from lineages import graph_fn
from lineages import model_fn
from lineages import plain
from lineages import run
from weights import same

import keras_ban
from keras_ban.generations import hindrances


def probabilities(model, x=X):
    """Of float64, from the logits of a classifier."""
    z = np.asarray(model.predict(x, verbose=0), "float64")
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def still_fn():
    """A model that never learns, so that its first loss can be checked."""
    model = model_fn()
    model.optimizer.learning_rate = 0.0
    return model


STILL = {"batch_size": len(X), "epochs": 1}


def test_teachers_are_the_control_of_the_same_seed():
    control = run(objective="labels", generations=2)
    lineage = run(teachers=3)
    assert len(lineage) == 2
    assert len(lineage.teachers) == 3
    for one, other in zip(lineage.teachers, control, strict=True):
        assert same(one.model, other.model)
        assert one.history == other.history
    assert same(lineage.teachers[1].model, plain(control[1])[0])


def test_side_by_side_they_are_the_same(monkeypatch):
    how = {"teachers": 3, "validation_data": VALIDATION}
    one = run(graph_fn, **how)
    monkeypatch.setattr(hindrances, "_STEPS", 1)
    other = run(graph_fn, **how)
    for a, b in zip(
        (*one, *one.teachers), (*other, *other.teachers), strict=True
    ):
        assert same(a.model, b.model)
        assert (a.history, a.metrics) == (b.history, b.metrics)


def test_generation_0_is_their_mean():
    lineage = run(teachers=3, validation_data=VALIDATION)
    members = [probabilities(g.model) for g in lineage.teachers]
    mean = lineage[0].model.predict(X, verbose=0)
    np.testing.assert_allclose(mean, np.mean(members, axis=0), atol=1e-6)
    x, y = VALIDATION
    p = np.mean([probabilities(g.model, x) for g in lineage.teachers], axis=0)
    nll = -np.log(p[np.arange(len(y)), y]).mean()
    assert lineage[0].metrics["nll"] == pytest.approx(nll, abs=1e-6)
    assert lineage[0].objective == "labels"
    total = sum(g.seconds for g in lineage.teachers)
    assert lineage[0].seconds == pytest.approx(total)


def test_a_student_learns_from_the_mean():
    lineage = run(still_fn, teachers=3, **STILL)
    teacher = np.mean(
        [probabilities(g.model) for g in lineage.teachers], axis=0
    )
    student = probabilities(lineage[1].model)
    expected = -(teacher * np.log(student)).sum(-1).mean()
    assert lineage[1].history["loss"][0] == pytest.approx(expected, abs=1e-6)


def test_a_student_has_the_bits_of_a_distiller_by_hand():
    lineage = run(teachers=2, generations=2)
    mean = keras_ban.ensemble([g.model for g in lineage.teachers])
    student, history = distilled(lineage[1], mean)
    assert same(lineage[1].model, student)
    assert lineage[1].history == history
    assert same(lineage[2].model, distilled(lineage[2], lineage[1].model)[0])


def test_students_do_not_start_as_their_teachers_did():
    lineage = run(teachers=3, generations=2)
    seeds = [g.seed for g in (*lineage.teachers, *lineage[1:])]
    assert len(set(seeds)) == 5
    # One teacher counts as ever.
    assert run().teachers is None


def test_callbacks_and_data_count_networks_as_they_are_trained():
    called = []
    run(callbacks=lambda k: called.append(k) or [], teachers=3, generations=2)
    assert called == [0, 1, 2, 3, 4]


def test_what_is_shared_goes_on_from_the_teachers():
    class Count(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1

    count = Count()
    run(callbacks=[count], teachers=3, generations=2)
    assert count.epochs == 5 * FIT["epochs"]


def test_several_architectures():
    def wide():
        model = keras.Sequential(
            [
                keras.Input(X.shape[1:]),
                keras.layers.Dense(32, "relu"),
                keras.layers.Dense(4),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss)
        return model

    lineage = run([wide, model_fn], teachers=2)
    sizes = [g.model.count_params() for g in lineage.teachers]
    assert sizes == [wide().count_params()] * 2
    assert lineage[1].model.count_params() == model_fn().count_params()


def test_learning_from_all():
    lineage = run(still_fn, generations=3, learn_from="all", **STILL)
    p = [probabilities(g.model) for g in lineage]
    for k in (1, 2, 3):
        teacher = np.mean(p[:k], axis=0)
        expected = -(teacher * np.log(p[k])).sum(-1).mean()
        loss = lineage[k].history["loss"][0]
        assert loss == pytest.approx(expected, abs=1e-6)
    assert [g.teacher for g in lineage] == [
        None,
        "Teacher",
        "Teacher to BAN-1",
        "Teacher to BAN-2",
    ]


def test_lengths_by_generation():
    lineage = run(generations=2, epochs=lambda k: (1, 3, 2)[k])
    assert [len(g.history["loss"]) for g in lineage] == [1, 3, 2]
    assert same(lineage[0].model, plain(lineage[0], epochs=1)[0])
    student, _ = distilled(lineage[1], lineage[0].model, epochs=3)
    assert same(lineage[1].model, student)


def test_a_number_goes_on_as_a_function(tmp_path):
    def fit(epochs, generations):
        ban = keras_ban.BornAgain(model_fn, directory=tmp_path)
        how = {**FIT, "epochs": epochs, "generations": generations}
        return ban.fit(X, Y, **how)

    first = fit(2, 1)
    longer = fit(lambda k: 2 if k < 2 else 4, 2)
    assert same(first[1].model, longer[1].model)
    assert len(longer[2].history["loss"]) == 4
    with pytest.raises(ValueError, match=r"`schedule\.epochs` differs"):
        fit(lambda k: 3, 2)


def resumed(directory, stops, **how):
    """Runs, and runs again after each stop; returns the lineage."""
    stops = list(stops)
    how = {**FIT, "generations": 2, "validation_data": VALIDATION, **how}
    while True:
        try:
            return keras_ban.BornAgain(graph_fn, directory=directory).fit(
                X, Y, callbacks=lambda k: [interrupt(k, stops)], **how
            )
        except Interrupted:
            pass


@pytest.mark.parametrize(
    "steps, learn_from",
    [
        (1, "all"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [(10_000, "parent"), (1, "parent"), (10_000, "all")]
        ),
    ],
)
def test_each_is_resumed_by_itself(tmp_path, monkeypatch, steps, learn_from):
    # Side by side, and one after another.
    monkeypatch.setattr(hindrances, "_STEPS", steps)
    how = {"teachers": 3, "learn_from": learn_from}
    # The first of the teachers, the last of them, and a student.
    stops = [(0, 1, 0), (2, 1, 1), (4, 1, 1)]
    whole = resumed(tmp_path / "whole", [], **how)
    parts = resumed(tmp_path / "parts", stops, **how)
    pairs = [(whole, parts), (whole.teachers, parts.teachers)]
    for one, other in pairs:
        assert [g.history for g in one] == [g.history for g in other]
        assert [g.metrics for g in one] == [g.metrics for g in other]
        for a, b in zip(one, other, strict=True):
            assert same(a.model, b.model)


def test_loading_them(tmp_path):
    lineage = keras_ban.BornAgain(model_fn, directory=tmp_path).fit(
        X, Y, generations=1, teachers=2, **FIT
    )
    loaded = keras_ban.load(tmp_path)
    assert same(loaded[0].model, lineage[0].model)
    for one, other in zip(loaded.teachers, lineage.teachers, strict=True):
        assert same(one.model, other.model)


def test_overwriting_removes_them(tmp_path):
    for _ in range(2):
        keras_ban.BornAgain(model_fn, directory=tmp_path, overwrite=True).fit(
            X, Y, generations=1, teachers=2, **FIT
        )
    keras_ban.BornAgain(model_fn, directory=tmp_path, overwrite=True).fit(
        X, Y, generations=1, **FIT
    )
    assert not (tmp_path / "teachers" / "run.json").exists()
    assert keras_ban.load(tmp_path).teachers is None


def test_another_number_is_another_run(tmp_path):
    def fit(**how):
        ban = keras_ban.BornAgain(model_fn, directory=tmp_path)
        return ban.fit(X, Y, generations=1, **FIT, **how)

    fit(teachers=2)
    with pytest.raises(ValueError, match="`teachers` differs"):
        fit(teachers=3)
    with pytest.raises(ValueError, match="`learn_from` differs"):
        fit(teachers=2, learn_from="all")


@pytest.mark.parametrize(
    "how, words",
    [
        ({"teachers": 0}, "`teachers`. Expected an integer of at least 1"),
        ({"teachers": 2.0}, "`teachers`. Expected an integer"),
        ({"learn_from": "grandparent"}, "Expected 'parent'.*or 'all'"),
        ({"learn_from": ["all"]}, "Expected 'parent'.*or 'all'"),
        ({"epochs": lambda k: 0}, r"`epochs\(0\)`. Expected an integer"),
        ({"epochs": lambda k: 2 - k}, r"`epochs\(2\)`. Expected an integer"),
        ({"objective": "labels", "teachers": 2}, "no teacher.*`teachers=`"),
        (
            {"objective": "labels", "learn_from": "all"},
            "no teacher.*`learn_from=`",
        ),
        (
            {"epochs": lambda k: 1 + k, "initial_epoch": 1},
            "Expected less than epochs=1",
        ),
    ],
)
def test_bad_arguments(how, words):
    seen = []
    with pytest.raises(ValueError, match=words):
        run(generations=2, callbacks=[_tell(seen)], **how)
    assert not seen


def test_a_given_teacher_beside_them():
    teacher = run()[0].model
    with pytest.raises(ValueError, match=r"`teachers=2`.*`teacher=`"):
        run(teacher=teacher, teachers=2)


def test_all_models_are_needed(tmp_path):
    ban = keras_ban.BornAgain(model_fn, directory=tmp_path, keep=1)
    with pytest.raises(ValueError, match=r"learn_from='all' needs.*keep=1"):
        ban.fit(X, Y, learn_from="all", **FIT)


def test_models_without_a_mean():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(4)

        def call(self, x):
            return self.dense(x)

        def get_build_config(self):
            return None

    def make():
        model = Own()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss)
        return model

    seen = []
    with pytest.raises(ValueError, match="Cannot tell the inputs"):
        run(make, teachers=2, callbacks=[_tell(seen)])
    assert not seen


def _tell(seen):
    return keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(batch)
    )
