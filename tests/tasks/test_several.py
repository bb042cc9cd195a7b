"""Models with several outputs, from the data to the report."""

import keras
import numpy as np
import pytest
from builders import compiled
from builders import data_set
from interruptions import check
from matrices import pairs
from replicas import mirrored
from weights import assert_close
from weights import assert_same

import keras_ban
from keras_ban import objectives
from keras_ban import views

RNG = np.random.default_rng(3)
X = RNG.normal(size=(79, 6)).astype("float32")
DIGIT = X[:, :3].argmax(-1)
SIZES = (X[:, :2] * 2 + 1).astype("float32")
MARKS = (X[:, :2] > 0).astype("float32")
Y = {"digit": DIGIT, "sizes": SIZES, "marks": MARKS}
CE = keras.losses.SparseCategoricalCrossentropy
BCE = keras.losses.BinaryCrossentropy
SCALES = {"digit": 1.0, "sizes": 0.25, "marks": 2.0}
FIT = {"batch_size": 26, "epochs": 2, "shuffle": False, "verbose": 0}


def heads(features):
    """An output of each kind, by name."""
    return {
        "digit": keras.layers.Dense(3, name="digit")(features),
        "sizes": keras.layers.Dense(2, name="sizes")(features),
        "marks": keras.layers.Dense(2, name="marks")(features),
    }


def losses():
    return {"digit": CE(True), "sizes": "mse", "marks": BCE(True)}


def make(structure=dict, units=8, eager=True, rate=0.05, **compilation):
    """A function that makes a compiled model, its outputs in a dict or list."""

    def model_fn():
        inputs = keras.Input((6,))
        x = keras.layers.Dense(units, "tanh")(inputs) if units else inputs
        found = heads(x)
        loss, metrics = losses(), {"digit": ["accuracy"]}
        if structure is list:
            found, loss = list(found.values()), list(loss.values())
            metrics = [["accuracy"], [], []]
        scales = SCALES if structure is dict else list(SCALES.values())
        given = {
            "loss": loss,
            "loss_weights": scales,
            "metrics": metrics,
            "optimizer": keras.optimizers.SGD(rate),
        }
        return compiled(
            keras.Model(inputs, found), eager, **{**given, **compilation}
        )

    return model_fn


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


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


def test_cached_views_and_teachers_of_several():
    fit = {**FIT, "augment": [views.noise(0.1), "mixup"], "views": 2}
    fit |= {"batch_size": 40}
    fit |= {"teachers": 2, "learn_from": "all", "shuffle": True}
    found = [
        keras_ban.BornAgain(make(), "ban+l").fit(
            X, Y, 2, teacher_outputs=outputs, **fit
        )
        for outputs in ("online", "cached")
    ]
    for one, other in zip(*found, strict=True):
        assert_close(one.model, other.model, atol=1e-5)


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
        keras_ban.BornAgain(
            make(eager=False, weighted_metrics=[]), "ban+l", strategy=strategy
        ).fit(X, Y, 1, sample_weight=weights, **{**FIT, "epochs": 1})
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


def test_an_objective_for_all_is_a_copy_for_each():
    given = objectives.KD(alpha=(0.0, 1.0))
    distiller = keras_ban.Distiller(make()(), make()(), given)
    distiller.fit(X, Y, **FIT)
    copies = distiller.objective.copies
    assert set(copies) == set(Y) and len(set(map(id, copies.values()))) == 3
    assert all(float(one._annealed) == 1.0 for one in copies.values())
    assert not given.copies


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


def bigger():
    """A trained teacher with outputs of its own beside those of students."""
    inputs = keras.Input((6,))
    found = heads(inputs)
    del found["marks"]
    found["other"] = keras.layers.Dense(5, name="other")(inputs)
    return compiled(
        keras.Model(inputs, found),
        loss={"digit": CE(True), "sizes": "mse", "other": "mse"},
        metrics=[],
    )


def test_outputs_that_the_teacher_lacks_learn_from_labels():
    teacher = bigger()
    explicit = {"digit": "kd", "sizes": "kd", "marks": None}
    found = []
    for objective in ("kd", explicit):
        keras.utils.set_random_seed(0)
        student = make()()
        keras_ban.Distiller(student, teacher, objective).fit(X, Y, **FIT)
        found.append(student)
    assert_same(*found)


@pytest.mark.parametrize(
    "cached", [pytest.param("online", marks=pytest.mark.slow), "cached"]
)
def test_one_head_of_a_bigger_teacher(cached):
    teacher, found = bigger(), []
    alone = keras.Model(teacher.input, teacher.output["digit"])
    for given in (teacher, alone):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((6,))
        output = keras.layers.Dense(3, name="digit")(inputs)
        student = compiled(keras.Model(inputs, output))
        distiller = keras_ban.Distiller(student, given, from_logits=True)
        distiller.fit(X, DIGIT, teacher_outputs=cached, **FIT)
        found.append(student)
    assert_same(*found)
    # And the other way round.
    student = make()()
    keras_ban.Distiller(student, found[0], "ban+l").fit(X, Y, **FIT)


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


BAD = {
    "one array of labels": (make(), DIGIT, {}, "Expected labels of each"),
    "labels of another name": (
        make(),
        {"digit": DIGIT, "sizes": SIZES, "mark": MARKS, "more": MARKS},
        {},
        "Received: a dict of 'digit', 'sizes', 'mark', 'more'",
    ),
    "labels that do not fit one": (
        make(),
        {**Y, "sizes": SIZES[:, :1]},
        {},
        "`y['sizes']`",
    ),
    "classes that are none": (
        make(),
        {**Y, "digit": DIGIT + 1},
        {},
        "y['digit']",
    ),
    "an objective that is missing": (
        make(),
        Y,
        {"objective": {"digit": "kd", "sizes": "ban"}},
        "Name each output",
    ),
    "an objective that needs classes": (
        make(),
        Y,
        {"objective": {"digit": "kd", "sizes": "dkd", "marks": None}},
        "'dkd' compares distributions",
    ),
    "a dict for one output": (
        lambda: compiled(keras.Sequential([keras.layers.Dense(3)])),
        DIGIT,
        {"objective": {"digit": "kd"}},
        "a model with one output",
    ),
    "a task for all": (make(), Y, {"task": "values"}, "to be a dict of these"),
    "a task of another name": (
        make(),
        Y,
        {"task": {"digits": "classes"}},
        "Received: 'digits'",
    ),
    "a task that is none": (
        make(),
        Y,
        {"task": {"digit": "classed"}},
        "Invalid value for argument `task`",
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_what_does_not_fit_is_told_before_training(case):
    model_fn, y, said, words = case
    with pytest.raises(ValueError) as caught:
        keras_ban.BornAgain(model_fn, **said).fit(X, y, verbose=0)
    assert words in str(caught.value)


def test_teachers_that_do_not_fit():
    inputs = keras.Input((6,))
    other = compiled(
        keras.Model(inputs, {"x": keras.layers.Dense(3)(inputs)}),
        loss={"x": CE(True)},
    )
    with pytest.raises(ValueError, match="one of them at least, by its name"):
        keras_ban.Distiller(make()(), other).fit(X, Y, verbose=0)
    explicit = dict.fromkeys(Y, "kd")
    with pytest.raises(ValueError, match="needs a teacher that has it"):
        keras_ban.Distiller(make()(), bigger(), explicit).fit(X, Y, verbose=0)
    one = compiled(
        keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, name="z")])
    )
    with pytest.raises(ValueError, match="an output of this name"):
        keras_ban.Distiller(one, bigger()).fit(X, DIGIT, verbose=0)
    cache = keras_ban.TeacherCache(top_k=1)
    with pytest.raises(ValueError, match="`top_k` keeps the largest"):
        keras_ban.Distiller(make()(), make()()).fit(
            X, Y, teacher_outputs=cache, verbose=0
        )


def test_examples_without_labels_and_labels_that_do_not_count():
    more = RNG.normal(size=(30, 6)).astype("float32")
    digit = np.where(np.arange(79) % 4 == 0, -1, DIGIT)
    own = {**losses(), "digit": CE(True, ignore_class=-1)}
    teacher = make(loss=own)()
    ban = keras_ban.BornAgain(make(loss=own, rate=0.0), "ban+l")
    fit = {**FIT, "epochs": 1, "batch_size": 79}
    y = {**Y, "digit": digit}
    lineage = ban.fit(X, y, 1, teacher, unlabelled=more, **fit)
    student = lineage[1].model
    z, t = (
        m.predict(np.concatenate([X, more]), verbose=0)
        for m in (student, teacher)
    )
    q, counts = softmax(z["digit"][:79].astype("float64")), digit != -1
    history = lineage[1].history
    expected = -np.log(q[range(79), DIGIT])[counts].mean()
    np.testing.assert_allclose(history["digit_loss"], expected, rtol=1e-5)
    gap = z["sizes"][:79] - SIZES
    np.testing.assert_allclose(
        history["sizes_loss"], np.mean(gap**2), rtol=1e-5
    )
    # All are learned from the teacher, but where the label is ignored.
    taught = np.concatenate([counts, np.ones(30, bool)])
    soft = -(softmax(t["digit"]) * np.log(softmax(z["digit"]))).sum(-1)
    p, s = sigmoid(t["marks"]), sigmoid(z["marks"])
    marks = -p * np.log(s) - (1 - p) * np.log(1 - s)
    expected = (
        soft[taught].mean()
        + 0.25 * np.mean((z["sizes"] - t["sizes"]) ** 2)
        + 2.0 * marks.mean()
    )
    np.testing.assert_allclose(history["teacher_loss"], expected, rtol=1e-5)
    row = lineage.evaluate(X, y)[1]
    error = np.mean(z["digit"][:79].argmax(-1)[counts] != DIGIT[counts])
    assert row["digit_error"] == pytest.approx(error)
