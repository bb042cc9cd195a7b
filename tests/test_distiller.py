import functools
import itertools
import math
import zipfile

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

import keras_ban
from keras_ban import losses
from keras_ban import objectives

N = 4
RATE = 64.0
L2 = 0.015625
SparseCE = keras.losses.SparseCategoricalCrossentropy
LOGITS = SparseCE(from_logits=True)


def network(last=None, n=N, extra=(), l2=0.0, scale=1.0):
    regularizer = keras.regularizers.L2(l2) if l2 else None
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(
                8,
                activation="tanh",
                kernel_regularizer=regularizer,
            ),
            *extra,
            keras.layers.Dense(
                n,
                activation=last,
                kernel_regularizer=regularizer,
            ),
        ]
    )
    model.set_weights([scale * w for w in model.get_weights()])
    return model


def busy(last=None, drop=0.3):
    extra = [keras.layers.BatchNormalization(), keras.layers.Dropout(drop)]
    return network(last, extra=extra, l2=L2)


def copy(model, **arguments):
    result = network(**arguments)
    result.set_weights(model.get_weights())
    return result


def distiller(
    student,
    teacher,
    objective="ban",
    loss=LOGITS,
    rate=1.0,
    optimizer=None,
    run_eagerly=True,
    **arguments,
):
    result = keras_ban.Distiller(student, teacher, objective)
    result.compile(
        optimizer or keras.optimizers.SGD(rate),
        loss,
        run_eagerly=run_eagerly,
        **arguments,
    )
    return result


def fit(model, x, y=None, **arguments):
    """The history of a fit in one batch, in the order of the rows."""
    arguments = {"batch_size": 96, "shuffle": False, "verbose": 0} | arguments
    return model.fit(x, y, **arguments).history


def logs(model, x, y=None, **arguments):
    """What the last epoch of `fit` logs."""
    history = fit(model, x, y, **arguments)
    return {name: values[-1] for name, values in history.items()}


def batch_logs(model, x, y=None, weight=None):
    """What one step logs."""
    return model.train_on_batch(x, y, weight, return_dict=True)


def change(model, train):
    """By how much `train()` changes the weights of a model."""
    before = model.get_weights()
    train()
    return [b - a for a, b in zip(before, model.get_weights(), strict=True)]


def update(model, x, y=None, **arguments):
    """By how much `fit` changes the student's weights."""
    return change(model.student, lambda: fit(model, x, y, **arguments))


def step(student, teacher, objective, x, y=None, weight=None, **arguments):
    """By how much one step of gradient descent changes the weights."""
    model = distiller(student, teacher, objective, **arguments)
    return change(student, lambda: model.train_on_batch(x, y, weight))


def flat(arrays):
    return np.concatenate([np.ravel(a).astype("float64") for a in arrays])


def error(actual, expected):
    """Size of the difference, relative to the size of what is expected."""
    actual, expected = flat(actual), flat(expected)
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def bits(arrays):
    return [np.asarray(a).tobytes() for a in arrays]


def variables(model):
    return [keras.ops.convert_to_numpy(v) for v in model.variables]


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float64")


def dyadic(count):
    """Sample weights that every float type holds exactly."""
    return np.array([0.5, 1.0, 2.0, 0.25, 0.0, 4.0])[np.arange(count) % 6]


def tfdata(*arrays, batch=96):
    arrays = arrays[0] if len(arrays) == 1 else arrays
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch)


def forward(weights, x):
    w1, b1, w2, b2 = weights
    return tf.tanh(x @ w1 + b1) @ w2 + b2


def cross_entropy(p, z):
    return -tf.reduce_sum(p * tf.nn.log_softmax(z), axis=-1)


def ban(y, z, t):
    return cross_entropy(tf.nn.softmax(t), z)


def ban_with_labels(y, z, t):
    return cross_entropy(y, z) + cross_entropy(tf.nn.softmax(t), z)


def cwtm(y, z, t):
    confidence = tf.reduce_max(tf.nn.softmax(t), axis=-1)
    weights = confidence / tf.reduce_sum(confidence)
    return len(y) * weights * cross_entropy(y, z)


def kd(y, z, t, alpha=0.5, temperature=2.0):
    p = tf.nn.softmax(t / temperature)
    soft = temperature**2 * cross_entropy(p, z / temperature)
    return alpha * cross_entropy(y, z) + (1 - alpha) * soft


def logit_regression(y, z, t):
    return tf.reduce_mean((z - t) ** 2, axis=-1)


FORMULAS = {
    "ban": ban,
    "ban+l": ban_with_labels,
    "cwtm": cwtm,
    "kd": kd,
    "logits": logit_regression,
}
each_objective = pytest.mark.parametrize("objective", FORMULAS)


def step_by_hand(formula, weights, targets, x, y, weight, l2=0.0, parts=1):
    """One step in float64 with the mean gradient of `parts` batches.

    `targets(x)` gives the teacher's logits.
    """
    trained = [tf.Variable(w, dtype="float64") for w in weights]
    gradients = []
    for rows in np.split(np.arange(len(x)), parts):
        inputs = x[rows].astype("float64")
        with tf.GradientTape() as tape:
            z = forward(trained, inputs)
            losses = formula(np.eye(N)[y[rows]], z, targets(inputs))
            penalty = sum(tf.reduce_sum(v**2) for v in trained[::2])
            loss = tf.reduce_mean(weight[rows] * losses) + l2 * penalty
        gradients.append(tape.gradient(loss, trained))
    return [-RATE * np.mean(g, axis=0) for g in zip(*gradients, strict=True)]


def targets_of(teacher):
    weights = [w.astype("float64") for w in teacher.get_weights()]
    return functools.partial(forward, weights)


def use(dtype):
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


def step_and_hand(data, objective, weighted, l2, parts, train, **arguments):
    """The change that `train` makes, and the one worked out by hand."""
    x, y = data
    student, teacher = network(l2=l2), network(scale=2.0)
    expected = step_by_hand(
        FORMULAS[objective],
        student.get_weights(),
        targets_of(teacher),
        x,
        y,
        dyadic(96) if weighted else np.ones(96),
        l2,
        parts,
    )
    optimizer = keras.optimizers.SGD(
        RATE, gradient_accumulation_steps=parts if parts > 1 else None
    )
    arguments["optimizer"] = optimizer
    model = distiller(student, teacher, objective, **arguments)
    return change(student, lambda: train(model)), expected


@each_objective
@pytest.mark.parametrize(
    "dtype, tolerance", [("float32", 1e-6), ("float64", 1e-12)]
)
@pytest.mark.parametrize(
    "weighted, l2, parts",
    [(False, 0.0, 1), (True, 0.0, 1), (False, L2, 1), (True, L2, 3)],
)
def test_step_equals_the_step_by_hand(
    data, objective, dtype, tolerance, weighted, l2, parts
):
    use(dtype)
    x, y = data
    weight = dyadic(96) if weighted else None

    def train(model):
        for rows in np.split(np.arange(96), parts):
            part = weight[rows] if weighted else None
            model.train_on_batch(x[rows], y[rows], part)

    actual, expected = step_and_hand(
        data, objective, weighted, l2, parts, train
    )
    assert error(actual, expected) <= tolerance


@each_objective
def test_fit_in_a_graph_equals_the_step_by_hand(data, objective):
    x, y = data

    def train(model):
        fit(model, x, y, batch_size=48, sample_weight=dyadic(96))

    actual, expected = step_and_hand(
        data, objective, True, L2, 2, train, run_eagerly=False
    )
    assert error(actual, expected) <= 1e-6


def test_float64_layers_under_float32_keras(data):
    x, y = data
    models = [
        keras.Sequential(
            [
                keras.Input((6,), dtype="float64"),
                keras.layers.Dense(8, activation="tanh", dtype="float64"),
                keras.layers.Dense(N, dtype="float64"),
            ],
        )
        for _ in range(2)
    ]
    start, targets = models[0].get_weights(), targets_of(models[1])
    expected = step_by_hand(kd, start, targets, x, y, dyadic(96))
    actual = step(*models, "kd", x, y, dyadic(96), rate=RATE)
    assert error(actual, expected) <= 1e-12


def permuted_targets(teacher, x, order):
    """Log-probabilities of one row, the non-argmax ones in another order."""
    log_p = reference.log_softmax(targets_of(teacher)(x))[0]
    others = np.delete(np.arange(N), log_p.argmax())
    log_p[others] = log_p[others[list(order)]]
    return log_p[None]


def test_dkpp_step_is_that_of_a_permutation_of_classes(data):
    x, y = data
    x = x[:1]
    teacher, seen = network(scale=2.0), set()
    for seed in range(8):
        student = network()
        expected = [
            step_by_hand(
                ban,
                student.get_weights(),
                lambda _, o=order: permuted_targets(teacher, x, o),
                x,
                y,
                np.ones(1),
            )
            for order in itertools.permutations(range(N - 1))
        ]
        actual = step(student, teacher, objectives.DKPP(seed), x, rate=RATE)
        errors = [error(actual, e) for e in expected]
        assert min(errors) <= 1e-6
        seen.add(int(np.argmin(errors)))
    assert len(seen) > 1


@pytest.mark.parametrize("last", [None, "softmax"])
def test_labels_objective_is_plain_keras_bit_for_bit(data, last):
    x, y = data
    teacher, results = network(), []
    for distilled in (False, True):
        keras.utils.set_random_seed(1)
        student = busy(last)
        student.compile(
            keras.optimizers.Adam(0.01),
            SparseCE(from_logits=last is None),
            metrics=["accuracy"],
            weighted_metrics=["accuracy"],
        )
        model = student
        if distilled:
            model = keras_ban.Distiller(student, teacher, "labels")
        history = model.fit(
            x,
            y,
            sample_weight=dyadic(96),
            validation_data=(x[:20], y[:20]),
            epochs=3,
            verbose=0,
        )
        results.append((bits(variables(student)), history.history))
    assert results[0] == results[1]


def compiled_teacher(data):
    teacher = busy()
    teacher.compile("adam", LOGITS, metrics=["accuracy"])
    fit(teacher, *data)
    teacher.layers[0].trainable = False
    teacher.layers[1].trainable = False
    return teacher


def flags(model):
    return [layer.trainable for layer in model.layers] + [
        v.trainable for v in model.variables
    ]


def test_teacher_is_left_as_it_was(data):
    x, y = data
    teacher = compiled_teacher(data)
    scores = teacher.evaluate(x, y, verbose=0)
    before = bits(variables(teacher)), flags(teacher), teacher.optimizer
    steps = int(teacher.optimizer.iterations)
    model = distiller(busy(), teacher, "ban+l", run_eagerly=False)
    fit(model, x, y, batch_size=32, epochs=2, validation_data=(x, y))
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    after = bits(variables(teacher)), flags(teacher), teacher.optimizer
    assert before == after
    assert int(teacher.optimizer.iterations) == steps
    assert teacher.evaluate(x, y, verbose=0) == scores
    fit(teacher, x, y)
    assert int(teacher.optimizer.iterations) == steps + 1


def test_teacher_is_no_part_of_the_distiller():
    student, teacher = busy(), busy()
    model = distiller(student, teacher)

    def ids(variables):
        return [id(v) for v in variables]

    assert ids(model.weights) == ids(student.weights)
    assert ids(model.trainable_weights) == ids(student.trainable_weights)
    held = {id(v) for v in model.variables}
    assert not held & {id(v) for v in teacher.variables}
    assert teacher not in model._flatten_layers()


def test_student_ends_as_a_plain_compiled_model(data, tmp_path):
    x, y = data
    student = busy()
    student.compile("adam", LOGITS, metrics=["accuracy"])
    model = keras_ban.Distiller(student, network(), "kd")
    history = fit(model, x, y, epochs=2)
    assert "teacher_loss" in history
    assert set(student.evaluate(x, y, verbose=0, return_dict=True)) == {
        "loss",
        "accuracy",
    }
    for name, saver in (("a.keras", student), ("b.keras", model)):
        path = tmp_path / name
        saver.save(path)
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json").decode()
        assert "keras_ban" not in config
        assert "istiller" not in config
        loaded = keras.saving.load_model(path)
        assert bits(loaded.get_weights()) == bits(student.get_weights())
        assert int(loaded.optimizer.iterations) == 2
        assert loaded.evaluate(x, y, verbose=0) == student.evaluate(
            x, y, verbose=0
        )
    assert set(fit(student, x, y)) == {"loss", "accuracy"}
    assert int(student.optimizer.iterations) == 3


def expected_terms(objective, student, teacher, x, y, weight):
    """Label and teacher term of one batch, and the loss they combine to."""
    z, t = numpy(student(x)), numpy(teacher(x))
    y = reference.one_hot(y, N)
    temperature = 2.0 if objective == "kd" else 1.0
    teacher_losses = reference.kd(y, z, t, 0.0, temperature)[0]
    if objective == "logits":
        teacher_losses = reference.logit_regression(y, z, t)[0]
    label = np.mean(weight * reference.labels(y, z)[0])
    teacher = np.mean(weight * teacher_losses)
    loss = {
        "ban": teacher,
        "ban+l": label + teacher,
        "cwtm": np.mean(weight * reference.cwtm(y, z, t)[0]),
        "kd": 0.5 * label + 0.5 * teacher,
        "logits": teacher,
    }[objective]
    return {"label_loss": label, "teacher_loss": teacher, "loss": loss}


@each_objective
@pytest.mark.parametrize("weighted", [False, True])
def test_logged_terms(data, objective, weighted):
    x, y = data
    weight = dyadic(96) if weighted else np.ones(96)
    student, teacher = network(l2=L2), network(scale=2.0)
    penalty = L2 * sum((w**2).sum() for w in student.get_weights()[::2])
    expected = expected_terms(objective, student, teacher, x, y, weight)
    expected["loss"] += penalty
    actual = logs(
        distiller(student, teacher, objective, rate=0.0),
        x,
        y,
        sample_weight=weight if weighted else None,
    )
    assert actual == pytest.approx(expected, rel=1e-6)


def test_logged_terms_are_means_over_the_samples_of_an_epoch(data):
    x, y = data
    student, teacher = network(), network(scale=2.0)
    expected = expected_terms("kd", student, teacher, x, y, np.ones(96))
    actual = logs(
        distiller(student, teacher, "kd", rate=0.0), x, y, batch_size=36
    )
    assert actual == pytest.approx(expected, rel=1e-6)


def test_added_losses_count_once(data):
    x, y = data
    student = network(
        extra=[keras.layers.ActivityRegularization(l2=0.001)], l2=L2
    )
    actual = batch_logs(distiller(student, network(), rate=0.0), x, y)
    student(x, training=True)
    added = float(sum(student.losses))
    assert added > 0.1
    assert actual["loss"] == pytest.approx(
        actual["teacher_loss"] + added, rel=1e-6
    )


def test_validation_is_the_students_own(data):
    x, y = data
    student = busy()
    model = distiller(student, network(), "kd", metrics=["accuracy"])
    actual = logs(model, x, y, validation_data=(x[:30], y[:30]))
    expected = student.evaluate(x[:30], y[:30], verbose=0, return_dict=True)
    actual = {k: v for k, v in actual.items() if k.startswith("val_")}
    assert actual == pytest.approx(
        {f"val_{k}": v for k, v in expected.items()}, rel=1e-6
    )


@each_objective
def test_sample_weights_scale_the_update(data, objective):
    x, y = data
    student, teacher = network(), network(scale=2.0)
    once = step(copy(student), teacher, objective, x, y)
    thrice = step(copy(student), teacher, objective, x, y, np.full(96, 3.0))
    assert error(thrice, [3 * u for u in once]) <= 1e-6


@pytest.mark.parametrize("objective", ["ban", "kd"])
def test_weight_zero_leaves_a_sample_out(data, objective):
    x, y = data
    student, teacher = network(), network()
    weight = np.repeat([1.0, 0.0], 48)
    masked = step(copy(student), teacher, objective, x, y, weight)
    half = step(copy(student), teacher, objective, x[:48], y[:48])
    assert error(masked, [u / 2 for u in half]) <= 1e-6


@pytest.mark.parametrize("objective", ["ban", "cwtm"])
def test_class_weight_is_the_sample_weight_of_the_class(data, objective):
    x, y = data
    class_weight = {0: 1.0, 1: 2.0, 2: 0.5, 3: 4.0}
    student, teacher = network(), network()
    by_class = update(
        distiller(copy(student), teacher, objective),
        x,
        y,
        class_weight=class_weight,
    )
    weight = np.array([class_weight[c] for c in y])
    by_sample = step(copy(student), teacher, objective, x, y, weight)
    assert bits(by_class) == bits(by_sample)


def test_metrics_are_those_of_plain_keras(data):
    x, y = data
    arguments = {
        "metrics": ["accuracy"],
        "weighted_metrics": [
            keras.metrics.SparseCategoricalCrossentropy(
                from_logits=True, name="weighted"
            )
        ],
    }
    student = network()
    plain = copy(student)
    plain.compile(
        keras.optimizers.SGD(0.0), LOGITS, run_eagerly=True, **arguments
    )
    kept = {"sample_weight": dyadic(96), "batch_size": 32}
    expected = logs(plain, x, y, **kept)
    model = distiller(student, network(), "kd", rate=0.0, **arguments)
    actual = logs(model, x, y, **kept)
    assert list(expected) == ["accuracy", "loss", "weighted"]
    assert set(actual) == {*expected, "label_loss", "teacher_loss"}
    for name in ("accuracy", "weighted"):
        assert actual[name] == pytest.approx(expected[name], rel=1e-6)
    assert actual["label_loss"] == pytest.approx(expected["loss"], rel=1e-6)


@pytest.mark.parametrize(
    "scaled",
    [
        lambda: keras.optimizers.SGD(1.0, loss_scale_factor=1024.0),
        lambda: keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(1.0), initial_scale=1024.0
        ),
    ],
    ids=["factor", "optimizer"],
)
def test_loss_scaling_cancels(data, scaled):
    x, y = data
    student, teacher = network(l2=L2), network()
    plain = step(copy(student, l2=L2), teacher, "ban+l", x, y)
    model = distiller(
        copy(student, l2=L2), teacher, "ban+l", optimizer=scaled()
    )
    terms = {}
    actual = change(
        model.student, lambda: terms.update(batch_logs(model, x, y))
    )
    assert error(actual, plain) <= 1e-6
    assert terms["loss"] < 10


@each_objective
@pytest.mark.parametrize(
    "policy, tolerance", [("mixed_float16", 0.01), ("mixed_bfloat16", 0.05)]
)
def test_mixed_precision_is_close_to_float32(
    data, objective, policy, tolerance
):
    x, y = data
    student, teacher = network(l2=L2), network(scale=2.0)
    full = step(copy(student, l2=L2), teacher, objective, x, y)
    keras.config.set_dtype_policy(policy)
    half = distiller(
        copy(student, l2=L2), copy(teacher), objective, auto_scale_loss=True
    )
    scaled = isinstance(half.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    actual = update(half, x, y)
    assert {a.dtype for a in actual} == {np.dtype("float32")}
    assert error(actual, full) <= tolerance


def run(data, objective="kd", drop=0.3, **arguments):
    """Weights and history of two epochs under a way of running."""
    x, y = data
    keras.utils.set_random_seed(3)
    student = busy(drop=drop)
    model = distiller(
        student,
        network(scale=2.0),
        objective,
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        metrics=["accuracy"],
        **arguments,
    )
    history = fit(
        model, x, y, batch_size=16, epochs=2, sample_weight=dyadic(96)
    )
    return student.get_weights(), history


def assert_close(one, other, tolerance):
    assert error(one[0], other[0]) <= tolerance
    assert one[1].keys() == other[1].keys()
    for name, values in one[1].items():
        assert values == pytest.approx(other[1][name], rel=tolerance), name


@pytest.mark.parametrize("objective", ["cwtm", "dkpp"])
def test_eager_run_equals_the_graph(data, objective):
    runs = [run(data, objective, run_eagerly=e) for e in (True, False)]
    assert_close(*runs, 1e-5)


def test_jit_compiled_run_equals_the_graph(data):
    runs = [
        run(data, drop=0.0, run_eagerly=False, jit_compile=jit)
        for jit in (True, False)
    ]
    assert_close(*runs, 1e-5)


def test_jit_compiled_dkpp_of_two_classes_is_ban(data):
    x, y = data
    start, teacher = network(n=2), network(n=2)
    expected = step(copy(start, n=2), teacher, "ban", x, y // 2)
    arguments = {"run_eagerly": False, "jit_compile": True}
    actual = step(copy(start, n=2), teacher, "dkpp", x, y // 2, **arguments)
    assert error(actual, expected) <= 1e-6


def test_several_steps_per_execution_change_nothing(data):
    runs = [
        run(data, run_eagerly=False, steps_per_execution=steps)
        for steps in (1, 3)
    ]
    assert_close(*runs, 1e-6)


def test_way_of_running_is_taken_from_the_compiled_student():
    student = network()
    student.compile("adam", LOGITS, steps_per_execution=3, jit_compile=True)
    model = keras_ban.Distiller(student, network())
    assert model.optimizer is student.optimizer
    assert model.steps_per_execution == 3
    assert model.jit_compile is True
    assert model.run_eagerly is False


def test_batch_statistics_of_the_student_move_as_in_plain_keras(data):
    x, y = data

    def batch_norm(scale=1.0):
        return network(extra=[keras.layers.BatchNormalization()], scale=scale)

    student, plain, teacher = batch_norm(), batch_norm(), batch_norm()
    plain.set_weights(student.get_weights())
    plain.compile(keras.optimizers.SGD(0.0), LOGITS)
    frozen = bits(variables(teacher))
    fit(plain, x, y, batch_size=32)
    fit(distiller(student, teacher, rate=0.0), x, y, batch_size=32)
    moved = student.layers[1]
    assert np.abs(numpy(moved.moving_mean)).max() > 1e-3
    assert error(student.get_weights(), plain.get_weights()) <= 1e-6
    assert bits(variables(teacher)) == frozen


def test_dropout_acts_in_the_student_alone(data):
    x, y = data

    def dropping():
        return network(extra=[keras.layers.Dropout(0.5)], scale=2.0)

    student, teacher = network(), dropping()
    expected = expected_terms("ban", student, teacher, x, y, np.ones(96))
    actual = batch_logs(distiller(student, teacher, rate=0.0), x, y)
    assert actual == pytest.approx(expected, rel=1e-6)
    model = distiller(dropping(), teacher, rate=0.0)
    one, other = fit(model, x, y, epochs=2)["loss"]
    assert abs(one - other) > 1e-3


def two_inputs(structure):
    def build():
        a, b = keras.Input((2,), name="a"), keras.Input((4,), name="b")
        h = keras.layers.Concatenate()([a, b])
        h = keras.layers.Dense(8, activation="tanh")(h)
        inputs = {"a": a, "b": b} if structure is dict else [a, b]
        return keras.Model(inputs, keras.layers.Dense(N)(h))

    return build


@pytest.mark.parametrize("structure", [dict, list])
@pytest.mark.parametrize("as_dataset", [False, True])
def test_several_inputs(data, structure, as_dataset):
    x, y = data
    joined, teacher = network(), network()
    expected = step(copy(joined), teacher, "kd", x, y)
    student, other = two_inputs(structure)(), two_inputs(structure)()
    student.set_weights(joined.get_weights())
    other.set_weights(teacher.get_weights())
    parts = {"a": x[:, :2], "b": x[:, 2:]}
    if structure is list:
        parts = tuple(parts.values()) if as_dataset else list(parts.values())
    given = (tfdata(parts, y), None) if as_dataset else (parts, y)
    actual = update(
        distiller(student, other, "kd"),
        *given,
        batch_size=None if as_dataset else 96,
    )
    assert error(actual, expected) <= 1e-6


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(8, activation="tanh")
        self.head = keras.layers.Dense(N)
        self.fails = False
        self.calls = 0

    def call(self, x):
        assert not self.fails
        self.calls += 1
        return self.head(self.hidden(x))


@pytest.mark.parametrize("as_dataset", [False, True])
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_unbuilt_subclassed_student(data, as_dataset, run_eagerly):
    x, y = data
    student = Subclass()
    model = distiller(
        student,
        network(),
        "kd",
        metrics=["accuracy"],
        rate=0.1,
        run_eagerly=run_eagerly,
    )
    given = (tfdata(x, y),) if as_dataset else (x, y)
    history = fit(model, *given, batch_size=None, epochs=6)
    assert history["loss"][-1] < history["loss"][0]
    assert set(history) == {"loss", "accuracy", "label_loss", "teacher_loss"}


UNLABELLED = {
    "ban": lambda: "ban",
    "dkpp": lambda: objectives.DKPP(seed=1),
    "logits": lambda: "logits",
    "kd": lambda: objectives.KD(alpha=0, temperature=3),
}


@pytest.mark.parametrize("as_dataset", [False, True])
@pytest.mark.parametrize("objective", UNLABELLED)
def test_unlabelled_data(data, objective, as_dataset):
    x, y = data
    objective = UNLABELLED[objective]
    start, teacher = network(), network()
    expected = step(copy(start), teacher, objective(), x, y)
    student, history = copy(start), {}
    model = distiller(
        student,
        teacher,
        objective(),
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
        run_eagerly=as_dataset,
    )
    given = tfdata(x) if as_dataset else x
    size = None if as_dataset else 96
    actual = change(
        student,
        lambda: history.update(fit(model, given, batch_size=size)),
    )
    assert set(history) == {"loss", "teacher_loss"}
    assert error(actual, expected) <= 1e-6
    assert set(student.evaluate(x, y, verbose=0, return_dict=True)) >= {
        "loss",
        "accuracy",
    }


@pytest.mark.parametrize("loss", [None, LOGITS], ids=["no loss", "loss"])
def test_unlabelled_data_with_labelled_validation(data, loss):
    x, y = data
    student = network()
    model = distiller(student, network(), loss=loss, metrics=["accuracy"])
    actual = logs(model, x, epochs=2, validation_data=(x, y))
    assert set(actual) == {"loss", "teacher_loss", "val_loss", "val_accuracy"}
    z = numpy(student(x))
    expected = reference.labels(reference.one_hot(y, N), z)[0].mean()
    assert actual["val_loss"] == pytest.approx(expected, rel=1e-5)


def tagger(last=None, time_distributed=False, **arguments):
    head = keras.layers.Dense(N, activation=last)
    if time_distributed:
        head = keras.layers.TimeDistributed(head)
    inputs = keras.Input((5,), dtype="int32")
    h = keras.layers.Embedding(7, 8, **arguments)(inputs)
    return keras.Model(inputs, head(h))


def sequences():
    rng = np.random.default_rng(1)
    x = rng.integers(1, 7, size=(16, 5))
    x[np.arange(5) >= rng.integers(2, 6, size=(16, 1))] = 0
    return x, rng.integers(N, size=(16, 5))


@each_objective
@pytest.mark.parametrize("last", [None, "softmax"])
def test_masked_positions_do_not_count(objective, last):
    x, y = sequences()
    student, teacher = tagger(last, mask_zero=True), tagger(mask_zero=True)
    kept = x > 0
    z, t = numpy(student(x))[kept], numpy(teacher(x))[kept]
    if last:
        z, t = np.log(z), reference.log_softmax(t)
    one_hot = reference.one_hot(y[kept], N)
    formula = {
        "ban": reference.ban,
        "ban+l": reference.ban_with_labels,
        "cwtm": reference.cwtm,
        "kd": functools.partial(reference.kd, alpha=0.5, temperature=2.0),
        "logits": reference.logit_regression,
    }[objective]
    actual = batch_logs(
        distiller(
            student,
            teacher,
            objective,
            loss=SparseCE(from_logits=last is None),
            rate=0.0,
        ),
        x,
        y,
    )
    label = reference.labels(one_hot, z)[0].mean()
    loss = formula(one_hot, z, t)[0].mean()
    assert actual["label_loss"] == pytest.approx(label, rel=1e-6)
    assert actual["loss"] == pytest.approx(loss, rel=1e-6)


def test_one_weight_for_each_sequence_or_position():
    x, y = sequences()
    start, teacher = tagger(mask_zero=True), tagger(mask_zero=True)
    updates = []
    for weight in (dyadic(16), np.repeat(dyadic(16)[:, None], 5, axis=1)):
        student = tagger(mask_zero=True)
        student.set_weights(start.get_weights())
        updates.append(step(student, teacher, "kd", x, y, weight))
    assert error(*updates) <= 1e-6


@pytest.mark.parametrize("last", [None, "softmax"])
def test_time_distributed_head(last):
    x, y = sequences()
    student = tagger(last, time_distributed=True)
    plain, teacher = tagger(last), tagger(last)
    plain.set_weights(student.get_weights())
    loss = SparseCE(from_logits=last is None)
    actual = step(student, teacher, "kd", x, y, loss=loss)
    expected = step(plain, teacher, "kd", x, y, loss=loss)
    assert error(actual, expected) <= 1e-6


BINARY = {
    "ban": lambda label, soft: soft,
    "ban+l": lambda label, soft: label + soft,
    "kd": lambda label, soft: 0.5 * label + 0.5 * soft,
}


@pytest.mark.parametrize("teacher_last", [None, "sigmoid"])
@pytest.mark.parametrize("last", [None, "sigmoid"])
@pytest.mark.parametrize("objective", BINARY)
def test_binary(data, objective, last, teacher_last):
    x, y = data[0], (data[1] > 1).astype("float32")
    start, teacher = network(n=1), network(teacher_last, n=1, scale=2.0)
    z = numpy(start(x))[:, 0]
    t = numpy(copy(teacher, n=1)(x))[:, 0]
    scale = 2.0 if objective == "kd" else 1.0
    soft = scale**2 * reference.binary_cross_entropy(
        1 / (1 + np.exp(-t / scale)), z / scale
    )
    label = reference.binary_cross_entropy(y, z).mean()
    model = distiller(
        copy(start, last=last, n=1),
        teacher,
        objective,
        loss=keras.losses.BinaryCrossentropy(from_logits=last is None),
        rate=0.0,
        metrics=["accuracy"],
    )
    actual = batch_logs(model, x, y)
    assert actual.pop("accuracy") > 0
    assert actual == pytest.approx(
        {
            "loss": BINARY[objective](label, soft.mean()),
            "label_loss": label,
            "teacher_loss": soft.mean(),
        },
        rel=1e-5,
    )


@pytest.mark.parametrize("objective", ["ban", "cwtm", "kd", "logits"])
def test_binary_updates_do_not_depend_on_the_output(data, objective):
    x, y = data[0], data[1] > 1
    start, teacher = network(n=1), network(n=1, scale=2.0)
    updates = [
        step(
            copy(start, last=a, n=1),
            copy(teacher, last=b, n=1),
            objective,
            x,
            y,
            loss=keras.losses.BinaryCrossentropy(from_logits=a is None),
        )
        for a in (None, "sigmoid")
        for b in (None, "sigmoid")
    ]
    for other in updates[1:]:
        assert error(other, updates[0]) <= 1e-5


def test_two_logits_and_one_agree(data):
    x, y = data[0], (data[1] > 1).astype(int)
    one, teacher = network(n=1), network(n=1, scale=2.0)
    actual = step(
        one,
        teacher,
        "kd",
        x,
        y,
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        rate=0.0,
    )
    assert not flat(actual).any()

    def doubled(model):
        w1, b1, w2, b2 = model.get_weights()
        two = network(n=2)
        two.set_weights(
            [w1, b1, np.hstack([0 * w2, w2]), np.append(0 * b2, b2)]
        )
        return two

    single = distiller(
        one,
        teacher,
        "kd",
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        rate=0.0,
    )
    double = distiller(doubled(one), doubled(teacher), "kd", rate=0.0)
    assert batch_logs(single, x, y) == pytest.approx(
        batch_logs(double, x, y), rel=1e-6
    )


@pytest.mark.parametrize("objective", ["ban+l", "cwtm", "kd"])
@pytest.mark.parametrize(
    "labels",
    [lambda y: np.eye(N)[y], lambda y: y[:, None], lambda y: y.astype(float)],
    ids=["one-hot", "column", "float"],
)
def test_form_of_the_labels_changes_nothing(data, objective, labels):
    x, y = data
    start, teacher = network(), network()
    expected = step(copy(start), teacher, objective, x, y)
    y = labels(y)
    loss = LOGITS
    if y.shape == (96, N):
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    actual = step(copy(start), teacher, objective, x, y, loss=loss)
    assert error(actual, expected) <= 1e-6


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("last", [None, "softmax"])
def test_soft_and_smoothed_labels(data, last, smoothing):
    x, y = data
    soft = 0.7 * np.eye(N)[y] + 0.3 / N
    student = network(last)
    z = numpy(copy(student)(x))
    label = reference.cross_entropy(
        (1 - smoothing) * soft + smoothing / N, z
    ).mean()
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=last is None, label_smoothing=smoothing
    )
    model = distiller(student, network(), "ban+l", loss=loss, rate=0.0)
    actual = batch_logs(model, x, soft)
    assert actual["label_loss"] == pytest.approx(label, rel=1e-6)
    assert actual["loss"] == pytest.approx(
        label + actual["teacher_loss"], rel=1e-6
    )


@pytest.mark.parametrize("last", [None, "sigmoid"])
def test_smoothed_binary_labels(data, last):
    x, y = data[0], (data[1] > 1).astype("float32")
    student = network(last, n=1)
    z = numpy(copy(student, n=1)(x))[:, 0]
    label = reference.binary_cross_entropy(0.8 * y + 0.1, z).mean()
    loss = keras.losses.BinaryCrossentropy(
        from_logits=last is None, label_smoothing=0.2
    )
    model = distiller(student, network(n=1), loss=loss, rate=0.0)
    actual = batch_logs(model, x, y)["label_loss"]
    assert actual == pytest.approx(label, rel=1e-6)


def squared_distance(y_true, y_pred):
    y_true = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), N)
    return keras.ops.sum(keras.ops.square(y_pred - y_true), axis=-1)


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        "crossentropy",
        keras.losses.sparse_categorical_crossentropy,
        SparseCE(),
        SparseCE(reduction="mean_with_sample_weight"),
        [SparseCE()],
        squared_distance,
    ],
    ids=str,
)
def test_label_term_is_the_compiled_loss(data, loss):
    x, y = data
    student = network("softmax")
    plain = copy(student, last="softmax")
    plain.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    model = distiller(student, network(), objectives.KD(1.0), loss=loss)
    expected, actual = {}, {}
    by_keras = change(
        plain, lambda: expected.update(batch_logs(plain, x, y, dyadic(96)))
    )
    by_distiller = change(
        student, lambda: actual.update(batch_logs(model, x, y, dyadic(96)))
    )
    assert error(by_distiller, by_keras) <= 1e-6
    for name in ("loss", "label_loss"):
        assert actual[name] == pytest.approx(expected["loss"], rel=1e-6)


@each_objective
def test_sums_instead_of_means(data, objective):
    x, y = data
    start, teacher = network(), network()
    loss = SparseCE(from_logits=True, reduction="sum")
    mean = step(copy(start), teacher, objective, x, y)
    total = step(copy(start), teacher, objective, x, y, loss=loss)
    assert error(total, [96 * u for u in mean]) <= 1e-6


@pytest.mark.parametrize("loss", [LOGITS, squared_distance], ids=str)
def test_compiling_again_forgets_the_first_loss(data, loss):
    x, y = data
    start, teacher = network(), network()
    student = copy(start)
    model = distiller(
        student,
        teacher,
        "ban+l",
        loss=SparseCE(from_logits=True, reduction="sum"),
    )
    model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    actual = update(model, x, y)
    expected = step(copy(start), teacher, "ban+l", x, y, loss=loss)
    assert error(actual, expected) <= 1e-6


@pytest.mark.parametrize(
    "last, teacher_last",
    [(None, "softmax"), ("softmax", None), ("softmax", "softmax")],
)
@pytest.mark.parametrize("objective", ["ban", "ban+l", "cwtm", "kd"])
def test_update_does_not_depend_on_the_kind_of_output(
    data, objective, last, teacher_last
):
    x, y = data
    start, teacher = network(), network(scale=2.0)
    expected = step(copy(start), teacher, objective, x, y, dyadic(96))
    actual = step(
        copy(start, last=last),
        copy(teacher, last=teacher_last),
        objective,
        x,
        y,
        dyadic(96),
        loss=SparseCE(from_logits=last is None),
    )
    assert error(actual, expected) <= 1e-5


@pytest.mark.parametrize(
    "last, teacher_last",
    [(None, "softmax"), ("softmax", None), ("softmax", "softmax")],
)
def test_logit_regression_on_probabilities(data, last, teacher_last):
    x, y = data
    start, teacher = network(), network(scale=2.0)

    def log_regression(y, z, t):
        return logit_regression(y, tf.nn.log_softmax(z), tf.nn.log_softmax(t))

    expected = step_by_hand(
        log_regression,
        start.get_weights(),
        targets_of(teacher),
        x,
        y,
        np.ones(96),
    )
    actual = step(
        copy(start, last=last),
        copy(teacher, last=teacher_last),
        "logits",
        x,
        y,
        loss=SparseCE(from_logits=last is None),
        rate=RATE,
    )
    assert error(actual, expected) <= 1e-5


def reshaped(model, last, n):
    """The model with an output that Keras knows no logits of."""
    inputs = keras.Input((6,))
    outputs = keras.layers.Reshape((n,))(copy(model, last=last, n=n)(inputs))
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("objective", ["ban+l", "cwtm", "kd"])
@pytest.mark.parametrize("n", [1, N])
def test_probabilities_without_known_logits(data, objective, n):
    x, y = data[0], data[1] % max(n, 2)
    loss, last = SparseCE, "softmax"
    if n == 1:
        loss, last = keras.losses.BinaryCrossentropy, "sigmoid"
    start, teacher = network(n=n), network(n=n, scale=2.0)
    given = objective, x, y, dyadic(96)
    expected = step(
        copy(start, n=n), teacher, *given, loss=loss(from_logits=True)
    )
    actual = step(
        reshaped(start, last, n),
        reshaped(teacher, last, n),
        *given,
        loss=loss(from_logits=False),
    )
    assert error(actual, expected) <= 1e-5


def test_function_as_objective(data):
    x, y = data

    def objective(y_true, student_logits, teacher_logits):
        difference = student_logits - teacher_logits
        return keras.ops.mean(keras.ops.square(difference), axis=-1)

    start, teacher = network(), network()
    actual = step(copy(start), teacher, objective, x, y, dyadic(96))
    expected = step(copy(start), teacher, "logits", x, y, dyadic(96))
    assert error(actual, expected) <= 1e-6


class Halfway(objectives.Objective):
    def call(self, y_true, student_logits, teacher_logits):
        label = self.label_loss(y_true, student_logits)
        soft = self.teacher_loss(student_logits, teacher_logits)
        return 0.5 * label + 0.5 * soft


def test_subclass_as_objective(data):
    x, y = data
    start, teacher = network(), network()
    same = objectives.KD(0.5, temperature=1)
    actual = step(copy(start), teacher, Halfway(), x, y, dyadic(96))
    expected = step(copy(start), teacher, same, x, y, dyadic(96))
    assert error(actual, expected) <= 1e-6


def subclass_teacher(x):
    teacher = Subclass()
    teacher.compile(loss=LOGITS)
    teacher(x)
    return teacher


def test_teacher_runs_once_a_step_and_never_to_evaluate(data):
    x, y = data
    teacher = subclass_teacher(x)
    model = distiller(network(), teacher, "kd", metrics=["accuracy"])
    counts = []
    for validation_data in (None, (x, y)):
        teacher.calls = 0
        fit(model, x, y, batch_size=32, validation_data=validation_data)
        counts.append(teacher.calls)
    assert counts[0] == counts[1]
    teacher.calls = 0
    model.train_on_batch(x, y)
    assert teacher.calls == 1


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_evaluate_and_predict_are_the_students_own(data, run_eagerly):
    x, y = data
    teacher = subclass_teacher(x)
    student = busy()
    model = distiller(
        student,
        teacher,
        "kd",
        metrics=["accuracy"],
        run_eagerly=run_eagerly,
    )
    teacher.fails = True
    arguments = {"verbose": 0, "sample_weight": dyadic(96)}
    for as_dict in (False, True):
        arguments["return_dict"] = as_dict
        assert model.evaluate(x, y, **arguments) == student.evaluate(
            x, y, **arguments
        )
    assert np.array_equal(
        model.predict(x, verbose=0), student.predict(x, verbose=0)
    )
    assert np.array_equal(model(x), student(x))
    assert model.test_on_batch(x, y) == student.test_on_batch(x, y)


def diverging(epoch, rate):
    return 0.1 if epoch < 2 else 1000.0


def test_early_stopping_restores_the_best_student(data):
    x, y = data
    student = network()
    model = distiller(student, network(), "kd")
    history = model.fit(
        x,
        y,
        epochs=9,
        validation_data=(x, y),
        callbacks=[
            keras.callbacks.LearningRateScheduler(diverging),
            keras.callbacks.EarlyStopping(
                "val_loss", patience=2, restore_best_weights=True
            ),
        ],
        verbose=0,
    )
    assert isinstance(history, keras.callbacks.History)
    losses = history.history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 9
    assert student.evaluate(x, y, verbose=0) == pytest.approx(losses[best])
    assert float(student.optimizer.learning_rate) == 1000.0


def test_checkpoints_are_plain_students(data, tmp_path):
    x, y = data
    path, weights = tmp_path / "best.keras", tmp_path / "last.weights.h5"
    student = network()
    model = distiller(student, network(), "kd", run_eagerly=False)
    history = fit(
        model,
        x,
        y,
        epochs=4,
        validation_data=(x, y),
        callbacks=[
            keras.callbacks.LearningRateScheduler(diverging),
            keras.callbacks.ModelCheckpoint(
                path, "val_loss", save_best_only=True
            ),
            keras.callbacks.ModelCheckpoint(weights, save_weights_only=True),
        ],
    )
    loaded = keras.saving.load_model(path)
    assert type(loaded) is keras.Sequential
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(
        min(history["val_loss"])
    )
    last = network()
    last.load_weights(weights)
    assert bits(last.get_weights()) == bits(student.get_weights())


def test_validation_split(data):
    x, y = data
    start, teacher = network(), network()
    student = copy(start)
    actual = logs(
        distiller(student, teacher, "ban+l"), x, y, validation_split=0.25
    )
    other = copy(start)
    fit(distiller(other, teacher, "ban+l"), x[:72], y[:72])
    assert bits(student.get_weights()) == bits(other.get_weights())
    assert actual["val_loss"] == pytest.approx(
        student.evaluate(x[72:], y[72:], verbose=0)
    )


class Batches(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return tuple(a[32 * index : 32 * index + 32] for a in self.arrays)


def test_every_form_of_data_gives_the_same_student(data):
    arrays = (*data, dyadic(96).astype("float32"))
    start, teacher = network(), network()
    students = []
    for given in ("arrays", "dataset", "pydataset", "batches"):
        student = copy(start)
        students.append(student)
        model = distiller(student, teacher, "kd", metrics=["accuracy"])
        if given == "arrays":
            x, y, weight = arrays
            fit(model, x, y, sample_weight=weight, batch_size=32)
        elif given == "dataset":
            fit(model, tfdata(*arrays, batch=32), batch_size=None)
        elif given == "pydataset":
            fit(model, Batches(*arrays), batch_size=None)
        else:
            for i in range(3):
                terms = model.train_on_batch(
                    *Batches(*arrays)[i], return_dict=True
                )
            assert set(terms) == {
                "loss",
                "accuracy",
                "label_loss",
                "teacher_loss",
            }
    for student in students[1:]:
        assert error(student.get_weights(), students[0].get_weights()) <= 1e-6


@pytest.mark.parametrize("kinds", [(None, None), (None, "softmax", None)])
def test_list_of_teachers_stands_for_their_mean(data, kinds):
    x, y = data
    start = network()
    teachers = [network(last, scale=2.0) for last in kinds]
    p = np.mean(
        [reference.softmax(numpy(copy(t)(x))) for t in teachers], axis=0
    )
    expected = reference.cross_entropy(p, numpy(start(x))).mean()
    model = distiller(copy(start), teachers, "kd", rate=0.0)
    by_hand = step_by_hand(
        kd,
        start.get_weights(),
        lambda _: np.log(p),
        x,
        y,
        np.ones(96),
    )
    model = distiller(copy(start), teachers, "kd", rate=RATE)
    assert error(update(model, x, y), by_hand) <= 1e-5
    for teacher in (teachers, tuple(teachers), keras_ban.ensemble(teachers)):
        actual = batch_logs(distiller(copy(start), teacher, rate=0.0), x, y)
        assert actual["teacher_loss"] == pytest.approx(expected, rel=1e-6)


def test_list_of_binary_teachers(data):
    x = data[0]
    student = network(n=1)
    teachers = [network(n=1, scale=2.0), network("sigmoid", n=1)]
    z, t, s = (numpy(copy(m, n=1)(x)) for m in (student, *teachers))
    p = (1 / (1 + np.exp(-t)) + 1 / (1 + np.exp(-s))) / 2
    expected = reference.binary_cross_entropy(p, z).mean()
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model = distiller(student, teachers, loss=loss, rate=0.0)
    actual = batch_logs(model, x)["teacher_loss"]
    assert actual == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize(
    "n, labels, expected",
    [
        (N, lambda y: y, SparseCE),
        (N, lambda y: y[:, None], SparseCE),
        (N, lambda y: np.eye(N)[y], keras.losses.CategoricalCrossentropy),
        (1, lambda y: y > 1, keras.losses.BinaryCrossentropy),
        (1, lambda y: y[:, None] > 1, keras.losses.BinaryCrossentropy),
    ],
    ids=["sparse", "column", "one-hot", "binary", "binary column"],
)
def test_loss_chosen_for_the_labels(data, kind, n, labels, expected):
    x, y = data[0], labels(data[1]).astype("float32")
    last = None
    if kind == "probabilities":
        last = "softmax" if n > 1 else "sigmoid"
    student = network(last, n=n)
    arguments = {"loss": None, "rate": 0.0, "metrics": ["accuracy"]}
    model = distiller(student, network(n=n), "ban+l", **arguments)
    actual = logs(model, x, y)
    assert type(student.loss) is expected
    assert student.loss.from_logits is (last is None)
    value = student.evaluate(x, y, verbose=0, return_dict=True)
    assert actual["label_loss"] == pytest.approx(value["loss"], rel=1e-6)
    assert actual["accuracy"] == pytest.approx(value["accuracy"])


def test_loss_chosen_for_the_labels_of_a_dataset(data):
    x, y = data
    student = network("softmax")
    model = distiller(student, network(), loss=None)
    fit(model, tfdata(x, np.eye(N)[y]), batch_size=None)
    assert type(student.loss) is keras.losses.CategoricalCrossentropy
    assert student.loss.from_logits is False


def test_compile_keeps_the_loss_of_the_student(data):
    student = network()
    student.compile("adam", squared_distance)
    model = keras_ban.Distiller(student, network())
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    fit(model, *data)
    assert student.loss is squared_distance
    assert type(student.optimizer) is keras.optimizers.SGD


def test_compile_without_loss_adapts_to_half_precision(data):
    keras.config.set_dtype_policy("mixed_float16")
    model = distiller(network(), network(), loss=None)
    assert np.isfinite(logs(model, *data)["loss"])
    assert isinstance(model.optimizer.inner_optimizer, keras.optimizers.SGD)


def functional(last, n=N):
    inputs = keras.Input((6,))
    h = keras.layers.Dense(8)(inputs)
    return keras.Model(inputs, last(h, n))


def two_outputs():
    return functional(
        lambda h, n: [keras.layers.Dense(n)(h), keras.layers.Dense(n)(h)]
    )


def sharing(x, y):
    layer = keras.layers.Dense(8)
    models = []
    for _ in range(2):
        inputs = keras.Input((6,))
        outputs = keras.layers.Dense(N)(layer(inputs))
        models.append(keras.Model(inputs, outputs))
    return {"student": models[0], "teacher": models[1]}


def itself(x, y):
    model = network()
    return {"student": model, "teacher": model}


def among_teachers(x, y):
    model = network()
    return {"student": model, "teacher": [network(), model]}


def poisoned(x, value):
    x = x.copy()
    x[17, 3] = value
    return x


def relabelled(y, value):
    y = y.astype("float32")
    y[17] = value
    return y


def one_hot(y, row):
    y = np.eye(N)[y]
    y[17] = row
    return y


def uncompiled_subclass(x):
    model = Subclass()
    model(x)
    return model


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


class OwnLoss(keras.Sequential):
    def compute_loss(self, *args, **kwargs):
        return super().compute_loss(*args, **kwargs)


def own(cls):
    return cls([keras.Input((6,)), keras.layers.Dense(N)])


SOFTMAX = "sparse_categorical_crossentropy"
UNCERTAIN = "Cannot tell for certain whether the model"
BAD = {
    "student is teacher": ("The student is the teacher", itself),
    "shared layer": ("shares 2 weights with the teacher", sharing),
    "student among teachers": ("shares 4 weights", among_teachers),
    "teacher without weights": (
        "has no weights",
        lambda x, y: {"teacher": keras.Sequential([keras.layers.Dense(N)])},
    ),
    "no teacher": (
        "Invalid value for argument `teacher`",
        lambda x, y: {"teacher": None},
    ),
    "teacher is a function": (
        "Invalid value for argument `teacher`",
        lambda x, y: {"teacher": lambda x: x},
    ),
    "empty list": (
        "Invalid value for argument `teacher`",
        lambda x, y: {"teacher": []},
    ),
    "list with a stranger": (
        "Invalid value for argument `teacher`",
        lambda x, y: {"teacher": [network(), "teacher.keras"]},
    ),
    "student is no model": (
        "Invalid value for argument `student`",
        lambda x, y: {"student": keras.layers.Dense(N)},
    ),
    "unknown objective": (
        "Unknown objective",
        lambda x, y: {"objective": "bann"},
    ),
    "other classes": (
        "must give the same classes",
        lambda x, y: {"teacher": network(n=N + 1)},
    ),
    "other classes in a data set": (
        "must give the same classes",
        lambda x, y: {"teacher": network(n=N + 1), "x": tfdata(x, y)},
    ),
    "label too large": (
        "class numbers from 0 to 3",
        lambda x, y: {"y": relabelled(y, N)},
    ),
    "negative label": (
        "class numbers from 0 to 3",
        lambda x, y: {"y": relabelled(y, -1)},
    ),
    "fractional label": (
        "whole class numbers",
        lambda x, y: {"y": relabelled(y, 1.5)},
    ),
    "NaN label": ("finite numbers", lambda x, y: {"y": relabelled(y, np.nan)}),
    "text labels": (
        "Invalid labels",
        lambda x, y: {"y": y.astype(str)},
    ),
    "row of sum 2": (
        "rows that are distributions",
        lambda x, y: {"y": one_hot(y, [1, 1, 0, 0])},
    ),
    "row with a negative": (
        "rows that are distributions",
        lambda x, y: {"y": one_hot(y, [1.5, -0.5, 0, 0])},
    ),
    "fewer labels than inputs": (
        "different lengths",
        lambda x, y: {"y": y[:-1]},
    ),
    "labels of another width": (
        "labels do not fit the outputs",
        lambda x, y: {"y": np.eye(N + 1)[y]},
    ),
    "two columns for a sigmoid": (
        "Invalid labels",
        lambda x, y: {
            "student": network("sigmoid", n=1),
            "teacher": network("sigmoid", n=1),
            "y": np.eye(2)[y // 2],
            "loss": "binary_crossentropy",
        },
    ),
    "no labels for kd": (
        "has no labels",
        lambda x, y: {"objective": "kd", "y": None},
    ),
    "no labels for kd in a data set": (
        "learns from labels",
        lambda x, y: {"objective": "kd", "x": tfdata(x)},
    ),
    "NaN": ("NaN or infinity", lambda x, y: {"x": poisoned(x, np.nan)}),
    "infinity": ("NaN or infinity", lambda x, y: {"x": poisoned(x, np.inf)}),
    "NaN in a PyDataset": (
        "NaN or infinity",
        lambda x, y: {"x": Batches(poisoned(x, np.nan), y)},
    ),
    "relu student": (
        UNCERTAIN,
        lambda x, y: {"student": network("relu"), "loss": squared_distance},
    ),
    "relu student without loss": (
        UNCERTAIN,
        lambda x, y: {"student": network("relu"), "loss": None},
    ),
    "relu teacher": (UNCERTAIN, lambda x, y: {"teacher": network("relu")}),
    "relu teacher in a list": (
        UNCERTAIN,
        lambda x, y: {"teacher": [network(), network("relu")]},
    ),
    "uncompiled subclass": (
        UNCERTAIN,
        lambda x, y: {"teacher": uncompiled_subclass(x)},
    ),
    "subclass without loss": (
        UNCERTAIN,
        lambda x, y: {"student": uncompiled_subclass(x), "loss": None},
    ),
    "linear student, loss on probabilities": (
        UNCERTAIN,
        lambda x, y: {"loss": SOFTMAX},
    ),
    "softmax student, loss on logits": (
        UNCERTAIN,
        lambda x, y: {"student": network("softmax")},
    ),
    "several sigmoids": (
        UNCERTAIN,
        lambda x, y: {"student": network("sigmoid"), "loss": None},
    ),
    "several sigmoids with a loss": (
        "says that it gives probabilities, and does not",
        lambda x, y: {"student": network("sigmoid"), "loss": SOFTMAX},
    ),
    "softmax of one class": (
        "has one class only",
        lambda x, y: {
            "student": network("softmax", n=1),
            "teacher": network("sigmoid", n=1),
            "y": y > 1,
            "loss": "binary_crossentropy",
        },
    ),
    "own train_step": (
        "overrides `train_step`",
        lambda x, y: {"student": own(OwnStep)},
    ),
    "own compute_loss": (
        "overrides `compute_loss`",
        lambda x, y: {"student": own(OwnLoss)},
    ),
    "student with two outputs": (
        "must have one output",
        lambda x, y: {"student": two_outputs(), "loss": None},
    ),
    "teacher with two outputs": (
        UNCERTAIN,
        lambda x, y: {"teacher": two_outputs()},
    ),
    "one class only": (
        "holds one class only",
        lambda x, y: {"y": np.zeros_like(y)},
    ),
}


@pytest.mark.filterwarnings("ignore:[^Y]*You are using a softmax over axis")
@pytest.mark.parametrize("match, case", BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_before_the_first_step(data, match, case):
    x, y = data
    case = case(x, y)
    x, y = case.pop("x", x), case.pop("y", y)
    student = case.setdefault("student", network())
    case.setdefault("teacher", network())
    loss = case.pop("loss", LOGITS)
    is_model = isinstance(student, keras.Model)
    before = bits(variables(student)) if is_model else None
    optimizer = keras.optimizers.SGD(1.0)
    with pytest.raises(ValueError, match=match):
        keras_ban.Distiller(**case).compile(optimizer, loss)
        model = keras_ban.Distiller(**case)
        model.compile(optimizer, loss)
        model.fit(
            x,
            y if isinstance(x, np.ndarray) else None,
            shuffle=False,
            verbose=0,
        )
    assert int(optimizer.iterations) == 0
    if is_model:
        assert bits(student.get_weights()) == before[: len(student.weights)]


def test_fit_needs_a_compiled_student(data):
    with pytest.raises(ValueError, match="compile"):
        keras_ban.Distiller(network(), network()).fit(*data, verbose=0)


@pytest.mark.parametrize("last", [None, "softmax"])
def test_argument_says_what_a_model_does_not_say(data, last):
    x, y = data
    start, teacher = network(), network()
    expected = step(copy(start), teacher, "kd", x, y)
    student, unsaid = copy(start, last=last), uncompiled_subclass(x)
    unsaid.set_weights(teacher.get_weights())
    model = keras_ban.Distiller(student, unsaid, "kd", from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    assert error(update(model, x, y), expected) <= 1e-6
    assert student.loss.from_logits is (last is None)


def test_no_step_at_the_teachers_own_weights(data):
    x, y = data
    teacher = network(scale=3.0)
    student = copy(teacher)
    for objective in ("ban", "logits", objectives.KD(alpha=0)):
        assert not flat(step(student, teacher, objective, x, y)).any()


def test_objective_given_is_not_changed(data):
    x, y = data
    objective = objectives.KD(temperature=3)
    loss = SparseCE(from_logits=True, reduction="sum")
    step(network(), network(), objective, x, y, loss=loss)
    assert objective.reduction == "sum_over_batch_size"
    assert objective.label_loss is losses.cross_entropy
    assert math.isclose(objective.temperature, 3)
