"""What `docs/coming_from.md` says of Keras' own distiller, and of ours."""

import keras
import numpy as np
import pytest
import reference
from builders import LOGITS
from builders import learnable
from builders import mlp

import keras_ban
from keras_ban import objectives

X, Y = learnable(64)
DIVERGENCE = keras.losses.KLDivergence()


def networks(**student):
    keras.utils.set_random_seed(1)
    return mlp(scale=4.0), mlp(**student)


def keras_own(student, teacher, loss=DIVERGENCE, temperature=3.0):
    distiller = keras.distillation.Distiller(
        teacher=teacher,
        student=student,
        distillation_losses=keras.distillation.LogitsDistillation(
            temperature=temperature, loss=loss
        ),
        student_loss_weight=0.3,
    )
    optimizer = keras.optimizers.SGD(0.5)
    distiller.compile(optimizer, loss=LOGITS, run_eagerly=True)
    return distiller


def ours(student, teacher, temperature=3.0):
    objective = objectives.KD(alpha=0.3, temperature=temperature)
    distiller = keras_ban.Distiller(student, teacher, objective)
    optimizer = keras.optimizers.SGD(0.5)
    distiller.compile(optimizer, loss=LOGITS, run_eagerly=True)
    return distiller


def trained(make, weight=None, **student):
    """The student's weights after two steps, and those of its teacher."""
    teacher, student = networks(**student)
    distiller = make(student, teacher)
    distiller.fit(
        X, Y, batch_size=32, shuffle=False, verbose=0, sample_weight=weight
    )
    return student.get_weights(), teacher


def close(first, second, tolerance=1e-5):
    return all(
        np.allclose(a, b, rtol=tolerance, atol=tolerance)
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_both_train_the_same_student(temperature):
    make = {"temperature": temperature}
    theirs, _ = trained(lambda s, t: keras_own(s, t, **make))
    assert close(trained(lambda s, t: ours(s, t, **make))[0], theirs)


def test_the_default_loss_of_keras_is_no_divergence():
    rng = np.random.default_rng(0)
    t, s = rng.normal(size=(2, 8, 4)).astype("float32") * 3
    p, q = reference.softmax(t / 3), reference.softmax(s / 3)
    expected = 9 * (p * np.log(p / q)).sum(-1).mean()
    for loss, is_right in ((DIVERGENCE, True), ("kl_divergence", False)):
        found = keras.distillation.LogitsDistillation(3.0, loss)
        value = float(found.compute_loss(t, s))
        assert (abs(value - expected) < 1e-4) == is_right


@pytest.mark.parametrize("make, counts", [(keras_own, False), (ours, True)])
def test_sample_weights(make, counts):
    weight = np.linspace(0, 2, len(X)).astype("float32")
    same = close(trained(make)[0], trained(make, weight)[0])
    assert same == (not counts)


@pytest.mark.parametrize("make, counts", [(keras_own, False), (ours, True)])
def test_losses_of_layers(make, counts):
    same = close(trained(make)[0], trained(make, l2=0.1)[0])
    assert same == (not counts)


@pytest.mark.parametrize("make, stays", [(keras_own, False), (ours, True)])
def test_the_teacher_afterwards(make, stays):
    _, teacher = trained(make)
    assert teacher.trainable == stays
