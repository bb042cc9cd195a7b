"""Log-mel filterbanks against librosa and NumPy; speakers; windows."""

import numpy as np
import pytest
from recorded import REAL
from recorded import sweep

from keras_ban.data import speech
from keras_ban.data.filterbanks import mel_bands

RNG = np.random.default_rng(0)
SETTINGS = {
    8000: {"n_fft": 256, "win_length": 200, "hop_length": 80},
    16000: {"n_fft": 512, "win_length": 400, "hop_length": 160},
}


def signals():
    yield from ((r.samples, 8000) for r in speech.load(REAL))
    yield sweep(0.5) / 2**15, 8000
    yield sweep(0.5, 16000, 100, 7000) / 2**15, 16000
    yield RNG.normal(size=300) * 0.1, 8000


def assert_agrees(found, expected):
    """To 1e-4 of the power in each band: they are logarithms."""
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_coefficients_are_those_of_librosa():
    librosa = pytest.importorskip("librosa")
    for samples, rate in signals():
        power = librosa.feature.melspectrogram(
            y=np.float32(samples),
            sr=rate,
            n_mels=40,
            fmin=20,
            htk=True,
            norm=None,
            pad_mode="constant",
            **SETTINGS[rate],
        )
        expected = np.log(np.maximum(1e-10, power.T))
        assert_agrees(speech.log_mel(samples, rate), expected)


def test_coefficients_that_librosa_gave():
    """Those of version 0.11, kept for where it is not installed."""
    (recording,) = [r for r in speech.load(REAL) if r.index == 12]
    found = speech.log_mel(recording.samples, recording.sample_rate)
    assert_agrees(found, np.load(REAL / "7_theo_12-librosa.npy"))


def test_coefficients_by_their_definition():
    samples, rate, size = RNG.normal(size=400), 8000, 256
    found = speech.log_mel(samples, rate)
    assert found.shape == (6, 40) and found.dtype == "float32"
    padded = np.concatenate([np.zeros(128), samples, np.zeros(128)])
    time = np.arange(size)
    hann = np.where(
        (time >= 28) & (time < 228),
        np.sin(np.pi * (time - 28) / 200) ** 2,
        0,
    )
    mel = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (20, 4000)), 42)
    corners = 700 * (10 ** (mel / 2595) - 1)
    frequencies = np.arange(129) * rate / size
    for frame in range(6):
        part = padded[frame * 80 : frame * 80 + size] * hann
        phases = np.exp(-2j * np.pi * np.outer(np.arange(129), time) / size)
        power = np.abs(phases @ part) ** 2
        for band in range(40):
            peak = np.interp(
                frequencies, corners[band : band + 3], [0, 1, 0], 0, 0
            )
            expected = np.log(max(1e-10, peak @ power))
            assert found[frame, band] == pytest.approx(expected, rel=1e-5)


def test_a_tone_is_in_its_band():
    time = np.arange(4000) / 8000
    for hertz in (300, 1000, 2500):
        found = speech.log_mel(np.sin(2 * np.pi * hertz * time), 8000)
        band = found[20].argmax()
        corners = np.linspace(0, 1, 42) * (2146.06 - 31.75) + 31.75
        mel = 2595 * np.log10(1 + hertz / 700)
        assert abs(corners[band + 1] - mel) < 2146 / 41
    assert (speech.log_mel(np.zeros(400), 8000) == np.float32(-23.02585)).all()


def test_each_speaker_has_mean_0_and_variance_1():
    features = [RNG.normal(k, k + 1, (9 + k, 4)) for k in range(4)]
    features[0][:, 3] = features[2][:, 3] = 0.1
    found = speech.standardize(features, ["a", "b", "a", "b"])
    for mine in ([0, 2], [1, 3]):
        given = np.concatenate([features[k] for k in mine])
        got = np.concatenate([found[k] for k in mine])
        assert got.dtype == "float32"
        moved = 3 if mine[0] == 0 else 4
        expected = (given - given.mean(0)) / given.std(0).clip(1e-9)
        np.testing.assert_allclose(
            got[:, :moved], expected[:, :moved], atol=1e-5
        )
    assert (found[0][:, 3] == 0).all()
    with pytest.raises(ValueError, match=r"`speakers`.*each of 4.*Received: 1"):
        speech.standardize(features, ["a"])


def test_a_window_has_its_frame_in_21st_place():
    frames = np.arange(30)[:, None] * [1, 100]
    found = speech.windows(frames)
    assert found.shape == (30, 26, 2)
    for number in range(30):
        expected = np.clip(np.arange(number - 20, number + 6), 0, 29)
        np.testing.assert_array_equal(found[number, :, 0], expected)
        assert found[number, 20, 1] == 100 * number
    flat = speech.windows(frames, flat=True)
    np.testing.assert_array_equal(flat, found.reshape(30, 52))
    assert speech.windows(np.zeros((3, 40)), flat=True).shape == (3, 1040)
    assert speech.windows(frames, 1, 0)[0, :, 0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"samples": []}, "`samples`.*one channel"),
        ({"samples": np.zeros((2, 9))}, r"`samples`.*\(2, 9\)"),
        ({"samples": [np.nan]}, "`samples`.*finite"),
        ({"sample_rate": 8000.5}, "`sample_rate`"),
        ({"window": 0}, "`window`"),
        ({"step": float("inf")}, "`step`"),
        ({"coefficients": 0}, "`coefficients`"),
        ({"coefficients": 200}, "of which .* are empty"),
        ({"max_frequency": 5000}, "`max_frequency`.*4000 Hz"),
        ({"min_frequency": 4000}, "`min_frequency`"),
    ],
)
def test_bad_arguments_are_refused(change, words):
    given = {"samples": np.zeros(400), "sample_rate": 8000, **change}
    with pytest.raises(ValueError, match=words):
        speech.log_mel(**given)


def test_windows_of_nothing_are_refused():
    for frames in (np.zeros((0, 40)), np.zeros(40)):
        with pytest.raises(ValueError, match=r"`features`.*Received shape"):
            speech.windows(frames)


def test_bands_cover_what_is_between_the_peaks():
    weights = mel_bands(8000, 256, 40)
    assert weights.shape == (40, 129)
    peaks = weights.argmax(1)
    inner = weights.sum(0)[peaks[0] + 1 : peaks[-1]]
    np.testing.assert_allclose(inner, 1, atol=1e-9)
