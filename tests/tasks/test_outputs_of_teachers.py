"""Several outputs of which some are not learned, taught or named alike."""

import keras
import numpy as np
import pytest
from builders import compiled

import keras_ban

RNG = np.random.default_rng(7)
X = RNG.normal(size=(24, 5)).astype("float32")
SIZE = RNG.normal(size=(24, 2)).astype("float32")
Y = {"kind": RNG.integers(0, 3, 24), "size": SIZE}
CE = keras.losses.SparseCategoricalCrossentropy
FIT = {"batch_size": 12, "verbose": 0}


def make(*names, scales=None, **losses):
    """A compiled model with these outputs, "size" of two values."""
    inputs = keras.Input((5,))
    columns = {"size": 2}
    found = {k: keras.layers.Dense(columns.get(k, 3))(inputs) for k in names}
    known = {k: "mse" if k == "size" else CE(True) for k in names}
    model = keras.Model(inputs, found)
    scales = scales and {k: scales[k] for k in names}
    optimizer = keras.optimizers.SGD(0.1)
    model.compile(optimizer, {**known, **losses}, loss_weights=scales)
    return model


def nll(z):
    z = z.astype("float64")
    log_q = z - np.log(np.exp(z).sum(-1, keepdims=True))
    return -log_q[np.arange(24), Y["kind"]].mean()


def square(z):
    return np.square(z.astype("float64") - SIZE).mean()


@pytest.mark.parametrize(
    "names", [("kind", "other"), ("kind", "other", "size"), ("kind",)]
)
def test_a_given_teacher_of_other_outputs_is_measured(names):
    teacher, scales = make(*names), {"kind": 0.5, "size": 10.0}
    ban = keras_ban.BornAgain(
        lambda: make("kind", "size", scales=scales), "ban+l"
    )
    lineage = ban.fit(X, Y, 1, teacher, validation_data=(X, Y), **FIT)
    table = lineage.evaluate(X, Y)
    for generation, row in zip(lineage, table, strict=False):
        z = generation.model.predict(X, verbose=0)
        own = {"kind_nll": nll(z["kind"])}
        if "size" in z:
            own["size_rmse"] = np.sqrt(square(z["size"]))
            # The weights are the students', whatever the teacher had.
            own["loss"] = 0.5 * nll(z["kind"]) + 10 * square(z["size"])
        for found in (generation.metrics, row):
            assert {k: found[k] for k in own} == pytest.approx(own, 1e-5)
            assert ("loss" in found) == ("size" in z)
    assert lineage.best in list(lineage)
    assert ("size" in names) or lineage.best is lineage[1]
    lineage.plot()


def test_a_given_teacher_of_more_outputs_than_one():
    def one():
        inputs = keras.Input((5,))
        return compiled(
            keras.Model(inputs, keras.layers.Dense(3, name="kind")(inputs))
        )

    ban = keras_ban.BornAgain(one, "ban+l", from_logits=True)
    given = make("size", "kind")
    kind = Y["kind"]
    lineage = ban.fit(X, kind, 1, given, validation_data=(X, kind), **FIT)
    expected = nll(given.predict(X, verbose=0)["kind"])
    assert lineage[0].metrics["nll"] == pytest.approx(expected, 1e-5)
    assert lineage.evaluate(X, kind)[0]["nll"] == pytest.approx(expected, 1e-5)
    assert [row["name"] for row in lineage.evaluate(X, kind)][2:] == []


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("y", [Y, {"kind": Y["kind"]}])
def test_an_output_without_a_loss_counts_nothing(y):
    said = {"size": "values"}
    ban = keras_ban.BornAgain(
        lambda: make("size", "kind", size=None), "ban+l", task=said
    )
    lineage = ban.fit(X, y, 1, validation_data=(X, y), **FIT)
    for generation, row in zip(lineage, lineage.evaluate(X, y), strict=False):
        z = generation.model.predict(X, verbose=0)
        assert row["loss"] == pytest.approx(nll(z["kind"]), 1e-5)
        assert generation.metrics["loss"] == row["loss"]
        assert ("size_rmse" in row) == ("size" in y)
    lineage.plot()


def within():
    inputs = keras.Input((5,))
    one, two = (keras.layers.Dense(3, name=name) for name in ("b", "a"))
    found = {"in": [one(inputs), two(inputs)]}
    return inputs, found, {"in": [CE(True), CE(True)]}, ["in/b", "in/a"]


def twice():
    inputs = keras.Input((5,))
    one = keras.layers.Dense(3, name="one")
    found = [one(inputs), one(keras.layers.Rescaling(2.0)(inputs))]
    return inputs, found, [CE(True), CE(True)], ["one", "one"]


@pytest.mark.parametrize("kind", [within, twice])
def test_losses_of_outputs_that_keras_names_otherwise(kind):
    def model():
        inputs, found, loss, names = kind()
        made = keras.Model(inputs, found)
        made.compile(keras.optimizers.SGD(0.0), loss)
        return made, names

    (student, names), (teacher, _) = model(), model()
    y = [Y["kind"], 2 - Y["kind"]]
    y = {"in": y} if kind is within else y
    distiller = keras_ban.Distiller(student, teacher, "ban+l")
    logged = distiller.fit(X, y, **FIT).history
    plain = student.evaluate(X, y, return_dict=True, verbose=0)
    for name in names:
        key = f"{name}_loss"
        assert logged[key] == pytest.approx([plain[key]], 1e-5)


class Pair(keras.Model):
    """Two outputs in a list, which only a call tells."""

    def __init__(self):
        super().__init__()
        self.one, self.two = keras.layers.Dense(3), keras.layers.Dense(2)

    def call(self, x):
        return [self.one(x), self.two(x)]


def test_losses_say_what_a_class_of_its_own_gives():
    def model():
        made = Pair()
        made.compile("sgd", [CE(True), "mse"])
        return made

    y = [Y["kind"], SIZE]
    lineage = keras_ban.BornAgain(model, "ban+l").fit(X, y, 1, **FIT)
    row = lineage.evaluate(X, y)[1]
    z, values = lineage[1].model.predict(X, verbose=0)
    assert row["output_0_nll"] == pytest.approx(nll(z), 1e-5)
    assert row["output_1_rmse"] == pytest.approx(np.sqrt(square(values)), 1e-5)


def test_labels_tell_what_one_sigmoid_is_in_every_generation():
    y = RNG.random((24, 1)).astype("float32")

    def model():
        inputs = keras.Input((5,))
        made = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(inputs))
        made.compile(keras.optimizers.SGD(0.0), "mse")
        return made

    lineage = keras_ban.BornAgain(model, "ban").fit(X, y, 1, **FIT)
    teacher, student = (g.model.predict(X, verbose=0) for g in lineage)
    # Values from 0 to 1, not the probabilities of a class.
    expected = np.mean((teacher.astype("float64") - student) ** 2)
    assert lineage[1].history["teacher_loss"] == pytest.approx([expected], 1e-5)
