"""The verdict on made-up results of every kind."""

import re

import pytest
from comparisons import OTHER
from comparisons import around
from comparisons import results
from comparisons import words

from keras_ban import Method

FIVE = {"labels+mixup": 42.0, "5 of labels+mixup": 39.0, "one from five": 40.0}


def five(**changed):
    """Errors of five networks, their ensemble, and a student."""
    names = dict(zip(("twin", "ensemble", "student"), FIVE, strict=True))
    found = {
        "twin": around(42.0),
        "ensemble": around(39.0, spread=OTHER),
        "student": around(40.0, spread=OTHER),
    }
    found |= changed
    return {names[k]: v for k, v in found.items()}


def test_what_helped_and_how_much_of_the_ensemble_it_keeps():
    text = words(five(), ["one from five"])
    assert re.search(
        r"Helped: 'one from five' errs 2\.00 \+-0\.\d\d points less than its "
        r"twin 'labels\+mixup', for 6\.0 networks of training\.",
        text,
    )
    assert re.search(r"Headroom: '5 of labels\+mixup'.* 3\.00 \+-.* less", text)
    assert "'one from five' keeps 0.67 of it." in text
    assert "Labels alone" not in text
    assert "likely" not in text
    assert "significant" not in text


def test_what_harmed():
    text = words(five(student=around(43.5, spread=OTHER)), ["one from five"])
    assert "Harmed: 'one from five' errs 1.50 +-" in text
    assert "points more than its twin" in text


def test_what_cannot_be_told_and_how_many_seeds_it_would_take():
    student = around(41.9, spread=OTHER)
    found = results(five(student=student), ["one from five"])
    text = words(five(student=student), ["one from five"])
    assert "Cannot be told: 'one from five' errs 0.10 +-" in text
    differences = 100 * found.differences("one from five", "labels+mixup")
    effect = abs(differences.mean()) / differences.std(ddof=1)
    # The approximation of Guenther, 1981: (z₁ + z₂)² / d² + z₁² / 2.
    count = int(re.search(r"difference, (\d+) seeds", text)[1])
    assert count == pytest.approx(7.85 / effect**2 + 1.92, abs=1)
    assert "80 % of all cases (paired t test); there are 5" in text


def test_a_difference_that_no_number_of_seeds_shows():
    student = around(42.0 + 1e-6, spread=OTHER)
    text = words(five(student=student), ["one from five"])
    assert "More than 10,000 seeds would not show it." in text


def test_equal_differences():
    text = words(five(student=around(41.0)), ["one from five"])
    assert "Cannot be told: 'one from five' errs 1.00 +-? points less" in text
    assert "measure on more examples" in text


def test_no_headroom():
    text = words(five(ensemble=around(41.9, spread=OTHER)), ["one from five"])
    assert "no method here is likely to help" in text
    assert "keeps" not in text


def test_headroom_of_some():
    errors = five() | {
        "labels": around(46.0),
        "2 of labels": around(45.95, spread=OTHER),
        "two": around(46.0, spread=OTHER),
    }
    text = words(errors, ["one from five", Method(teachers=2, name="two")])
    assert "keeps 0.67 of it" in text
    assert "no method they teach is likely to help" in text
    assert "no method here" not in text


def test_unknown_headroom():
    text = words({"labels": around(5.0), "ban": around(5.0, 0.1)}, ["ban"])
    assert "Headroom: unknown" in text
    assert "'one from five'" in text


LONG = Method("labels", "mixup", epochs="5x", name="long")


@pytest.mark.parametrize(
    ("error", "verb"),
    [
        (39.0, "is better than"),
        (39.95, "is as good as"),
        (40.05, "is not shown to be worse than"),
    ],
)
def test_labels_alone_at_the_same_cost_come_first(error, verb):
    errors = five() | {"long": around(error, 0.3)}
    text = words(errors, ["one from five", LONG])
    first = text.splitlines()[0]
    assert first.startswith(
        "Labels alone: 'long' (5.0 networks of training), the strongest "
        f"training on the labels at no higher cost, {verb} 'one from five' "
        "(6.0 networks), which errs"
    )
    assert "Helped: 'one from five'" in text


def test_a_method_that_is_better_than_labels_alone_too():
    text = words(five() | {"long": around(41.0, 0.3)}, ["one from five", LONG])
    assert "Labels alone" not in text
    assert re.search(
        r"It errs 1\.00 \+-0\.\d\d points less than 'long', the strongest "
        r"training on the labels at no higher cost \(5\.0 networks\)",
        text,
    )


def test_what_is_not_compared():
    text = words(five(), ["one from five"])
    assert "costs as much as 'one from five' (6.0 networks)" in text
    assert "epochs='6x'" in text
    text = words(five() | {"long": around(41.0)}, ["one from five", LONG])
    assert "Not compared" not in text
    text = words({"labels": around(5.0), "ban": around(4.0)}, ["ban"])
    assert "Not compared" not in text


def test_what_costs_more_than_the_method_is_no_rival():
    longer = Method("labels", "mixup", epochs="7x", name="longer")
    errors = five() | {"longer": around(30.0)}
    assert "longer" not in words(errors, ["one from five", longer])


def test_labels_alone_of_the_same_length_with_views():
    errors = {
        "labels": around(45.0),
        "ban": around(44.0, spread=OTHER),
        "labels+views": around(42.0),
    }
    text = words(errors, ["ban", "labels+views"])
    assert text.startswith(
        "Labels alone: 'labels+views' (1.0 network of training), the strongest "
        "training on the labels at the same length, is better than 'ban' (2.0 "
        "networks), which errs 2.00 +-"
    )
    # What is both is said once.
    assert text.count("Labels alone") == 1
    assert "Helped: 'ban'" in text


def test_methods_that_labels_equal_are_named_together():
    twin = Method("labels", ["mixup"], name="twin")
    methods = ["labels", twin, "ban", Method("kd"), Method("kd", ["mixup"])]
    errors = {
        "labels": around(45.0),
        "twin": around(40.0),
        "ban": around(46.0, spread=OTHER),
        "kd": around(44.0, spread=OTHER),
        "kd+mixup": around(41.0, spread=OTHER),
    }
    first, *rest = words(errors, methods).splitlines()
    assert re.search(
        r"'ban' \(2\.0 .* 6\.00 .*; 'kd' .* 4\.00 .* more\.$", first
    )
    assert not any(text.startswith("Labels alone") for text in rest)


def test_what_helped_stands_before_the_rest():
    errors = {
        "labels": around(45.0),
        "ban": around(45.0, spread=OTHER),
        "ban+l": around(44.0, spread=OTHER),
        "kd": around(47.0, spread=OTHER),
    }
    text = words(errors, ["ban", Method("kd"), "ban+l"])
    order = [text.index(f"{w}: ") for w in ("Helped", "Harmed", "told")]
    assert order == sorted(order)
    assert "none of the 3 methods any effect" in text
    assert "up to 15 %" in text


def test_best_is_the_cheapest_within_one_standard_error():
    errors = five() | {"long": around(39.98, 0.3)}
    methods = ["one from five", LONG]
    assert results(errors, methods).best().name == "long"
    # Beyond the error the lowest one counts, whatever it costs.
    errors["long"] = around(40.5, 0.3)
    assert results(errors, methods).best().name == "one from five"
    # The twin is cheaper, and no worse than can be told.
    errors = five(student=around(41.95, spread=OTHER)) | {"long": 50.0}
    assert results(errors, methods).best().name == "labels+mixup"


def test_best_is_no_ensemble():
    errors = five(ensemble=around(10.0))
    assert results(errors, ["one from five"]).best().name == "one from five"


def test_rows_hold_all_numbers():
    found = results(five(), ["one from five"])
    twin, ensemble, student = found.rows()
    assert [twin["kind"], ensemble["kind"], student["kind"]] == [
        "labels",
        "ensemble",
        "teachers",
    ]
    assert student["twin"] == "labels+mixup"
    assert student["teachers"] == 5 and student["generations"] == 1
    assert (student["objective"], student["augment"]) == ("ban", "mixup")
    assert student["errors"] == pytest.approx(around(0.4, 0.002, OTHER))
    assert student["error"] == pytest.approx(0.4)
    assert student["error_difference"] == pytest.approx(-0.02)
    low, high = student["error_difference_interval"]
    assert low < -0.02 < high < 0
    assert student["nll_difference"] == pytest.approx(3 * -0.02 + 0.02)
    assert ensemble["prediction_cost"] == ensemble["training_cost"] == 5
    assert twin["error_difference"] is None
