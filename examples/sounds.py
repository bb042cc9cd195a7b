"""Sounds like spoken digits, made of harmonics and noise, for a quick look.

They are no speech: each digit is a chain of sounds with the formants of its
English name, as three resonances over a fundamental, or a band of noise. Their
speakers differ in pitch, in the length of their vocal tract and in pace. They
need no download; recordings are what to measure with.

Source of the vowels' formants: Peterson and Barney, "Control Methods Used in a
Study of the Vowels", 1952, Table II, men.
"""

import numpy as np

from keras_ban.data import speech

RATE = 8000
# Loudness of voice and of noise, three formants and the band of noise in Hz.
_SOUNDS = {
    "ii": (1.0, 0.0, (270, 2290, 3010), 0),
    "i": (1.0, 0.0, (390, 1990, 2550), 0),
    "e": (1.0, 0.0, (530, 1840, 2480), 0),
    "a": (1.0, 0.0, (730, 1090, 2440), 0),
    "o": (1.0, 0.0, (570, 840, 2410), 0),
    "u": (1.0, 0.0, (300, 870, 2240), 0),
    "uh": (1.0, 0.0, (640, 1190, 2390), 0),
    "r": (0.7, 0.0, (490, 1350, 1690), 0),
    "n": (0.4, 0.0, (250, 1400, 2500), 0),
    "v": (0.3, 0.2, (300, 1100, 2300), 2600),
    "z": (0.3, 0.3, (300, 1600, 2500), 3600),
    "s": (0.0, 0.5, (300, 1600, 2500), 3600),
    "f": (0.0, 0.2, (300, 1100, 2300), 2600),
    "t": (0.0, 0.3, (300, 1700, 2600), 3000),
    "k": (0.0, 0.3, (300, 1500, 2400), 1800),
}
_NAMES = (
    "z i r o",
    "u uh n",
    "t u",
    "f r ii",
    "f o r",
    "f a i v",
    "s i k s",
    "s e v uh n",
    "e ii t",
    "n a ii n",
)
_BANDWIDTH, _NOISE_BANDWIDTH = 90, 700


def recordings(speakers=4, takes=15, seed=0):
    """Makes recordings of all digits.

    Args:
        speakers: How many speak. Defaults to `4`.
        takes: How often each says each digit. Defaults to `15`.
        seed: What they follow from. Defaults to `0`.

    Returns:
        A list of `speech.Recording`, as `speech.load` gives it.
    """
    rng = np.random.default_rng(seed)
    found = []
    for number in range(speakers):
        name, pitch = f"speaker{number}", rng.uniform(90, 220)
        tract, pace = rng.uniform(0.85, 1.2), rng.uniform(0.8, 1.2)
        for digit in range(10):
            for take in range(takes):
                samples = _said(rng, digit, pitch, tract, pace)
                file = f"{digit}_{name}_{take}.wav"
                found.append(
                    speech.Recording(file, samples, RATE, digit, name, take)
                )
    return found


def _said(rng, digit, pitch, tract, pace):
    """One take of a digit: float32 samples from -1 to 1."""
    sounds = [_SOUNDS[s] for s in _NAMES[digit].split()]
    seconds = 0.11 * pace * rng.uniform(0.6, 1.4, len(sounds))
    times = np.arange(0, seconds.sum(), 1 / RATE)
    ends = np.concatenate([[0], np.cumsum(seconds)])
    # From the middle of a sound to the middle of the next.
    middles = (ends[1:] + ends[:-1]) / 2
    rows = np.array([[v, n, *f, b] for v, n, f, b in sounds])
    rows[:, 2:] *= tract * rng.normal(1, 0.1, rows[:, 2:].shape)
    voice, noise, *formants, band = (
        np.interp(times, middles, column)[:, None] for column in rows.T
    )
    pitch *= rng.uniform(0.85, 1.15)
    harmonics = np.arange(pitch, RATE / 2, pitch)
    hiss = rng.uniform(100, RATE / 2, 60)
    loudness = sum(_peak(harmonics, f, _BANDWIDTH) for f in formants)
    wave = voice * loudness * _waves(times, harmonics, rng)
    wave = wave.sum(axis=1) / 3
    hissing = noise * _peak(hiss, band, _NOISE_BANDWIDTH)
    wave += (hissing * _waves(times, hiss, rng)).sum(axis=1) / 7
    wave += rng.normal(0, 0.15, len(wave))
    return (0.9 * wave / np.abs(wave).max()).astype("float32")


def _peak(frequencies, centre, width):
    return 1 / (1 + ((frequencies - centre) / width) ** 2)


def _waves(times, frequencies, rng):
    phases = rng.uniform(0, 2 * np.pi, len(frequencies))
    return np.sin(
        (2 * np.pi * times[:, None] * frequencies + phases).astype("float32")
    )
