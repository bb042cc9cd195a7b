"""Several outputs, learned from teachers of all of them or of some."""

import keras
import numpy as np
import pytest
from builders import compiled
from reference import softmax
from several import CE
from several import DIGIT
from several import FIT
from several import SIZES
from several import X
from several import Y
from several import bigger
from several import losses
from several import make
from several import sigmoid
from weights import assert_close
from weights import assert_same

import keras_ban
from keras_ban import objectives
from keras_ban import views


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


def test_an_objective_for_all_is_a_copy_for_each():
    given = objectives.KD(alpha=(0.0, 1.0))
    distiller = keras_ban.Distiller(make()(), make()(), given)
    distiller.fit(X, Y, **FIT)
    copies = distiller.objective.copies
    assert set(copies) == set(Y) and len(set(map(id, copies.values()))) == 3
    assert all(float(one._annealed) == 1.0 for one in copies.values())
    assert not given.copies


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


def test_examples_without_labels_and_labels_that_do_not_count():
    more = np.random.default_rng(0).normal(size=(30, 6)).astype("float32")
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
