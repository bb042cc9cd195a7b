"""WAV files, read by the standard library."""

import io
import math
import pathlib
import wave

import numpy as np

from keras_ban import files

# An hour of 32 bits at 16 kHz, and no file without an end.
LIMIT = 2**28


def read_wav(path):
    """Reads a recording of one channel.

    PCM of 8 (unsigned), 16, 24 and 32 bits is read; the scale is that of full
    loudness, 1, whatever the width.

    Args:
        path: The WAV file.

    Returns:
        The samples, float32 of shape `(samples,)` from -1 to 1, and the sample
        rate in Hz, an integer.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it is no file, or cannot be read.
        ValueError: If it is no WAV file, is damaged or empty, or has several
            channels: their mean may cancel what is said, so that whoever
            recorded it chooses one or mixes them.
    """
    path = pathlib.Path(path)
    try:
        content = files.read(path, LIMIT)
    except ValueError as error:
        raise unreadable(path, error) from error
    return decoded(content, path)


def decoded(content, name):
    """As `read_wav`, of the bytes of a file.

    Args:
        content: The bytes.
        name: Whose they are, for errors.
    """
    try:
        with wave.open(io.BytesIO(content)) as file:
            channels, width, rate, count = file.getparams()[:4]
            raw = file.readframes(count)
    except EOFError as error:
        why = f"it ends after {len(content)} bytes, within its header"
        raise unreadable(name, why) from error
    except wave.Error as error:
        raise unreadable(name, error) from error
    except RuntimeError as error:
        # What `wave` raises, without a word, where a part is longer than all.
        why = f"a part of it goes on after its {len(content)} bytes"
        raise unreadable(name, why) from error
    if channels != 1:
        raise ValueError(
            f"The recording {name} has several channels. Expected one. "
            f"Received: {channels}. Save one of them, or their mean, as a WAV "
            "file of one channel."
        )
    if width not in (1, 2, 3, 4) or rate < 1:
        raise unreadable(name, f"{width} bytes a sample, {rate} Hz")
    found = len(raw) // width
    if found != count or not count:
        why = f"its header promises {count} samples and {found} are there"
        raise unreadable(name, why)
    return _scaled(raw, width), rate


def _scaled(raw, width):
    if width == 1:
        # The one width that has no sign.
        return (np.frombuffer(raw, "u1").astype("float32") - 128) / 128
    upper = np.zeros((len(raw) // width, 4), "u1")
    upper[:, 4 - width :] = np.frombuffer(raw, "u1").reshape(-1, width)
    return (upper.view("<i4")[:, 0] / 2**31).astype("float32")


def resampled(samples, rate, wanted):
    """Samples at another rate, by a polyphase filter (SciPy's).

    Args:
        samples: Array of shape `(samples,)`.
        rate: Their rate in Hz, an integer.
        wanted: The other rate in Hz, an integer.

    Returns:
        An array of shape `(ceil(samples * wanted / rate),)`, float32.
    """
    # Few need it, and all would wait for its import.
    from scipy import signal

    common = math.gcd(rate, wanted)
    up, down = wanted // common, rate // common
    return signal.resample_poly(samples, up, down).astype("float32")


def unreadable(name, why):
    """The error of a recording that is none."""
    return ValueError(
        f"The recording {name} cannot be read: {why}. Expected a WAV file of "
        "PCM with 8, 16, 24 or 32 bits. Replace it, or take it away."
    )
