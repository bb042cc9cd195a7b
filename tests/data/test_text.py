"""Texts: what is read, how it is numbered, what is refused."""

import shutil
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds
from languages import bigram
from texts import FOLDER
from texts import WORDS

from keras_ban.data import text

PARTS = {
    "train": ("One fish .\nTwo fish .\n", "Red fish , blue fish ."),
    "validation": ("Two fish .",),
    "test": ("Green fish .\n\nNew fish .\n",),
}


class _Lines(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")
    FEATURES: ClassVar = {"text": tfds.features.Text()}
    PARTS: ClassVar = PARTS

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(self.FEATURES),
            disable_shuffling=True,
        )

    def _split_generators(self, manager):
        return {k: self._generate_examples(v) for k, v in self.PARTS.items()}

    def _generate_examples(self, rows):
        for number, row in enumerate(rows):
            yield number, {name: row for name in self.FEATURES}


class TinyLines(_Lines):
    """A set that TensorFlow Datasets knows while these tests run."""


class TwoTexts(_Lines):
    FEATURES: ClassVar = {
        "title": tfds.features.Text(),
        "body": tfds.features.Text(),
    }


class NoTrain(_Lines):
    PARTS: ClassVar = {"test": PARTS["test"]}


class TrainAlone(_Lines):
    PARTS: ClassVar = {"train": PARTS["train"]}


class Latin(_Lines):
    PARTS: ClassVar = {"train": (b"one\n", b"two\ncaf\xe9\n")}


class Blank(_Lines):
    PARTS: ClassVar = {"train": PARTS["train"], "test": (" ", "\n")}


class NeverPrepared(_Lines):
    pass


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder in which all of these but one are prepared."""
    folder = tmp_path_factory.mktemp("tfds")
    for make in (TinyLines, TwoTexts, NoTrain, TrainAlone, Latin, Blank):
        make(data_dir=folder).download_and_prepare()
    return folder


def file(folder, content, name="text.txt"):
    path = folder / name
    path.write_bytes(content)
    return path


def test_every_line_ends_with_eos_and_an_empty_one_is_eos_alone(corpus):
    for part, name in (
        (corpus.train, "train"),
        (corpus.validation, "valid"),
        (corpus.test, "test"),
    ):
        content = (FOLDER / f"{name}.txt").read_text()
        assert part.dtype == "int32"
        # As the published figures count.
        assert len(part) == len(content.split()) + content.count("\n")
    first = ["<eos>", "=", "The", "mill", "=", "<eos>", "<eos>", "The", "old"]
    assert corpus.vocabulary.decode(corpus.train[:9]) == first
    assert corpus.vocabulary.decode(corpus.train[-2:]) == [".", "<eos>"]


def test_words_that_only_other_parts_have_are_unknown(corpus):
    vocabulary = corpus.vocabulary
    assert "town" in vocabulary and "baker" not in vocabulary
    words = (FOLDER / "valid.txt").read_text().replace("\n", " <eos> ").split()
    expected = [w if w in vocabulary else "<unk>" for w in words]
    assert vocabulary.decode(corpus.validation) == expected
    assert set(vocabulary.words) == set(
        (FOLDER / "train.txt").read_text().split()
    ) | {"<eos>"}


@pytest.mark.parametrize("names", ["{}.txt", "ptb.{}.txt", "wiki.{}.tokens"])
def test_files_by_their_customary_names(names, tmp_path, corpus):
    for name in ("train", "valid", "test"):
        shutil.copy(FOLDER / f"{name}.txt", tmp_path / names.format(name))
    found = text.from_folder(str(tmp_path))
    for one, other in zip(found, corpus, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "content",
    [
        b"a b\n\nc\n",
        b"a b\n\nc",
        b" a  b \r\n\r\n c \r\n",
        b"\xef\xbb\xbfa\tb\n\nc\n",
    ],
)
def test_ends_of_lines_and_marks_of_encodings(content, tmp_path):
    found = text.from_files(file(tmp_path, content))
    words = found.vocabulary.decode(found.train)
    assert words == ["a", "b", "<eos>", "<eos>", "c", "<eos>"]
    assert found.validation is None and found.test is None


def test_separators_within_a_word_end_no_line(tmp_path):
    content = "a\x0bb c\u2028d e\x1cf\n".encode()
    found = text.from_files(file(tmp_path, content))
    assert (found.train == found.vocabulary.eos).sum() == 1


def test_words_by_frequency_then_by_code_point():
    vocabulary = text.Vocabulary.counted(WORDS)
    assert vocabulary.words == (
        *("<unk>", "<eos>", "the"),
        *("a", "and", "cat", "dog", "saw", "bird"),
    )
    assert (vocabulary.unk, vocabulary.eos) == (0, 1)
    assert text.Vocabulary.counted(WORDS, 5).words == vocabulary.words[:5]
    assert text.Vocabulary.counted(WORDS, 99) == vocabulary
    assert text.Vocabulary.counted(WORDS, min_count=2) == text.Vocabulary(
        vocabulary.words[:-1]
    )
    assert text.Vocabulary.counted([]).words == ("<unk>", "<eos>")


def test_words_become_numbers_and_words_again():
    vocabulary = text.Vocabulary.counted(WORDS)
    tokens = vocabulary.encode(WORDS, strict=True)
    assert tokens.dtype == "int32" and tokens.shape == (len(WORDS),)
    assert vocabulary.decode(tokens) == WORDS
    assert vocabulary.encode(["the", "bat"]).tolist() == [2, 0]
    assert vocabulary.encode([]).shape == (0,)
    assert vocabulary.decode(np.array([], "int32")) == []


def test_a_vocabulary_is_kept_as_plain_text(tmp_path):
    vocabulary = text.Vocabulary(["é", "<eos>", "<unk>", "日", "x\u200b"])
    vocabulary.save(tmp_path / "words.txt")
    content = (tmp_path / "words.txt").read_bytes().decode()
    assert content == "é\n<eos>\n<unk>\n日\nx\u200b\n"
    found = text.Vocabulary.load(str(tmp_path / "words.txt"))
    assert found == vocabulary
    assert found.unk == 2 and found.encode(["日", "?"]).tolist() == [3, 2]


def test_a_given_vocabulary_numbers_another_text(corpus):
    found = text.from_files(FOLDER / "test.txt", vocabulary=corpus.vocabulary)
    assert found.vocabulary is corpus.vocabulary
    np.testing.assert_array_equal(found.train, corpus.test)


def test_characters_of_each_word():
    vocabulary = text.Vocabulary(["<unk>", "<eos>", "ab", "b", "abcd"])
    assert vocabulary.alphabet == ("a", "b", "c", "d")
    found = vocabulary.characters()
    assert found.dtype == "int32"
    assert found.tolist() == [
        [1, 3, 2, 0, 0, 0],
        [1, 4, 2, 0, 0, 0],
        [1, 5, 6, 2, 0, 0],
        [1, 6, 2, 0, 0, 0],
        [1, 5, 6, 7, 8, 2],
    ]
    assert vocabulary.characters(5)[4].tolist() == [1, 5, 6, 7, 2]
    np.testing.assert_array_equal(vocabulary.characters(8)[:, :6], found)
    assert not vocabulary.characters(8)[:, 6:].any()
    long = text.Vocabulary(["<unk>", "<eos>", "a" * 99])
    assert long.characters().shape == (3, 65)


def test_a_prepared_set_is_read(prepared):
    found = text.load("tiny_lines", data_dir=prepared)
    words = found.vocabulary.decode(found.train)
    assert " ".join(words) == (
        "One fish . <eos> Two fish . <eos> Red fish , blue fish . <eos>"
    )
    words = found.vocabulary.decode(found.validation)
    assert " ".join(words) == "Two fish . <eos>"
    assert " ".join(found.vocabulary.decode(found.test)) == (
        "<unk> fish . <eos> <eos> <unk> fish . <eos>"
    )
    assert found.vocabulary.words[2:4] == ("fish", ".")
    alone = text.load("train_alone", size=4, data_dir=prepared)
    assert alone.validation is None and len(alone.vocabulary) == 4
    both = text.load("two_texts", feature="body", data_dir=prepared)
    np.testing.assert_array_equal(both.train, found.train)


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        (
            "tiny_line",
            {},
            ValueError,
            "tiny_shakespeare.*text set.*'tiny_line'",
        ),
        ("two_texts", {}, ValueError, r"'title', 'body'.*`feature`.*None"),
        ("tiny_lines", {"feature": "b"}, ValueError, r"\['text'\].*'b'"),
        ("digits_none", {}, ValueError, "Unknown data set.*lm1b"),
        ("no_train", {}, ValueError, r"split 'train'.*\['test'\]"),
        ("latin", {}, ValueError, "Example 1 of 'latin', train.*0xe9.*line 2"),
        ("blank", {}, ValueError, "'test' of 'blank' is empty.*2 examples"),
        ("never_prepared", {}, FileNotFoundError, "tfds build never_prep"),
        ("tiny_lines", {"size": 1}, ValueError, "`size`.*at least 2.*1"),
    ],
)
def test_sets_that_cannot_be_read(name, options, error, words, prepared):
    with pytest.raises(error, match=words):
        text.load(name, data_dir=prepared, **options)


def test_a_damaged_set_is_named(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "copy")
    (path,) = tmp_path.glob("copy/tiny_lines/1.0.0/*-train.tfrecord*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"damaged file is {path}"):
        text.load("tiny_lines", data_dir=tmp_path / "copy")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty.*0 bytes"),
        (b" \n\n", "is empty.*3 bytes"),
        (b"\xef\xbb\xbf\n", "is empty.*4 bytes"),
        (b"a b\nc\nd caf\xe9 e\n", "is not UTF-8.*0xe9 in line 3.*iconv"),
        ("a b\n".encode("utf-16"), "is not UTF-8.*in line 1"),
    ],
)
def test_files_that_are_no_text(content, words, tmp_path):
    path = file(tmp_path, content)
    good = FOLDER / "train.txt"
    for paths in ((path,), (good, path), (good, None, path)):
        with pytest.raises(ValueError, match=f"The file {path} {words}"):
            text.from_files(*paths)
    with pytest.raises(ValueError, match=f"The file {path} {words}"):
        text.Vocabulary.load(path)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no file {tmp_path}/a.txt"):
        text.from_files(tmp_path / "a.txt")
    with pytest.raises(OSError, match=f"{tmp_path} is in the way.*a folder"):
        text.from_files(tmp_path)
    with pytest.raises(ValueError, match=r"no text to read.*None"):
        text.from_files(None)
    words = f"no train part in {tmp_path}.*train.txt, ptb.*`from_files`"
    with pytest.raises(FileNotFoundError, match=words):
        text.from_folder(tmp_path)
    for name in ("train.txt", "ptb.train.txt"):
        shutil.copy(FOLDER / "train.txt", tmp_path / name)
    words = r"two corpora.*Received: train.txt and ptb.train.txt.*from_files"
    with pytest.raises(ValueError, match=words):
        text.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 1}, "`size`.*at least 2.*1"),
        ({"min_count": 0}, "`min_count`.*at least 1.*0"),
        ({"vocabulary": ["a"]}, "`Vocabulary`.*list"),
        (
            {"vocabulary": text.Vocabulary.counted(["a"]), "size": 9},
            "neither `size` nor.*size=9 and min_count=1",
        ),
    ],
)
def test_bad_arguments(options, words):
    with pytest.raises(ValueError, match=words):
        text.from_folder(FOLDER, **options)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["<unk>", "a"], "lacks <eos>.*2 words"),
        ([], "lacks <unk> and <eos>"),
        (["<unk>", "a", "<eos>", "a"], "twice.*'a', as numbers 1 and 3"),
        (["<unk>", "<eos>", "a b"], "no word.*'a b', as number 2"),
        (["<unk>", "<eos>", ""], "no word.*''"),
        (["<unk>", "<eos>", 3], "no word.*3"),
    ],
)
def test_words_that_make_no_vocabulary(given, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        text.Vocabulary(given)
    if given and 3 not in given:
        content = "".join(f"{word}\n" for word in given).encode()
        path = file(tmp_path, content)
        with pytest.raises(ValueError, match=f"{path} is damaged.*{words}"):
            text.Vocabulary.load(path)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda v: v.encode("the cat"), "list of words.*'the cat'.*split"),
        (lambda v: v.encode(["the", "bat"], True), "not in .*'bat', word 1"),
        (lambda v: v.decode([1, 9]), "of 9 words.*0 to 8.*9, token 1"),
        (lambda v: v.decode([1, -1]), "from 0 up.*-1, token 1"),
        (lambda v: v.decode([1.0]), "float64"),
        (lambda v: v.decode([[1]]), r"\(1, 1\)"),
        (lambda v: text.Vocabulary("a b"), "list of words.*'a b'.*split"),
        (lambda v: v.counted("a b"), "list of words.*'a b'.*split"),
        (lambda v: v.characters(2), "`length`.*at least 3.*2"),
    ],
)
def test_what_a_vocabulary_refuses(call, words):
    with pytest.raises(ValueError, match=words):
        call(text.Vocabulary.counted(WORDS))


def test_a_vocabulary_that_does_not_fit_a_model():
    vocabulary = text.Vocabulary.counted(WORDS)
    vocabulary.check_model(bigram(9)())
    words = r"9 words does not fit.*\(\.\.\., 9\).*\(None, None, 10\)"
    with pytest.raises(ValueError, match=words):
        vocabulary.check_model(bigram(10)())
    with pytest.raises(ValueError, match=r"unknown.*built"):
        vocabulary.check_model(keras.Sequential([keras.layers.Dense(9)]))
