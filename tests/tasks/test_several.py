"""Models with several outputs, from the data to the report."""

import keras
import numpy as np
import pytest
from builders import compiled
from builders import data_set
from interruptions import check
from matrices import pairs
from reference import softmax
from replicas import mirrored
from several import CE
from several import DIGIT
from several import FIT
from several import MARKS
from several import SCALES
from several import SIZES
from several import X
from several import Y
from several import heads
from several import losses
from several import make
from several import sigmoid
from weights import assert_close
from weights import assert_same

import keras_ban
from keras_ban import objectives

RNG = np.random.default_rng(5)


def test_a_step_by_hand():
    student, teacher = make(units=0, rate=1.0)(), make(units=0)()
    before = [w.astype("float64") for w in student.get_weights()]
    z, t = (
        {k: v.astype("float64") for k, v in m.predict(X, verbose=0).items()}
        for m in (student, teacher)
    )
    distiller = keras_ban.Distiller(
        student, teacher, {"digit": "ban+l", "sizes": "ban", "marks": None}
    )
    history = distiller.fit(X, Y, batch_size=79, epochs=1, verbose=0).history
    one_hot, n = np.eye(3)[DIGIT], len(X)
    p, q = softmax(t["digit"]), softmax(z["digit"])
    own, taught = -np.log(q[range(n), DIGIT]), -(p * np.log(q)).sum(-1)
    gap = z["sizes"] - t["sizes"]
    s = sigmoid(z["marks"])
    marks = -MARKS * np.log(s) - (1 - MARKS) * np.log(1 - s)
    terms = {
        "digit": np.mean(own + taught),
        "sizes": np.mean(gap**2),
        "marks": np.mean(marks),
    }
    expected = sum(SCALES[k] * v for k, v in terms.items())
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-6)
    soft = np.mean(taught) + 0.25 * np.mean(gap**2)
    np.testing.assert_allclose(history["teacher_loss"], soft, rtol=1e-6)
    gradients = {
        "digit": (2 * q - one_hot - p) / n,
        "sizes": 0.25 * 2 * gap / gap.size,
        "marks": 2.0 * (s - MARKS) / MARKS.size,
    }
    names = [layer.name for layer in student.layers if layer.weights]
    for place, name in enumerate(names):
        kernel = before[2 * place] - X.T.astype("float64") @ gradients[name]
        bias = before[2 * place + 1] - gradients[name].sum(0)
        layer = student.get_layer(name)
        np.testing.assert_allclose(layer.kernel, kernel, atol=1e-6)
        np.testing.assert_allclose(layer.bias, bias, atol=1e-6)
    losses = {"digit": own, "marks": marks, "sizes": (z["sizes"] - SIZES) ** 2}
    for name, values in losses.items():
        logged = history[f"{name}_loss"]
        np.testing.assert_allclose(logged, values.mean(), rtol=1e-6)


@pytest.mark.parametrize(
    "structure", [pytest.param(dict, marks=pytest.mark.slow), list]
)
def test_labels_alone_are_plain_keras(structure):
    model_fn = make(structure)
    y = Y if structure is dict else list(Y.values())
    ban = keras_ban.BornAgain(model_fn, "labels", seed=7)
    lineage = ban.fit(X, y, generations=1, **FIT)
    for generation in lineage:
        keras.utils.set_random_seed(generation.seed)
        plain = model_fn()
        history = plain.fit(X, y, **FIT).history
        assert_same(generation.model, plain)
        assert generation.history == history


@pytest.mark.parametrize(
    "structure", [dict, pytest.param(list, marks=pytest.mark.slow)]
)
def test_a_lineage(structure, tmp_path):
    y = Y if structure is dict else list(Y.values())
    ban = keras_ban.BornAgain(make(structure), "ban+l", directory=tmp_path)
    lineage = ban.fit(X, y, 2, validation_data=(X, y), **FIT)
    table = lineage.evaluate(X, y)
    z = lineage[1].model.predict(X, verbose=0)
    z = z if structure is dict else dict(zip(Y, z, strict=True))
    row = table[1]
    error = np.mean(z["digit"].argmax(-1) != DIGIT)
    assert row["digit_error"] == pytest.approx(error)
    mse = np.mean((z["sizes"] - SIZES) ** 2)
    assert row["sizes_rmse"] == pytest.approx(np.sqrt(mse))
    assert row["marks_error"] == pytest.approx(
        np.mean((z["marks"] > 0) != MARKS)
    )
    # What its loss is, Keras says too.
    found = lineage[1].model.evaluate(X, y, verbose=0, return_dict=True)
    assert row["loss"] == pytest.approx(found["loss"], rel=1e-5)
    assert lineage.best.metrics["loss"] == min(
        g.metrics["loss"] for g in lineage
    )
    assert keras_ban.load(tmp_path)[1].metrics == lineage[1].metrics
    assert len(lineage.plot().axes) == 2
    for line in str(table).splitlines():
        assert len(line) <= 120


def test_ensembles_average_each_output(tmp_path):
    for structure in (dict, list):
        members = [make(structure)() for _ in range(3)]
        bane = keras_ban.ensemble(members)
        z = [m.predict(X, verbose=0) for m in members]
        found = bane.predict(X, verbose=0)
        if structure is list:
            assert bane.output_names == list(Y)
            z = [dict(zip(Y, one, strict=True)) for one in z]
            found = dict(zip(Y, found, strict=True))
        expected = {
            "digit": np.mean([softmax(one["digit"]) for one in z], 0),
            "sizes": np.mean([one["sizes"] for one in z], 0),
            "marks": np.mean([sigmoid(one["marks"]) for one in z], 0),
        }
        for name, mean in expected.items():
            np.testing.assert_allclose(found[name], mean, atol=1e-6)
        bane.save(tmp_path / "bane.keras")
        again = keras.models.load_model(tmp_path / "bane.keras")
        # As a teacher it is known for what it is.
        y = Y if structure is dict else list(Y.values())
        keras_ban.Distiller(make(structure)(), again).fit(X, y, verbose=0)


@pytest.mark.parametrize(
    ("structure", "how"),
    pairs([dict, list], [{"teacher_outputs": "cached"}, {}]),
)
def test_an_output_without_weights_among_others(structure, how):
    weights = {k: RNG.random(79).astype("float32") for k in Y}
    found = []
    for one in (None, np.ones(79, "float32")):
        given = [structure_of(structure, Y)]
        given.append(structure_of(structure, weights | {"sizes": one}))
        if one is None and structure is dict:
            del given[1]["sizes"]
        lineage = keras_ban.BornAgain(make(structure), "ban+l").fit(
            X,
            given[0],
            1,
            sample_weight=given[1],
            validation_data=(X, *given),
            **{**FIT, "epochs": 1},
            **how,
        )
        found.append(lineage)
    for one, other in zip(*found, strict=True):
        assert_close(one.model, other.model, atol=1e-6)
        for name, values in one.history.items():
            assert other.history[name] == pytest.approx(values, rel=1e-5)


def structure_of(structure, items):
    return items if structure is dict else [items[name] for name in SCALES]


def test_two_replicas_train_as_one_device():
    weights = {k: RNG.random(79).astype("float32") for k in Y}
    found = [
        keras_ban.BornAgain(make(eager=False), "ban+l", strategy=strategy).fit(
            X, Y, 1, sample_weight=weights, **{**FIT, "epochs": 1}
        )
        for strategy in (None, mirrored(2))
    ]
    for one, other in zip(*found, strict=True):
        assert_close(one.model, other.model, atol=1e-5)


def test_an_interrupted_run_has_the_same_bits(tmp_path):
    objective = {"digit": objectives.DKPP(), "sizes": "ban", "marks": "ban+l"}
    check(
        tmp_path,
        x=X,
        y=Y,
        model=make(),
        objective=objective,
        validation_data=(X, Y),
    )


def test_phases_go_on_with_what_objectives_hold():
    def anew(model):
        model.compile(
            keras.optimizers.SGD(0.05),
            losses(),
            loss_weights=SCALES,
            run_eagerly=True,
        )

    objective = {"digit": objectives.DKPP(), "sizes": "ban", "marks": "kd"}
    found = []
    for phases in (None, {1: anew}):
        ban = keras_ban.BornAgain(make(metrics=None), objective, seed=4)
        found.append(ban.fit(X, Y, 1, phases=phases, **FIT)[1])
    # SGD has no state, but DKPP permutes: it does not begin anew.
    assert_same(found[0].model, found[1].model)
    assert found[0].history == found[1].history


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    lineage = keras_ban.BornAgain(make(), "ban+l").fit(X, Y, 1, **FIT)
    assert np.isfinite(lineage.evaluate(X, Y)[-1]["loss"])


def test_a_model_without_a_loss_gets_one_for_each_output(tmp_path):
    def plain():
        inputs = keras.Input((6,))
        return keras.Model(inputs, heads(inputs))

    said = {"sizes": "values", "marks": "multilabel"}
    ban = keras_ban.BornAgain(plain, directory=tmp_path, task=said)
    lineage = ban.fit(X, Y, 1, **FIT)
    assert "marks_f1_micro" in keras_ban.load(tmp_path).evaluate(X, Y)[0]
    assert lineage[0].model.loss["sizes"] == "mse"
    assert isinstance(lineage[0].model.loss["digit"], CE)
    assert {"digit_accuracy", "sizes_mae"} <= set(lineage[1].history)


def test_an_output_without_a_loss_learns_nothing():
    own = {**losses(), "sizes": None}
    scales = {k: v for k, v in SCALES.items() if k != "sizes"}
    model_fn = make(units=0, loss=own, loss_weights=None, metrics=None)
    y = {k: Y[k] for k in scales}
    student = model_fn()
    before = student.get_layer("sizes").get_weights()
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        keras_ban.Distiller(student, model_fn(), "ban+l").fit(X, y, **FIT)
    assert_same(before, student.get_layer("sizes").get_weights())


def test_outputs_within_outputs():
    def nested():
        inputs = keras.Input((6,))
        found = heads(inputs)
        found = {"a": {"digit": found["digit"]}, "b": found["sizes"]}
        return compiled(
            keras.Model(inputs, found),
            loss={"a": {"digit": CE(True)}, "b": "mse"},
            metrics=None,
        )

    y = {"a": {"digit": DIGIT}, "b": SIZES}
    lineage = keras_ban.BornAgain(nested, "ban+l").fit(X, y, 1, **FIT)
    z = lineage[1].model.predict(X, verbose=0)
    row = lineage.evaluate(X, y)[1]
    assert row["a/digit_error"] == pytest.approx(
        np.mean(z["a"]["digit"].argmax(-1) != DIGIT)
    )
    mse = np.mean((z["b"] - SIZES) ** 2)
    assert row["b_rmse"] == pytest.approx(np.sqrt(mse))
    assert set(lineage.ensemble().predict(X, verbose=0)) == {"a", "b"}


class Own(keras.Model):
    """A model of a class of its own that gives a pair."""

    def __init__(self):
        super().__init__()
        self.one, self.two = keras.layers.Dense(3), keras.layers.Dense(2)

    def call(self, x):
        return self.one(x), self.two(x)


def test_a_model_of_a_class_of_its_own():
    def make_own():
        return compiled(Own(), loss=[CE(True), "mse"], metrics=None)

    said = {"output_0": "classes"}
    ban = keras_ban.BornAgain(
        make_own, "ban+l", task=said, from_logits={"output_0": True}
    )
    lineage = ban.fit(X, (DIGIT, SIZES), 1, **FIT)
    assert {"output_0_error", "output_1_rmse"} <= set(
        lineage.evaluate(data_set(X, (DIGIT, SIZES), size=20))[0]
    )


def test_sequences_and_masks():
    words = RNG.integers(0, 5, (79, 4))
    words[:, 0] = 1
    tags = words % 3

    def tagger():
        inputs = keras.Input((4,), dtype="int32")
        x = keras.layers.Embedding(5, 4, mask_zero=True)(inputs)
        found = {
            "tags": keras.layers.Dense(3)(x),
            "whole": keras.layers.Dense(2)(
                keras.layers.GlobalAveragePooling1D()(x)
            ),
        }
        return compiled(
            keras.Model(inputs, found),
            loss={"tags": CE(True), "whole": "mse"},
            metrics=None,
        )

    y = {"tags": tags, "whole": SIZES}
    lineage = keras_ban.BornAgain(tagger, "ban+l").fit(words, y, 1, **FIT)
    z = lineage[1].model.predict(words, verbose=0)["tags"]
    counts = words != 0
    error = np.mean((z.argmax(-1) != tags)[counts])
    row = lineage.evaluate(words, y)[1]
    assert row["tags_error"] == pytest.approx(error)


def test_comparisons():
    study = keras_ban.compare(
        make(), X, Y, ["labels", "ban+l"], 2, validation_split=0.3, verbose=0
    )
    rows = study.evaluate(X, Y)
    z = [g[-1].model for g in study.lineages["ban+l"]]
    expected = [m.evaluate(X, Y, verbose=0, return_dict=True) for m in z]
    [row] = [row for row in rows if row["name"] == "ban+l"]
    assert row["losses"] == pytest.approx([e["loss"] for e in expected], 1e-5)
    assert max(map(len, str(rows).splitlines())) <= 80
    study.plot()
