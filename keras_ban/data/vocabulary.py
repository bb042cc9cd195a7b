"""The words that a language model knows, and their numbers."""

import collections
import pathlib

import numpy as np

from keras_ban import checks
from keras_ban import files
from keras_ban.data.words import EOS
from keras_ban.data.words import UNK
from keras_ban.data.words import read_text

# Before the numbers of characters.
PAD, BEGIN, END = range(3)
_SPECIAL = (UNK, EOS)
# As in the code that Kim et al. (2016) published.
_LONGEST = 65


class Vocabulary:
    """The words that a language model knows, and their numbers.

    A word that is not among them is `<unk>`; `<eos>` ends a sentence.

    Args:
        words: The words, each once, in the order of their numbers, which
            begin with 0. `<unk>` and `<eos>` are among them.

    Attributes:
        words: The words, a tuple.
        unk: The number of `<unk>`.
        eos: The number of `<eos>`.

    Raises:
        ValueError: If a word is there twice, holds white space or is none,
            or if `<unk>` or `<eos>` is missing.

    Example:
    >>> vocabulary = Vocabulary.counted("the cat saw the dog".split())
    >>> vocabulary.words
    ('<unk>', '<eos>', 'the', 'cat', 'dog', 'saw')
    >>> vocabulary.encode(["the", "bird"])
    array([2, 0], dtype=int32)
    """

    def __init__(self, words):
        self.words = tuple(_listed(words))
        self._numbers = {}
        for number, word in enumerate(self.words):
            _check_word(word, number)
            first = self._numbers.setdefault(word, number)
            if first != number:
                raise ValueError(
                    "A vocabulary holds a word twice. Expected each word "
                    f"once. Received: {word!r}, as numbers {first} and "
                    f"{number}. Leave one out."
                )
        missing = [word for word in _SPECIAL if word not in self._numbers]
        if missing:
            raise ValueError(
                f"A vocabulary lacks {' and '.join(missing)}. Expected both "
                f"{UNK} and {EOS} among its words. Received: "
                f"{len(self.words)} words without. Add what is missing."
            )
        self.unk, self.eos = (self._numbers[word] for word in _SPECIAL)

    @classmethod
    def counted(cls, words, size=None, min_count=1):
        """The vocabulary of a text: of that to train on, and of no other.

        `<unk>` is number 0 and `<eos>` 1, whether the text has them or not.
        The others follow, the most frequent ones first, those that are
        equally frequent in the order of their Unicode code points.

        Args:
            words: The words of the text, an iterable of strings.
            size: How many words there are at most, `<unk>` and `<eos>`
                counted. Defaults to `None`: all.
            min_count: How often a word is there at least. Defaults to `1`.

        Returns:
            A `Vocabulary`.

        Raises:
            ValueError: If an argument is not of its kind.
        """
        if size is not None:
            checks.integer("size", size, len(_SPECIAL))
        checks.integer("min_count", min_count, 1)
        counts = collections.Counter(_listed(words))
        for word in _SPECIAL:
            counts.pop(word, None)
        found = sorted(
            (word for word, count in counts.items() if count >= min_count),
            key=lambda word: (-counts[word], word),
        )
        return cls((*_SPECIAL, *found)[:size])

    def __len__(self):
        return len(self.words)

    def __contains__(self, word):
        return word in self._numbers

    def __eq__(self, other):
        return type(other) is type(self) and other.words == self.words

    def __hash__(self):
        return hash(self.words)

    def __repr__(self):
        first = ", ".join(map(repr, self.words[:4]))
        return f"<Vocabulary of {len(self)} words: {first}, …>"

    def encode(self, words, strict=False):
        """The numbers of words.

        Args:
            words: The words, an iterable of strings.
            strict: Whether a word that is not in the vocabulary is an error,
                and not `<unk>`. Defaults to `False`.

        Returns:
            Their numbers, shape `(words,)`, int32.

        Raises:
            ValueError: If `strict` and a word is not in the vocabulary, or
                if `words` is a string.
        """
        words = _listed(words)
        get, unk = self._numbers.get, self.unk
        if not strict:
            return np.fromiter((get(word, unk) for word in words), "int32")
        words = list(words)
        for place, word in enumerate(words):
            if word not in self._numbers:
                raise ValueError(
                    f"A word is not in the vocabulary of {len(self)} words. "
                    f"Expected known words alone. Received: {word!r}, word "
                    f"{place}. Leave out `strict=True` to read it as {UNK}, or "
                    "make a vocabulary of the text to train on."
                )
        return np.fromiter((get(word) for word in words), "int32")

    def decode(self, tokens):
        """The words of numbers, a list of strings.

        Args:
            tokens: Numbers of words, shape `(words,)`.

        Raises:
            ValueError: If they are no numbers of this vocabulary.
        """
        return [self.words[token] for token in self.check(tokens)]

    def check(self, tokens):
        """Checks that all numbers are those of words.

        Args:
            tokens: Numbers of words, shape `(words,)`.

        Returns:
            The numbers, a NumPy array.

        Raises:
            ValueError: If one is not, or if these are no such numbers.
        """
        tokens = checked_tokens(tokens)
        wrong = np.flatnonzero(tokens >= len(self))
        if len(wrong):
            raise ValueError(
                f"`tokens` exceed the vocabulary of {len(self)} words. "
                f"Expected numbers from 0 to {len(self) - 1}. Received: "
                f"{tokens[wrong[0]]}, token {wrong[0]}. Encode the text with "
                "the vocabulary that the model is made for."
            )
        return tokens

    def check_model(self, model):
        """Checks that a model predicts the words of this vocabulary.

        Args:
            model: A `keras.Model` whose output is `(..., words)`: a network
                to train, or a teacher.

        Raises:
            ValueError: If it has another number of outputs, or if that is
                unknown because the model is not built.
        """
        shape = getattr(model, "output_shape", None)
        if type(shape) is not tuple or type(shape[-1]) is not int:
            raise ValueError(
                f"The outputs of the model {model.name!r} are unknown. "
                f"Expected one output of shape (..., {len(self)}). Received: "
                f"{shape}. Give a functional or sequential model that is built."
            )
        if shape[-1] != len(self):
            raise ValueError(
                f"The vocabulary of {len(self)} words does not fit the model "
                f"{model.name!r}. Expected outputs of shape (..., {len(self)})."
                f" Received: {shape}. Build the model for "
                f"{len(self)} words, or read the text with the vocabulary "
                "that the model was trained with, by `vocabulary=`."
            )

    @property
    def alphabet(self):
        """The characters of the words, in the order of their code points.

        In `characters`, these have the numbers from 5 on.
        """
        words = set(self.words).difference(_SPECIAL)
        return tuple(sorted(set().union(*words)))

    def characters(self, length=None):
        """The characters of each word, for a network that reads them.

        A row is a mark for the begin (1), the word's characters, a mark for
        the end (2) and padding (0). `<unk>` (3) and `<eos>` (4) are one
        character each, of their own; those of other words have the numbers
        from 5 on, in the order of `alphabet`. A longer word loses its last
        characters, and keeps the mark for its end.

        Source: Kim et al., "Character-Aware Neural Language Models", 2016,
        Section 3.

        Args:
            length: Characters of a row, marks counted. Defaults to `None`:
                as many as the longest word needs, at most 65.

        Returns:
            Shape `(words, length)`, int32: row n is for word n.

        Raises:
            ValueError: If `length` is no integer of at least 3.
        """
        special = {UNK: [END + 1], EOS: [END + 2]}
        numbers = {c: n for n, c in enumerate(self.alphabet, END + 3)}
        rows = [
            special.get(word) or [numbers[c] for c in word]
            for word in self.words
        ]
        if length is None:
            length = min(max(map(len, rows)) + 2, _LONGEST)
        checks.integer("length", length, 3)
        found = np.full((len(rows), length), PAD, "int32")
        for place, row in enumerate(rows):
            marked = [BEGIN, *row[: length - 2], END]
            found[place, : len(marked)] = marked
        return found

    def save(self, path):
        """Writes the words as UTF-8 text, one a line, by their numbers.

        Raises:
            OSError: If the file cannot be written.
        """
        text = "".join(f"{word}\n" for word in self.words)
        files.write(
            pathlib.Path(path), lambda place: place.write_bytes(text.encode())
        )

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote.

        Args:
            path: The file.

        Returns:
            A `Vocabulary`.

        Raises:
            FileNotFoundError: If there is no such file.
            OSError: If it is no file, or cannot be read.
            ValueError: If it is empty, is not UTF-8 or holds no vocabulary.
        """
        text = read_text(path)
        try:
            return cls(text.removesuffix("\n").split("\n"))
        except ValueError as error:
            raise ValueError(f"The file {path} is damaged. {error}") from error


def _listed(words):
    """Words as they are, if they are no string, which is none of words."""
    if isinstance(words, (str, bytes)):
        raise ValueError(
            "Invalid value for argument `words`. Expected a list of words. "
            f"Received: {words[:40]!r}. Split it, by `split()`."
        )
    return words


def _check_word(word, number):
    if not isinstance(word, str) or word.split() != [word]:
        raise ValueError(
            "A vocabulary holds what is no word. Expected strings without "
            f"white space. Received: {word!r}, as number {number}. Leave it "
            "out, or split it."
        )


def checked_tokens(tokens):
    """Numbers of words as a NumPy array of shape `(words,)`.

    Raises:
        ValueError: If they are no numbers, or none of words.
    """
    found = np.asarray(tokens)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise ValueError(
            "Invalid value for argument `tokens`. Expected the numbers of "
            "words, integers of shape (words,). Received: "
            f"{found.dtype} of shape {found.shape}. Encode words by "
            "`vocabulary.encode`."
        )
    if found.size and found.min() < 0:
        raise ValueError(
            "Invalid value for argument `tokens`. Expected numbers of words, "
            f"from 0 up. Received: {found.min()}, token {found.argmin()}. "
            "Encode words by `vocabulary.encode`."
        )
    return found
