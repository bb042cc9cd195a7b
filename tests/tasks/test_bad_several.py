"""What does not fit models with several outputs is told before training."""

import keras
import pytest
import tensorflow as tf
from builders import compiled
from several import CE
from several import DIGIT
from several import MARKS
from several import SIZES
from several import X
from several import Y
from several import bigger
from several import make

import keras_ban

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


def test_a_batch_that_leaves_out_the_weights_of_an_output():
    weights = {"digit": DIGIT, "marks": DIGIT}
    ds = tf.data.Dataset.from_tensor_slices((X, Y, weights)).batch(8)
    with pytest.raises(ValueError, match="Give 'sizes' weights, too"):
        keras_ban.BornAgain(make()).fit(ds, verbose=0)


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
