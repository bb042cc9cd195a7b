"""Recordings of spoken digits: where they come from, and how they are split."""

import os
import pathlib
import re
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from keras_ban import checks
from keras_ban import files
from keras_ban.data import wav
from keras_ban.data.prepared import check_places

PREPARED = "spoken_digit"
_NAME = re.compile(r"(\d)_(.+)_(\d+)\.wav")
_FIRST_OF_TRAINING = 5
# What `zipfile` raises of a damaged archive. A RuntimeError tells of a
# password, or of what this Python does not know, an OSError of a place that
# is not in the file.
_DAMAGES = zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError


class Recording(NamedTuple):
    """One spoken digit.

    Attributes:
        name: Of its file, `{digit}_{speaker}_{index}.wav`.
        samples: Float32 of shape `(samples,)`, from -1 to 1.
        sample_rate: Samples a second.
        digit: What is said, from 0 to 9.
        speaker: Who says it.
        index: The number of the recording among those of this digit by this
            speaker, from 0.
    """

    name: str
    samples: np.ndarray
    sample_rate: int
    digit: int
    speaker: str
    index: int


def load(
    source, sample_rate=8000, resample=False, data_dir=None, download=False
):
    """Loads recordings of spoken digits, each of one channel.

    They are those of the Free Spoken Digit Dataset (Jackson et al., 2018,
    doi:10.5281/zenodo.1342401), or others that are named as there:
    `{digit}_{speaker}_{index}.wav`.

    Args:
        source: A folder of WAV files, in folders within it too; a zip archive
            of these; or "spoken_digit", the set of TensorFlow Datasets.
        sample_rate: The samples a second that all must have. Defaults to
            `8000`, the set's.
        resample: Whether recordings of another rate are resampled; otherwise
            they are refused. Defaults to `False`.
        data_dir: For "spoken_digit": where data sets are prepared. Defaults to
            `None`, as in `tfds.load` (`~/tensorflow_datasets`).
        download: For "spoken_digit": whether to download it if it is not
            there. Defaults to `False`.

    Returns:
        A list of `Recording`, ordered by digit, speaker and index.

    Raises:
        FileNotFoundError: If there is nothing, or no recording.
        ConnectionError: If it cannot be downloaded.
        OSError: If a file is none, or cannot be read.
        ValueError: If a recording is empty, damaged, named otherwise, of
            several channels or of another sample rate. It is named.

    Example:
    >>> recordings = speech.load("fsdd.zip")
    >>> train, test = speech.customary_split(recordings)
    """
    checks.integer("sample_rate", sample_rate, 1)
    if source == PREPARED:
        found = _prepared(data_dir, download)
    else:
        found = _waves(source)
    taken = []
    for name, samples, rate in found:
        if rate != sample_rate:
            if not resample:
                raise ValueError(
                    f"The recording {name} has another sample rate. Expected "
                    f"{sample_rate} Hz. Received: {rate} Hz. Pass "
                    f"`resample=True`, or `sample_rate={rate}`."
                )
            samples = wav.resampled(samples, rate, sample_rate)
        taken.append(_recording(name, samples, sample_rate))
    return sorted(taken, key=lambda r: (r.digit, r.speaker, r.index))


def customary_split(recordings):
    """The split of the Free Spoken Digit Dataset: its speakers are in both.

    Args:
        recordings: List of `Recording`.

    Returns:
        Those to train on, of index 5 and up, and those to test on, of index 0
        to 4: two lists.

    Raises:
        ValueError: If one of them would be empty.
    """
    first = _FIRST_OF_TRAINING
    train = [r for r in recordings if r.index >= first]
    test = [r for r in recordings if r.index < first]
    if not train or not test:
        raise ValueError(
            "The recordings cannot be split. Expected some of index 0 to 4, to "
            f"test on, and some of index 5 and up. Received: {len(test)} and "
            f"{len(train)}. Load all of the set."
        )
    return train, test


def speakers_left_out(recordings):
    """The split that asks for speakers never heard, for each in turn.

    Args:
        recordings: List of `Recording`.

    Returns:
        A list, in the order of the speakers' names, of `(speaker, train,
        test)`: all recordings of the others, and all of this one.

    Raises:
        ValueError: If there are fewer than two speakers.
    """
    speakers = sorted({r.speaker for r in recordings})
    if len(speakers) < 2:
        raise ValueError(
            "No speaker can be left out. Expected recordings of two speakers "
            f"or more. Received: {speakers}. Load all of the set."
        )
    return [
        (
            speaker,
            [r for r in recordings if r.speaker != speaker],
            [r for r in recordings if r.speaker == speaker],
        )
        for speaker in speakers
    ]


def _recording(name, samples, rate):
    parts = _NAME.fullmatch(pathlib.PurePosixPath(name).name)
    if parts is None:
        raise ValueError(
            f"The recording {name} has no name of this kind of set. Expected "
            "{digit}_{speaker}_{index}.wav, as 7_jackson_32.wav. Rename it, or "
            "take it away."
        )
    digit, speaker, index = parts.groups()
    return Recording(
        parts.group(), samples, rate, int(digit), speaker, int(index)
    )


def _waves(source):
    """Yields `(name, samples, rate)` of a folder or an archive."""
    if not isinstance(source, (str, os.PathLike)) or "\0" in str(source):
        raise ValueError(
            "Invalid value for argument `source`. Expected the path of a "
            f"folder or of a zip archive, or {PREPARED!r}. Received: {source!r}"
        )
    path = pathlib.Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"There is no {path}. Expected a folder of recordings, a zip "
            f"archive of them, or {PREPARED!r}. Correct the path."
        )
    found = 0
    for name, content in (_folder if path.is_dir() else _archive)(path):
        found += 1
        yield str(name), *wav.decoded(content, name)
    if not found:
        raise FileNotFoundError(
            f"There is no recording in {path}. Expected files "
            "{digit}_{speaker}_{index}.wav. Choose another folder or archive."
        )


def _folder(path):
    for file in sorted(path.rglob("*.wav")):
        if not file.name.startswith("."):
            try:
                yield file, files.read(file, wav.LIMIT)
            except ValueError as error:
                raise wav.unreadable(file, error) from error


def _archive(path):
    with files.open_file(path) as file:
        try:
            archive = zipfile.ZipFile(file)
        except _DAMAGES as error:
            raise ValueError(
                f"The archive {path} cannot be read: {error}. Expected a "
                "folder of recordings or a zip archive of them. Replace it."
            ) from error
        for info in archive.infolist():
            name = pathlib.PurePosixPath(info.filename).name
            if name.endswith(".wav") and not name.startswith("."):
                yield _Member(path, info.filename), _member(archive, info)


def _member(archive, info):
    name = _Member(archive.filename, info.filename)
    if info.file_size > wav.LIMIT:
        why = f"it has {info.file_size} bytes, of {wav.LIMIT} at most"
        raise wav.unreadable(name, why)
    try:
        return archive.read(info)
    except _DAMAGES as error:
        raise wav.unreadable(name, error) from error


class _Member(NamedTuple):
    """The name of a file in an archive."""

    archive: str | pathlib.Path
    path: str

    def __str__(self):
        return f"{self.archive}/{self.path}"


def _prepared(data_dir, download):
    """Yields `(name, samples, rate)` of the set of TensorFlow Datasets."""
    # It takes a second, and not everybody needs it.
    import tensorflow as tf

    builder = _builder(data_dir, download)
    rate = builder.info.features["audio"].sample_rate
    try:
        for example in builder.as_dataset(split="train").as_numpy_iterator():
            name = example["audio/filename"].decode()
            if not len(example["audio"]):
                raise wav.unreadable(name, "it has no samples")
            # The set is one of 16 bits, whatever integers hold them.
            yield name, (example["audio"] / 2**15).astype("float32"), rate
    except tf.errors.OpError as error:
        raise _damaged(builder.data_path, error.message) from error


def _builder(data_dir, download):
    import tensorflow_datasets as tfds
    from google.protobuf import json_format

    root = data_dir or tfds.core.constants.DATA_DIR
    check_places(PREPARED, root)
    try:
        builder = tfds.builder(PREPARED, data_dir=data_dir)
        if download:
            builder.download_and_prepare()
    except json_format.ParseError as error:
        raise _damaged(pathlib.Path(root, PREPARED), error) from error
    except OSError as error:
        raise ConnectionError(
            f"The data set {PREPARED!r} is not in {root}, and its download "
            f"failed: {error}. Give the folder in which it is as `data_dir`, "
            "or a folder of recordings as `source`."
        ) from error
    if "train" not in builder.info.splits:
        raise FileNotFoundError(
            f"The data set {PREPARED!r} is not prepared. It was looked for in "
            f"{builder.data_path}. Prepare it with `tfds build {PREPARED}`, by "
            "`download=True` where there is a network, or give the folder in "
            "which it is as `data_dir`; or give a folder of recordings as "
            "`source`."
        )
    return builder


def _damaged(folder, why):
    return ValueError(
        f"The data set {PREPARED!r} cannot be read: {why}. Delete the folder "
        f"{folder} and prepare the set anew."
    )
