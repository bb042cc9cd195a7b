"""Teachers that are no Keras models teach what such a model would."""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import SparseCE
from builders import compiled
from builders import data_set
from builders import learnable
from builders import linear
from builders import mlp
from builders import noisy
from builders import split_features
from builders import tagger
from builders import two_inputs
from foreign import FORMS
from foreign import X
from foreign import Y
from foreign import by_numpy
from foreign import predictions
from replicas import mirrored
from scipy import special
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import LogisticRegression
from weights import assert_close
from weights import assert_same

import keras_ban
from keras_ban.teaching import family

FIT = {"epochs": 2, "batch_size": 16, "verbose": 0, "shuffle": False}
VALIDATION = learnable(40, 2)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(7)
    model = compiled(mlp(16, scale=2.0))
    model.fit(X, Y, epochs=3, verbose=0)
    return model


def student(make=mlp, **compilation):
    keras.utils.set_random_seed(1)
    return compiled(make(), **compilation)


def taught(teacher, objective="ban+l", model=None, said=None, **given):
    """A student after a training, and its history."""
    model = model or student()
    distiller = keras_ban.Distiller(
        model, teacher, objective, **{"from_logits": True, **(said or {})}
    )
    given = {"x": X, "y": Y, **FIT, **given}
    keras.utils.set_random_seed(2)
    return model, distiller.fit(**given).history


@pytest.fixture(scope="module")
def expected(network):
    return taught(network)


@pytest.mark.parametrize("form", FORMS)
def test_the_student_of_the_same_function(network, expected, tmp_path, form):
    model, history = taught(FORMS[form](network, tmp_path))
    if form == ".keras":
        assert_same(model, expected[0])
    assert_close(model, expected[0], rtol=0, atol=1e-6)
    for name, values in expected[1].items():
        np.testing.assert_allclose(history[name], values, rtol=1e-5)


def test_paths_have_a_mean(network, tmp_path):
    other = compiled(mlp(5))
    paths = [tmp_path / "1.keras", tmp_path / "2.keras"]
    network.save(paths[0])
    other.save(paths[1])
    expected = family.get([network, other])(X)
    for given in (paths, [paths[0], other], [network, str(paths[1])]):
        np.testing.assert_array_equal(family.get(given)(X), expected)


def test_it_sees_the_views_of_its_student(network, tmp_path):
    given = {"augment": noisy, "views": 2, "y": Y}
    model, _ = taught(by_numpy(network, tmp_path), **given)
    assert_close(model, taught(network, **given)[0], rtol=0, atol=1e-6)


def forest():
    return RandomForestClassifier(5, max_depth=3, random_state=0).fit(X, Y)


@pytest.mark.parametrize(
    ("form", "kept"), [("NumPy", "folder"), ("forest", "cached")]
)
def test_kept_outputs_are_those_of_each_step(network, tmp_path, form, kept):
    teacher = forest() if form == "forest" else by_numpy(network, tmp_path)
    where = tmp_path if kept == "folder" else "cached"
    given = {"x": data_set(X, Y, size=16), "y": None, "batch_size": None}
    online = taught(teacher, model=student(eager=False), **given)
    for _ in range(1 + (kept == "folder")):
        found = taught(
            teacher,
            model=student(eager=False),
            teacher_outputs=where,
            **given,
        )
        assert_same(found[0], online[0])
        assert found[1] == online[1]


@pytest.mark.parametrize("form", ["NumPy", "TensorFlow", "predictions"])
def test_they_teach_on_two_replicas(network, tmp_path, form):
    teacher, found = FORMS[form](network, tmp_path), []
    for strategy in (None, mirrored(2)):
        ban = keras_ban.BornAgain(
            lambda: compiled(mlp(), eager=False),
            "ban+l",
            strategy=strategy,
            from_logits=True,
        )
        found.append(ban.fit(X, Y, 1, teacher=teacher, **FIT)[1])
    assert_close(found[0].model, found[1].model, atol=1e-5)
    for name, values in found[0].history.items():
        assert found[1].history[name] == pytest.approx(values, rel=1e-4)


def test_predictions_follow_their_examples(network, tmp_path):
    """Shuffled, cut short, or read from `tf.data`."""
    rows = predictions(network, tmp_path)
    for given in (
        {"shuffle": True},
        {"x": data_set(X, Y, size=16), "y": None, "batch_size": None}
        | {"shuffle": 64},
        {"validation_split": 0.25},
    ):
        cached = taught(network, teacher_outputs="cached", **given)
        model, _ = taught(rows, **given)
        assert_close(model, cached[0], rtol=0, atol=1e-6)


def logits_of(model, x=X):
    """Of one layer, in float64."""
    kernel, bias = (w.astype("float64") for w in model.get_weights())
    return x.astype("float64") @ kernel + bias


def first_step(teacher, model, said=None, x=X, y=Y):
    """The teacher's term before anything has changed."""
    model.optimizer.learning_rate = 0.0
    options = {"epochs": 1, "batch_size": len(x)}
    said = said or {"from_logits": None}
    _, history = taught(teacher, "ban", model, said, x=x, y=y, **options)
    return history["teacher_loss"][0]


def test_the_probabilities_of_a_logistic_regression():
    estimator = LogisticRegression().fit(X, Y)
    scores = X.astype("float64") @ estimator.coef_.T + estimator.intercept_
    p = special.softmax(scores, axis=-1)
    log_q = special.log_softmax(logits_of(model := linear(seed=1)), axis=-1)
    expected = -(p * log_q).sum(-1).mean()
    for teacher, said in (
        (estimator, None),
        (p, {"from_logits": False}),
        (scores, {"from_logits": True}),
        (estimator.decision_function, {"from_logits": True}),
    ):
        found = first_step(teacher, model, said)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("outputs", [1, 2])
def test_two_classes_by_one_output_or_two(outputs):
    y = (Y > 1).astype("float32")
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model = linear(outputs, loss=loss if outputs == 1 else SparseCE(True))
    estimator = LogisticRegression().fit(X, y.astype("int64"))
    z = X.astype("float64") @ estimator.coef_.T + estimator.intercept_
    p, q = special.expit(z), logits_of(model)
    q = special.expit(q if outputs == 1 else q[:, 1:] - q[:, :1])
    expected = -(p * np.log(q) + (1 - p) * np.log(1 - q)).mean()
    for teacher, said in (
        (estimator, None),
        (p[:, 0], {"from_logits": False}),
        (z, {"from_logits": True}),
    ):
        found = first_step(teacher, model, said, y=y)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_several_labels():
    y = np.stack([Y > 1, Y % 2], axis=1).astype("float32")
    model = linear(2, "sigmoid", "binary_crossentropy")
    teacher = RandomForestClassifier(3, max_depth=2, random_state=0).fit(X, y)
    p = np.stack([each[:, 1] for each in teacher.predict_proba(X)], axis=1)
    q = special.expit(logits_of(model))
    expected = -(p * np.log(q) + (1 - p) * np.log(1 - q)).mean()
    found = first_step(p, model, {"from_logits": False}, y=y)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_values():
    y = (X @ np.arange(6)).astype("float32")
    model = linear(1, loss="mse")
    estimator = LinearRegression().fit(X, y + 1)
    values = X.astype("float64") @ estimator.coef_ + estimator.intercept_
    expected = np.square(logits_of(model)[:, 0] - values).mean()
    for teacher in (estimator, estimator.predict, values, values[:, None]):
        found = first_step(teacher, model, y=y)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_inputs_of_several_arrays_and_sequences():
    x = split_features(X)
    network = compiled(two_inputs())
    first, bias, last, shift = network.get_weights()

    def by_hand(x):
        both = np.concatenate([x["a"], x["b"]], axis=1)
        return np.tanh(both @ first + bias) @ last + shift

    expected, _ = taught(network, model=student(two_inputs), x=x)
    model, _ = taught(by_hand, model=student(two_inputs), x=x)
    assert_close(model, expected, rtol=0, atol=1e-6)
    words = np.random.default_rng(0).integers(1, 7, (32, 5))
    given = {"x": words, "y": words % 4}
    network = compiled(tagger())
    expected, _ = taught(network, model=student(tagger), **given)
    for teacher in (
        lambda x: np.asarray(network(np.asarray(x), training=False)),
        network.predict(words, verbose=0),
    ):
        model, _ = taught(teacher, model=student(tagger), **given)
        assert_close(model, expected, rtol=0, atol=1e-6)


def test_python_is_not_compiled_by_xla(network, tmp_path):
    for form, compiles in (("TensorFlow", True), ("NumPy", False)):
        teacher = FORMS[form](network, tmp_path)
        model = student(eager=False, jit_compile=True)
        distiller = keras_ban.Distiller(model, teacher, from_logits=True)
        distiller.check_models(X, Y)
        assert distiller.jit_compile == compiles
        assert model.jit_compile
    distiller.fit(X, Y, **FIT | {"epochs": 1})


def test_what_calls_python_within_tensorflow_is_no_graph(network):
    def inner(x):
        found = tf.py_function(lambda x: network(x), [x], tf.float32)
        return tf.ensure_shape(found, (None, 4))

    model = student(eager=False, jit_compile=True)
    assert np.isfinite(taught(inner, model=model)[1]["loss"]).all()


def lineage_of(teacher, generations=2, said=None, **given):
    given = {"x": X, "y": Y, **FIT, **given}
    born = keras_ban.BornAgain(
        lambda: compiled(mlp()), **{"from_logits": True, **(said or {})}
    )
    return born.fit(teacher=teacher, generations=generations, **given)


def test_generation_0_is_measured_and_is_no_network(network, tmp_path):
    held_out = {"validation_data": VALIDATION}
    expected = lineage_of(network, **held_out)
    lineage = lineage_of(by_numpy(network, tmp_path), **held_out)
    for g, other in zip(lineage, expected, strict=True):
        if g.number:
            assert_close(g.model, other.model, rtol=0, atol=1e-6)
        assert g.metrics == pytest.approx(other.metrics, rel=1e-4)
    table = lineage.evaluate(*VALIDATION)
    plain = expected.evaluate(*VALIDATION)
    for name in ("error", "nll", "ece"):
        assert table[0][name] == pytest.approx(plain[0][name], rel=1e-4)
    assert table[1]["agreement"] == plain[1]["agreement"]
    assert "parameters" not in table[0]
    assert [row["name"] for row in table] == [
        "Teacher",
        "BAN-1",
        "BAN-2",
        "Ens*2",
    ]
    assert lineage[0].model is None
    assert "the function 'function'" in repr(lineage[0])
    # The teacher does best, and is none to be chosen.
    assert lineage[0].metrics["error"] < lineage.best.metrics["error"]
    assert lineage.best.number > 0
    mean = keras_ban.ensemble([lineage[1].model, lineage[2].model])
    np.testing.assert_array_equal(lineage.ensemble()(X), mean(X))
    with pytest.raises(ValueError, match="from 1 to 2"):
        lineage.ensemble(last=3)
    for again in (copy.deepcopy(lineage), pickle.loads(pickle.dumps(lineage))):
        assert again[0].given == "the function 'function'"
        assert_same(again[2].model, lineage[2].model)


def test_generation_0_of_predictions(network, tmp_path):
    rows = predictions(network, tmp_path)
    held_out = {"validation_split": 0.25}
    # Later generations learn from networks, in each step.
    expected, lineage = (
        lineage_of(network, **held_out),
        lineage_of(rows, **held_out),
    )
    for g, other in zip(lineage[1:], expected[1:], strict=True):
        assert_close(g.model, other.model, rtol=0, atol=1e-6)
    assert lineage[0].metrics == {}
    assert "nll" not in lineage.evaluate(*VALIDATION)[0]
    assert "predictions of shape (64, 4)" in repr(lineage[0])
