"""What the example of speech trains on, measures and says."""

import importlib
import itertools
import json
import pathlib

import numpy as np
import pytest

from keras_ban.data import speech

ROOT = pathlib.Path(__file__).parents[1]
STATES = 2


def script(folder, name, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / folder))
    return importlib.import_module(name)


@pytest.fixture
def spoken(monkeypatch):
    return script("examples", "spoken", monkeypatch)


@pytest.fixture
def tables(monkeypatch):
    return script("examples", "speech_tables", monkeypatch)


@pytest.fixture
def example(monkeypatch):
    return script("examples", "speech_ensemble", monkeypatch)


@pytest.fixture
def recordings(monkeypatch):
    return script("examples", "sounds", monkeypatch).recordings(2, 15)


class Oracle:
    """Knows the state by the first coefficient of the frame in question."""

    def __init__(self, sure=20.0):
        self.sure = sure

    def __call__(self, x, training):
        state = np.rint(x[:, 20, 0, 0]).astype(int)
        return (self.sure * np.eye(10 * STATES)[state]).astype("float32")


def told(spoken):
    """Utterances whose first coefficient is the state."""
    found = []
    for u in spoken:
        frames = u.frames.copy()
        frames[:, 0] = u.states
        found.append(u._replace(frames=frames))
    return found


@pytest.fixture
def task(spoken, recordings, example, monkeypatch):
    monkeypatch.setattr(
        spoken,
        "utterances",
        lambda r, hmms, made=spoken.utterances: told(made(r, hmms)),
    )
    _, parts = next(example.splits(recordings))
    return spoken.Task(*parts, lambda x, y: Oracle(), STATES, 1, 3, 4)


def test_sounds_are_recordings_that_follow_from_their_seed(
    recordings, monkeypatch
):
    sounds = script("examples", "sounds", monkeypatch)
    assert len(recordings) == 2 * 10 * 15
    first = sounds.recordings(1, 2)
    for one, other in zip(first, sounds.recordings(1, 2), strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
    assert np.ptp([len(r.samples) for r in first]) > 0
    loudest = [np.abs(r.samples).max() for r in recordings]
    np.testing.assert_allclose(loudest, 0.9, rtol=1e-6)
    other = sounds.recordings(1, 1, seed=1)[0]
    assert len(other.samples) != len(first[0].samples)


def test_strings_have_each_utterance_once_and_one_speaker(spoken, recordings):
    hmms = speech.DigitHMMs(10, STATES)
    single = spoken.utterances(recordings, hmms)
    strings = spoken.joined(single, most=4)
    lengths = {len(u.digits) for u in strings}
    assert lengths == {1, 2, 3, 4}
    for speaker in ("speaker0", "speaker1"):
        own = [u for u in single if u.speaker == speaker]
        of = [u for u in strings if u.speaker == speaker]
        said = sorted(itertools.chain.from_iterable(u.digits for u in of))
        assert said == sorted(u.digits[0] for u in own)
        assert sum(map(len, (u.frames for u in of))) == sum(
            map(len, (u.frames for u in own))
        )
    for u in strings:
        runs = [k for k, _ in itertools.groupby(u.states // STATES)]
        assert runs == [k for k, _ in itertools.groupby(u.digits)]


def test_each_nth_frame_has_its_window_and_its_state(spoken):
    frames = np.arange(7.0)[:, None] * np.ones(40)
    one = spoken.Utterance("ann", (0,), frames, np.arange(7))
    x, y = spoken.examples([one, one], every=3)
    assert y.tolist() == [0, 3, 6, 1, 4]
    assert x.shape == (5, 26, 40, 1)
    # The frame in question is the 21st.
    assert x[:, 20, 0, 0].tolist() == y.tolist()


def test_a_network_that_knows_errs_nowhere(task):
    assert task.accuracy([Oracle()]) == 100
    assert task.word_errors([Oracle()]) == (0, 0)
    assert task.moved == [0.0]


def test_scores_count_frames_and_words(task, spoken):
    class Same(Oracle):
        """Hears a digit 3 everywhere."""

        def __call__(self, x, training):
            return super().__call__(x * 0 + 3 * STATES, training)

    found = task.accuracy([Same()], "validation")
    states = np.concatenate([u.states for u in task.single["validation"]])
    assert found == pytest.approx(100 * np.mean(states == 3 * STATES))
    digits, strings = task.word_errors([Same(0.0), Same(0.0)])
    # Of ten digits that are equally frequent, one is what is always heard.
    assert digits == pytest.approx(90)
    assert strings > 50


def test_the_mean_is_of_probabilities(task, spoken):
    utterance = task.single["test"][0]
    [p] = spoken.posteriors([Oracle(), Oracle(0.0)], [utterance])
    right = p[np.arange(len(p)), utterance.states]
    np.testing.assert_allclose(right, (1 + 1 / 20) / 2, rtol=1e-4)


def test_few_recordings_are_a_share_of_those_trained_on(task):
    x, y = task.few(0.1)
    assert len(x) == len(y)
    assert 0.05 < len(y) / len(task.y) < 0.15


def test_splits_share_no_recording(example, recordings):
    found = [*example.splits(recordings), *example.splits(recordings, "all")]
    assert [name for name, _ in found] == [
        "customary",
        "without speaker0",
        "without speaker1",
    ]
    for _, parts in found:
        names = [r.name for part in parts for r in part]
        assert len(set(names)) == len(names) == len(recordings)
    customary = found[0][1]
    assert [sorted({r.index for r in part}) for part in customary] == [
        [10, 11, 12, 13, 14],
        [5, 6, 7, 8, 9],
        [0, 1, 2, 3, 4],
    ]
    train, validation, test = found[2][1]
    assert {r.speaker for r in test} == {"speaker1"}
    assert {r.speaker for r in (*train, *validation)} == {"speaker0"}
    with pytest.raises(ValueError, match=r"'speaker1'\].*'bo'"):
        next(example.splits(recordings, "bo"))


def lines(tables):
    """Ten gain 10 points; T = 5 is better in validation, worse in test."""
    scores = {
        tables.BASELINE: (60, 60),
        tables.ensemble(10): (70, 70),
        tables.TWIN: (62, 62),
        tables.distilled(2): (69, 66),
        tables.distilled(5): (68, 67),
        tables.HARD: (30, 30),
        tables.SOFT: (50, 50),
    }
    return [
        {
            "name": name,
            "seed": seed,
            "frames": frames + (seed - 1) * frames / 600,
            "validation": validation,
            "digits": 1.0,
            "strings": 2.0 + seed,
        }
        for name, (frames, validation) in scores.items()
        for seed in (0, 1, 2)
    ]


def test_the_table_has_each_network_beside_its_twin(tables):
    printed = tables.table(lines(tables), "customary")
    assert max(map(len, printed.split("\n"))) < 80
    rows = {
        line[:29].strip(): line[29:].split() for line in printed.split("\n")
    }
    half = 4.302653 * 0.1 / np.sqrt(3)
    assert rows[tables.BASELINE][:3] == ["60.0", "+-", f"{half:.1f}"]
    assert rows["mean of 10"][3] == "+10.0"
    assert rows["distilled, T = 5"][3] == "+6.0"
    assert rows[tables.SOFT][3] == "+20.0"
    # Validation chooses, not the test.
    assert "recordings: 'distilled, T = 5'" in printed
    assert "(Hinton: 0.86): 0.80 (" in printed
    assert "over its twin: 0.75 (" in printed


def test_the_benchmark_takes_the_temperature_of_the_customary_split(
    tables, example, tmp_path, monkeypatch
):
    benchmark = script("benchmarks", "speech", monkeypatch)
    path = tmp_path / "results" / "speech.jsonl"
    with pytest.raises(SystemExit, match="--splits customary"):
        benchmark.of_speakers(example.Settings(), benchmark.read(path))
    benchmark.write(path, "customary", lines(tables))
    found = benchmark.read(path)
    assert benchmark.are_there(found, "customary", [0, 1, 2])
    assert not benchmark.are_there(found, "customary", [0, 3])
    assert not benchmark.are_there(found, "without ann", [0])
    settings = benchmark.of_speakers(example.Settings(), found)
    assert settings.temperatures == (5.0,) and settings.generations == 0
    benchmark.write(path, "without ann", lines(tables))
    benchmark.write(path, "without ann", lines(tables)[:-1])
    benchmark.write(path, "without bo", lines(tables))
    texts = path.read_text().splitlines()
    assert len(texts) == 21 + 20 + 21
    assert json.loads(texts[0])["split"] == "customary"
    titles = [t.split(",")[0] for t in benchmark.tables(benchmark.read(path))]
    assert titles == [
        "customary",
        "without ann",
        "without bo",
        "mean over the speakers left out",
    ]
