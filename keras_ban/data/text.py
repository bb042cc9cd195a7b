"""Texts, word by word, for language models.

The words of a text are separated by white space, and each of its lines is a
sentence, which `<eos>` ends. So the two customary corpora are read as
their published figures count them:

- Penn Treebank (Mikolov et al., "Empirical Evaluation and Combination of
  Advanced Language Modeling Techniques", 2011): lower case, numbers as `N`,
  all but the 10,000 most frequent words replaced by `<unk>` in the files
  already, no empty lines; 929,589, 73,760 and 82,430 words, `<eos>` counted.
- WikiText (Merity et al., "Pointer Sentinel Mixture Models", 2017): letters as
  they were, words that are seen less than three times replaced by `<unk>` in
  the files already, a heading a line of its own, ` = Heading = `, and empty
  lines between, each of which is an `<eos>` alone. So counted, WikiText-2 has
  2,088,628, 217,646 and 245,569 words.

A line without an end, the last of a file, is a sentence as the others are.
"""

from typing import NamedTuple

import numpy as np

from keras_ban import checks
from keras_ban.data.streams import batches
from keras_ban.data.streams import evaluation
from keras_ban.data.texts import Texts
from keras_ban.data.vocabulary import Vocabulary
from keras_ban.data.words import EOS
from keras_ban.data.words import UNK
from keras_ban.data.words import read_text
from keras_ban.data.words import words_of

__all__ = [
    "EOS",
    "UNK",
    "Corpus",
    "Vocabulary",
    "batches",
    "evaluation",
    "from_files",
    "from_folder",
    "load",
]

_NAMES = ("{}.txt", "ptb.{}.txt", "wiki.{}.tokens")


class Corpus(NamedTuple):
    """A text in numbers of words.

    Attributes:
        train: The text to train on, shape `(words,)`, int32.
        validation: The same, to choose by; or `None`.
        test: The same, to report; or `None`.
        vocabulary: The `Vocabulary`, of `train` alone.
    """

    train: np.ndarray
    validation: np.ndarray | None
    test: np.ndarray | None
    vocabulary: Vocabulary


def from_folder(folder, size=None, min_count=1, vocabulary=None):
    """Reads a corpus by the names that its files have.

    Args:
        folder: Where they are: `train.txt`, `valid.txt` and `test.txt`, or
            `ptb.train.txt` …, or `wiki.train.tokens` ….
        size: As in `from_files`.
        min_count: As in `from_files`.
        vocabulary: As in `from_files`.

    Returns:
        A `Corpus`.

    Raises:
        FileNotFoundError: If one of the three files is not there.
        OSError: If one is no file, or cannot be read.
        ValueError: If there are two of a part, if a file is empty or not
            UTF-8, or if an argument is not of its kind.

    Example:
    >>> corpus = keras_ban.data.text.from_folder("wikitext-2")
    >>> lineage = keras_ban.BornAgain(model_fn).fit(
    ...     keras_ban.data.text.batches(corpus.train, batch_size=20))
    """
    folder = checks.folder("folder", folder)
    paths = [_found(folder, part) for part in ("train", "valid", "test")]
    return from_files(*paths, size, min_count, vocabulary)


def from_files(
    train,
    validation=None,
    test=None,
    size=None,
    min_count=1,
    vocabulary=None,
):
    """Reads a corpus from the files of its parts.

    Args:
        train: Path of the text to train on.
        validation: Path of that to choose by. Defaults to `None`: none.
        test: Path of that to report. Defaults to `None`: none.
        size: Words of the vocabulary at most, as in `Vocabulary.counted`.
            Defaults to `None`: all that the training text has.
        min_count: How often these are in the training text at least. Defaults
            to `1`. Where neither this nor the text itself makes an `<unk>`,
            nothing trains a model to predict it.
        vocabulary: A `Vocabulary` to read it with, that of a teacher, say.
            Defaults to `None`: one of the training text.

    Returns:
        A `Corpus`.

    Raises:
        FileNotFoundError: If a file is not there.
        OSError: If one is no file, or cannot be read.
        ValueError: If one is empty or not UTF-8, or if an argument is not of
            its kind.
    """
    _check(size, min_count, vocabulary)
    others = [
        None if path is None else read_text(path) for path in (validation, test)
    ]
    return _corpus([read_text(train), *others], size, min_count, vocabulary)


def load(
    name,
    size=None,
    min_count=1,
    vocabulary=None,
    feature=None,
    data_dir=None,
    download=False,
    try_gcs=False,
):
    """Loads a text set of TensorFlow Datasets, its words split at spaces.

    The lines of its examples follow each other, in the order of the set.

    Args:
        name: "tiny_shakespeare", "lm1b", or any other name that `tfds.load`
            knows, of a set with texts and a split "train".
        size: As in `from_files`.
        min_count: As in `from_files`.
        vocabulary: As in `from_files`.
        feature: The name of the text in each example. Defaults to `None`: the
            one that there is.
        data_dir: Where data sets are prepared. Defaults to `None`, as in
            `tfds.load` (`~/tensorflow_datasets`).
        download: Whether to download what is not there. Defaults to `False`.
        try_gcs: As in `tfds.load`. Defaults to `False`.

    Returns:
        A `Corpus`. Its validation and test parts are `None` if the set has no
        such splits.

    Raises:
        FileNotFoundError: If the set is not prepared.
        ConnectionError: If it cannot be downloaded.
        OSError: If what has the name of a file is a pipe, say, or a device.
        ValueError: If an argument is not of its kind, the set is unknown or
            has no such text, or if one of its files is damaged.
    """
    _check(size, min_count, vocabulary)
    source = Texts(name, data_dir, download, try_gcs, feature)
    texts = [source.text(part) for part in ("train", "validation", "test")]
    return _corpus(texts, size, min_count, vocabulary)


def _corpus(texts, size, min_count, vocabulary):
    if vocabulary is None:
        vocabulary = Vocabulary.counted(words_of(texts[0]), size, min_count)
    tokens = [
        None if text is None else vocabulary.encode(words_of(text))
        for text in texts
    ]
    return Corpus(*tokens, vocabulary)


def _check(size, min_count, vocabulary):
    """Checks what is said of the vocabulary, before a text is read."""
    if size is not None:
        checks.integer("size", size, 2)
    checks.integer("min_count", min_count, 1)
    if vocabulary is None:
        return
    if not isinstance(vocabulary, Vocabulary):
        raise ValueError(
            "Invalid value for argument `vocabulary`. Expected a "
            f"`Vocabulary`. Received: {type(vocabulary).__name__}. Make one "
            "by `Vocabulary(words)`, or read one by `Vocabulary.load`."
        )
    if size is not None or min_count != 1:
        raise ValueError(
            "`vocabulary` has its words already. Expected neither `size` nor "
            f"`min_count` beside it. Received: size={size} and "
            f"min_count={min_count}. Leave them out."
        )


def _found(folder, part):
    """The file of a part of a corpus."""
    names = [name.format(part) for name in _NAMES]
    there = [name for name in names if (folder / name).exists()]
    if len(there) == 1:
        return folder / there[0]
    if there:
        raise ValueError(
            f"The folder {folder} holds two corpora. Expected one file of "
            f"{', '.join(names)}. Received: {' and '.join(there)}. Give the "
            "paths of one corpus to `from_files`."
        )
    raise FileNotFoundError(
        f"There is no {part} part in {folder}. Expected one file of "
        f"{', '.join(names)}. Give another folder, or the paths of what is "
        "there to `from_files`."
    )
