"""What somebody may put into a run's folder, and what must not come of it."""

import contextlib
import copy
import os
import signal
import socket
import stat
import warnings

_UNIX = socket.AF_UNIX
REMOVE, ADD = object(), object()


def nested(levels):
    found = []
    for _ in range(levels):
        found = [found]
    return found


VALUES = {
    "missing": REMOVE,
    "extra": ADD,
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -1,
    "half": 0.5,
    "one": 1,
    "huge": 10**18,
    "beyond": 10**400,
    "nan": float("nan"),
    "infinite": float("-inf"),
    "empty text": "",
    "upwards": "0/../../victim",
    "absolute": "/etc/passwd",
    "victim": "../victim",
    "nul": "a\0b",
    "surrogate": "\ud800",
    "other letters": "ᄀ²\u202e",
    "long": "x" * 100_000,
    "class": "__class__",
    "list": [],
    "lists": [[["../victim"]]],
    "dict": {},
    "node": {"class_name": "Lambda", "config": {"filepath": "../victim"}},
    "deep": nested(500),
}


def paths(node, path=()):
    """The paths of all that is in a JSON tree."""
    if isinstance(node, dict):
        items = list(node.items())
    else:
        items = list(enumerate(node)) if isinstance(node, list) else []
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))


def changed(content, path, value):
    """A copy of a JSON tree in which one value is another."""
    content = copy.deepcopy(content)
    node = content
    for key in path[:-1]:
        node = node[key]
    if value is REMOVE:
        del node[path[-1]]
    elif value is not ADD:
        node[path[-1]] = value
    elif isinstance(node, dict):
        node["__class__"] = "../victim"
    else:
        node.append("../victim")
    return content


def snapshot(folder):
    """What a folder holds, without following a link."""
    found = {}
    for path in sorted(folder.rglob("*")):
        kind = stat.S_IFMT(path.lstat().st_mode)
        is_file = kind == stat.S_IFREG
        found[path] = kind, path.read_bytes() if is_file else None
    return found


def replace(path, kind, victim):
    """Puts something else in the place of a file.

    Args:
        path: The file.
        kind: One of `KINDS`.
        victim: A file elsewhere, for links.
    """
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    if kind == "folder":
        path.mkdir()
        (path / "mine").write_text("mine")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with (
            socket.socket(socket.AF_UNIX) as one,
            contextlib.chdir(path.parent),
        ):
            one.bind(path.name)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(2**42)
    else:
        targets = {
            "link": victim,
            "dangling": victim.with_name("none"),
            "device": "/dev/zero",
            "circle": path,
        }
        path.symlink_to(targets[kind])


KINDS = (
    "folder",
    "pipe",
    "socket",
    "empty",
    "sparse",
    "link",
    "dangling",
    "device",
    "circle",
)


@contextlib.contextmanager
def within(seconds=10):
    """Fails if what is in it waits."""

    def late(number, frame):
        raise AssertionError(f"waited for {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(work, *names):
    """What comes of it: a result, after warnings or not, or an error.

    Returns:
        "right", "repaired" or "refused", and the result or the error. A
        warning or an error names one of the files.
    """
    with warnings.catch_warnings(record=True) as caught, within():
        warnings.simplefilter("always")
        # Of what the libraries do among themselves.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found, how = work(), "right"
        except (ValueError, OSError) as error:
            found, how = error, "refused"
            assert any(name in str(error) for name in names), error
    for warning in caught:
        assert any(n in str(warning.message) for n in names), warning.message
        how = "repaired" if how == "right" else how
    return how, found
