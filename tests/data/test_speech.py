"""Recordings: what is read, how it is split, what is refused."""

import re
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from hostile import replace
from hostile import within
from recorded import REAL
from recorded import set_of_sweeps
from recorded import sweep
from recorded import wav

from keras_ban.data import speech
from keras_ban.data import wav as wav_module


@pytest.mark.parametrize(
    ("width", "raw", "samples"),
    [
        (1, [0, 64, 128, 255], [-1, -0.5, 0, 127 / 128]),
        (2, [0, 128, 0, 64, 1, 0], [-1, 0.5, 2**-15]),
        (3, [0, 0, 128, 0, 0, 64, 255, 255, 255], [-1, 0.5, -(2**-23)]),
        (4, [0, 0, 0, 128, 0, 0, 0, 64, 0, 1, 0, 0], [-1, 0.5, 2**-23]),
    ],
)
def test_samples_of_every_width_have_one_scale(width, raw, samples, tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(wav(bytes(raw), width, rate=11025))
    found, rate = speech.read_wav(path)
    assert rate == 11025 and found.dtype == "float32"
    np.testing.assert_array_equal(found, np.float32(samples))


def test_a_folder_and_its_archive_give_the_same(tmp_path):
    names = set_of_sweeps(tmp_path / "recordings")
    (tmp_path / "recordings" / "notes.txt").write_text("no recording")
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        # Of macOS, beside each.
        file.writestr("__MACOSX/._0_ann_0.wav", b"none")
        for name in reversed(names):
            file.write(tmp_path / "recordings" / name, f"a/b/{name}")
    for source in (tmp_path, str(tmp_path / "recordings"), archive):
        found = speech.load(source)
        assert [r.name for r in found] == names
        assert found[3][2:] == (8000, 0, "bo", 5)
        np.testing.assert_array_equal(
            found[3].samples, np.float32((sweep(0.1) // 4) / 2**15)
        )


def test_four_real_recordings_are_read():
    found = speech.load(REAL)
    assert [(r.digit, r.speaker, r.index) for r in found] == [
        (0, "george", 0),
        (0, "theo", 3),
        (7, "george", 9),
        (7, "theo", 12),
    ]
    assert [len(r.samples) for r in found] == [2384, 2710, 4547, 1965]
    train, test = speech.customary_split(found)
    assert [r.index for r in train] == [9, 12]
    assert [r.index for r in test] == [0, 3]
    assert (REAL / "LICENSE").is_file()


class SpokenDigit(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The set of that name, with two recordings."""

    VERSION = tfds.core.Version("1.0.9")

    def _info(self):
        audio = tfds.features.Audio(file_format="wav", sample_rate=8000)
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "audio": audio,
                    "label": tfds.features.ClassLabel(num_classes=10),
                    "audio/filename": tfds.features.Text(),
                }
            ),
            supervised_keys=("audio", "label"),
        )

    def _split_generators(self, manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for name in ("7_theo_12", "0_george_0"):
            samples = speech.read_wav(REAL / f"{name}.wav")[0]
            yield (
                name,
                {
                    "audio": (samples * 2**15).astype("int64"),
                    "label": name[0],
                    "audio/filename": f"{name}.wav",
                },
            )


def test_the_set_of_tensorflow_datasets_is_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"not prepared.*download=True"):
        speech.load("spoken_digit", data_dir=tmp_path)
    SpokenDigit(data_dir=tmp_path).download_and_prepare()
    found = speech.load("spoken_digit", data_dir=tmp_path)
    real = speech.load(REAL)
    for ours, theirs in zip(found, (real[0], real[3]), strict=True):
        np.testing.assert_array_equal(ours.samples, theirs.samples)
        assert ours[0] == theirs[0] and ours[2:] == theirs[2:]
    (shard,) = tmp_path.rglob("*.tfrecord*")
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(ValueError, match=f"cannot be read.*{shard.parent}"):
        speech.load("spoken_digit", data_dir=tmp_path)
    (shard.parent / "dataset_info.json").write_text("{")
    with pytest.raises(ValueError, match=f"cannot be read.*{tmp_path}"):
        speech.load("spoken_digit", data_dir=tmp_path)


def test_indices_0_to_4_are_the_customary_test(tmp_path):
    set_of_sweeps(tmp_path, indices=(0, 4, 5, 49))
    train, test = speech.customary_split(speech.load(tmp_path))
    assert [r.index for r in train] == [5, 49] * 4
    assert [r.index for r in test] == [0, 4] * 4


def test_each_speaker_is_left_out_once(tmp_path):
    set_of_sweeps(tmp_path, speakers=("cy", "ann", "bo"))
    recordings = speech.load(tmp_path)
    found = speech.speakers_left_out(recordings)
    assert [speaker for speaker, _, _ in found] == ["ann", "bo", "cy"]
    for speaker, train, test in found:
        assert {r.speaker for r in test} == {speaker}
        assert speaker not in {r.speaker for r in train}
        assert (len(train), len(test)) == (8, 4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "ends after 0 bytes"),
        (wav(b"\1\0" * 8)[:30], "ends after 30 bytes"),
        (wav(b"\1\0" * 8)[:-4], "promises 8 samples and 6 are there"),
        (wav(b""), "promises 0 samples"),
        (
            wav(b"\0" * 8).replace(b"fmt \x10", b"fmt \xff"),
            "after its 52 bytes",
        ),
        (b"no such thing" * 9, "RIFF"),
        (wav(b"\0" * 4).replace(b"\1\0\1\0", b"\3\0\1\0"), "format"),
        (wav(b"\0" * 8, channels=2), "several channels.*Received: 2"),
        (wav(b"\0" * 8, rate=16000), "16000 Hz.*resample=True"),
    ],
)
@pytest.mark.parametrize("archived", [False, True])
def test_a_bad_recording_is_named(archived, content, words, tmp_path):
    name, source = "3_ann_1.wav", tmp_path
    if archived:
        source = tmp_path / "set.zip"
        with zipfile.ZipFile(source, "w") as file:
            file.writestr(f"recordings/{name}", content)
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"(?s){source}.*{name}.*{words}"):
        speech.load(source)


def tone(rate):
    """A third of a second of 440 Hz, int16."""
    time = np.arange(rate // 3) / rate
    return np.round(2**14 * np.sin(2 * np.pi * 440 * time)).astype("<i2")


def test_another_rate_is_resampled_if_asked(tmp_path):
    path = tmp_path / "3_ann_1.wav"
    path.write_bytes(wav(tone(12000).tobytes(), rate=12000))
    (found,) = speech.load(tmp_path, resample=True)
    assert found.sample_rate == 8000 and found.samples.dtype == "float32"
    # 4000 samples at 12 kHz; the last of those at 8 kHz is beyond the tone.
    assert found.samples.shape == (2667,)
    middle = slice(100, -100)
    expected = np.append(tone(8000), 0) / 2**15
    np.testing.assert_allclose(
        found.samples[middle], expected[middle], atol=1e-3
    )
    assert speech.load(tmp_path, 12000)[0].samples.shape == (4000,)


@pytest.mark.parametrize(
    "name", ["three_ann_1.wav", "3_ann.wav", "12_ann_1.wav", "3_ann_x.wav"]
)
def test_a_name_that_says_nothing_is_refused(name, tmp_path):
    (tmp_path / name).write_bytes(wav(b"\1\0" * 8))
    with pytest.raises(ValueError, match=f"{name}.*7_jackson_32.wav"):
        speech.load(tmp_path)


def test_what_holds_no_recordings_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no recording in"):
        speech.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"There is no .*nothing"):
        speech.load(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"`source`.*Received: None"):
        speech.load(None)
    path = tmp_path / "set.zip"
    path.write_bytes(b"PK\3\4 no archive")
    with pytest.raises(ValueError, match=f"archive {re.escape(str(path))}"):
        speech.load(path)


def test_damage_within_an_archive_is_named(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("3_ann_1.wav", wav(sweep(0.1).tobytes()))
    content = bytearray(path.read_bytes())
    content[200] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"set.zip/3_ann_1.wav.*CRC"):
        speech.load(path)


def test_files_without_an_end_are_not_read_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(wav_module, "LIMIT", 1000)
    set_of_sweeps(tmp_path / "x", (0,), ("ann",), (0,))
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(tmp_path / "x" / "0_ann_0.wav", "0_ann_0.wav")
    for source in (tmp_path / "x", archive):
        with pytest.raises(ValueError, match=r"0_ann_0.wav.*1000 at most"):
            speech.load(source)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "socket"])
def test_what_is_no_file_is_not_waited_for(kind, tmp_path):
    set_of_sweeps(tmp_path)
    replace(tmp_path / "7_bo_5.wav", kind, tmp_path)
    with within(), pytest.raises(OSError, match=r"7_bo_5.wav"):
        speech.load(tmp_path)


def test_a_split_without_a_side_is_refused(tmp_path):
    set_of_sweeps(tmp_path, indices=(0,), speakers=("ann",))
    recordings = speech.load(tmp_path)
    with pytest.raises(ValueError, match="Received: 2 and 0"):
        speech.customary_split(recordings)
    with pytest.raises(ValueError, match=r"two speakers.*\['ann'\]"):
        speech.speakers_left_out(recordings)
