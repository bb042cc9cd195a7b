"""Recordings for tests: made ones, and four real ones."""

import io
import pathlib
import wave

import numpy as np
from scipy import signal

REAL = pathlib.Path(__file__).parents[1] / "fixtures" / "speech"


def wav(raw, width=2, rate=8000, channels=1):
    """The bytes of a WAV file whose samples are the bytes `raw`."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(raw)
    return buffer.getvalue()


def sweep(seconds=0.3, rate=8000, low=200, high=3000):
    """A sine that rises from `low` to `high` Hz, int16."""
    time = np.arange(round(seconds * rate)) / rate
    wave = 2**14 * signal.chirp(time, low, time[-1], high)
    return wave.round().astype("<i2")


def set_of_sweeps(
    folder, digits=(0, 7), speakers=("ann", "bo"), indices=(0, 5)
):
    """Writes recordings that are told apart by their loudness."""
    folder.mkdir(exist_ok=True)
    names = [
        f"{d}_{s}_{i}.wav" for d in digits for s in speakers for i in indices
    ]
    for number, name in enumerate(names, 1):
        raw = (sweep(0.1) // number).astype("<i2").tobytes()
        (folder / name).write_bytes(wav(raw))
    return names
