"""What is chosen, and the rows, of made-up results."""

import dataclasses

import numpy as np
import pytest
from comparisons import LONG
from comparisons import NLLS
from comparisons import OTHER
from comparisons import around
from comparisons import five
from comparisons import results
from comparisons import words
from scipy import stats

from keras_ban import Method
from keras_ban.comparison.comparison import Comparison


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


def test_rows_say_what_teachers_saw():
    method = Method("kd", "cutmix", 2, teacher_augment="mixup", name="mild")
    errors = {
        "labels+mixup": around(42.0),
        "2 of labels+mixup": around(39.0, spread=OTHER),
        "labels+cutmix": around(41.0),
        "mild": around(40.0, spread=OTHER),
    }
    found = results(errors, [method])
    seen = [(r["augment"], r["teacher_augment"]) for r in found.rows()]
    assert seen == [
        ("mixup", None),
        ("mixup", None),
        ("cutmix", None),
        ("cutmix", "mixup"),
    ]
    # Of the gain of its teachers' ensemble over the twin on its own views.
    assert found.rows()[-1]["kept"] == pytest.approx((41 - 40) / (41 - 39))


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
    assert student["teacher_augment"] == "mixup"
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
