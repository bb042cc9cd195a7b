"""Log-mel filterbanks of recordings, and what a network reads of them."""

import numpy as np

from keras_ban import checks

_FLOOR = 1e-10
# Below it, beside the mean, a deviation is one of rounding.
_STILL = 1e-6


def log_mel(
    samples,
    sample_rate,
    coefficients=40,
    window=0.025,
    step=0.010,
    min_frequency=20.0,
    max_frequency=None,
):
    """The logarithm of the power in bands of the mel scale.

    The defaults are those of Hinton et al. (2015, section 4.1): 40
    coefficients, one frame every 10 ms.

    Frame `t` is centred on sample `t · step`, with zeros before the first
    sample and after the last. It is weighted by a periodic Hann window,
    padded with zeros to the next power of two, and its power spectrum is
    summed by triangles whose peak is 1, linear in Hz, with corners evenly
    spaced on HTK's mel scale, mel(f) = 2595 log₁₀(1 + f / 700). That is

    ```python
    numpy.log(numpy.maximum(1e-10, librosa.feature.melspectrogram(
        y=samples, sr=8000, n_fft=256, win_length=200, hop_length=80,
        n_mels=40, fmin=20, htk=True, norm=None, pad_mode="constant",
    ).T))
    ```

    (McFee et al., 2015). `keras.layers.MelSpectrogram` and `tf.signal` have
    triangles linear in mel instead, whose coefficients are others.

    Args:
        samples: Array of shape `(samples,)`, from -1 to 1.
        sample_rate: Samples a second, an integer.
        coefficients: How many bands. Defaults to `40`.
        window: Length of a frame in seconds. Defaults to `0.025`.
        step: Seconds from a frame to the next. Defaults to `0.010`.
        min_frequency: Lower corner of the first band in Hz. Defaults to
            `20.0`.
        max_frequency: Upper corner of the last band in Hz. Defaults to
            `None`, half the sample rate.

    Returns:
        Float32 of shape `(frames, coefficients)`, natural logarithms;
        `frames = 1 + samples // (step · sample_rate)`.

    Raises:
        ValueError: If `samples` is empty, of another shape or not finite, or
            if the spectrum is too coarse for so many bands.
    """
    samples = _checked_samples(samples)
    checks.integer("sample_rate", sample_rate, 1)
    length = _samples_of("window", window, sample_rate)
    hop = _samples_of("step", step, sample_rate)
    size = 2 ** max(1, int(np.ceil(np.log2(length))))
    bands = mel_bands(
        sample_rate, size, coefficients, min_frequency, max_frequency
    )
    padded = np.pad(samples, size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    power = np.abs(np.fft.rfft(frames * _hann(length, size))) ** 2
    return np.log(np.maximum(_FLOOR, power @ bands.T)).astype("float32")


def mel_bands(sample_rate, size, bands, min_frequency=20.0, max_frequency=None):
    """The weights of the triangles of `log_mel`.

    Args:
        sample_rate: Samples a second.
        size: Length of the Fourier transform in samples.
        bands: How many triangles.
        min_frequency: Lower corner of the first in Hz. Defaults to `20.0`.
        max_frequency: Upper corner of the last in Hz. Defaults to `None`, half
            the sample rate.

    Returns:
        Float64 of shape `(bands, size // 2 + 1)`.

    Raises:
        ValueError: If a triangle falls between two frequencies.
    """
    checks.integer("coefficients", bands, 1)
    half = sample_rate / 2
    highest = half if max_frequency is None else max_frequency
    checks.number(
        "max_frequency",
        highest,
        lambda value: 0 < value <= half,
        f"a frequency up to half the sample rate, {half:g} Hz",
    )
    checks.number(
        "min_frequency",
        min_frequency,
        lambda value: 0 <= value < highest,
        f"a frequency from 0 to below the highest, {highest:g} Hz",
    )
    corners = _hertz(
        np.linspace(_mel(min_frequency), _mel(highest), bands + 2)
    )[:, None]
    low, peak, high = corners[:-2], corners[1:-1], corners[2:]
    frequencies = np.linspace(0, half, size // 2 + 1)
    rising = (frequencies - low) / (peak - low)
    falling = (high - frequencies) / (high - peak)
    weights = np.maximum(0, np.minimum(rising, falling))
    empty = np.flatnonzero(weights.sum(axis=1) == 0)
    if len(empty):
        raise ValueError(
            f"Invalid value for argument `coefficients`. Expected bands that "
            f"a spectrum every {half / (size // 2):g} Hz can tell apart. "
            f"Received: {bands}, of which {len(empty)} are empty. Ask for "
            "fewer, or for a longer `window`."
        )
    return weights


def standardize(features, speakers):
    """Gives each coefficient of each speaker mean 0 and variance 1.

    Mean and variance are over all frames of all recordings of the speaker
    that are given; what is said in them is not used.

    Args:
        features: List of arrays of shape `(frames, coefficients)`.
        speakers: Who speaks in each, a list as long.

    Returns:
        A list of float32 arrays of the same shapes. A coefficient that never
        changes is 0.

    Raises:
        ValueError: If the lists differ in length.
    """
    speakers = list(speakers)
    if len(features) != len(speakers):
        raise ValueError(
            "Invalid value for argument `speakers`. Expected one for each of "
            f"{len(features)} recordings. Received: {len(speakers)}"
        )
    moments = {}
    for speaker in set(speakers):
        frames = np.concatenate(
            [
                frames
                for frames, s in zip(features, speakers, strict=True)
                if s == speaker
            ],
            dtype="float64",
        )
        mean, spread = frames.mean(axis=0), frames.std(axis=0)
        still = spread <= _STILL * np.maximum(1, np.abs(mean))
        moments[speaker] = mean, np.where(still, np.inf, spread)
    return [
        ((frames - moments[s][0]) / moments[s][1]).astype("float32")
        for frames, s in zip(features, speakers, strict=True)
    ]


def windows(features, before=20, after=5, flat=False):
    """Each frame among its neighbours, as a network reads it.

    Hinton et al. (2015, section 4.1) read 26 frames and predict the state of
    the 21st. 26 have no middle, so that theirs is taken: 20 frames before and
    5 after. The first and the last frame of the recording are repeated where
    there are no others.

    Args:
        features: Array of shape `(frames, coefficients)`.
        before: Frames before. Defaults to `20`.
        after: Frames after. Defaults to `5`.
        flat: Whether a window is one row. Defaults to `False`.

    Returns:
        An array of shape `(frames, before + 1 + after, coefficients)`; if
        `flat`, of `(frames, (before + 1 + after) * coefficients)`, in which
        frames follow each other.

    Raises:
        ValueError: If there are no frames.
    """
    checks.integer("before", before, 0)
    checks.integer("after", after, 0)
    features = np.asarray(features)
    if features.ndim != 2 or not len(features):
        raise ValueError(
            "Invalid value for argument `features`. Expected an array of "
            f"shape (frames, coefficients). Received shape: {features.shape}"
        )
    padded = np.pad(features, ((before, after), (0, 0)), mode="edge")
    among = np.arange(len(features))[:, None] + np.arange(before + 1 + after)
    found = padded[among]
    return found.reshape(len(features), -1) if flat else found


def _checked_samples(samples):
    samples = np.asarray(samples, "float64")
    if samples.ndim != 1 or not len(samples):
        raise ValueError(
            "Invalid value for argument `samples`. Expected an array of shape "
            f"(samples,), of one channel. Received shape: {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise ValueError(
            "Invalid value for argument `samples`. Expected finite numbers. "
            "Received: NaN or infinity"
        )
    return samples


def _samples_of(name, seconds, sample_rate):
    seconds = checks.number(
        name,
        seconds,
        lambda value: 0.5 < value * sample_rate < 2**31,
        f"seconds, at least one sample of {sample_rate} a second",
    )
    return round(seconds * sample_rate)


def _hann(length, size):
    """A periodic Hann window amid zeros."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    left = (size - length) // 2
    return np.pad(window, (left, size - length - left))


def _mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)


def _hertz(mel):
    return 700 * (10 ** (mel / 2595) - 1)
