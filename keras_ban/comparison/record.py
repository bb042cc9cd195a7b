"""`comparison.json`: what the runs in a directory are compared as.

    comparison.json     the methods, by name, and the number of epochs
    lock                held while a process trains
    seed-S/             for each seed
      labels-.../       the run of a recipe on the labels
      NAME/             the run of a method with teachers

The runs are what is kept: each resumes by itself, and refuses another one in
its place. No path is read from the file.
"""

import re

from keras_ban import checks
from keras_ban import files
from keras_ban import objectives
from keras_ban.comparison.methods import length_named
from keras_ban.comparison.methods import named
from keras_ban.teaching.plans import SAME

SCHEMA = 1
# Of characters, of which a file system takes 255.
_LONGEST = 200
JSON = "comparison.json"
_FIELDS = (
    "objective",
    "augment",
    "teachers",
    "generations",
    "epochs",
    "learn_from",
)
# Of a method whose teachers see other views than its students alone.
_OWN_VIEWS = "teacher_augment"
_UNUSUAL = re.compile(r"[^\w+()-]|^-", re.ASCII)
_WAYS_OUT = (
    "Go back to what was recorded, give the method another name, or choose "
    "another directory."
)


def settle(path, design):
    """Writes down what a directory compares, or checks that it is the same.

    Methods may be added to those that are there, or left out.

    Args:
        path: The `pathlib.Path` of the directory, which is there.
        design: The `Design`.

    Raises:
        ValueError: If it holds another comparison.
        OSError: If something else has the name of the file, or if it cannot
            be written.
    """
    content = {
        "schema": SCHEMA,
        "epochs": design.epochs,
        "methods": {m.name: _described(m) for m in design.methods},
    }
    recorded = _read(path / JSON)
    if recorded:
        _compare(path, recorded, content)
        known = recorded["methods"]
        content["methods"] = {**known, **content["methods"]}
    if content != recorded:
        files.write_json(path / JSON, content)


def folder(path, seed, name):
    """The folder of a run, which may not be there yet.

    Args:
        path: The `pathlib.Path` of the comparison's directory.
        seed: The seed.
        name: What is trained there.

    Raises:
        OSError: If it, or that of the seed, is something else than a folder.
    """
    above = path / f"seed-{seed}"
    found = above / slug(name)
    for one in (above, found):
        try:
            files.check_folder(one)
        except FileNotFoundError:
            break
    return found


def slug(name):
    """A name as that of a folder: letters, digits, and a few signs."""
    found = _UNUSUAL.sub("-", name.replace(" ", "-"))
    if found == name.replace(" ", "-") and len(found) <= _LONGEST:
        return found
    # So that what looks alike without its other characters stays apart.
    return f"{found[:_LONGEST]}-{files.checksum({'name': name})[:6]}"


def check_folders(names):
    """Checks that what is trained has folders of its own.

    Args:
        names: What is trained for a seed, texts.

    Raises:
        ValueError: If two have one.
    """
    taken = {}
    for name in names:
        earlier = taken.setdefault(slug(name).casefold(), name)
        if earlier != name:
            raise ValueError(
                f"The methods {earlier!r} and {name!r} would share a folder, "
                f"{slug(name)!r}. Expected names that differ by more than "
                "spaces, hyphens and capitals. Rename one of them."
            )


def _described(method):
    """What tells a method from another, a dict of numbers and texts."""
    own = {}
    if method.has_own_views:
        own[_OWN_VIEWS] = _text(method.teacher_views)
    return {
        "objective": objectives.get(method.objective).name,
        "augment": _text(method.augment),
        "teachers": method.teachers,
        "generations": method.generations,
        "epochs": method.epochs and length_named(method.epochs),
        "learn_from": method.learn_from,
        **own,
    }


def _text(augment):
    return None if augment is None else named(augment)


def _read(path):
    """What the file says, or `None` if there is none that is sound."""
    try:
        return files.read_json(path, _check)
    except FileNotFoundError:
        return None
    except ValueError as error:
        checks.warn(f"{error} It is written again from what is asked for.")
        return None


def _check(content):
    """Raises `ValueError` if a field is missing or not of its kind."""
    if content.get("schema") != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    if type(content.get("epochs")) is not int:
        raise ValueError("`epochs` is no integer")
    methods = content.get("methods")
    if not isinstance(methods, dict):
        raise ValueError("`methods` is no object")
    for name, found in methods.items():
        if not isinstance(found, dict) or {*found} - {_OWN_VIEWS} != {*_FIELDS}:
            raise ValueError(f"{name!a} is no method")


def _compare(path, recorded, received):
    pairs = {"epochs": (recorded["epochs"], received["epochs"])}
    for name, found in received["methods"].items():
        known = recorded["methods"].get(name, found)
        for field in (*_FIELDS, _OWN_VIEWS):
            pair = (one.get(field, SAME) for one in (known, found))
            pairs[f"{name}.{field}"] = tuple(pair)
    for name, (one, other) in pairs.items():
        if one != other:
            raise ValueError(
                f"{path} holds another comparison: `{name}` differs. "
                f"Recorded: {one!a}. Received: {other!r}. {_WAYS_OUT}"
            )
