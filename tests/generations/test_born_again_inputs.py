"""Data, models and teachers of every form."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from builders import Batches
from builders import Silent
from builders import SparseCE
from builders import compiled
from builders import data_set
from builders import functional_mlp
from builders import mlp
from builders import silent
from builders import split_features
from builders import two_inputs
from lineages import FIT
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import distilled
from lineages import model_fn
from lineages import plain
from lineages import run
from matrices import values
from weights import assert_same
from weights import same

import keras_ban


def big_fn():
    return compiled(mlp(16))


def dict_fn():
    return compiled(two_inputs())


def test_data_sets_as_arrays():
    kwargs = {"y": None, "batch_size": None}
    arrays = run(shuffle=False)
    tf_data = run(x=data_set(X, Y, size=32), **kwargs)
    py_dataset = run(x=Batches(X, Y), shuffle=False, **kwargs)
    for generations in zip(arrays, tf_data, py_dataset, strict=True):
        a, b, c = (g.model for g in generations)
        assert same(a, b)
        assert same(a, c)


@pytest.mark.parametrize("kind", ["arrays", "tf.data", "PyDataset"])
def test_dict_inputs(kind):
    x = split_features(X)
    kwargs = {"x": x, "validation_data": (x, Y)}
    if kind == "tf.data":
        ds = data_set(x, Y, size=32)
        kwargs = {"x": ds, "y": None, "validation_data": ds, "batch_size": None}
    if kind == "PyDataset":

        class Dicts(Batches):
            def __getitem__(self, index):
                x, y = super().__getitem__(index)
                return split_features(x), y

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


@pytest.mark.parametrize("case", values(DEFAULTS, "one-hot", "binary-sigmoid"))
def test_uncompiled_model_gets_the_default(case):
    outputs, activation, y, loss, from_logits = case

    def model_fn():
        return mlp(8, outputs=outputs, last=activation)

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
        model = mlp(8)
        model.compile(
            keras.optimizers.Adagrad(0.05),
            SparseCE(from_logits=True),
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


@pytest.mark.parametrize("build", [mlp, functional_mlp])
def test_model_instance_is_cloned(build):
    original = compiled(build())
    before = original.get_weights()
    lineage = run(original)
    assert_same(original, before)
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
    with pytest.warns(UserWarning, match="drawn anew"):
        lineage = run(original)
    assert same(lineage[1].model, simple[1].model)


def test_subclass_instance_cannot_be_cloned():
    class OfUnits(keras.Model):
        """Keras cannot know with which argument it was made."""

        def __init__(self, units):
            super().__init__()
            self.dense = keras.layers.Dense(units)

        def call(self, x):
            return self.dense(x)

    model = OfUnits(4)
    model(X[:1])
    with pytest.raises(ValueError, match=r"(?s)cannot clone.*Pass a function"):
        run(model)


def test_subclass_from_a_function():
    lineage = run(lambda: compiled(Silent()), validation_data=VALIDATION)
    assert isinstance(lineage[1].model, Silent)
    assert len(lineage.evaluate(*VALIDATION)) == 3


def pretrained(units=12):
    model = compiled(mlp(units))
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
    teacher = mlp(12, last="softmax")
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
        assert_same(teacher, was[0])


def test_list_of_teachers_that_do_not_say_what_they_give():
    teachers = [silent(), silent()]
    ban = keras_ban.BornAgain(model_fn, from_logits=True)
    lineage = ban.fit(X, Y, 1, teachers, validation_data=VALIDATION, **FIT)
    assert len(lineage.evaluate(X, Y)) == 3
    t = [reference.softmax(m.predict(X, verbose=0)) for m in teachers]
    p = lineage[0].model.predict(X, verbose=0)
    np.testing.assert_allclose(p, np.mean(t, axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("model", "objective"),
    [(model_fn, "ban"), pytest.param(mlp, "dkpp", marks=pytest.mark.slow)],
)
def test_teacher_and_unlabelled_data(model, objective):
    teacher = pretrained()
    lineage = run(model, objective, y=None, teacher=teacher, generations=2)
    labelled = run(model, objective, teacher=teacher, generations=2)
    assert len(lineage) == 3
    for one, other in zip(lineage[1:], labelled[1:], strict=True):
        assert_same(one.model, other.model)
        assert one.history["loss"] == other.history["loss"]


def test_teacher_and_unlabelled_data_set():
    teacher = pretrained()
    ds = data_set(X, size=32)
    one = run(x=ds, y=None, teacher=teacher, batch_size=None)
    other = run(teacher=teacher, shuffle=False)
    assert same(one[1].model, other[1].model)


def sizes(lineage):
    return [g.model.layers[0].units for g in lineage]


def test_sequence_of_model_functions():
    lineage = run((compiled(mlp(5)), big_fn), generations=2)
    assert sizes(lineage) == [5, 16, 16]


def test_sequence_of_model_functions_after_a_teacher():
    teacher = pretrained(12)
    lineage = run([model_fn, big_fn], generations=2, teacher=teacher)
    assert sizes(lineage) == [12, 8, 16]


@pytest.mark.parametrize("teacher", [False, True])
def test_too_many_model_functions(teacher):
    teacher = mlp() if teacher else None
    with pytest.raises(ValueError, match=r"3 entries.*Expected [12] at most"):
        run([model_fn, big_fn, model_fn], teacher=teacher)
