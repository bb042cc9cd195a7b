"""The terms of each kind of task against formulas in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import linear
from matrices import pairs

import keras_ban
from keras_ban import objectives
from keras_ban import tasks
from keras_ban.tasks import kinds

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 6)).astype("float32")
VALUES = X[:, :4] * 3 + 1
MARKS = (RNG.random((12, 4)) < 0.4).astype("float32")
BCE = keras.losses.BinaryCrossentropy(from_logits=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def squares(z, t):
    return np.square(z - t).mean(-1), 2 * (z - t) / z.shape[-1]


def bernoulli(z, t):
    p, q = sigmoid(t), sigmoid(z)
    terms = -p * np.log(q) - (1 - p) * np.log(1 - q)
    return terms.mean(-1), (q - p) / z.shape[-1]


def absolute(z, t):
    return np.abs(z - t).mean(-1), np.sign(z - t) / z.shape[-1]


def gaussian(z, t):
    (m, s), (mt, st) = np.split(z, 2, -1), np.split(t, 2, -1)
    spread = (np.exp(st) + (mt - m) ** 2) / np.exp(s)
    by_mean, by_scale = (m - mt) / np.exp(s), (1 - spread) / 2
    count = m.shape[-1]
    gradient = np.concatenate([by_mean, by_scale], -1) / count
    return ((s - st + spread - 1) / 2).mean(-1), gradient


def gaussian_nll(z, y):
    m, s = np.split(z, 2, -1)
    squared = (y - m) ** 2 / np.exp(s)
    by_mean, by_scale = (m - y) / np.exp(s), (1 - squared) / 2
    nll = ((s + squared + np.log(2 * np.pi)) / 2).mean(-1)
    return nll, np.concatenate([by_mean, by_scale], -1) / m.shape[-1]


def marks(z, y):
    q = sigmoid(z)
    terms = -y * np.log(q) - (1 - y) * np.log(1 - q)
    return terms.mean(-1), (q - y) / z.shape[-1]


# Loss of the student, labels, the label's and the teacher's terms.
KINDS = {
    "values": ("mse", VALUES, squares, squares),
    "absolute values": ("mae", VALUES, absolute, absolute),
    "labels": (BCE, MARKS, marks, bernoulli),
    "gaussians": (
        tasks.GaussianNLL(),
        VALUES[:, :2],
        gaussian_nll,
        gaussian,
    ),
}
each = pytest.mark.parametrize("kind", KINDS)


def pair(loss):
    student, teacher = linear(4, None, loss, 0), linear(4, None, loss, 1)
    teacher.set_weights([3 * w for w in teacher.get_weights()])
    return student, teacher


@each
def test_teacher_terms_and_gradients(kind):
    loss, _, _, formula = KINDS[kind]
    student, teacher = pair(loss)
    task = kinds.task_of(student)
    z, t = (
        m.predict(X, verbose=0).astype("float64") for m in (student, teacher)
    )
    expected, gradient = formula(z, t)
    z = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(z)
        losses = task.teacher_losses(z, tf.constant(t))
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    found = tape.gradient(losses, z)
    np.testing.assert_allclose(found, gradient, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "objective"), pairs(KINDS, ["kd", "ban+l", "ban"])
)
def test_a_step_by_hand(kind, objective):
    loss, y, label, formula = KINDS[kind]
    student, teacher = pair(loss)
    student.compile(keras.optimizers.SGD(0.1), loss)
    z, t = (
        m.predict(X, verbose=0).astype("float64") for m in (student, teacher)
    )
    hard, by_label = label(z, y.astype("float64"))
    soft, by_teacher = formula(z, t)
    alpha = {"ban": (0, 1), "ban+l": (1, 1), "kd": (0.3, 0.7)}[objective]
    if objective == "kd" and kind == "labels":
        # The temperature softens each Bernoulli distribution.
        soft, by_teacher = formula(z / 2, t / 2)
        soft, by_teacher = 4 * soft, 2 * by_teacher
    loss_value = alpha[0] * hard.mean() + alpha[1] * soft.mean()
    gradient = alpha[0] * by_label + alpha[1] * by_teacher
    kernel, bias = (w.astype("float64") for w in student.get_weights())
    kernel -= 0.1 * X.T.astype("float64") @ gradient / len(X)
    bias -= 0.1 * gradient.mean(0)
    given = objectives.KD(0.3, 2.0) if objective == "kd" else objective
    distiller = keras_ban.Distiller(student, teacher, given)
    fit = {"batch_size": 12, "epochs": 1, "shuffle": False, "verbose": 0}
    history = distiller.fit(X, y, **fit).history
    assert history["loss"][0] == pytest.approx(loss_value, rel=1e-6)
    assert history["label_loss"][0] == pytest.approx(hard.mean(), rel=1e-6)
    for actual, expected in zip(
        student.get_weights(), (kernel, bias), strict=True
    ):
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_one_sigmoid_and_two_softmax_columns_teach_each_other():
    one = linear(1, None, BCE, 0)
    two = linear(2, "softmax", "sparse_categorical_crossentropy", 1)
    z = one.predict(X, verbose=0).astype("float64")
    p = two.predict(X, verbose=0).astype("float64")
    q = np.concatenate([1 - sigmoid(z), sigmoid(z)], -1)
    y = (X[:, 0] > 0).astype("int32")
    fit = {"batch_size": 12, "shuffle": False, "verbose": 0}
    for student, teacher, a, b in ((one, two, p, q), (two, one, q, p)):
        student = keras.models.clone_model(student)
        source = one if student.output_shape[-1] == 1 else two
        student.set_weights(source.get_weights())
        student.compile("sgd", source.loss)
        history = keras_ban.Distiller(student, teacher).fit(X, y, **fit).history
        expected = -(a * np.log(b)).sum(-1).mean()
        assert history["loss"][0] == pytest.approx(expected, rel=1e-6)


def test_masked_and_weighted_positions_count_as_in_keras():
    def model():
        inputs = keras.Input((5,), dtype="int32")
        hidden = keras.layers.Embedding(7, 4, mask_zero=True)(inputs)
        found = keras.Model(inputs, keras.layers.Dense(2)(hidden))
        found.compile(keras.optimizers.SGD(0.0), "mse")
        return found

    x = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0], [6, 1, 2, 3, 4]])
    y = RNG.normal(size=(3, 5, 2)).astype("float32")
    weight = RNG.random((3, 5)).astype("float32")
    student, teacher = model(), model()
    z, t = student.predict(x, verbose=0), teacher.predict(x, verbose=0)
    w = weight * (x > 0)
    expected = (w * squares(z, t)[0]).sum() / (x > 0).sum()
    history = keras_ban.Distiller(student, teacher).fit(
        x, y, sample_weight=weight, batch_size=3, verbose=0
    )
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("objective", ["cwtm", "dkpp", "dkd", "dist"])
def test_objectives_of_classes_are_refused(objective):
    for loss, y in (("mse", VALUES), (BCE, MARKS)):
        with pytest.raises(ValueError, match="compares distributions over"):
            keras_ban.BornAgain(
                lambda loss=loss: linear(4, None, loss), objective
            ).fit(X, y, verbose=0)


def test_a_teacher_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"values \(regression\), the teacher"):
        keras_ban.Distiller(linear(4, None, "mse"), linear()).fit(
            X, VALUES, verbose=0
        )
    with pytest.raises(ValueError, match="teacher values"):
        keras_ban.Distiller(linear(), linear(4, None, "mse")).fit(
            X, np.arange(12) % 4, verbose=0
        )
    # Nothing is read of a generator before it trains.
    distiller = keras_ban.Distiller(linear(4, None, "mse"), linear())
    with pytest.raises(ValueError, match="The student predicts"):
        distiller.fit(((X, VALUES) for _ in range(2)), shuffle=False, verbose=0)
