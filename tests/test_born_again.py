import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ban
from keras_ban import objectives

FIT = {"epochs": 2, "batch_size": 32, "verbose": 0}
SPARSE = functools.partial(
    keras.losses.SparseCategoricalCrossentropy, from_logits=True
)


def toy(rows=64, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 6)).astype("float32")
    y = (x @ np.random.default_rng(1).normal(size=(6, 4))).argmax(-1)
    return x, y


X, Y = toy()
VALIDATION = toy(40, 2)


def network(units=8, *between, outputs=4, activation=None):
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(units, "relu"),
            *between,
            keras.layers.Dense(outputs, activation),
        ]
    )


def compiled(model, eager=True, **kwargs):
    kwargs = {
        "optimizer": keras.optimizers.SGD(0.1, momentum=0.9),
        "loss": SPARSE(),
        "metrics": ["accuracy"],
        **kwargs,
    }
    model.compile(run_eagerly=eager, **kwargs)
    return model


def model_fn():
    return compiled(network())


def graph_fn():
    return compiled(network(), eager=False)


def big_fn():
    return compiled(network(16))


def noisy_fn(eager=True):
    between = keras.layers.BatchNormalization(), keras.layers.Dropout(0.3)
    return compiled(network(8, *between), eager)


def dict_fn():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    h = keras.layers.Concatenate()([a, b])
    h = keras.layers.Dense(8, "relu")(h)
    outputs = keras.layers.Dense(4)(h)
    return compiled(keras.Model({"a": a, "b": b}, outputs))


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, size=32):
        super().__init__()
        self.data = x, y
        self.size = size

    def __len__(self):
        return -(-len(self.data[0]) // self.size)

    def __getitem__(self, index):
        part = slice(index * self.size, (index + 1) * self.size)
        return tuple(a[part] for a in self.data)


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(4)

    def call(self, x):
        return self.dense(x)


class Record(keras.callbacks.Callback):
    def __init__(self, log, number=None):
        super().__init__()
        self.log = log
        self.number = number

    def on_epoch_end(self, epoch, logs=None):
        self.log.append((self.number, epoch))


def batched(x, y=None):
    return tf.data.Dataset.from_tensor_slices((x, y) if y is not None else x)


def same(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def run(model=model_fn, objective="ban", seed=0, x=X, y=Y, **kwargs):
    kwargs = {"generations": 1, **FIT, **kwargs}
    return keras_ban.BornAgain(model, objective, seed).fit(x, y, **kwargs)


def plain(generation, model=model_fn, x=X, y=Y, **kwargs):
    keras.utils.set_random_seed(generation.seed)
    model = model()
    history = model.fit(x, y, **{**FIT, **kwargs})
    return model, history.history


def distilled(generation, teacher, model=model_fn, objective="ban", **kwargs):
    keras.utils.set_random_seed(generation.seed)
    model = model()
    distiller = keras_ban.Distiller(model, teacher, objective)
    kwargs = {"x": X, "y": Y, **FIT, **kwargs}
    return model, distiller.fit(**kwargs).history


@pytest.fixture(scope="module")
def born():
    return keras_ban.BornAgain(graph_fn, seed=3)


@pytest.fixture(scope="module")
def lineage(born):
    return born.fit(X, Y, 3, validation_data=VALIDATION, **FIT)


@pytest.fixture(scope="module")
def simple():
    return run()


def test_names_who_learns_from_whom(born, lineage):
    assert born.lineage is lineage
    assert len(lineage) == 4
    assert [g.number for g in lineage] == [0, 1, 2, 3]
    assert [g.name for g in lineage] == ["Teacher", "BAN-1", "BAN-2", "BAN-3"]
    assert [g.teacher for g in lineage] == [None, "Teacher", "BAN-1", "BAN-2"]
    assert [g.objective for g in lineage] == ["labels", "ban", "ban", "ban"]
    assert all(g.seconds > 0 for g in lineage)


def test_three_generations_by_default():
    lineage = keras_ban.BornAgain(model_fn).fit(X, Y, verbose=0)
    assert len(lineage) == 4


def test_generation_0_is_plain_keras(lineage):
    model, history = plain(lineage[0], graph_fn, validation_data=VALIDATION)
    assert same(model, lineage[0].model)
    assert history == lineage[0].history


@pytest.mark.parametrize("k", [1, 2, 3])
def test_each_generation_learns_from_the_one_before(lineage, k):
    model, history = distilled(
        lineage[k],
        lineage[k - 1].model,
        graph_fn,
        validation_data=VALIDATION,
    )
    assert same(model, lineage[k].model)
    assert history == lineage[k].history


def test_history_has_every_epoch(lineage):
    for generation in lineage:
        assert {len(v) for v in generation.history.values()} == {2}
        expected = {"loss", "accuracy", "val_loss", "val_accuracy"}
        if generation.number:
            expected |= {"label_loss", "teacher_loss"}
        assert set(generation.history) == expected


@pytest.mark.parametrize(
    "objective",
    ["ban+l", "cwtm", "logits", objectives.KD(0.2, temperature=4.0)],
)
def test_objectives_by_hand(objective):
    lineage = run(objective=objective)
    teacher = lineage[0].model
    model, history = distilled(lineage[1], teacher, objective=objective)
    assert same(model, lineage[1].model)
    assert history == lineage[1].history


def test_control_learns_from_the_labels():
    control = run(objective="labels", generations=2)
    assert [g.name for g in control] == ["Labels-0", "Labels-1", "Labels-2"]
    assert [g.teacher for g in control] == [None] * 3
    assert [g.objective for g in control] == ["labels"] * 3
    for generation in control:
        model, history = plain(generation)
        assert same(model, generation.model)
        assert history == generation.history


def test_control_starts_as_the_run_it_controls(simple):
    control = run(objective="labels")
    assert [g.seed for g in control] == [g.seed for g in simple]
    assert same(control[0].model, simple[0].model)
    assert control[0].history == simple[0].history
    assert not same(control[1].model, simple[1].model)


@pytest.mark.parametrize(
    ("objective", "eager"), [("dkpp", True), ("ban", False)]
)
def test_one_seed_one_result(objective, eager):
    model = functools.partial(noisy_fn, eager)
    one, other = (run(model, objective, seed=5) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert a.seed == b.seed
        assert same(a.model, b.model)
        assert a.history == b.history


def test_result_does_not_hang_on_what_ran_before():
    ban = keras_ban.BornAgain(noisy_fn, "dkpp")
    one = ban.fit(X, Y, generations=1, **FIT)
    np.random.random(7)
    keras.random.normal((3,))
    other = ban.fit(X, Y, generations=1, **FIT)
    assert same(one[1].model, other[1].model)
    assert len(one) == 2


def test_one_seed_one_result_with_a_shuffled_data_set():
    def train():
        keras.utils.set_random_seed(1)
        ds = batched(X, Y).shuffle(64, seed=1).batch(32)
        return run(x=ds, y=None, batch_size=None)

    one, other = train(), train()
    assert all(same(a.model, b.model) for a, b in zip(one, other, strict=True))


def test_two_seeds_two_students(simple):
    for a, b in zip(simple, run(seed=1), strict=True):
        assert a.seed != b.seed
        assert not same(a.model, b.model)


def test_generations_start_apart(lineage):
    seeds = [g.seed for g in lineage]
    assert len(set(seeds)) == 4
    starts = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        starts.append(model_fn().get_weights()[0])
    for i, one in enumerate(starts):
        assert all(not np.array_equal(one, b) for b in starts[i + 1 :])


@pytest.mark.parametrize("seeds", [(0, 1), (0, 2**32), (1, 2**32 + 1)])
def test_seeds_of_runs_are_disjoint(seeds):
    one, other = (
        {g.seed for g in run(seed=s, x=X[:32], y=Y[:32], epochs=1)}
        for s in seeds
    )
    assert len(one) == len(other) == 2
    assert not one & other


def test_data_sets_as_arrays():
    kwargs = {"y": None, "batch_size": None}
    arrays = run(shuffle=False)
    tf_data = run(x=batched(X, Y).batch(32), **kwargs)
    py_dataset = run(x=Batches(X, Y), shuffle=False, **kwargs)
    for generations in zip(arrays, tf_data, py_dataset, strict=True):
        a, b, c = (g.model for g in generations)
        assert same(a, b)
        assert same(a, c)


@pytest.mark.parametrize("kind", ["arrays", "tf.data", "PyDataset"])
def test_dict_inputs(kind):
    x = {"a": X[:, :4], "b": X[:, 4:]}
    kwargs = {"x": x, "validation_data": (x, Y)}
    if kind == "tf.data":
        ds = batched(x, Y).batch(32)
        kwargs = {"x": ds, "y": None, "validation_data": ds, "batch_size": None}
    if kind == "PyDataset":

        class Dicts(Batches):
            def __getitem__(self, index):
                x, y = super().__getitem__(index)
                return {"a": x[:, :4], "b": x[:, 4:]}, y

        ds = Dicts(X, Y)
        kwargs = {"x": ds, "y": None, "validation_data": ds, "batch_size": None}
    lineage = run(dict_fn, shuffle=False, **kwargs)
    model, _ = plain(lineage[0], dict_fn, x=x, shuffle=False)
    assert same(model, lineage[0].model)
    assert all(g.metrics for g in lineage)


@pytest.mark.parametrize("as_tensor", [tf.constant])
def test_tensors(simple, as_tensor):
    lineage = run(x=as_tensor(X), y=as_tensor(Y))
    assert same(lineage[1].model, simple[1].model)


def one_hot(y):
    return np.eye(4, dtype="float32")[y]


CE = keras.losses
DEFAULTS = {
    "sparse": (4, None, Y[:, None], CE.SparseCategoricalCrossentropy, True),
    "one-hot": (4, None, one_hot(Y), CE.CategoricalCrossentropy, True),
    "softmax": (4, "softmax", Y, CE.SparseCategoricalCrossentropy, False),
    "binary-sigmoid": (1, "sigmoid", Y % 2, CE.BinaryCrossentropy, False),
    "binary-logit": (1, None, Y % 2, CE.BinaryCrossentropy, True),
}


@pytest.mark.parametrize("case", DEFAULTS.values(), ids=DEFAULTS)
def test_uncompiled_model_gets_the_default(case):
    outputs, activation, y, loss, from_logits = case

    def model_fn():
        return network(8, outputs=outputs, activation=activation)

    lineage = run(model_fn, y=y, validation_data=(X, y))
    for generation in lineage:
        model = generation.model
        assert model.compiled
        assert type(model.optimizer) is keras.optimizers.Adam
        assert float(model.optimizer.learning_rate) == np.float32(1e-3)
        assert type(model.loss) is loss
        assert model.loss.get_config()["from_logits"] is from_logits
        assert {"loss", "accuracy"} <= set(generation.history)
        assert generation.history["val_accuracy"][-1] == pytest.approx(
            generation.metrics["accuracy"]
        )
        assert generation.history["val_loss"][-1] == pytest.approx(
            generation.metrics["nll"], rel=1e-4
        )


def test_compilation_is_kept_and_fresh():
    def model_fn():
        model = network(8)
        model.compile(
            keras.optimizers.Adagrad(0.05),
            SPARSE(),
            metrics=[
                keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")
            ],
            weighted_metrics=["accuracy"],
            steps_per_execution=2,
            jit_compile=False,
        )
        return model

    lineage = run(model_fn, generations=2)
    models = [g.model for g in lineage]
    for generation in lineage:
        model = generation.model
        assert type(model.optimizer) is keras.optimizers.Adagrad
        assert int(model.optimizer.iterations) == 4
        assert model.steps_per_execution == 2
        assert model.jit_compile is False
        assert {"top2", "accuracy"} <= set(generation.history)
    assert len({id(m.optimizer) for m in models}) == 3
    assert len({id(m.loss) for m in models}) == 3


def functional():
    inputs = keras.Input((6,))
    h = keras.layers.Dense(8, "relu")(inputs)
    return keras.Model(inputs, keras.layers.Dense(4)(h))


@pytest.mark.parametrize("build", [network, functional])
def test_model_instance_is_cloned(build):
    original = compiled(build())
    before = original.get_weights()
    lineage = run(original)
    for a, b in zip(original.get_weights(), before, strict=True):
        assert np.array_equal(a, b)
    assert int(original.optimizer.iterations) == 0
    for generation in lineage:
        model = generation.model
        assert model is not original
        assert type(model) is type(original)
        assert type(model.optimizer) is keras.optimizers.SGD
        assert model.optimizer is not original.optimizer
        assert float(model.optimizer.momentum) == 0.9
        assert type(model.loss) is CE.SparseCategoricalCrossentropy
        assert "accuracy" in generation.history
    fresh = plain(lineage[0], lambda: compiled(build()))[0]
    assert same(fresh, lineage[0].model)


def test_trained_instance_gives_fresh_models(simple):
    original = model_fn()
    original.fit(X, Y, **FIT)
    assert same(run(original)[1].model, simple[1].model)


def test_subclass_instance_cannot_be_cloned():
    model = Subclass()
    model(X[:1])
    with pytest.raises(ValueError, match=r"(?s)cannot clone.*Pass a function"):
        run(model)


def test_subclass_from_a_function():
    lineage = run(lambda: compiled(Subclass()), validation_data=VALIDATION)
    assert isinstance(lineage[1].model, Subclass)
    assert len(lineage.evaluate(*VALIDATION)) == 3


def pretrained(units=12):
    model = compiled(network(units))
    model.fit(X, Y, verbose=0)
    return model


def state(model):
    return [
        [w.copy() for w in model.get_weights()],
        [layer.trainable for layer in model.layers],
        [v.numpy() for v in model.optimizer.variables],
        [type(model.loss), model.compiled, id(model.optimizer)],
    ]


def test_given_teacher_is_generation_0_and_left_as_it_was(simple):
    teacher = pretrained()
    teacher.layers[0].trainable = False
    before = state(teacher)
    lineage = run(teacher=teacher, generations=2, validation_data=VALIDATION)
    assert lineage[0].model is teacher
    assert lineage[0].seed is None
    assert lineage[1].seed == simple[1].seed
    assert lineage[0].history == {}
    assert lineage[0].metrics
    assert [g.name for g in lineage] == ["Teacher", "BAN-1", "BAN-2"]
    assert [g.teacher for g in lineage] == [None, "Teacher", "BAN-1"]
    assert keras.tree.map_structure(np.array_equal, before, state(teacher)) == (
        keras.tree.map_structure(lambda _: True, before)
    )
    model, _ = distilled(lineage[1], teacher)
    assert same(model, lineage[1].model)


def test_teacher_of_probabilities():
    teacher = network(12, activation="softmax")
    compiled(teacher, loss="sparse_categorical_crossentropy")
    teacher.fit(X, Y, **FIT)
    lineage = run(teacher=teacher)
    model, _ = distilled(lineage[1], teacher)
    assert same(model, lineage[1].model)


def test_list_of_teachers():
    teachers = [pretrained(), pretrained(10)]
    before = [state(t) for t in teachers]
    lineage = run(teacher=teachers, validation_data=VALIDATION)
    mean = np.mean(
        [keras.ops.softmax(t.predict(X, verbose=0)) for t in teachers], 0
    )
    p = lineage[0].model.predict(X, verbose=0)
    np.testing.assert_allclose(p, mean, atol=1e-6)
    model, _ = distilled(lineage[1], teachers)
    assert same(model, lineage[1].model)
    for teacher, was in zip(teachers, before, strict=True):
        for a, b in zip(teacher.get_weights(), was[0], strict=True):
            assert np.array_equal(a, b)


def test_list_of_teachers_that_do_not_say_what_they_give():
    class Silent(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(4)

        def call(self, x):
            return self.dense(x)

        def get_build_config(self):
            return {"input_shape": (None, 6)}

    teachers = [Silent(), Silent()]
    for teacher in teachers:
        teacher(X[:1])
    ban = keras_ban.BornAgain(model_fn, from_logits=True)
    lineage = ban.fit(X, Y, 1, teachers, validation_data=VALIDATION, **FIT)
    assert len(lineage.evaluate(X, Y)) == 3


@pytest.mark.parametrize(
    ("model", "objective"),
    [(model_fn, "ban"), (network, "dkpp")],
)
def test_teacher_and_unlabelled_data(model, objective):
    teacher = pretrained()
    lineage = run(model, objective, y=None, teacher=teacher, generations=2)
    assert len(lineage) == 3
    assert np.isfinite(lineage[2].history["loss"]).all()


def test_teacher_and_unlabelled_data_set():
    teacher = pretrained()
    ds = batched(X).batch(32)
    one = run(x=ds, y=None, teacher=teacher, batch_size=None)
    other = run(teacher=teacher, shuffle=False)
    assert same(one[1].model, other[1].model)


def sizes(lineage):
    return [g.model.layers[0].units for g in lineage]


def test_sequence_of_model_functions():
    lineage = run((compiled(network(5)), big_fn), generations=2)
    assert sizes(lineage) == [5, 16, 16]


def test_sequence_of_model_functions_after_a_teacher():
    teacher = pretrained(12)
    lineage = run([model_fn, big_fn], generations=2, teacher=teacher)
    assert sizes(lineage) == [12, 8, 16]


@pytest.mark.parametrize("teacher", [False, True])
def test_too_many_model_functions(teacher):
    teacher = network() if teacher else None
    with pytest.raises(ValueError, match=r"3 entries.*Expected [12] at most"):
        run([model_fn, big_fn, model_fn], teacher=teacher)


def test_callbacks_as_list_and_alone():
    log = []
    run(callbacks=[Record(log, "a"), Record(log, "b")])
    assert log == [(k, epoch) for epoch in (0, 1) for k in "ab"] * 2


def test_callbacks_by_generation():
    log = []
    kinds = [[Record(log, 0)], Record(log, 1), None, (Record(log, 3),)]
    run(callbacks=lambda k: kinds[k], generations=3)
    numbers = [0, 1, 3]
    assert log == [(k, epoch) for k in numbers for epoch in (0, 1)]


def test_early_stopping_starts_anew():
    stop = keras.callbacks.EarlyStopping("loss", min_delta=1e9, patience=1)
    lineage = run(callbacks=[stop], epochs=5, generations=2)
    assert [len(g.history["loss"]) for g in lineage] == [2, 2, 2]


def softmax(z):
    e = np.exp(np.float64(z) - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def figures(model, x, y):
    p = softmax(model.predict(x, verbose=0))
    nll = -np.log(p[np.arange(len(y)), y]).mean()
    return (p.argmax(-1) == y).mean(), nll


def test_validation_metrics_and_best(lineage):
    expected = [figures(g.model, *VALIDATION) for g in lineage]
    for generation, (accuracy, nll) in zip(lineage, expected, strict=True):
        metrics = generation.metrics
        assert metrics["accuracy"] == pytest.approx(accuracy)
        assert metrics["error"] == pytest.approx(1 - accuracy)
        assert metrics["nll"] == pytest.approx(nll, rel=1e-5)
        assert metrics["accuracy"] == pytest.approx(
            generation.history["val_accuracy"][-1]
        )
    best = max(range(4), key=lambda k: (expected[k][0], -expected[k][1]))
    assert lineage.best is lineage[best]


def test_best_is_deaf_to_other_data(lineage):
    best, metrics = lineage.best, [dict(g.metrics) for g in lineage]
    for shift in range(4):
        lineage.evaluate(X, (Y + shift) % 4)
        assert lineage.best is best
    assert [g.metrics for g in lineage] == metrics


def test_best_needs_validation():
    lineage = run()
    lineage.evaluate(*VALIDATION)
    with pytest.raises(ValueError, match="validation_split"):
        _ = lineage.best


def test_validation_split_is_keras_own():
    weight = np.linspace(0, 2, 64).astype("float32")
    kwargs = {"validation_split": 0.25, "sample_weight": weight}
    lineage = run(**kwargs)
    model, history = plain(lineage[0], **kwargs)
    assert same(model, lineage[0].model)
    assert history == lineage[0].history
    p = softmax(lineage[1].model.predict(X[48:], verbose=0))
    accuracy = np.average(p.argmax(-1) == Y[48:], weights=weight[48:])
    assert lineage[1].metrics["accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize(
    "given",
    [
        batched(*VALIDATION).batch(16),
        Batches(*VALIDATION, 16),
        list(VALIDATION),
    ],
    ids=["tf.data", "PyDataset", "list"],
)
def test_validation_data_of_any_kind(simple, given):
    for a, b in zip(run(validation_data=given), simple, strict=True):
        assert same(a.model, b.model)
        accuracy, nll = figures(b.model, *VALIDATION)
        assert a.metrics["accuracy"] == pytest.approx(accuracy)
        assert a.metrics["nll"] == pytest.approx(nll, rel=1e-5)


def test_validation_data_weighs_its_samples():
    weight = np.arange(40) % 2
    lineage = run(validation_data=(*VALIDATION, weight.astype("float32")))
    x, y = (a[1::2] for a in VALIDATION)
    accuracy, nll = figures(lineage[1].model, x, y)
    assert lineage[1].metrics["accuracy"] == pytest.approx(accuracy)
    assert lineage[1].metrics["nll"] == pytest.approx(nll, rel=1e-5)


def test_verbose_0_prints_nothing(capfd):
    run(graph_fn, validation_data=VALIDATION)
    out, err = capfd.readouterr()
    assert out == err == ""


def test_verbose_prints_who_learns_and_the_table(capfd):
    lineage = run(
        objective="kd",
        generations=2,
        verbose=1,
        validation_data=VALIDATION,
    )
    out, _ = capfd.readouterr()
    lines = [line for line in out.splitlines() if "learns from" in line]
    assert len(lines) == 3
    for line, words in zip(
        lines,
        [("Teacher", "labels"), ("BAN-1", "Teacher", "kd"), ("BAN-2", "BAN-1")],
        strict=True,
    ):
        assert all(word in line for word in words)
    assert all(str(g.seed) in x for g, x in zip(lineage, lines, strict=True))
    assert out.rstrip().endswith(str(lineage).rstrip())
    assert "validation data" in out
    assert "Ens*2" in out


def test_sample_weight():
    weight = np.linspace(0, 2, 64).astype("float32")
    lineage = run(sample_weight=weight)
    assert same(plain(lineage[0], sample_weight=weight)[0], lineage[0].model)
    model, _ = distilled(lineage[1], lineage[0].model, sample_weight=weight)
    assert same(model, lineage[1].model)
    assert not same(model, distilled(lineage[1], lineage[0].model)[0])


def test_sample_weight_of_a_data_set():
    weight = np.linspace(0, 2, 64).astype("float32")
    ds = tf.data.Dataset.from_tensor_slices((X, Y, weight)).batch(32)
    one = run(x=ds, y=None, batch_size=None)
    other = run(sample_weight=weight, shuffle=False)
    assert all(same(a.model, b.model) for a, b in zip(one, other, strict=True))


def test_class_weight():
    class_weight = {0: 0.5, 1: 2.0, 2: 1.0, 3: 3.0}
    lineage = run(class_weight=class_weight)
    model = plain(lineage[0], class_weight=class_weight)[0]
    assert same(model, lineage[0].model)
    weight = np.array([class_weight[k] for k in Y], "float32")
    model, _ = distilled(lineage[1], lineage[0].model, sample_weight=weight)
    assert same(model, lineage[1].model)


def test_infinite_data_sets():
    train = batched(X, Y).batch(32)
    validation = batched(*VALIDATION).batch(20)
    lineage = run(
        x=train.repeat(),
        y=None,
        batch_size=None,
        steps_per_epoch=2,
        validation_data=validation.repeat(),
        validation_steps=2,
    )
    finite = run(x=train, y=None, batch_size=None, validation_data=validation)
    for a, b in zip(lineage, finite, strict=True):
        assert same(a.model, b.model)
        assert a.metrics == b.metrics


def test_validation_steps_cut_the_validation_data():
    ds = batched(*VALIDATION).batch(20)
    lineage = run(validation_data=ds, validation_steps=1)
    accuracy, _ = figures(lineage[1].model, *(a[:20] for a in VALIDATION))
    assert lineage[1].metrics["accuracy"] == pytest.approx(accuracy)


def test_initial_epoch():
    lineage = run(initial_epoch=1, epochs=3)
    assert [len(g.history["loss"]) for g in lineage] == [2, 2]


def half_half(y_true, student_logits, teacher_logits):
    kd = objectives.KD(alpha=0.5, temperature=1.0)
    return kd.call(y_true, student_logits, teacher_logits)


class Halfway(objectives.Objective):
    def call(self, y_true, student_logits, teacher_logits):
        label = self.label_loss(y_true, student_logits)
        teacher = self.teacher_loss(student_logits, teacher_logits)
        return 0.5 * label + 0.5 * teacher


@pytest.fixture(scope="module")
def kd():
    return run(objective=objectives.KD(alpha=0.5, temperature=1.0))


@pytest.mark.parametrize("objective", [half_half, Halfway()])
def test_own_objective(kd, objective):
    lineage = run(objective=objective)
    assert (
        lineage[1].objective == ("halfway", "half_half")[objective is half_half]
    )
    for a, b in zip(
        lineage[1].model.get_weights(), kd[1].model.get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    lineage = run(graph_fn, validation_data=VALIDATION)
    for generation in lineage:
        model = generation.model
        assert model.compute_dtype == "float16"
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert np.isfinite(generation.history["loss"]).all()
    model, _ = distilled(lineage[1], lineage[0].model, graph_fn)
    assert same(model, lineage[1].model)
    assert lineage.ensemble().predict(X, verbose=0).dtype == np.float32


@pytest.mark.parametrize("k", [0, 1])
def test_models_are_ordinary(lineage, tmp_path, k):
    model = lineage[k].model
    assert type(model) is keras.Sequential
    assert model.compiled
    assert {m.name for m in model.metrics} == {"loss", "compile_metrics"}
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert same(model, loaded)
    assert int(loaded.optimizer.iterations) == 4
    np.testing.assert_array_equal(
        model.predict(X, verbose=0), loaded.predict(X, verbose=0)
    )
    before, _ = loaded.evaluate(X, Y, verbose=0)
    history = loaded.fit(X, Y, epochs=3, verbose=0).history
    assert set(history) == {"loss", "accuracy"}
    assert loaded.evaluate(X, Y, verbose=0)[0] < before
