import math

import numpy as np
import pytest
from reference import softmax
from scipy import stats

from keras_ban import metrics

BINS = 15


def predictions(*shape, seed=0, sharp=2.0):
    z = sharp * np.random.default_rng(seed).normal(size=shape)
    return softmax(z)


def class_numbers(*shape, classes=4, seed=1):
    return np.random.default_rng(seed).integers(0, classes, shape)


def distribution(label, n):
    if np.ndim(label):
        return [float(v) for v in label]
    if n == 2 and isinstance(label, float):
        return [1 - label, label]
    return [float(k == label) for k in range(n)]


def argmax(row):
    return max(range(len(row)), key=lambda k: (row[k], -k))


def loop_nll(y, p, w=None):
    total = weights = 0.0
    for s in range(len(p)):
        weight = 1.0 if w is None else float(w[s])
        label = distribution(y[s], len(p[s]))
        for target, q in zip(label, p[s], strict=True):
            if target:
                total -= weight * target * math.log(q)
        weights += weight
    return total / weights


def loop_accuracy(y, p, w=None):
    right = weights = 0.0
    for s in range(len(p)):
        weight = 1.0 if w is None else float(w[s])
        label = distribution(y[s], len(p[s]))
        right += weight * (argmax(p[s]) == argmax(label))
        weights += weight
    return right / weights


def loop_ece(y, p, w=None, bins=BINS):
    collected = [[0.0, 0.0, 0.0] for _ in range(bins)]
    for s in range(len(p)):
        weight = 1.0 if w is None else float(w[s])
        confidence = max(float(q) for q in p[s])
        right = argmax(p[s]) == argmax(distribution(y[s], len(p[s])))
        inside = [
            b for b in range(bins) if b / bins < confidence <= (b + 1) / bins
        ]
        entry = collected[inside[0]]
        entry[0] += weight
        entry[1] += weight * confidence
        entry[2] += weight * right
    total = sum(entry[0] for entry in collected)
    return sum(abs(c - right) for _, c, right in collected) / total


def scores(y, p, w=None, reference=None):
    collected = metrics.Scores()
    collected.update(y, p, w, reference)
    return collected.result()


def assert_scores(actual, y, p, w=None):
    assert actual["accuracy"] == pytest.approx(loop_accuracy(y, p, w))
    assert actual["error"] == pytest.approx(1 - loop_accuracy(y, p, w))
    assert actual["nll"] == pytest.approx(loop_nll(y, p, w), rel=1e-12)
    assert actual["ece"] == pytest.approx(loop_ece(y, p, w), rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 10, 100])
@pytest.mark.parametrize("weighted", [False, True])
def test_class_numbers(n, weighted):
    p, y = predictions(200, n), class_numbers(200, classes=n)
    w = np.random.default_rng(2).random(200) if weighted else None
    assert_scores(scores(y, p, w), y, p, w)
    assert_scores(scores(y[:, None], p, w), y, p, w)
    nll = metrics.negative_log_likelihood(y, p, w)
    assert nll == pytest.approx(loop_nll(y, p, w), rel=1e-12)
    ece = metrics.expected_calibration_error(y, p, sample_weight=w)
    assert ece == pytest.approx(loop_ece(y, p, w), rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [2, 5])
def test_distributions(n, weighted):
    p, y = predictions(200, n), predictions(200, n, seed=3)
    w = np.random.default_rng(2).random(200) if weighted else None
    assert_scores(scores(y, p, w), y, p, w)


def test_one_hot_is_class_numbers():
    p, y = predictions(100, 4), class_numbers(100)
    assert scores(np.eye(4)[y], p, None, p) == pytest.approx(
        scores(y, p, None, p), rel=1e-15
    )


def test_float_class_numbers():
    p, y = predictions(100, 4), class_numbers(100)
    assert scores(y.astype("float32"), p, None, p) == scores(y, p, None, p)


def test_probability_of_class_1():
    p = predictions(50, 2)
    y = np.random.default_rng(4).random(50)
    assert_scores(scores(y, p), [float(v) for v in y], p)


def test_sigmoid_column():
    p, y = predictions(50, 2), class_numbers(50, classes=2)
    column = p[:, 1:]
    nll = metrics.negative_log_likelihood(y, column)
    assert nll == pytest.approx(loop_nll(y, p))
    ece = metrics.expected_calibration_error(y, column)
    assert ece == pytest.approx(loop_ece(y, p))
    other = predictions(50, 2, seed=5)
    same = (p.argmax(-1) == other.argmax(-1)).mean()
    assert metrics.agreement(column, other[:, 1:]) == pytest.approx(same)


@pytest.mark.parametrize("weighted", [False, True])
def test_sequences_are_their_positions(weighted):
    p, y = predictions(12, 7, 5), class_numbers(12, 7, classes=5)
    w = np.random.default_rng(2).random((12, 7)) if weighted else None
    flat = None if w is None else w.reshape(-1)
    assert_scores(scores(y, p, w), y.reshape(-1), p.reshape(-1, 5), flat)


@pytest.mark.parametrize("shape", [(12,), (12, 1)])
def test_weight_of_a_sequence_is_that_of_its_positions(shape):
    p, y = predictions(12, 7, 5), class_numbers(12, 7, classes=5)
    w = np.random.default_rng(2).random(12)
    whole = np.repeat(w[:, None], 7, axis=1)
    assert scores(y, p, w.reshape(shape), p) == scores(y, p, whole, p)


def test_weight_column():
    p, y = predictions(30, 4), class_numbers(30)
    w = np.random.default_rng(2).random(30)
    assert scores(y, p, w[:, None], p) == scores(y, p, w, p)


def test_weight_0_is_absence():
    p, y = predictions(30, 4), class_numbers(30)
    w = (np.arange(30) % 3 > 0).astype("float32")
    kept = w > 0
    assert scores(y, p, w, p) == pytest.approx(
        scores(y[kept], p[kept], None, p[kept])
    )


def test_scale_of_the_weights_changes_nothing():
    p, y = predictions(30, 4), class_numbers(30)
    w = np.random.default_rng(2).random(30)
    assert scores(y, p, 7 * w, p) == pytest.approx(scores(y, p, w, p))


def test_hand_computed():
    p = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55]]
    actual = scores([0, 1, 1, 0], np.array(p), None, np.array(p)[::-1])
    assert actual["accuracy"] == 0.5
    assert actual["error"] == 0.5
    nll = -(math.log(0.9) + math.log(0.2) + math.log(0.7) + math.log(0.45)) / 4
    assert actual["nll"] == pytest.approx(nll)
    # Four bins of one sample each: |1 - 0.9|, |0 - 0.8|, |1 - 0.7|, |0 - 0.55|.
    assert actual["ece"] == pytest.approx((0.1 + 0.8 + 0.3 + 0.55) / 4)
    assert actual["agreement"] == 0.0


def test_hand_computed_in_one_bin():
    p = np.array([[0.61, 0.39], [0.62, 0.38], [0.63, 0.37], [0.64, 0.36]])
    # Confidence 0.625, accuracy 0.75, one bin from 0.6 to 0.667.
    assert scores([0, 0, 0, 1], p)["ece"] == pytest.approx(0.125)


@pytest.mark.parametrize("edge", range(8, 15))
def test_confidence_on_an_edge_belongs_below(edge):
    on, above = edge / BINS, np.nextafter(edge / BINS, 1)
    for confidence, expected in [(on, edge - 1), (above, edge)]:
        collected = metrics.Scores()
        collected.update([0], [[confidence, 1 - confidence]])
        _, _, share, _ = collected.reliability()
        assert share.argmax() == expected


def test_reliability():
    p, y = predictions(300, 3, sharp=1.0), class_numbers(300, classes=3)
    collected = metrics.Scores()
    collected.update(y, p)
    confidence, accuracy, share, gap = collected.reliability()
    assert share.sum() == pytest.approx(1)
    assert (share[:5] == 0).all() and (share[5:] > 0).sum() > 5
    assert (confidence[share == 0] == 0).all()
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        inside = (p.max(-1) > low) & (p.max(-1) <= high)
        assert share[number] == pytest.approx(inside.mean())
        if inside.any():
            right = (p.argmax(-1) == y)[inside].mean()
            mean = p.max(-1)[inside].mean()
            found = confidence[number], accuracy[number], gap[number]
            assert found == pytest.approx((mean, right, right - mean))
        else:
            assert confidence[number] == accuracy[number] == gap[number] == 0


@pytest.mark.parametrize("bins", [1, 2, 10, 50])
def test_number_of_bins(bins):
    p, y = predictions(300, 3), class_numbers(300, classes=3)
    actual = metrics.expected_calibration_error(y, p, bins)
    assert actual == pytest.approx(loop_ece(y, p, bins=bins))


def test_one_bin_is_the_gap_of_the_means():
    p, y = predictions(300, 3), class_numbers(300, classes=3)
    gap = abs((p.argmax(-1) == y).mean() - p.max(-1).mean())
    assert metrics.expected_calibration_error(y, p, 1) == pytest.approx(gap)


def test_probability_0_of_the_truth_is_finite():
    nll = metrics.negative_log_likelihood([0], np.array([[0.0, 1.0]]))
    assert 80 < nll < 1000


def test_probability_0_of_what_is_not_so_costs_nothing():
    p = np.array([[0.0, 1.0, 0.0]])
    actual = scores([1], p, None, p)
    assert actual["nll"] == actual["ece"] == actual["error"] == 0
    assert actual["accuracy"] == actual["agreement"] == 1
    assert metrics.negative_log_likelihood([[0.0, 1.0, 0.0]], p) == 0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_certain_and_wrong(dtype):
    p = np.array([[0, 1], [1, 0]], dtype)
    actual = scores([0, 0], p)
    assert actual["accuracy"] == 0.5
    assert actual["ece"] == 0.5


def test_uniform_prediction():
    p, y = np.full((40, 4), 0.25), np.arange(40) % 4
    actual = scores(y, p)
    assert actual["nll"] == pytest.approx(math.log(4))
    assert actual["accuracy"] == 0.25
    assert actual["ece"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_agreement(weighted):
    p, r = predictions(200, 4), predictions(200, 4, seed=7)
    w = np.random.default_rng(2).random(200) if weighted else np.ones(200)
    same = sum(w[s] for s in range(200) if argmax(p[s]) == argmax(r[s])) / sum(
        w
    )
    given = w if weighted else None
    assert metrics.agreement(p, r, given) == pytest.approx(same)
    actual = scores(class_numbers(200), p, given, r)["agreement"]
    assert actual == pytest.approx(same)
    assert metrics.agreement(p, p) == 1


def test_agreement_of_sequences():
    p, r = predictions(6, 5, 4), predictions(6, 5, 4, seed=7)
    same = (p.argmax(-1) == r.argmax(-1)).mean()
    assert metrics.agreement(p, r) == pytest.approx(same)


def test_agreement_without_a_reference():
    assert math.isnan(scores([0], predictions(1, 4))["agreement"])


@pytest.mark.parametrize("size", [1, 7, 32])
@pytest.mark.parametrize("shape", [(50,), (50, 3)])
def test_batches_are_the_whole(size, shape):
    p, r = predictions(*shape, 4), predictions(*shape, 4, seed=7)
    y = class_numbers(*shape)
    w = np.random.default_rng(2).random(shape)
    collected = metrics.Scores()
    for start in range(0, 50, size):
        part = slice(start, start + size)
        collected.update(y[part], p[part], w[part], r[part])
    assert collected.result() == pytest.approx(scores(y, p, w, r), rel=1e-12)


def test_order_changes_nothing():
    p, y = predictions(60, 4), class_numbers(60)
    order = np.random.default_rng(8).permutation(60)
    assert scores(y[order], p[order], None, p[order]) == pytest.approx(
        scores(y, p, None, p), rel=1e-12
    )


def test_results_are_floats():
    actual = scores([0, 1], predictions(2, 4), None, predictions(2, 4))
    assert set(actual) == {"accuracy", "error", "nll", "ece", "agreement"}
    assert {type(v) for v in actual.values()} == {float}


def test_float32_predictions_count_in_float64():
    p, y = predictions(100, 4).astype("float32"), class_numbers(100)
    assert_scores(scores(y, p), y, p.astype("float64"))


def test_labels_of_another_shape():
    with pytest.raises(ValueError, match="do not fit"):
        scores(class_numbers(10), predictions(9, 4))
    with pytest.raises(ValueError, match="do not fit"):
        scores(predictions(10, 3), predictions(10, 4))


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("weights", [None, (), (1,), (7,)])
def test_perplexity_is_that_of_all_positions(from_logits, weights):
    p = predictions(40, 7, 5)
    y = class_numbers(40, 7, classes=5)
    w = weights
    if weights is not None:
        shape = (40, *weights)
        w = np.random.default_rng(2).integers(0, 3, shape).astype("float32")
    metric = metrics.Perplexity(from_logits)
    for start, stop in ((0, 1), (1, 30), (30, 40)):
        part = slice(start, stop)
        given = np.log(p) + 3.0 if from_logits else p
        metric.update_state(y[part], given[part], w if w is None else w[part])
    ones = np.ones((40, 7))
    full = ones if w is None else ones * w.reshape(40, -1)
    expected = math.exp(loop_nll(y.ravel(), p.reshape(-1, 5), full.ravel()))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)
    again = metrics.Perplexity.from_config(metric.get_config())
    assert again.from_logits == from_logits and float(again.result()) == 1.0
    scores = metrics.Scores()
    scores.update(y, p, full)
    assert scores.result()["perplexity"] == pytest.approx(expected, rel=1e-12)


def test_long_sums_of_perplexity_keep_their_digits():
    metric = metrics.Perplexity()
    z = np.random.default_rng(0).normal(size=(1, 1, 50)).astype("float32")
    y = np.zeros((1, 1), "int32")
    for _ in range(2000):
        metric.update_state(y, z)
    expected = np.exp(
        np.log(np.exp(z[0, 0].astype("float64")).sum()) - z[0, 0, 0]
    )
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)


def test_labels_without_positions_have_no_perplexity():
    scores = metrics.Scores()
    scores.update(class_numbers(9), predictions(9, 4))
    assert "perplexity" not in scores.result()


@pytest.mark.parametrize("rows, sharp", [(40, 2.0), (400, 8.0), (30, 0.0)])
def test_intervals_are_those_of_scipy(rows, sharp):
    y, p = class_numbers(rows), predictions(rows, 4, sharp=sharp)
    scores = metrics.Scores()
    scores.update(y, p)
    found = scores.intervals()
    wrong = int((p.argmax(-1) != y).sum())
    expected = stats.binomtest(wrong, rows).proportion_ci(method="wilson")
    assert found["error"] == pytest.approx(tuple(expected), abs=1e-6)
    nll = -np.log(p[np.arange(rows), y])
    expected = stats.norm.interval(0.95, nll.mean(), stats.sem(nll))
    if sharp:
        assert found["nll"] == pytest.approx(expected, abs=1e-6)


def test_intervals_of_weights_count_what_has_weight():
    y, p = class_numbers(60), predictions(60, 4)
    few, some = metrics.Scores(), metrics.Scores()
    few.update(y[:20], p[:20])
    some.update(y, p, 3.0 * (np.arange(60) < 20))
    for name, pair in few.intervals().items():
        assert some.intervals()[name] == pytest.approx(pair, rel=1e-9)


def test_an_interval_of_no_error_is_no_point():
    scores = metrics.Scores()
    scores.update(np.zeros(50, int), np.tile([0.9, 0.1], (50, 1)))
    low, high = scores.intervals()["error"]
    assert low == pytest.approx(0, abs=1e-12) and 0.05 < high < 0.1
