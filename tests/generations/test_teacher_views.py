"""Generation 0 on other views than the students that learn from it."""

import json

import keras
import pytest
from builders import Batches
from builders import compiled
from builders import data_set
from builders import mlp
from builders import noisy
from interruptions import check
from lineages import FIT
from lineages import VALIDATION
from lineages import X
from lineages import Y
from lineages import graph_fn
from lineages import model_fn
from lineages import run
from matrices import names
from matrices import pairs
from refusals import Untouched
from weights import same

import keras_ban
from keras_ban import views
from keras_ban.generations import hindrances

MIXUP = "mixup(alpha='uniform')"
ARRAYS = {}
BATCHES = {"x": data_set(X, Y, size=16), "y": None, "batch_size": None}
PART = BATCHES | {"x": data_set(X, Y, size=8), "steps_per_epoch": 3}
BUFFER = BATCHES | {"shuffle": 20}
WEIGHED = {"class_weight": {0: 3.0, 2: 0.5}}
CASES = {
    "a function": (noisy, [noisy, "mixup"], ARRAYS),
    "teachers mix": (None, "mixup", WEIGHED),
    "students mix": ("mixup", None, WEIGHED),
    "both mix": ("mixup", views.mixup(0.4), ARRAYS),
    "batches": (None, "mixup", BATCHES),
    "part of the batches": (None, noisy, PART),
    "shuffled batches": (noisy, None, BUFFER),
}


def all_same(lineage, other):
    for one, two in zip(lineage, other, strict=True):
        assert same(one.model, two.model)
        assert one.history == two.history
        assert one.metrics == two.metrics


OFTEN = "a function", "students mix", "part of the batches"


@pytest.mark.parametrize("case", names(CASES, *OFTEN))
def test_one_call_trains_what_two_calls_train(case):
    own, first, how = CASES[case]
    (teacher,) = run(objective="labels", generations=0, augment=first, **how)
    how = {"objective": "ban+l", "augment": own, **how}
    _, student = run(teacher=teacher.model, **how)
    one = run(teacher_augment=first, **how)
    all_same(one, [teacher, student])


@pytest.mark.parametrize(
    "own, first",
    [(noisy, "mixup"), pytest.param("mixup", None, marks=pytest.mark.slow)],
)
def test_several_teachers_are_the_control_on_their_views(own, first):
    control = run(objective="labels", generations=2, augment=first)
    ban = keras_ban.BornAgain(model_fn, "ban+l")
    how = {"generations": 2, "teachers": 3, "augment": own}
    apart = ban._fit(control, x=X, y=Y, **how, **FIT)
    one = run(objective="ban+l", teacher_augment=first, **how)
    all_same(one.teachers, control)
    all_same(one[1:], apart[1:])


@pytest.mark.parametrize(
    "how, steps",
    pairs([(None, "mixup"), ("mixup", None)], [1, 10_000]),
    ids=str,
)
def test_a_control_begins_as_its_method(monkeypatch, how, steps):
    own, first = how
    # Side by side, and one after another.
    monkeypatch.setattr(hindrances, "_STEPS", steps)
    how = {"objective": "labels", "validation_data": VALIDATION}
    teacher, _ = run(graph_fn, augment=first, **how)
    _, *later = run(graph_fn, augment=own, generations=2, **how)
    one = run(
        graph_fn, augment=own, teacher_augment=first, generations=2, **how
    )
    all_same(one, [teacher, *later])


def test_outputs_of_the_views_of_students_are_cached():
    how = {"augment": noisy, "views": 2, "teacher_outputs": "cached"}
    (teacher,) = run(
        objective="labels", generations=0, augment="mixup", views=2
    )
    _, student = run(teacher=teacher.model, **how)
    all_same(run(teacher_augment="mixup", **how), [teacher, student])


def test_outputs_without_views_are_cached():
    """A number of views is that of the teacher alone, if there is one."""
    for count in (None, 2):
        (teacher,) = run(
            objective="labels", generations=0, augment=noisy, views=count
        )
        cached = {"teacher_outputs": "cached"}
        _, student = run(teacher=teacher.model, **cached)
        one = run(teacher_augment=noisy, views=count, **cached)
        all_same(one, [teacher, student])


RESUMED = {
    "teachers mix": {
        "teachers": 2,
        "augment": noisy,
        "teacher_augment": "mixup",
    },
    "students mix": {
        "augment": "mixup",
        "views": 2,
        "teacher_outputs": "cached",
        "teacher_augment": None,
    },
    "batches": {"teacher_augment": "mixup", **BATCHES},
    "a control": {"objective": "labels", "teacher_augment": "mixup"},
}


@pytest.mark.parametrize("name", names(RESUMED, "teachers mix", "students mix"))
def test_a_run_that_is_interrupted_goes_on(tmp_path, name):
    how = RESUMED[name]
    stops = [(0, 1, 2), (how.get("teachers", 1), 1, 1)]
    check(tmp_path, stops, born={"save_every": 2}, **how)


def traced(monkeypatch):
    """The names of what is trained, one for each trace of a step."""
    found = []
    for trains in (keras.Model, keras_ban.Distiller):
        plain = trains.train_step

        def step(self, data, plain=plain):
            objective = getattr(self, "objective", None)
            found.append(objective.name if objective else "model")
            return plain(self, data)

        monkeypatch.setattr(trains, "train_step", step)
    return found


def network():
    return compiled(mlp(), eager=False)


@pytest.mark.parametrize(
    "objective, own, first, expected",
    [
        ("ban+l", noisy, "mixup", ["labels", "ban+l"]),
        ("ban+l", "mixup", None, ["model", "ban+l"]),
        pytest.param(
            *("labels", None, "mixup", ["labels", "model"]),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_one_trace_for_each_kind_of_training(
    monkeypatch, objective, own, first, expected
):
    found = traced(monkeypatch)
    how = {"augment": own, "teacher_augment": first, "generations": 3}
    run(network, objective, **how)
    assert found == expected


def born(directory, **how):
    how = {"generations": 1, **FIT, **how}
    return keras_ban.BornAgain(model_fn, directory=directory).fit(X, Y, **how)


def recorded(directory):
    content = json.loads((directory / "run.json").read_text())
    return content["fingerprint"]["run"]["views"]


def test_a_run_knows_the_views_of_its_teachers(tmp_path):
    how = {"augment": noisy, "teachers": 2}
    first = born(tmp_path, teacher_augment=["mixup"], **how)
    assert recorded(tmp_path)["teacher_augment"] == [MIXUP]
    assert recorded(tmp_path / "teachers") == {
        "teacher_outputs": None,
        "augment": MIXUP,
        "views": None,
    }
    again = born(tmp_path, teacher_augment=views.mixup(), **how)
    all_same(first, again)
    for other in ("same", noisy, None, views.mixup(0.3)):
        with pytest.raises(ValueError, match=r"`views\.teacher_augment.*diff"):
            born(tmp_path, teacher_augment=other, **how)
    with pytest.raises(ValueError, match=r"`views\.views` differs"):
        born(tmp_path, teacher_augment="mixup", **how, views=3)


def test_what_is_said_twice_is_said_once(tmp_path):
    """A run of one kind of views is recorded as ever."""
    first = born(tmp_path, augment="mixup")
    assert recorded(tmp_path) == {
        "teacher_outputs": None,
        "augment": MIXUP,
        "views": None,
    }
    how = {"augment": "mixup", "callbacks": [Untouched()]}
    for given in ("same", "mixup", views.mixup(), ["mixup"]):
        all_same(first, born(tmp_path, teacher_augment=given, **how))
    with pytest.raises(ValueError, match=r"`views\.teacher_augment` diff"):
        born(tmp_path, teacher_augment=None, **how)


def drawn(x, seed):
    return x + keras.random.normal(x.shape)


@pytest.mark.parametrize(
    "how, words",
    [
        ({"teacher_augment": "none"}, "argument `teacher_augment`.*'none'"),
        (
            {"teacher_augment": ["mixup", "mixup"]},
            "`teacher_augment` changes labels twice",
        ),
        ({"teacher_augment": drawn}, "`teacher_augment` gives another view"),
        (
            {"teacher_augment": lambda x, seed: x + "a"},
            "`teacher_augment` cannot be applied",
        ),
        (
            {"teacher_augment": noisy, "x": Batches(X, Y), "y": None},
            "`teacher_augment` needs to know each example",
        ),
        ({"teacher_augment": None, "views": 2}, "`views` counts"),
        (
            {
                "augment": noisy,
                "teacher_augment": None,
                "teacher_outputs": "cached",
            },
            "Expected `views=`",
        ),
    ],
)
def test_bad_views_of_teachers(how, words):
    how = {"callbacks": [Untouched()], **how}
    if "x" in how:
        how |= {"batch_size": None}
    with pytest.raises(ValueError, match=words):
        run(**how)


def test_a_given_teacher_has_no_views():
    teacher = mlp()
    for first in (noisy, None):
        with pytest.raises(ValueError, match=r"`teacher_augment`.*`teacher=`"):
            run(teacher=teacher, augment="mixup", teacher_augment=first)
    run(teacher=teacher, augment="mixup", teacher_augment="same")
