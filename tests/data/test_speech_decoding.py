"""Alignment and decoding against all paths; word errors of known strings."""

import itertools

import numpy as np
import pytest

from keras_ban.data import speech
from keras_ban.data.alignment import viterbi

RNG = np.random.default_rng(0)


def lengths(frames, parts):
    """All ways to share frames among states, one frame each at least."""
    for cuts in itertools.combinations(range(1, frames), parts - 1):
        yield np.diff([0, *cuts, frames])


def every_path(stay, scores, words, penalty=0.0):
    """Yields digits, states and log-probability of all strings of `words`."""
    digits, states = stay.shape
    for said in itertools.product(range(digits), repeat=words):
        through = [(d, s) for d in said for s in range(states)]
        for parts in lengths(len(scores), len(through)):
            total = -words * (np.log(digits) + penalty)
            for place, length in zip(through, parts, strict=True):
                total += (length - 1) * np.log(stay[place])
                total += np.log(1 - stay[place])
            numbers = [d * states + s for d, s in through]
            path = np.repeat(numbers, parts)
            total += scores[np.arange(len(scores)), path].sum()
            yield list(said), path, total


def best(paths):
    return max(paths, key=lambda found: found[2])


@pytest.fixture(params=range(6))
def case(request):
    """Digits and states that differ, and frames for all paths to be tried."""
    rng = np.random.default_rng(request.param)
    digits, states, frames = [(2, 2, 7), (3, 2, 6), (2, 3, 7)][
        request.param % 3
    ]
    stay = rng.uniform(0.1, 0.9, (digits, states))
    scores = 2 * rng.normal(size=(frames, digits * states))
    return speech.DigitHMMs(digits, states, stay), stay, scores


def test_an_alignment_is_the_best_of_all(case):
    hmms, stay, scores = case
    for digit in range(hmms.digits):
        paths = [p for p in every_path(stay, scores, 1) if p[0] == [digit]]
        found = hmms.align(scores, digit)
        np.testing.assert_array_equal(found, best(paths)[1])


def test_a_digit_is_that_of_the_best_path(case):
    hmms, stay, scores = case
    expected = best(every_path(stay, scores, 1))[0]
    assert [speech.recognise(hmms, scores)] == expected


@pytest.mark.parametrize("penalty", [-4.0, 0.0, 2.0])
def test_a_string_is_that_of_the_best_path(case, penalty):
    hmms, stay, scores = case
    most = len(scores) // hmms.states
    paths = itertools.chain.from_iterable(
        every_path(stay, scores, words, penalty) for words in range(1, most + 1)
    )
    found = speech.recognise_string(hmms, scores, penalty)
    assert found == best(paths)[0]


def test_viterbi_is_the_best_of_all_paths_of_any_model():
    scores, transitions = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 3))
    start, end = RNG.normal(size=(2, 3))
    transitions[0, 1] = start[2] = -np.inf

    def total(path):
        found = start[path[0]] + end[path[-1]]
        found += sum(scores[t, s] for t, s in enumerate(path))
        return found + sum(transitions[p] for p in itertools.pairwise(path))

    expected = max(itertools.product(range(3), repeat=5), key=total)
    path, log_probability = viterbi(scores, transitions, start, end)
    assert tuple(path) == expected
    assert log_probability == pytest.approx(total(expected), rel=1e-12)


def test_penalties_choose_how_many_digits_there_are():
    hmms = speech.DigitHMMs(3, 2)
    scores = RNG.normal(size=(40, 6))
    counts = [
        len(speech.recognise_string(hmms, scores, p)) for p in (-99, 0, 3, 99)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 20 and counts[-1] == 1


def test_a_digit_said_twice_is_two():
    hmms = speech.DigitHMMs(2, 2)
    heard = [2, 2, 3, 3, 2, 3, 0, 1]
    scores = np.where(np.arange(4) == np.array(heard)[:, None], 0.0, -9.0)
    assert speech.recognise_string(hmms, scores) == [1, 1, 0]


def test_frames_are_shared_out_evenly_first():
    hmms = speech.DigitHMMs(10, 3)
    assert hmms.cut_uniformly(7, 2).tolist() == [6, 6, 6, 7, 7, 8, 8]
    assert hmms.cut_uniformly(3, 0).tolist() == [0, 1, 2]


def test_a_second_alignment_finds_where_states_change():
    """With what frames say under the first, as a trained model would."""
    hmms = speech.DigitHMMs(2, 3)
    true, frames, targets, digits = [], [], [], []
    for number in range(40):
        digit = number % 2
        path = np.repeat(np.arange(3), [2, 9, 4]) + 3 * digit
        true.append(path)
        frames.append(path + 0.3 * RNG.normal(size=15))
        targets.append(hmms.cut_uniformly(15, digit))
        digits.append(digit)
    wrong = [np.mean(np.concatenate(targets) != np.concatenate(true))]
    for _ in range(5):
        priors = speech.state_priors(targets, 6)
        flat, states = np.concatenate(frames), np.concatenate(targets)
        means = np.array([flat[states == s].mean() for s in range(6)])
        for k, given in enumerate(frames):
            joint = priors * np.exp(-2 * (given[:, None] - means) ** 2)
            posteriors = joint / joint.sum(1, keepdims=True)
            scores = speech.scaled_log_likelihoods(posteriors, priors)
            targets[k] = hmms.align(scores, digits[k])
        found = np.concatenate(targets)
        wrong.append(np.mean(found != np.concatenate(true)))
    assert wrong[1] < 0.7 * wrong[0]
    assert wrong[-1] < 0.05 < 0.2 < wrong[0]


def test_priors_are_divided_out():
    targets = [np.array([0, 0, 1]), np.array([1, 1])]
    priors = speech.state_priors(targets, 3)
    np.testing.assert_allclose(priors, np.array([3, 4, 1]) / 8)
    likelihoods = RNG.uniform(0.1, 1, (4, 3))
    joint = likelihoods * priors
    posteriors = joint / joint.sum(1, keepdims=True)
    found = speech.scaled_log_likelihoods(posteriors, priors)
    difference = found - np.log(likelihoods)
    np.testing.assert_allclose(difference, difference[:, :1] + np.zeros(3))
    none = speech.scaled_log_likelihoods([[1, 0, 0]], priors)
    assert np.isfinite(none).all() and none[0, 1] < -80


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [
        ([[1, 2, 3]], [[1, 2, 3]], 0),
        ([[1, 2, 3]], [[1, 3]], 1 / 3),
        ([[1, 2, 3]], [[1, 2, 2, 3]], 1 / 3),
        ([[1, 2, 3]], [[1, 7, 3]], 1 / 3),
        ([[1, 2, 3]], [[]], 1),
        ([[1]], [[2, 3]], 2),
        ([[1, 2, 3, 4], [5]], [[1, 2, 3, 4], [6]], 1 / 5),
        (["one two", "three"], ["one  two", "free"], 1 / 3),
    ],
)
def test_word_errors_of_known_strings(said, heard, expected):
    found = speech.word_error_rate(said, heard)
    assert found == pytest.approx(expected, abs=1e-12)


def test_word_errors_need_jiwer(uninstall):
    uninstall("jiwer")
    with pytest.raises(ImportError, match=r"\.\[speech\]"):
        speech.word_error_rate([[1]], [[1]])


def test_strings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="Received: 2 for 1"):
        speech.word_error_rate([[1]], [[1], [2]])
    with pytest.raises(ValueError, match="none in number 1"):
        speech.word_error_rate([[1], []], [[1], [2]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"states": 1}, "`states`.*at least 2"),
        ({"digits": 0}, "`digits`"),
        ({"stay": 1.0}, "`stay`.*below 1"),
        ({"stay": [0.5, 0.5]}, r"`stay`.*\(10, 3\)"),
        ({"stay": np.nan}, "`stay`"),
    ],
)
def test_bad_models_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        speech.DigitHMMs(**change)


def test_bad_scores_are_refused():
    hmms = speech.DigitHMMs(2, 3)
    good = np.zeros((5, 6))
    for decode in (
        lambda s: hmms.align(s, 0),
        lambda s: speech.recognise(hmms, s),
        lambda s: speech.recognise_string(hmms, s),
    ):
        with pytest.raises(ValueError, match=r"\(frames, 6\).*\(5, 5\)"):
            decode(good[:, 1:])
        with pytest.raises(ValueError, match=r"at least 3 frames.*Received: 2"):
            decode(good[:2])
        with pytest.raises(ValueError, match="finite"):
            decode(good - np.inf)
    with pytest.raises(ValueError, match=r"`digit`.*from 0 to 1"):
        hmms.align(good, 2)
    with pytest.raises(ValueError, match="at least 3 frames"):
        hmms.cut_uniformly(2, 0)
    with pytest.raises(ValueError, match="`penalty`"):
        speech.recognise_string(hmms, good, np.inf)


def test_what_are_no_probabilities_is_refused():
    thirds = np.full(3, 1 / 3)
    with pytest.raises(ValueError, match=r"`posteriors`.*softmax"):
        speech.scaled_log_likelihoods([[2.0, -1.0, 0.5]], thirds)
    with pytest.raises(ValueError, match="`priors`"):
        speech.scaled_log_likelihoods([thirds], [0.5, 0.5, 0])
    with pytest.raises(ValueError, match="do not fit"):
        speech.scaled_log_likelihoods(thirds, thirds)
    for targets in ([[3]], [[-1]], [[]]):
        with pytest.raises(ValueError, match=r"`targets`.*from 0 to 2"):
            speech.state_priors(targets, 3)
