"""Runs of each kind of task, from the data to the report."""

import json
import zipfile

import keras
import numpy as np
import pytest
from builders import compiled
from builders import data_set
from builders import linear
from builders import mlp
from interruptions import check
from matrices import names
from matrices import pairs
from replicas import mirrored
from sklearn import metrics as sk

import keras_ban
from keras_ban import tasks

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 6)).astype("float32")
VALUES = (X[:, :2] * 3 + 10).astype("float32")
MARKS = (X[:, :3] + RNG.normal(size=(80, 3)) > 0).astype("float32")
WEIGHT = RNG.random(80)
BCE = keras.losses.BinaryCrossentropy(from_logits=True)
KINDS = {
    "values": (2, "mse", VALUES),
    "one value": (1, "huber", VALUES[:, 0]),
    "several labels": (3, BCE, MARKS),
    "gaussians": (4, tasks.GaussianNLL(), VALUES),
}
each = pytest.mark.parametrize("kind", KINDS)
two_kinds = pytest.mark.parametrize(
    "kind", names(KINDS, "several labels", "gaussians")
)
gaussians_alone = pytest.mark.parametrize("kind", names(KINDS, "gaussians"))


def model_fn(kind, optimizer=None, eager=True):
    optimizer = optimizer or adam
    outputs, loss, _ = KINDS[kind]

    def make():
        return compiled(
            mlp(outputs=outputs),
            eager,
            loss=loss,
            optimizer=optimizer(),
            metrics=[],
        )

    return make


def adam():
    return keras.optimizers.Adam(0.05)


def sgd():
    return keras.optimizers.SGD(0.01)


def trained(kind, objective="ban+l", generations=2, **fit):
    y = KINDS[kind][2]
    fit = {"validation_split": 0.25, "epochs": 3, "verbose": 0, **fit}
    ban = keras_ban.BornAgain(model_fn(kind), objective)
    return ban.fit(X, y, generations=generations, **fit)


@pytest.mark.parametrize(("kind", "as_dataset"), pairs(KINDS, [False, True]))
def test_a_lineage(kind, as_dataset):
    y = KINDS[kind][2]
    ban = keras_ban.BornAgain(model_fn(kind))
    fit = {"generations": 2, "epochs": 2, "verbose": 0}
    held_out = data_set(X[:20], y[:20], size=8)
    data = (data_set(X, y, size=16), None) if as_dataset else (X, y)
    lineage = ban.fit(*data, validation_data=held_out, **fit)
    table = lineage.evaluate(X, y)
    assert [row["name"] for row in table][-1] == "Ens*all"
    first, second = table.judged
    best = min(lineage, key=lambda g: (g.metrics[first], g.metrics[second]))
    assert lineage.best is best
    assert all(np.isfinite(row[first]) for row in table)
    assert "RMSE" in str(table) or "F1 macro" in str(table)
    assert len(lineage.plot().axes) == (3 if kind == "several labels" else 2)


def test_values_by_scikit_learn():
    lineage = trained("values")
    row = lineage.evaluate(X, VALUES, WEIGHT)[1]
    z = lineage[1].model.predict(X, verbose=0)
    weights = {"sample_weight": WEIGHT}
    assert row["r2"] == pytest.approx(sk.r2_score(VALUES, z, **weights))
    mse = sk.mean_squared_error(VALUES, z, **weights)
    assert row["rmse"] == pytest.approx(np.sqrt(mse))
    mae = sk.mean_absolute_error(VALUES, z, **weights)
    assert row["mae"] == pytest.approx(mae)
    teacher = lineage[0].model.predict(X, verbose=0)
    mse = sk.mean_squared_error(teacher, z, **weights)
    assert row["distance"] == pytest.approx(np.sqrt(mse))


def test_several_labels_by_scikit_learn():
    lineage = trained("several labels")
    row = lineage.evaluate(X, MARKS, WEIGHT)[1]
    z = lineage[1].model.predict(X, verbose=0).astype("float64")
    p, weights = 1 / (1 + np.exp(-z)), {"sample_weight": WEIGHT}
    said = p >= 0.5
    for average in ("micro", "macro"):
        expected = sk.f1_score(MARKS, said, average=average, **weights)
        assert row[f"f1_{average}"] == pytest.approx(expected)
    expected = sk.average_precision_score(MARKS, p, **weights)
    assert row["average_precision"] == pytest.approx(expected)
    expected = sk.hamming_loss(MARKS, said, **weights)
    assert row["error"] == pytest.approx(expected)
    losses = -MARKS * np.log(p) - (1 - MARKS) * np.log(1 - p)
    expected = np.average(losses.mean(-1), weights=WEIGHT)
    assert row["nll"] == pytest.approx(expected)
    assert "perplexity" not in row


def test_gaussians_by_numpy():
    lineage = trained("gaussians")
    rows = lineage.evaluate(X, VALUES, WEIGHT)
    outputs = [g.model.predict(X, verbose=0).astype("float64") for g in lineage]
    mean, s = np.split(outputs[1], 2, -1)
    squared = (VALUES - mean) ** 2 / np.exp(s)
    nll = (s + squared + np.log(2 * np.pi)).mean(-1) / 2
    assert rows[1]["nll"] == pytest.approx(np.average(nll, weights=WEIGHT))
    is_in = (np.sqrt(squared) <= 1.959964).mean(-1)
    covered = np.average(is_in, weights=WEIGHT)
    assert rows[1]["coverage"] == pytest.approx(covered)
    # The mean and the variance of the mixture, drawn from.
    means, s = np.split(np.stack(outputs), 2, -1)
    drawn = RNG.normal(means, np.exp(s / 2), (20_000, *means.shape))
    found = lineage.ensemble().predict(X, verbose=0)
    mean, s = np.split(found, 2, -1)
    np.testing.assert_allclose(mean, means.mean(0), rtol=1e-5, atol=1e-5)
    variance = drawn.var(axis=(0, 1))
    np.testing.assert_allclose(np.exp(s), variance, rtol=0.1)
    expected = rows[-1]["rmse"]
    error = np.average(np.square(VALUES - mean), axis=0, weights=WEIGHT)
    assert np.sqrt(error.mean()) == pytest.approx(expected, rel=1e-5)


@each
def test_ensembles_are_the_mean_and_load_elsewhere(kind, tmp_path):
    lineage = trained(kind, generations=1, epochs=1)
    bane = lineage.ensemble()
    if kind != "gaussians":
        z = [g.model.predict(X, verbose=0).astype("float64") for g in lineage]
        if kind == "several labels":
            z = [1 / (1 + np.exp(-one)) for one in z]
        np.testing.assert_allclose(
            bane.predict(X, verbose=0), np.mean(z, axis=0), atol=1e-5
        )
    path = tmp_path / "bane.keras"
    bane.save(path)
    with zipfile.ZipFile(path) as file:
        config = json.dumps(json.loads(file.read("config.json"))["config"])
    assert "keras_ban" not in config
    again = keras.models.load_model(path, compile=kind != "gaussians")
    # As a teacher it is known for what it is.
    distiller = keras_ban.Distiller(model_fn(kind)(), again)
    distiller.fit(X, KINDS[kind][2], verbose=0)


@gaussians_alone
def test_teachers_of_several_and_what_is_cached(kind):
    fit = {"teachers": 2, "learn_from": "all", "epochs": 1}
    online = trained(kind, **fit)
    cached = trained(kind, teacher_outputs="cached", **fit)
    for one, other in zip(online, cached, strict=True):
        for a, b in zip(
            one.model.get_weights(), other.model.get_weights(), strict=True
        ):
            np.testing.assert_allclose(a, b, atol=1e-6)
    cache = keras_ban.TeacherCache(top_k=1)
    with pytest.raises(ValueError, match="`top_k` keeps the largest"):
        trained(kind, teacher_outputs=cache)


@gaussians_alone
def test_two_replicas_train_as_one_device(kind):
    y, found = KINDS[kind][2], []
    for strategy in (None, mirrored(2)):
        ban = keras_ban.BornAgain(
            model_fn(kind, sgd, eager=False), "ban+l", strategy=strategy
        )
        # One row of the last batch is left for one replica.
        fit = {"batch_size": 26, "shuffle": False, "epochs": 2}
        found.append(ban.fit(X[:79], y[:79], 1, verbose=0, **fit))
    for one, other in zip(*found, strict=True):
        for a, b in zip(
            one.model.get_weights(), other.model.get_weights(), strict=True
        ):
            np.testing.assert_allclose(a, b, atol=1e-5)


@two_kinds
def test_mixed_precision_and_mixed_examples(kind):
    keras.config.set_dtype_policy("mixed_bfloat16")
    lineage = trained(kind, generations=1, augment="mixup")
    history = lineage[1].history
    assert all(np.isfinite(v).all() for v in history.values())
    assert lineage.evaluate(X, KINDS[kind][2])[-1][
        "error" if kind == "several labels" else "rmse"
    ] < (0.6 if kind == "several labels" else 15)


@gaussians_alone
def test_an_interrupted_run_has_the_same_bits(kind, tmp_path):
    y = KINDS[kind][2]
    lineage, _ = check(
        tmp_path, x=X, y=y, model=model_fn(kind), validation_data=(X, y)
    )
    loaded = keras_ban.load(tmp_path)
    assert loaded[1].metrics == lineage[1].metrics
    name = loaded.evaluate(X, y).judged[0]
    assert loaded.best.metrics[name] == min(g.metrics[name] for g in loaded)


@pytest.mark.parametrize("kind", names(KINDS, "several labels"))
def test_comparisons(kind):
    y = KINDS[kind][2]
    study = keras_ban.compare(
        model_fn(kind),
        X,
        y,
        ["labels", "ban+l", keras_ban.Method("ban", teachers=2)],
        seeds=2,
        validation_split=0.25,
        epochs=1,
        verbose=0,
    )
    rows = study.evaluate(X, y)
    name = "error" if kind == "several labels" else "rmse"
    students = [g[-1].model for g in study.lineages["ban+l"]]
    z = [m.predict(X, verbose=0) for m in students]
    if kind == "several labels":
        errors = [np.mean((one > 0) != MARKS) for one in z]
    else:
        z = [one[:, : y.shape[1] if y.ndim > 1 else 1] for one in z]
        truth = y.reshape(len(y), -1)
        errors = [np.sqrt(np.mean((one - truth) ** 2)) for one in z]
    [row] = [row for row in rows if row["name"] == "ban+l"]
    assert row[f"{name}s"] == pytest.approx(errors)
    assert study.best.name in {"labels", "ban+l", "ban from 2"}
    assert max(map(len, str(rows).splitlines())) <= 80
    study.plot()
    with pytest.raises(ValueError, match=r"Expected '(error|rmse)' or"):
        study.plot(measure="ece")


def test_a_task_that_is_said():
    def plain():
        return keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])

    fit = {"generations": 1, "epochs": 1, "verbose": 0}
    ban = keras_ban.BornAgain(plain, task="values")
    lineage = ban.fit(X, VALUES, **fit)
    assert lineage[0].model.loss == "mse"
    assert "rmse" in lineage.evaluate(X, VALUES)[0]
    marks = keras_ban.BornAgain(plain, task="multilabel")
    lineage = marks.fit(X, MARKS[:, :2], **fit)
    assert lineage.evaluate(X, MARKS[:, :2])[0]["error"] < 1
    gaussian = keras_ban.BornAgain(plain, task="gaussian")
    lineage = gaussian.fit(X, VALUES[:, 0], **fit)
    assert "coverage" in lineage.evaluate(X, VALUES[:, 0])[0]


def test_a_task_is_kept_with_the_run(tmp_path):
    def own(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    def model():
        return compiled(mlp(outputs=2), loss=own, metrics=[])

    own = keras.saving.register_keras_serializable("tests")(own)
    ban = keras_ban.BornAgain(model, directory=tmp_path, task="values")
    ban.fit(X, VALUES, 1, verbose=0)
    assert "rmse" in keras_ban.load(tmp_path).evaluate(X, VALUES)[0]
    other = keras_ban.BornAgain(model, directory=tmp_path)
    with pytest.raises(ValueError, match="task="):
        other.fit(X, VALUES, 1, verbose=0)


class Counts(tasks.Task):
    """A kind of one's own: counts, whose scores are logarithms of rates."""

    name, noun, nouns, words = "counts", "count", "counts", "counts"

    def teacher_losses(self, student, teacher):
        ops = keras.ops
        gap = teacher - student
        return ops.mean(ops.exp(teacher) * (gap - 1) + ops.exp(student), -1)

    def predictions(self, output):
        return np.exp(np.asarray(output, "float64"))

    def measuring(self):
        return tasks.Values().measuring()


def test_a_task_of_ones_own():
    def poisson(y_true, y_pred):
        rate = keras.ops.exp(y_pred)
        return keras.ops.mean(rate - y_true * y_pred, axis=-1)

    y = np.floor(np.exp(X[:, :2])).astype("float32")
    ban = keras_ban.BornAgain(
        lambda: compiled(mlp(outputs=2), loss=poisson, metrics=[]),
        task=Counts(),
    )
    lineage = ban.fit(X, y, 1, epochs=2, verbose=0)
    z = lineage[1].model.predict(X, verbose=0)
    expected = np.sqrt(np.mean((np.exp(z) - y) ** 2))
    rows = lineage.evaluate(X, y)
    assert rows[1]["rmse"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("task", "loss", "y", "words"),
    [
        ("regression", "mse", VALUES, "Expected 'auto', 'classes', 'binary'"),
        ("binary", BCE, MARKS[:, :2], "Expected one sigmoid"),
        ("auto", "mse", VALUES[:, :1], "labels of shape (80, 2)"),
        ("auto", BCE, 2 * MARKS[:, :2], "marks from 0 to 1"),
        ("auto", "mse", np.full((80, 2), np.nan), "finite numbers"),
        ("auto", "mse", np.ones((80, 2)), "hold one value only"),
        ("auto", keras.losses.CTC(), VALUES, "without an alignment"),
        ("auto", keras.losses.Circle(), VALUES, "embeddings"),
    ],
)
def test_what_does_not_fit_is_told_before_training(task, loss, y, words):
    with pytest.raises(ValueError) as caught:
        keras_ban.BornAgain(lambda: linear(2, None, loss), task=task).fit(
            X, y, verbose=0
        )
    assert words in str(caught.value)


def test_odd_columns_are_no_gaussians():
    with pytest.raises(ValueError, match="two for each value"):
        keras_ban.BornAgain(lambda: linear(3, None, tasks.GaussianNLL())).fit(
            X, VALUES, verbose=0
        )


def test_class_weights_need_classes():
    with pytest.raises(ValueError, match="weights samples by their class"):
        keras_ban.BornAgain(lambda: linear(2, None, "mse")).fit(
            X, VALUES, class_weight={0: 2.0}, verbose=0
        )


def test_one_sigmoid_and_two_columns_are_averaged():
    one, two = linear(1, "sigmoid", "binary_crossentropy"), linear(2)
    p = one.predict(X, verbose=0)
    q = keras.ops.softmax(two.predict(X, verbose=0))
    expected = (np.concatenate([1 - p, p], -1) + q) / 2
    for members in ([one, two], [two, one]):
        found = keras_ban.ensemble(members).predict(X, verbose=0)
        np.testing.assert_allclose(found, expected, atol=1e-6)
