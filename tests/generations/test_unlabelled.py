"""The losses of examples without labels, beside those that have one."""

import contextlib

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from builders import SparseCE
from builders import compiled
from builders import mlp
from lineages import model_fn
from objective_cases import Halfway
from replicas import mirrored
from unlabelled import MORE
from unlabelled import WEIGHT
from unlabelled import X
from unlabelled import Y
from unlabelled import fed

import keras_ban
from keras_ban.distribution.parts import Mixed
from keras_ban.distribution.parts import Partly

ALL = np.concatenate([X, MORE])


def still(reduction="sum_over_batch_size", ignore_class=None):
    """A network that learns nothing, so that its losses can be worked out."""
    loss = SparseCE(True, ignore_class, reduction)
    return compiled(mlp(), optimizer=keras.optimizers.SGD(0.0), loss=loss)


def logged(objective, make=still, y=Y, **fit):
    """What an epoch of one batch logs, and the logits of both networks."""
    teacher = mlp(scale=2.0)
    lineage = keras_ban.BornAgain(make, objective).fit(
        X,
        y,
        generations=1,
        teacher=teacher,
        unlabelled=MORE,
        batch_size=60,
        verbose=0,
        **fit,
    )
    models = lineage[1].model, teacher
    logits = [m.predict(ALL, verbose=0) for m in models]
    return {k: v[0] for k, v in lineage[1].history.items()}, *logits


class Half(Halfway):
    splits_terms = True


# The weight of the labels and of the teacher's term.
TERMS = {
    "ban": (0, 1),
    "ban+l": (1, 1),
    "kd": (0.5, 0.5),
    "dist": (1, 1),
    "logits": (0, 1),
    Half(): (0.5, 0.5),
}


def teachers_term(objective, z, t):
    """The loss by each objective's formula, of labels that weigh nothing."""
    y = np.zeros_like(z)
    if objective == "kd":
        return reference.kd(y, z, t, 0.0, 2.0)[0]
    formula = objective if objective in ("dist", "logits") else "ban"
    return reference.FORMULAS[formula](y, z, t)[0]


@pytest.mark.parametrize(
    "objective, is_weighted", [*((o, True) for o in TERMS), ("kd", False)]
)
def test_terms_are_means_over_their_own_examples(objective, is_weighted):
    weight = WEIGHT if is_weighted else np.ones(60)
    given = {"sample_weight": WEIGHT} if is_weighted else {}
    found, z, t = logged(objective, **given)
    label = (weight * reference.labels(np.eye(4)[Y], z[:60])[0]).mean()
    weight = np.concatenate([weight, np.ones(97)])
    soft = (weight * teachers_term(objective, z, t)).mean()
    alpha, beta = TERMS[objective]
    assert found["loss"] == pytest.approx(alpha * label + beta * soft, rel=1e-5)
    assert found["label_loss"] == pytest.approx(label, rel=1e-5)
    assert found["teacher_loss"] == pytest.approx(soft, rel=1e-5)
    right = np.mean(z[:60].argmax(-1) == Y)
    assert found["accuracy"] == pytest.approx(right)


@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_other_reductions(reduction):
    found, z, t = logged(
        "ban+l", lambda: still(reduction), sample_weight=WEIGHT
    )
    w = np.concatenate([WEIGHT, np.ones(97)])
    label = WEIGHT * reference.labels(np.eye(4)[Y], z[:60])[0]
    soft = w * reference.ban(None, z, t)[0]
    sizes = (1, 1) if reduction == "sum" else (WEIGHT.sum(), w.sum())
    label, soft = label.sum() / sizes[0], soft.sum() / sizes[1]
    assert found["label_loss"] == pytest.approx(label, rel=1e-5)
    assert found["loss"] == pytest.approx(label + soft, rel=1e-5)


def test_an_ignored_label_is_not_a_missing_one():
    found, z, t = logged("ban+l", lambda: still(ignore_class=0))
    kept = np.concatenate([Y != 0, np.full(97, True)])
    label = reference.labels(np.eye(4)[Y], z[:60])[0][Y != 0].mean()
    soft = reference.ban(None, z, t)[0][kept].mean()
    assert found["label_loss"] == pytest.approx(label, rel=1e-5)
    assert found["loss"] == pytest.approx(label + soft, rel=1e-5)


def test_mixed_examples_have_the_labels_that_there_are():
    other = np.random.default_rng(0).permutation(157)
    share = np.linspace(0.1, 0.9, 157)
    y = np.concatenate([Y, np.zeros(97, int)])
    known = np.arange(157) < 60
    student, teacher = still(), mlp()
    z, t = (m.predict(ALL, verbose=0) for m in (student, teacher))
    losses = [
        (s * reference.labels(np.eye(4)[y[r]], z)[0])[known[r]].sum()
        / known.sum()
        for s, r in ((share, np.arange(157)), (1 - share, other))
    ]
    expected = sum(losses) + reference.ban(None, z, t)[0].mean()
    pair = [
        Partly(tf.constant(y[r]), tf.constant(known[r]))
        for r in (np.arange(157), other)
    ]
    share = tf.constant(share, "float32")
    model = keras_ban.Distiller(student, teacher, "ban+l")
    model.check_models(X, Y)
    found = model.compute_loss(ALL, Mixed(*pair, share, share), student(ALL))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_distiller_learns_from_them():
    teacher, pair = mlp(scale=2.0), [model_fn(), model_fn()]
    pair[1].set_weights(pair[0].get_weights())
    distiller = keras_ban.Distiller(pair[0], teacher, "kd")
    how = {"batch_size": 60, "shuffle": False, "verbose": 0}
    history = distiller.fit(X, Y, unlabelled=MORE, **how).history
    logits = [m.predict(ALL, verbose=0) for m in (pair[1], teacher)]
    label = reference.labels(np.eye(4)[Y], logits[0][:60])[0].mean()
    soft = teachers_term("kd", *logits).mean()
    assert history["label_loss"] == pytest.approx([label], rel=1e-5)
    assert history["teacher_loss"] == pytest.approx([soft], rel=1e-5)
    assert history["loss"] == pytest.approx([(label + soft) / 2], rel=1e-5)


def test_a_distiller_refuses_an_objective_that_needs_labels():
    distiller = keras_ban.Distiller(model_fn(), mlp(), "cwtm")
    with pytest.raises(ValueError, match="the label of each"):
        distiller.fit(X, Y, unlabelled=MORE, verbose=0)


def test_replicas_have_one_mean():
    found, start, aim = [], mlp(), mlp()
    for strategy in (None, mirrored(2)):
        with strategy.scope() if strategy else contextlib.nullcontext():
            pair = [mlp(), mlp()]
            for model, like in zip(pair, (start, aim), strict=True):
                model.set_weights(like.get_weights())
            compiled(pair[0], eager=False)
        model = keras_ban.Distiller(*pair, "dist")
        read = fed(sample_weight=WEIGHT).taught.epochs(1, 7, 0)
        model.check_models(X, Y)
        history = model.fit_unchecked(**read, verbose=0).history
        found.append((pair[0].get_weights(), history))
    for one, other in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    for name, values in found[0][1].items():
        assert found[1][1][name] == pytest.approx(values, rel=1e-5)


def test_compare_gives_them_to_students_alone():
    study = keras_ban.compare(
        model_fn,
        X,
        Y,
        {"more": keras_ban.Method("ban+l", generations=1)},
        seeds=2,
        epochs=1,
        verbose=0,
        unlabelled=MORE,
    )
    labels, taught = study.lineages.values()
    assert "teacher_loss" in taught[0][1].history
    assert "teacher_loss" not in labels[0][0].history
