"""Runs whose teacher is no Keras model: kept, resumed, and read without it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import learnable
from foreign import X
from foreign import Y
from interruptions import check
from interruptions import run
from lineages import model_fn
from matrices import names
from sklearn.linear_model import LogisticRegression
from weights import assert_same

import keras_ban
from keras_ban.tasks import kinds
from keras_ban.teaching import family
from keras_ban.teaching import values

KERNEL = np.random.default_rng(5).normal(size=(6, 4)).astype("float32")
VALIDATION = learnable(40, 2)
GIVEN = {"x": X, "y": Y, "batch_size": 16, "validation_data": VALIDATION}


def by_numpy(x):
    return np.asarray(x) @ KERNEL


def by_tensorflow(x):
    return tf.matmul(x, KERNEL)


def others(x):
    return by_numpy(x) + 0.01


def said(teacher):
    return family.get(teacher, kinds.Said(from_logits=True))


TEACHERS = {
    "NumPy": lambda: said(by_numpy),
    "TensorFlow": lambda: said(by_tensorflow),
    "predictions": lambda: said(by_numpy(X)),
    "estimator": lambda: LogisticRegression().fit(X, Y),
}


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        pytest.param("NumPy", "online", marks=pytest.mark.slow),
        ("NumPy", "cached"),
        ("predictions", "online"),
    ],
)
def test_resumed(tmp_path, name, outputs):
    stops = [(1, 1, 2)] if outputs == "online" else [(1, 0, 1), (2, 1, 0)]
    actual, _ = check(
        tmp_path,
        stops,
        teacher=TEACHERS[name](),
        teacher_outputs=outputs,
        generations=2 if outputs == "cached" else 1,
        **GIVEN,
    )
    assert actual[0].metrics or name == "predictions"
    loaded = keras_ban.load(tmp_path)
    assert loaded[0].model is None and not loaded[0].predicts
    assert loaded[0].given == actual[0].given.words
    assert loaded[0].metrics == actual[0].metrics
    assert loaded[0].given in repr(loaded[0])
    assert_same(loaded[1].model, actual[1].model)
    assert not (tmp_path / "generation-0" / "model.keras").exists()
    assert len(loaded.ensemble().layers) == len(actual.ensemble().layers)
    assert "error" not in loaded.evaluate(*VALIDATION)[0]


def test_a_finished_run_goes_on_with_the_same_teacher(tmp_path):
    given = {"teacher": said(by_numpy), **GIVEN}
    expected, _ = run(generations=2, **given)
    run(tmp_path, **given)
    actual, _ = run(tmp_path, generations=2, **given)
    assert_same(actual[2].model, expected[2].model)
    assert actual[0].source is given["teacher"]


SAID = ("NumPy", "predictions", "estimator")


@pytest.mark.parametrize("name", names(SAID, "NumPy", "predictions"))
def test_another_teacher_is_refused(tmp_path, name):
    rows = by_numpy(X)
    rows[40, 2] += 1e-6
    another = {
        "NumPy": said(others),
        "predictions": said(rows),
        "estimator": LogisticRegression(C=0.9).fit(X, Y),
    }
    run(tmp_path, teacher=TEACHERS[name](), **GIVEN)
    for teacher in (another[name], None):
        with pytest.raises(ValueError, match="`teacher` differs"):
            run(tmp_path, teacher=teacher, **GIVEN)
    if name == "NumPy":
        # The same of another library and name is the same.
        run(tmp_path, teacher=TEACHERS["TensorFlow"](), **GIVEN)


def test_the_last_digits_do_not_tell_a_teacher():
    found = np.random.default_rng(0).normal(size=(8, 4))
    found[0, 0] = 0.0
    first = values.digest(found)
    assert values.digest(found * (1 + 1e-7)) == first
    assert values.digest(found.astype("float32")) == first
    for other in (found * 1.01, -found, found[::-1], found.reshape(4, 8)):
        assert values.digest(other) != first


def test_data_in_another_order_each_time(tmp_path):
    """What the first rows are, does not tell a teacher then."""
    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(64).batch(16)
    given = {"teacher": said(by_numpy), "x": data}
    run(tmp_path, **given)
    lineage, _ = run(tmp_path, generations=2, **given)
    assert len(lineage) == 3


def test_models_that_are_not_kept(tmp_path):
    given = {"teacher": said(by_numpy), "generations": 2, **GIVEN}
    actual, _ = run(tmp_path, born={"keep": "best"}, **given)
    kept = [g.number for g in actual if g.model]
    assert set(kept) == {2, actual.best.number}
    assert actual.best.number > 0
    loaded = keras_ban.load(tmp_path)
    assert [g.number for g in loaded if g.model] == kept


def test_a_lost_record_is_made_up_for(tmp_path):
    given = {"teacher": said(by_numpy), **GIVEN}
    expected, _ = run(tmp_path, **given)
    (tmp_path / "run.json").unlink()
    with pytest.warns(UserWarning, match=r"run\.json is missing"):
        lineage, _ = run(tmp_path, **given)
    assert [g.name for g in lineage] == ["Teacher", "BAN-1"]
    assert_same(lineage[1].model, expected[1].model)


def test_a_file_teaches_as_its_model(tmp_path):
    keras.utils.set_random_seed(4)
    teacher = model_fn()
    teacher.save(tmp_path / "teacher.keras")
    expected, _ = run(tmp_path / "run", teacher=teacher, **GIVEN)
    path = tmp_path / "teacher.keras"
    found, _ = run(tmp_path / "run", teacher=path, **GIVEN)
    assert_same(found[1].model, expected[1].model)
    loaded = keras_ban.load(tmp_path / "run")
    assert_same(loaded[0].model, teacher)
