"""Several outputs: which models, which teachers, and what is refused."""

import keras
import numpy as np
import pytest
from builders import compiled
from builders import data_set
from several import CE
from several import DIGIT
from several import FIT
from several import MARKS
from several import RNG
from several import SCALES
from several import SIZES
from several import X
from several import Y
from several import bigger
from several import heads
from several import losses
from several import make
from weights import assert_same

import keras_ban


def test_a_model_without_a_loss_gets_one_for_each_output(tmp_path):
    def plain():
        inputs = keras.Input((6,))
        return keras.Model(inputs, heads(inputs))

    said = {"sizes": "values", "marks": "multilabel"}
    ban = keras_ban.BornAgain(plain, directory=tmp_path, task=said)
    lineage = ban.fit(X, Y, 1, **FIT)
    assert "marks_f1_micro" in keras_ban.load(tmp_path).evaluate(X, Y)[0]
    assert lineage[0].model.loss["sizes"] == "mse"
    assert isinstance(lineage[0].model.loss["digit"], CE)
    assert {"digit_accuracy", "sizes_mae"} <= set(lineage[1].history)


def test_an_output_without_a_loss_learns_nothing():
    own = {**losses(), "sizes": None}
    scales = {k: v for k, v in SCALES.items() if k != "sizes"}
    model_fn = make(units=0, loss=own, loss_weights=None, metrics=None)
    y = {k: Y[k] for k in scales}
    student = model_fn()
    before = student.get_layer("sizes").get_weights()
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        keras_ban.Distiller(student, model_fn(), "ban+l").fit(X, y, **FIT)
    assert_same(before, student.get_layer("sizes").get_weights())


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


def test_outputs_within_outputs():
    def nested():
        inputs = keras.Input((6,))
        found = heads(inputs)
        found = {"a": {"digit": found["digit"]}, "b": found["sizes"]}
        return compiled(
            keras.Model(inputs, found),
            loss={"a": {"digit": CE(True)}, "b": "mse"},
            metrics=None,
        )

    y = {"a": {"digit": DIGIT}, "b": SIZES}
    lineage = keras_ban.BornAgain(nested, "ban+l").fit(X, y, 1, **FIT)
    z = lineage[1].model.predict(X, verbose=0)
    row = lineage.evaluate(X, y)[1]
    assert row["a/digit_error"] == pytest.approx(
        np.mean(z["a"]["digit"].argmax(-1) != DIGIT)
    )
    mse = np.mean((z["b"] - SIZES) ** 2)
    assert row["b_rmse"] == pytest.approx(np.sqrt(mse))
    assert set(lineage.ensemble().predict(X, verbose=0)) == {"a", "b"}


class Own(keras.Model):
    """A model of a class of its own that gives a pair."""

    def __init__(self):
        super().__init__()
        self.one, self.two = keras.layers.Dense(3), keras.layers.Dense(2)

    def call(self, x):
        return self.one(x), self.two(x)


def test_a_model_of_a_class_of_its_own():
    def make_own():
        return compiled(Own(), loss=[CE(True), "mse"], metrics=None)

    said = {"output_0": "classes"}
    ban = keras_ban.BornAgain(
        make_own, "ban+l", task=said, from_logits={"output_0": True}
    )
    lineage = ban.fit(X, (DIGIT, SIZES), 1, **FIT)
    assert {"output_0_error", "output_1_rmse"} <= set(
        lineage.evaluate(data_set(X, (DIGIT, SIZES), size=20))[0]
    )


def test_sequences_and_masks():
    words = RNG.integers(0, 5, (79, 4))
    words[:, 0] = 1
    tags = words % 3

    def tagger():
        inputs = keras.Input((4,), dtype="int32")
        x = keras.layers.Embedding(5, 4, mask_zero=True)(inputs)
        found = {
            "tags": keras.layers.Dense(3)(x),
            "whole": keras.layers.Dense(2)(
                keras.layers.GlobalAveragePooling1D()(x)
            ),
        }
        return compiled(
            keras.Model(inputs, found),
            loss={"tags": CE(True), "whole": "mse"},
            metrics=None,
        )

    y = {"tags": tags, "whole": SIZES}
    lineage = keras_ban.BornAgain(tagger, "ban+l").fit(words, y, 1, **FIT)
    z = lineage[1].model.predict(words, verbose=0)["tags"]
    counts = words != 0
    error = np.mean((z.argmax(-1) != tags)[counts])
    row = lineage.evaluate(words, y)[1]
    assert row["tags_error"] == pytest.approx(error)


BAD = {
    "one array of labels": (make(), DIGIT, {}, "Expected labels of each"),
    "labels of another name": (
        make(),
        {"digit": DIGIT, "sizes": SIZES, "mark": MARKS, "more": MARKS},
        {},
        "Received: a dict of 'digit', 'sizes', 'mark', 'more'",
    ),
    "no labels for an output": (
        make(),
        {**Y, "sizes": None},
        {},
        "Received: `None` in a dict. Labels are left out",
    ),
    "labels that do not fit one": (
        make(),
        {**Y, "sizes": SIZES[:, :1]},
        {},
        "`y['sizes']`",
    ),
    "classes that are none": (
        make(),
        {**Y, "digit": DIGIT + 1},
        {},
        "y['digit']",
    ),
    "an objective that is missing": (
        make(),
        Y,
        {"objective": {"digit": "kd", "sizes": "ban"}},
        "Name each output",
    ),
    "an objective that needs classes": (
        make(),
        Y,
        {"objective": {"digit": "kd", "sizes": "dkd", "marks": None}},
        "'dkd' compares distributions",
    ),
    "a dict for one output": (
        lambda: compiled(keras.Sequential([keras.layers.Dense(3)])),
        DIGIT,
        {"objective": {"digit": "kd"}},
        "a model with one output",
    ),
    "a task for all": (make(), Y, {"task": "values"}, "to be a dict of these"),
    "a task of another name": (
        make(),
        Y,
        {"task": {"digits": "classes"}},
        "Received: 'digits'",
    ),
    "a task that is none": (
        make(),
        Y,
        {"task": {"digit": "classed"}},
        "Invalid value for argument `task`",
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_what_does_not_fit_is_told_before_training(case):
    model_fn, y, said, words = case
    with pytest.raises(ValueError) as caught:
        keras_ban.BornAgain(model_fn, **said).fit(X, y, verbose=0)
    assert words in str(caught.value)


def test_teachers_that_do_not_fit():
    inputs = keras.Input((6,))
    other = compiled(
        keras.Model(inputs, {"x": keras.layers.Dense(3)(inputs)}),
        loss={"x": CE(True)},
    )
    with pytest.raises(ValueError, match="one of them at least, by its name"):
        keras_ban.Distiller(make()(), other).fit(X, Y, verbose=0)
    explicit = dict.fromkeys(Y, "kd")
    with pytest.raises(ValueError, match="needs a teacher that has it"):
        keras_ban.Distiller(make()(), bigger(), explicit).fit(X, Y, verbose=0)
    one = compiled(
        keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, name="z")])
    )
    with pytest.raises(ValueError, match="an output of this name"):
        keras_ban.Distiller(one, bigger()).fit(X, DIGIT, verbose=0)
    cache = keras_ban.TeacherCache(top_k=1)
    with pytest.raises(ValueError, match="`top_k` keeps the largest"):
        keras_ban.Distiller(make()(), make()()).fit(
            X, Y, teacher_outputs=cache, verbose=0
        )
