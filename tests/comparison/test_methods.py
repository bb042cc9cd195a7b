"""Methods by name, and what a comparison of them trains."""

import keras
import pytest
from comparisons import LADDER

import keras_ban
from keras_ban import Method
from keras_ban import views
from keras_ban.comparison.design import Design
from keras_ban.comparison.methods import VIEWS
from keras_ban.comparison.methods import chosen
from keras_ban.comparison.methods import ladder


def design(*methods, epochs=30):
    return Design(chosen(list(methods)), epochs)


def names(found):
    return [entry.name for entry in found.entries]


def test_ladder():
    assert [method.name for method in chosen(None)] == LADDER
    assert chosen(["ban", "labels"]) == [ladder()["ban"], ladder()["labels"]]
    assert chosen("ban") == [ladder()["ban"]]
    views = {name: method.augment for name, method in ladder("cutmix").items()}
    with_views = {name for name, found in views.items() if found == "cutmix"}
    assert with_views == {n for n in LADDER if "views" in n or "five" in n}


def test_compare_documents_the_whole_ladder():
    for name in LADDER:
        assert f'"{name}"' in keras_ban.compare.__doc__
        assert f'`"{name}"`' in ladder.__doc__


def test_names_say_what_a_method_is():
    assert Method().name == "ban"
    assert Method("kd", "mixup", 3, 2, "2x").name == (
        "kd+mixup from 3 2 generations 2x"
    )
    assert Method("labels", epochs=7).name == "labels 7 epochs"
    assert Method(learn_from="all", generations=2).name.endswith("from all")
    objective = keras_ban.objectives.KD(alpha=0.3)
    assert Method(objective, [keras.ops.flip, "mixup"]).name == "kd+flip+mixup"


def test_names_say_what_teachers_saw():
    shift, strong = views.shift(2), [views.shift(2), "mixup"]
    assert Method("kd", shift, 5, teacher_augment=strong).name == (
        "kd+shift(pixels=2) from 5 of shift+mixup"
    )
    assert Method("kd", teacher_augment="mixup").name == "kd from 1 of mixup"
    erasing = views.layer(keras.layers.RandomErasing(0.5))
    assert Method("kd", [erasing, "mixup"]).name == "kd+RandomErasing+mixup"
    assert Method("kd", "mixup", 2, teacher_augment=None).name == (
        "kd+mixup from 2 of no views"
    )
    for given in ("same", [views.shift(2), "mixup"], tuple(strong)):
        method = Method("kd", strong, 5, teacher_augment=given)
        assert method.name == "kd+shift(pixels=2)+mixup from 5"
        assert not method.has_own_views


def test_methods_of_a_dict_have_its_names():
    found = chosen({"mine": Method("kd"), "paper": "ban"})
    assert [(m.name, m.objective) for m in found] == [
        ("mine", "kd"),
        ("paper", "ban"),
    ]


def test_lengths():
    assert Method().lengths(30) == (30, 30)
    assert Method("labels", epochs="5x").lengths(30) == (150,)
    assert Method(epochs=7, generations=2).lengths(30) == (7, 7, 7)
    assert Method(epochs=lambda k: 10 * (k + 1)).lengths(30) == (10, 20)


def refused(call, *expected):
    with pytest.raises(ValueError) as info:
        call()
    for text in expected:
        assert text in str(info.value)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"objective": "bann"}, ("Unknown objective", "'ban+l'", "'bann'")),
        ({"teachers": 0}, ("`teachers`", "at least 1", "0")),
        ({"generations": 1.5}, ("`generations`", "1.5")),
        (
            {"objective": "labels", "teachers": 5},
            ("trains one network", "teachers=5", "ensemble"),
        ),
        ({"objective": "labels", "generations": 2}, ("generations=2",)),
        (
            {"objective": "labels", "teacher_augment": "mixup"},
            ("no teachers", "teacher_augment='mixup'", "`augment=`"),
        ),
        ({"learn_from": "both"}, ("'parent' or 'all'", "'both'")),
        ({"epochs": 0}, ("`epochs`", "'5x'", "0")),
        ({"epochs": "x5"}, ("`epochs`", "'x5'")),
        ({"epochs": True}, ("`epochs`", "True")),
        ({"name": " a"}, ("name of a method", "' a'")),
        ({"name": "a\n"}, ("name of a method",)),
        ({"name": "a" * 41}, ("at most", "40")),
    ],
    ids=str,
)
def test_bad_methods(arguments, expected):
    if "at most" in expected:
        expected = ("1 to 40",)
    refused(lambda: Method(**arguments), *expected)


def test_a_length_that_a_function_does_not_give():
    method = Method(epochs=lambda k: k)
    refused(lambda: method.lengths(30), "epochs(0)", "at least 1")


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (["bann"], ("Unknown method", *map(repr, LADDER), "'bann'")),
        ([3], ("Unknown method", "3")),
        (["ban", "ban"], ("Two methods", "'ban'")),
        ([Method("kd"), Method("kd", name="kd")], ("Two methods", "'kd'")),
        ([], ("nothing to compare", "'one from five'")),
        ({"": "ban"}, ("name of a method", "''")),
    ],
    ids=str,
)
def test_bad_choices(methods, expected):
    refused(lambda: chosen(methods), *expected)


def test_twins_are_added_before_the_first_that_needs_them():
    found = design(Method("kd"), Method("ban", "mixup", teachers=3), "ban")
    assert names(found) == [
        "labels",
        "kd",
        "labels+mixup",
        "3 of labels+mixup",
        "ban+mixup from 3",
        "ban",
    ]
    twins = {entry.name: entry.twin for entry in found.entries}
    assert twins == {
        "labels": None,
        "kd": "labels",
        "labels+mixup": None,
        "3 of labels+mixup": "labels+mixup",
        "ban+mixup from 3": "labels+mixup",
        "ban": "labels",
    }


def test_a_twin_is_as_long_as_the_student():
    found = design(Method(epochs=lambda k: 20 * (k + 1), teachers=2))
    assert found.entries[-1].twin == "labels 40 epochs"
    # The teachers are there, and so is what they are as an ensemble.
    assert names(found)[:3] == [
        "labels 20 epochs",
        "2 of labels 20 epochs",
        "labels 40 epochs",
    ]
    assert [(r.epochs, r.count) for r in found.recipes] == [(20, 2), (40, 1)]


def test_teachers_on_views_of_their_own():
    method = Method("kd", "crop_and_flip", 3, teacher_augment="mixup")
    found = design(method, Method("labels", "mixup", name="labels+views"))
    assert [(r.augment, r.epochs, r.count) for r in found.recipes] == [
        ("crop_and_flip", 30, 1),
        ("mixup", 30, 3),
    ]
    assert names(found) == [
        "labels+crop_and_flip",
        "kd+crop_and_flip from 3 of mixup",
        "labels+views",
        "3 of labels+views",
    ]
    entry = found.entry(method.name)
    assert entry.twin == "labels+crop_and_flip"
    assert entry.recipe.name == "labels+views"
    assert entry.training == 4
    assert found.networks == 5


def test_the_twin_of_a_longer_student_of_teachers_on_other_views():
    method = Method(
        "kd",
        None,
        2,
        epochs=lambda k: 10 * (k + 1),
        teacher_augment="mixup",
    )
    found = design(method)
    assert [(r.augment, r.epochs, r.count) for r in found.recipes] == [
        ("mixup", 10, 2),
        (None, 20, 1),
    ]
    assert found.entries[-1].twin == "labels 20 epochs"
    assert found.entries[-1].training == (2 * 10 + 20) / 30


def test_what_is_there_is_no_twin_anew():
    found = design("ban", Method("labels", name="mine"))
    assert names(found) == ["ban", "mine"]
    assert found.entry("ban").twin == "mine"
    found = design(Method("labels", epochs=150), "ban", Method(epochs="5x"))
    assert found.entry("ban 5x").twin == "labels 150 epochs"


class Mix:
    """As a view of `keras_ban.views`, made anew in each method."""

    def __init__(self, alpha):
        self.alpha = alpha

    def describe(self):
        return f"mix({self.alpha})"


def test_views_of_one_description_are_the_same():
    found = design(
        Method("ban", Mix(1)),
        Method("kd", [Mix(1)]),
        Method("ban+l", (Mix(1),), teachers=3),
        Method("labels", Mix(2)),
    )
    twins = {e.name: e.twin for e in found.entries if e.kind == "teachers"}
    assert list(twins.values()) == ["labels+mix(1)", *["labels+mix(1) (2)"] * 2]
    assert [recipe.count for recipe in found.recipes] == [1, 3, 1]
    assert found.entries[-1].name == "labels+mix(2)"


def test_names_of_twins_are_not_taken():
    found = design(Method("kd", name="labels"))
    assert names(found) == ["labels (2)", "labels"]


def test_long_names_of_twins_have_room_for_a_number():
    def turned(by):
        turn = keras.layers.RandomRotation(by, name="a" * 30)
        return views.layer(keras.Sequential([turn]))

    found = design(
        *(Method("ban", turned(by), name=f"by {by}") for by in (0.1, 0.2, 0.3))
    )
    made = names(found)
    assert len(set(made)) == len(made) == 6
    assert max(map(len, made)) <= 40


def test_ladder_trains_each_network_once():
    found = Design(chosen(None), 30)
    assert [(r.augment, r.epochs, r.count) for r in found.recipes] == [
        (None, 30, 1),
        (VIEWS, 30, 5),
        (VIEWS, 150, 1),
    ]
    # 7 on the labels, and a student of each of 5 methods.
    assert found.networks == 12
    assert found.network_epochs == 11 * 30 + 150
    costs = {e.name: (e.training, e.prediction) for e in found.entries}
    assert costs["one from five"] == (6, 1)
    assert costs["5 of labels+views"] == (5, 5)
    assert costs["labels+views long"] == (5, 1)
    assert costs["ban"] == (2, 1)


def test_cost_of_generations():
    method = Method(teachers=3, generations=2, epochs=lambda k: 10 + 20 * k)
    assert design(method).entries[-1].training == (3 * 10 + 30 + 50) / 30


def test_objectives_are_methods():
    kd = keras_ban.objectives.KD(0.3, 4.0)
    found = chosen({"plain": "kd", "softer": kd})
    assert [method.name for method in found] == ["plain", "softer"]
    assert found[0].objective.name == "kd" and found[1].objective is kd
    assert chosen(["kd"])[0].name == "kd"
