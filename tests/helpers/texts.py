"""A small corpus, and the words of a smaller one."""

import pathlib

FOLDER = pathlib.Path(__file__).parents[1] / "fixtures" / "text"
WORDS = "the cat saw the dog and a dog saw the cat and <unk> a bird".split()
