"""Texts: what is read, how it is numbered and cut, what is refused."""

import itertools
import pathlib
import shutil
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds
from builders import compiled
from interruptions import check
from weights import same

import keras_ban
from keras_ban.data import text

FOLDER = pathlib.Path(__file__).parents[1] / "fixtures" / "text"
WORDS = "the cat saw the dog and a dog saw the cat and <unk> a bird".split()
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


@pytest.fixture(scope="module")
def corpus():
    return text.from_folder(FOLDER)


def file(folder, content, name="text.txt"):
    path = folder / name
    path.write_bytes(content)
    return path


def joined(data):
    """The arrays of a data set, each stream in one piece."""
    parts = zip(*data.as_numpy_iterator(), strict=True)
    return [np.concatenate(part, axis=1) for part in parts]


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


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("steps", [1, 3, 4])
def test_rows_go_on_where_they_ended(size, steps):
    tokens = np.arange(29)
    data = text.batches(tokens, size, steps)
    shape = (size, steps)
    assert [s.shape for s in data.element_spec] == [shape, shape]
    assert len(data) == 28 // (size * steps)
    x, y = joined(data)
    # The streams one after the other, without a gap.
    np.testing.assert_array_equal(x.reshape(-1), tokens[: x.size])
    np.testing.assert_array_equal(y.reshape(-1), tokens[1 : x.size + 1])
    assert 28 - x.size == 28 % (size * steps)


def test_one_batch_and_one_word_are_enough():
    (batch,) = text.batches(np.arange(13), 3, 4)
    np.testing.assert_array_equal(batch[1], np.arange(1, 13).reshape(3, 4))


EVALUATIONS = [
    (1, 35, 1, 0),
    (1, 4, 1, 0),
    (3, 5, 1, 0),
    (4, 5, 3, 0),
    (4, 3, 4, 6),
    (8, 1, 7, 99),
]


@pytest.mark.parametrize("words", [2, 3, 14, 61])
@pytest.mark.parametrize("how", EVALUATIONS)
def test_each_word_counts_once_in_evaluation(how, words):
    tokens = np.arange(words) + 7
    x, y, weight = joined(text.evaluation(tokens, *how))
    assert set(np.unique(weight)) <= {0, 1}
    assert x.shape[0] == how[0] and x.shape[1] % how[1] == 0
    assert sorted(y[weight == 1]) == tokens[1:].tolist()
    np.testing.assert_array_equal(x[weight == 1] + 1, y[weight == 1])
    for row, counts in zip(x, weight, strict=True):
        # What comes before the counted words of a row is their context.
        before = row[: np.flatnonzero(counts)[0]] if counts.any() else row[:0]
        assert len(before) <= how[3]
        np.testing.assert_array_equal(np.diff(before), 1)


def surprise(data, vocabulary, carry=True):
    """Mean negative log-likelihood by a small recurrence, in float64."""
    rng = np.random.default_rng(1)
    embedding = rng.normal(size=(vocabulary, 6))
    state, total, count = 0, 0, 0
    for x, y, weight in data.as_numpy_iterator():
        for step in range(x.shape[1]):
            state = np.tanh(0.7 * state * carry + embedding[x[:, step]])
            z = state @ embedding.T
            log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
            found = log_p[np.arange(len(x)), y[:, step]]
            total -= (weight[:, step] * found).sum()
            count += weight[:, step].sum()
    return total / count


def test_perplexity_with_a_state_depends_on_neither_batch_nor_steps(corpus):
    tokens, size = corpus.test, len(corpus.vocabulary)
    expected = surprise(text.evaluation(tokens, 1, len(tokens) - 1), size)
    for batch, steps in itertools.product((1, 2, 5), (1, 7, 35)):
        data = text.evaluation(tokens, batch, steps)
        np.testing.assert_allclose(surprise(data, size), expected, rtol=1e-12)
    parts = text.evaluation(tokens, 5, 7, streams=5)
    near = text.evaluation(tokens, 5, 7, streams=5, context=20)
    whole = text.evaluation(tokens, 5, 7, streams=5, context=len(tokens))
    gaps = [abs(surprise(p, size) - expected) for p in (parts, near, whole)]
    assert gaps[0] > 1e-4 > 10 * gaps[1]
    np.testing.assert_allclose(gaps[2], 0, atol=1e-12)


def bigram(words):
    """A network of logits `(rows, steps, words)`."""
    return lambda: compiled(
        keras.Sequential(
            [
                keras.Input((None,), dtype="int32"),
                keras.layers.Embedding(words, 8),
                keras.layers.Dense(words),
            ]
        ),
        eager=False,
    )


def fitted(corpus, **options):
    words = len(corpus.vocabulary)
    born = keras_ban.BornAgain(bigram(words), seed=2)
    return born.fit(generations=1, epochs=2, verbose=0, **options)


def test_a_lineage_is_trained_in_order_and_evaluated_on_all_words(corpus):
    data = text.batches(corpus.train, 4, 7)
    lineage = fitted(
        corpus, x=data, validation_data=text.batches(corpus.validation, 2, 5)
    )
    # The same rows as arrays that are not shuffled.
    x, y = (
        np.concatenate(part)
        for part in zip(*data.as_numpy_iterator(), strict=True)
    )
    arrays = fitted(corpus, x=x, y=y, batch_size=4, shuffle=False)
    assert same(lineage[1].model, arrays[1].model)
    tokens = corpus.test
    logits = lineage[1].model.predict(tokens[None, :-1], verbose=0)[0]
    z = logits.astype("float64")
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    expected = -log_p[np.arange(len(z)), tokens[1:]].mean()
    for how in ((1, 35, 1), (3, 4, 1), (4, 6, 4)):
        table = lineage.evaluate(text.evaluation(tokens, *how))
        np.testing.assert_allclose(table[1]["nll"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "outputs", [pytest.param("online", marks=pytest.mark.slow), "cached"]
)
def test_a_run_goes_on_in_the_middle_of_an_epoch(outputs, tmp_path, corpus):
    check(
        tmp_path,
        [(0, 0, 3), (1, 1, 4)],
        born={"save_every": 2},
        model=bigram(len(corpus.vocabulary)),
        x=text.batches(corpus.train, 3, 7),
        teacher_outputs=outputs,
    )


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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: text.batches(t, 5, 6), "one batch.*31 words, 5 rows.*: 30"),
        (lambda t: text.batches(t, 0), "`batch_size`.*0"),
        (lambda t: text.batches(t, 2, 0), "`steps`.*0"),
        (lambda t: text.batches(t / 2, 2, 3), "`tokens`.*float64.*encode"),
        (lambda t: text.batches(WORDS, 2, 3), "`tokens`.*<U5"),
        (lambda t: text.batches(t[None], 1, 3), r"`tokens`.*\(1, 30\)"),
        (lambda t: text.batches(t - 1, 2, 3), "from 0 up.*-1, token 0"),
        (lambda t: text.evaluation(t[:1]), "too short.*2 words.*1"),
        (lambda t: text.evaluation(t, 2, streams=3), "`streams`.*1 to 2.*3"),
        (lambda t: text.evaluation(t, context=-1), "`context`.*-1"),
    ],
)
def test_texts_that_make_no_batches(call, words):
    with pytest.raises(ValueError, match=words):
        call(np.arange(30))


def test_inputs_say_where_streams_start():
    tokens = np.arange(50)
    for plain, said in (
        (text.batches(tokens, 3, 4), text.batches(tokens, 3, 4, starts=True)),
        (
            text.evaluation(tokens, 3, 4, streams=2),
            text.evaluation(tokens, 3, 4, streams=2, starts=True),
        ),
    ):
        pairs = zip(
            plain.as_numpy_iterator(), said.as_numpy_iterator(), strict=True
        )
        for number, ((words, *rest), (x, *others)) in enumerate(pairs):
            assert sorted(x) == ["starts", "words"]
            np.testing.assert_array_equal(x["words"], words)
            assert x["starts"].tolist() == [number == 0] * 3
            for one, other in zip(rest, others, strict=True):
                np.testing.assert_array_equal(one, other)
        assert number > 2
