"""The verdict on made-up results of every kind."""

import re

import pytest
from comparisons import OTHER
from comparisons import around
from comparisons import five
from comparisons import results
from comparisons import words
from scipy import stats

from keras_ban import Method


def half(one, other):
    """Half of the interval of the difference, by SciPy."""
    found = stats.ttest_rel(one, other).confidence_interval(0.95)
    return (found.high - found.low) / 2


def test_what_helped_and_how_much_of_the_ensemble_it_keeps():
    text = words(five(), ["one from five"])
    twin, ensemble, student = (errors / 100 for errors in five().values())
    error = half(student, twin)
    assert (
        f"Helped: 'one from five' errs 2.00 +-{100 * error:.2f} points less "
        f"and has an NLL 0.060 +-{3 * error:.3f} lower than its twin "
        "'labels+mixup', for 6.0 networks of training." in text
    )
    error = half(ensemble, twin)
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
