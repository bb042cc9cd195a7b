"""The verdict on made-up results of every kind."""

import dataclasses
import re

import numpy as np
import pytest
from comparisons import OTHER
from comparisons import around
from comparisons import results
from comparisons import words
from scipy import stats

from keras_ban import Method
from keras_ban.comparison.comparison import Comparison

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


def five_scores(*names):
    """Errors as fractions."""
    found = dict(
        zip(("twin", "ensemble", "student"), five().values(), strict=True)
    )
    return [found[name] / 100 for name in names]


def half(one, other):
    """Half of the interval of the difference, by SciPy."""
    found = stats.ttest_rel(one, other).confidence_interval(0.95)
    return (found.high - found.low) / 2


def test_what_helped_and_how_much_of_the_ensemble_it_keeps():
    text = words(five(), ["one from five"])
    error = half(*five_scores("student", "twin"))
    assert (
        f"Helped: 'one from five' errs 2.00 +-{100 * error:.2f} points less "
        f"and has an NLL 0.060 +-{3 * error:.3f} lower than its twin "
        "'labels+mixup', for 6.0 networks of training." in text
    )
    error = half(*five_scores("ensemble", "twin"))
    assert (
        "Headroom: '5 of labels+mixup', their mean prediction, errs 3.00 "
        f"+-{100 * error:.2f} points less and has an NLL 0.090 "
        f"+-{3 * error:.3f} lower than one of them, at 5 times its cost" in text
    )
    assert re.search(
        r"Of its gain over 'labels\+mixup', 'one from five' keeps "
        r"(0\.67 \(0\.\d\d to 0\.\d\d\)) in error and \1 in NLL\.",
        text,
    )
    assert "Labels alone" not in text
    assert "likely" not in text
    assert "significant" not in text


def test_what_harmed():
    text = words(five(student=around(43.5, spread=OTHER)), ["one from five"])
    assert re.search(
        r"Harmed: 'one from five' errs 1\.50 \+-\S+ points more and has an NLL "
        r"0\.045 \+-\S+ higher than its twin",
        text,
    )


# Of the error and the NLL, the differences to the twin.
@pytest.mark.parametrize(
    ("error", "nll", "pattern"),
    [
        (
            *(-2.0, 0.01),
            r"Helped: 'ban' errs 2\.00 \+-\S+ points less than its twin "
            r"'labels', for 2\.0 networks of training; its NLL cannot be told "
            r"from that of the twin \(0\.010 \+-\S+ higher\)\.$",
        ),
        (
            *(0.1, -0.2),
            r"Helped: 'ban' has an NLL 0\.200 \+-\S+ lower than its twin "
            r"'labels', for .*; its error cannot be told from that of the twin "
            r"\(0\.10 \+-\S+ points more\)\.$",
        ),
        (
            *(2.0, -0.2),
            r"Helped and harmed: 'ban' has an NLL 0\.200 \+-\S+ lower but errs "
            r"2\.00 \+-\S+ points more than its twin 'labels', for 2\.0 .*g\.$",
        ),
        (
            *(-0.1, 0.2),
            r"Harmed: 'ban' has an NLL 0\.200 \+-\S+ higher than its twin "
            r"'labels', for .*; its error cannot be told from that of the twin "
            r"\(0\.10 \+-\S+ points less\)\.$",
        ),
        (
            *(-0.1, 0.01),
            r"Cannot be told: 'ban' errs 0\.10 \+-\S+ points less but has an "
            r"NLL 0\.010 \+-\S+ higher than its twin 'labels', for .*; there "
            r"are 5\.$",
        ),
    ],
    ids=["error", "NLL", "both ways", "harm", "nothing"],
)
def test_error_and_nll_are_told_apart(error, nll, pattern):
    errors = {"labels": around(40.0), "ban": around(40.0 + error, spread=OTHER)}
    nlls = {
        "labels": around(1.0, 0.02),
        "ban": around(1.0 + nll, 0.02, spread=OTHER),
    }
    first, *rest = words(errors, ["ban"], nlls).splitlines()
    assert re.match(pattern, first)
    is_told = "Cannot" not in first
    assert is_told == ("one of the 2 intervals" in "".join(rest))
    assert is_told == ("up to 10 %" in "".join(rest))


def test_what_cannot_be_told_and_how_many_seeds_it_would_take():
    student = around(41.9, spread=OTHER)
    found = results(five(student=student), ["one from five"])
    text = words(five(student=student), ["one from five"])
    assert "Cannot be told: 'one from five' errs 0.10 +-" in text
    differences = 100 * found.differences("one from five", "labels+mixup")
    effect = abs(differences.mean()) / differences.std(ddof=1)
    # The approximation of Guenther, 1981: (z₁ + z₂)² / d² + z₁² / 2.
    count = int(re.search(r"difference, it takes (\d+) seeds", text)[1])
    assert count == pytest.approx(7.85 / effect**2 + 1.92, abs=1)
    assert (
        f"true difference, it takes {count} seeds to show it in error and "
        f"{count} seeds to show it in NLL, in 80 % of all cases (paired t "
        "test); there are 5." in text
    )


def test_a_difference_that_no_number_of_seeds_shows():
    student = around(42.0 + 1e-6, spread=OTHER)
    text = words(five(student=student), ["one from five"])
    assert "it takes more than 10,000 seeds to show it in error" in text


def test_equal_differences():
    errors = five(student=around(41.0))
    text = words(errors, ["one from five"])
    assert "Cannot be told: 'one from five' errs 1.00 +-? points less" in text
    assert text.count("measure on more examples") == 2
    assert "paired t test" not in text
    assert "keeps 0.33 (? to ?) in error" in text
    nlls = {"one from five": around(1.2, 0.1, spread=OTHER)}
    text = words(errors, ["one from five"], nlls)
    assert text.count("The difference in error is the same for all seeds") == 1
    assert re.search(r"it takes \d+ seeds to show it in NLL, in", text)


def test_no_headroom():
    text = words(five(ensemble=around(41.9, spread=OTHER)), ["one from five"])
    assert "no method here is likely to help" in text
    assert "keeps" not in text


def test_headroom_in_nll_alone():
    errors = five(ensemble=around(41.9, spread=OTHER))
    nlls = {
        "labels+mixup": around(1.3, 0.02),
        "5 of labels+mixup": around(1.1, 0.02, spread=OTHER),
        "one from five": around(1.15, 0.02, spread=OTHER),
    }
    last = words(errors, ["one from five"], nlls).splitlines()[-1]
    assert re.match(
        r"Headroom: .* has an NLL 0\.200 \+-\S+ lower than one of them, .*; "
        r"its error cannot be told from that of one of them \(0\.10 .* less\)"
        r"\. Of its gain over .* keeps 0\.75 \(\S+ to \S+\) in NLL\.$",
        last,
    )


def test_headroom_of_some():
    errors = five() | {
        "labels": around(46.0),
        "2 of labels": around(45.95, spread=OTHER),
        "two": around(46.0, spread=OTHER),
    }
    text = words(errors, ["one from five", Method(teachers=2, name="two")])
    assert "'one from five' keeps 0.67" in text
    assert "'two' keeps" not in text
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
    assert re.search(r"points (more|less) and has an NLL \S+ \+-\S+ ", first)
    assert "Helped: 'one from five'" in text


def test_a_method_that_is_better_than_labels_alone_too():
    text = words(five() | {"long": around(41.0, 0.3)}, ["one from five", LONG])
    assert "Labels alone" not in text
    assert re.search(
        r"It errs 1\.00 \+-0\.\d\d points less and has an NLL 0\.030 \+-\S+ "
        r"lower than 'long' \(5\.0 networks of training\), the strongest "
        r"training on the labels at no higher cost\.$",
        text,
        re.MULTILINE,
    )


# The student is 0.1 nats below its twin.
NLLS = {
    "labels+mixup": around(1.3, 0.01),
    "5 of labels+mixup": around(1.1, 0.01, spread=OTHER),
    "one from five": around(1.2, 0.01, spread=OTHER),
}


def test_a_method_that_is_better_than_labels_alone_in_nll():
    nlls = NLLS | {"long": around(1.25, 0.01)}
    errors = five() | {"long": around(39.95, 0.3)}
    text = words(errors, ["one from five", LONG], nlls)
    assert "Labels alone" not in text
    assert re.search(
        r"It has an NLL 0\.050 \+-\S+ lower than 'long' \(5\.0 networks of "
        r"training\), the strongest training on the labels at no higher cost; "
        r"its error cannot be told from that of 'long' \(0\.05 .* more\)\.$",
        text,
        re.MULTILINE,
    )
    errors["long"] = around(38.0, 0.3)
    text = words(errors, ["one from five", LONG], nlls)
    assert "Labels alone" not in text
    assert re.search(
        r"lower but errs 2\.00 \+-\S+ points more than 'long'", text
    )


def test_the_strongest_in_nll_is_another():
    short = Method("labels", ["mixup"], name="short")
    methods = ["one from five", LONG, short]
    errors = five() | {"long": around(39.0, 0.3), "short": around(45.0)}
    nlls = NLLS | {"long": around(1.5, 0.01), "short": around(1.15, 0.01)}
    text = words(errors, methods, nlls)
    first, second, third, *_ = text.splitlines()
    assert re.match(
        r"Labels alone: 'long' .*, the strongest training on the labels in "
        r"error at no higher cost, is better than 'one from five' .*, which "
        r"errs 1\.00 \+-\S+ points more\.$",
        first,
    )
    assert re.match(
        r"Labels alone: 'short' .* in NLL at no higher cost, is better than .* "
        r"has an NLL 0\.050 \+-\S+ higher\.$",
        second,
    )
    # Of the same length it is the twin that errs least.
    assert re.match(r"Helped: 'one from five' errs 2\.00 \+-\S+ .* less", third)
    assert re.search(
        r" It has an NLL 0\.050 \+-\S+ higher than 'short' \(1\.0 network of "
        r"training\), the strongest training on the labels in NLL at the same "
        r"length\.$",
        third,
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
        r"'ban' \(2\.0 .* 6\.00 .*; 'kd' .* 4\.00 .* higher\.$", first
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
    assert "one of the 6 intervals" in text
    assert "up to 30 %" in text


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


def test_best_may_be_that_in_nll(monkeypatch):
    errors = five(student=around(43.0, spread=OTHER))
    found = results(errors, ["one from five"], NLLS)
    assert found.best().name == "labels+mixup"
    assert found.best("nll").name == "one from five"
    monkeypatch.setattr(Comparison, "_measure", lambda *args: found)
    for select, name in (("error", "labels+mixup"), ("nll", "one from five")):
        study = Comparison(found.design, found.seeds, {}, select=select)
        study.validate(None)
        assert study.best.name == name


def test_best_is_no_ensemble():
    errors = five(ensemble=around(10.0))
    assert results(errors, ["one from five"]).best().name == "one from five"


def test_rows_hold_all_numbers():
    nlls = {
        "labels+mixup": around(1.3, 0.02),
        "5 of labels+mixup": around(1.1, 0.03, spread=OTHER),
        "one from five": around(1.25, 0.02, spread=OTHER),
    }
    found = results(five(), ["one from five"], nlls)
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
    assert student["nll_difference"] == pytest.approx(-0.05)
    assert student["nlls"] == pytest.approx(nlls["one from five"])
    assert ensemble["prediction_cost"] == ensemble["training_cost"] == 5
    assert twin["error_difference"] is None
    assert student["kept"] == pytest.approx(2 / 3)
    assert student["nll_kept"] == pytest.approx(0.05 / 0.2)
    for name, scores in (("kept", "errors"), ("nll_kept", "nlls")):
        one, mean, taught = (
            np.array(row[scores]) for row in (twin, ensemble, student)
        )
        for end in student[f"{name}_interval"]:
            # The ends are where the paired t test just tells.
            test = stats.ttest_1samp(one - taught - end * (one - mean), 0)
            assert test.pvalue == pytest.approx(0.05)
        assert twin[name] is ensemble[name] is None
        assert twin[f"{name}_interval"] is None


def test_nothing_is_kept_of_a_gain_that_cannot_be_told():
    found = results(
        five(ensemble=around(41.9, spread=OTHER)), ["one from five"], NLLS
    )
    student = found.rows()[-1]
    assert student["kept"] is student["kept_interval"] is None
    assert student["nll_kept"] == pytest.approx(0.5)


def test_the_kept_share_is_of_the_gain_over_the_twin():
    method = Method("ban", "mixup", 5, epochs=lambda k: 60 if k else 30)
    method = dataclasses.replace(method, name="longer")
    errors = {
        "labels+mixup": around(42.0),
        "5 of labels+mixup": around(37.0, spread=OTHER),
        "labels+mixup 60 epochs": around(41.0),
        "longer": around(39.0, spread=OTHER),
    }
    found = results(errors, [method])
    assert found.rows()[-1]["kept"] == pytest.approx((41 - 39) / (41 - 37))
    text = words(errors, [method])
    assert "errs 5.00 +-" in text
    assert (
        "Of its gain over 'labels+mixup 60 epochs', 'longer' keeps 0.50" in text
    )
