"""Callbacks, validation, printing, weights: the habits of Keras."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from builders import Batches
from builders import data_set
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import distilled
from lineages import graph_fn
from lineages import plain
from lineages import run
from objective_cases import Halfway
from weights import assert_close
from weights import same

from keras_ban import objectives


class Record(keras.callbacks.Callback):
    def __init__(self, log, number=None):
        super().__init__()
        self.log = log
        self.number = number

    def on_epoch_end(self, epoch, logs=None):
        self.log.append((self.number, epoch))


def test_callbacks_as_list_and_alone():
    log = []
    run(callbacks=[Record(log, "a"), Record(log, "b")])
    assert log == [(k, epoch) for epoch in (0, 1) for k in "ab"] * 2


def test_callbacks_by_generation():
    log = []
    kinds = [[Record(log, 0)], Record(log, 1), None, (Record(log, 3),)]
    run(callbacks=lambda k: kinds[k], generations=3)
    numbers = [0, 1, 3]
    assert log == [(k, epoch) for k in numbers for epoch in (0, 1)]


def test_early_stopping_starts_anew():
    stop = keras.callbacks.EarlyStopping("loss", min_delta=1e9, patience=1)
    lineage = run(callbacks=[stop], epochs=5, generations=2)
    assert [len(g.history["loss"]) for g in lineage] == [2, 2, 2]


def figures(model, x, y):
    p = reference.softmax(model.predict(x, verbose=0))
    nll = -np.log(p[np.arange(len(y)), y]).mean()
    return (p.argmax(-1) == y).mean(), nll


def test_validation_metrics_and_best(lineage):
    expected = [figures(g.model, *VALIDATION) for g in lineage]
    for generation, (accuracy, nll) in zip(lineage, expected, strict=True):
        metrics = generation.metrics
        assert metrics["accuracy"] == pytest.approx(accuracy)
        assert metrics["error"] == pytest.approx(1 - accuracy)
        assert metrics["nll"] == pytest.approx(nll, rel=1e-5)
        assert metrics["accuracy"] == pytest.approx(
            generation.history["val_accuracy"][-1]
        )
    best = max(range(4), key=lambda k: (expected[k][0], -expected[k][1]))
    assert lineage.best is lineage[best]


def test_best_is_deaf_to_other_data(lineage):
    best, metrics = lineage.best, [dict(g.metrics) for g in lineage]
    for shift in range(4):
        lineage.evaluate(X, (Y + shift) % 4)
        assert lineage.best is best
    assert [g.metrics for g in lineage] == metrics


def test_best_needs_validation():
    lineage = run()
    lineage.evaluate(*VALIDATION)
    with pytest.raises(ValueError, match="validation_split"):
        _ = lineage.best


def test_validation_split_is_keras_own():
    weight = np.linspace(0, 2, 64).astype("float32")
    kwargs = {"validation_split": 0.25, "sample_weight": weight}
    lineage = run(**kwargs)
    model, history = plain(lineage[0], **kwargs)
    assert same(model, lineage[0].model)
    assert history == lineage[0].history
    p = reference.softmax(lineage[1].model.predict(X[48:], verbose=0))
    accuracy = np.average(p.argmax(-1) == Y[48:], weights=weight[48:])
    assert lineage[1].metrics["accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize(
    "given",
    [
        data_set(*VALIDATION, size=16),
        Batches(*VALIDATION, size=16),
        list(VALIDATION),
    ],
    ids=["tf.data", "PyDataset", "list"],
)
def test_validation_data_of_any_kind(simple, given):
    for a, b in zip(run(validation_data=given), simple, strict=True):
        assert same(a.model, b.model)
        accuracy, nll = figures(b.model, *VALIDATION)
        assert a.metrics["accuracy"] == pytest.approx(accuracy)
        assert a.metrics["nll"] == pytest.approx(nll, rel=1e-5)


def test_validation_data_weighs_its_samples():
    weight = np.arange(40) % 2
    lineage = run(validation_data=(*VALIDATION, weight.astype("float32")))
    x, y = (a[1::2] for a in VALIDATION)
    accuracy, nll = figures(lineage[1].model, x, y)
    assert lineage[1].metrics["accuracy"] == pytest.approx(accuracy)
    assert lineage[1].metrics["nll"] == pytest.approx(nll, rel=1e-5)


def test_verbose_0_prints_nothing(capfd):
    run(graph_fn, validation_data=VALIDATION)
    out, err = capfd.readouterr()
    assert out == err == ""


def test_verbose_prints_who_learns_and_the_table(capfd):
    lineage = run(
        objective="kd",
        generations=2,
        verbose=1,
        validation_data=VALIDATION,
    )
    out, _ = capfd.readouterr()
    lines = [line for line in out.splitlines() if "learns from" in line]
    assert len(lines) == 3
    for line, words in zip(
        lines,
        [("Teacher", "labels"), ("BAN-1", "Teacher", "kd"), ("BAN-2", "BAN-1")],
        strict=True,
    ):
        assert all(word in line for word in words)
    assert all(str(g.seed) in x for g, x in zip(lineage, lines, strict=True))
    assert out.rstrip().endswith(str(lineage).rstrip())
    assert "validation data" in out
    assert "Ens*2" in out


def test_sample_weight():
    weight = np.linspace(0, 2, 64).astype("float32")
    lineage = run(sample_weight=weight)
    assert same(plain(lineage[0], sample_weight=weight)[0], lineage[0].model)
    model, _ = distilled(lineage[1], lineage[0].model, sample_weight=weight)
    assert same(model, lineage[1].model)
    assert not same(model, distilled(lineage[1], lineage[0].model)[0])


def test_sample_weight_of_a_data_set():
    weight = np.linspace(0, 2, 64).astype("float32")
    ds = tf.data.Dataset.from_tensor_slices((X, Y, weight)).batch(32)
    one = run(x=ds, y=None, batch_size=None)
    other = run(sample_weight=weight, shuffle=False)
    assert all(same(a.model, b.model) for a, b in zip(one, other, strict=True))


def test_class_weight():
    class_weight = {0: 0.5, 1: 2.0, 2: 1.0, 3: 3.0}
    lineage = run(class_weight=class_weight)
    model = plain(lineage[0], class_weight=class_weight)[0]
    assert same(model, lineage[0].model)
    weight = np.array([class_weight[k] for k in Y], "float32")
    model, _ = distilled(lineage[1], lineage[0].model, sample_weight=weight)
    assert same(model, lineage[1].model)


def test_infinite_data_sets():
    train = data_set(X, Y, size=32)
    validation = data_set(*VALIDATION, size=20)
    lineage = run(
        x=train.repeat(),
        y=None,
        batch_size=None,
        steps_per_epoch=2,
        validation_data=validation.repeat(),
        validation_steps=2,
    )
    finite = run(x=train, y=None, batch_size=None, validation_data=validation)
    for a, b in zip(lineage, finite, strict=True):
        assert same(a.model, b.model)
        assert a.metrics == b.metrics


def test_validation_steps_cut_the_validation_data():
    ds = data_set(*VALIDATION, size=20)
    lineage = run(validation_data=ds, validation_steps=1)
    accuracy, _ = figures(lineage[1].model, *(a[:20] for a in VALIDATION))
    assert lineage[1].metrics["accuracy"] == pytest.approx(accuracy)


def test_initial_epoch():
    lineage = run(initial_epoch=1, epochs=3)
    assert [len(g.history["loss"]) for g in lineage] == [2, 2]


def half_half(y_true, student_logits, teacher_logits):
    kd = objectives.KD(alpha=0.5, temperature=1.0)
    return kd.call(y_true, student_logits, teacher_logits)


@pytest.fixture(scope="module")
def kd():
    return run(objective=objectives.KD(alpha=0.5, temperature=1.0))


@pytest.mark.parametrize("objective", [half_half, Halfway()])
def test_own_objective(kd, objective):
    lineage = run(objective=objective)
    assert (
        lineage[1].objective == ("halfway", "half_half")[objective is half_half]
    )
    assert_close(lineage[1].model, kd[1].model, rtol=1e-7, atol=1e-5)


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    lineage = run(graph_fn, validation_data=VALIDATION)
    for generation in lineage:
        model = generation.model
        assert model.compute_dtype == "float16"
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert np.isfinite(generation.history["loss"]).all()
    model, _ = distilled(lineage[1], lineage[0].model, graph_fn)
    assert same(model, lineage[1].model)
    assert lineage.ensemble().predict(X, verbose=0).dtype == np.float32


@pytest.mark.parametrize("k", [0, 1])
def test_models_are_ordinary(lineage, tmp_path, k):
    model = lineage[k].model
    assert type(model) is keras.Sequential
    assert model.compiled
    assert {m.name for m in model.metrics} == {"loss", "compile_metrics"}
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert same(model, loaded)
    assert int(loaded.optimizer.iterations) == 4
    np.testing.assert_array_equal(
        model.predict(X, verbose=0), loaded.predict(X, verbose=0)
    )
    before, _ = loaded.evaluate(X, Y, verbose=0)
    history = loaded.fit(X, Y, epochs=3, verbose=0).history
    assert set(history) == {"loss", "accuracy"}
    assert loaded.evaluate(X, Y, verbose=0)[0] < before


def test_callbacks_may_build_upon_the_model():
    """As those that look at an inner layer's output."""
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            inner = self.model.layers[0].output
            model = keras.Model(self.model.inputs, inner)
            seen.append(model.predict(X, verbose=0))
            assert self.model.outputs[0].shape == (None, 4)

    lineage = run(epochs=1, callbacks=[Look()])
    for generation, output in zip(lineage, seen, strict=True):
        expected = generation.model.layers[0](X)
        np.testing.assert_allclose(output, expected, atol=1e-6)
