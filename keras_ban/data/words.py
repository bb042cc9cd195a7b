"""Texts as words."""

import itertools
import os
import pathlib

from keras_ban import files

UNK = "<unk>"
EOS = "<eos>"


def read_text(path):
    """The text that a file holds.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it is no file, or cannot be read.
        ValueError: If it holds no word, or is not UTF-8.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(
            "There is no text to read. Expected the path of a file. Received: "
            f"{path!r}. Give one."
        )
    path = pathlib.Path(path)
    try:
        content = files.read(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no file {path}. Expected a text, its words separated "
            "by spaces. Give the path of one."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"The file {path} cannot be read: {error}. Expected a text that "
            "the memory of this machine holds. Give a part of it."
        ) from error
    text = decoded(content, f"The file {path}")
    if not text.strip():
        raise ValueError(
            f"The file {path} is empty. Expected a text, its words separated "
            f"by spaces. Received: {len(content)} bytes without a word. Copy "
            "it anew from where it came from."
        )
    return text


def decoded(content, name):
    """Bytes as a string, without a byte order mark.

    Args:
        content: The bytes.
        name: What errors call them.

    Raises:
        ValueError: If they are not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{name} is not UTF-8. Expected UTF-8 characters. Received: the "
            f"byte 0x{error.object[error.start]:02x} in line {line}. "
            "Convert it, by `iconv -t utf-8 -f` and its encoding."
        ) from error


def words_of(text):
    """Yields the words of a text, `<eos>` after each line.

    An empty line is an `<eos>` alone; a last line may lack its end.
    """
    lines = text.removesuffix("\n").split("\n")
    return itertools.chain.from_iterable((*line.split(), EOS) for line in lines)
