"""The verdict on methods beside the strongest on the labels alone."""

import re

import pytest
from comparisons import LONG
from comparisons import NLLS
from comparisons import OTHER
from comparisons import around
from comparisons import five
from comparisons import words

from keras_ban import Method


@pytest.mark.parametrize(
    ("error", "verb"),
    [
        (39.0, "is better than"),
        (39.95, "is at least as good as"),
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


def test_labels_alone_that_are_better_in_error_only():
    nlls = NLLS | {"long": around(1.202, 0.01)}
    errors = five() | {"long": around(38.0, 0.3)}
    first = words(errors, ["one from five", LONG], nlls).splitlines()[0]
    assert re.match(
        r"Labels alone: 'long' .* at no higher cost, is not shown to be worse "
        r"than 'one from five' \(6\.0 networks\), which errs 2\.00 \+-\S+ "
        r"points more but has an NLL 0\.002 \+-\S+ lower\.$",
        first,
    )


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
    errors["labels+views"] = around(44.5)
    text = words(errors, ["ban", "labels+views"])
    assert "Labels alone" not in text
    assert text.count("than 'labels+views' (1.0 network of training)") == 1


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
