"""Files that are there whole or not at all, and a lock on a folder."""

import contextlib
import errno
import hashlib
import json
import math
import os
import pathlib
import shutil
import stat
import tempfile

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

TEMPORARY = "tmp"
_BLOCK = 4096
# Waits for nobody at a pipe, and makes no file where a link leads.
_LOCK = (
    os.O_RDWR
    | os.O_CREAT
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)
# More than any run says of itself, and read in seconds.
_JSON_BYTES = 2**28
# Models in models in models have some thirty.
_LEVELS = 200
_PARTS = 2**21


def write(path, save):
    """Writes a file so that a crash leaves the old one or the new one.

    The new content goes to a temporary file beside it, is flushed to the
    disk and moved in place, and the folder is flushed.

    Args:
        path: The `pathlib.Path` to write.
        save: Function that writes the file whose path it is given.

    Raises:
        OSError: If it cannot be written, as on a full disk. What `path` held
            before is still there.
    """
    temporary = path.with_name(f"{TEMPORARY}-{path.name}")
    try:
        if os.path.lexists(temporary):
            # A link there would have something else written to.
            temporary.unlink()
        save(temporary)
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def write_json(path, content):
    """Writes a dict as JSON, with a checksum of its content.

    Args:
        path: The `pathlib.Path` to write.
        content: The dict. Numbers of NumPy become Python's.
    """
    text = dumps({**content, "sha256": checksum(content)}, indent=1)
    write(path, lambda p: p.write_text(text + "\n", encoding="utf-8"))


def read_json(path, check=lambda content: None):
    """Reads what `write_json` wrote.

    Args:
        path: The `pathlib.Path` to read.
        check: Function of the dict that raises a `ValueError` if it is not
            what it should be. Defaults to one that does nothing.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it is no file, or cannot be read.
        ValueError: If it is damaged.
    """
    try:
        content = parsed(read(path, _JSON_BYTES))
        if not isinstance(content, dict) or "sha256" not in content:
            raise ValueError("it has no checksum")
        if content.pop("sha256") != _checksum(content):
            raise ValueError("its checksum differs")
        check(content)
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}.") from error
    return content


def parsed(text):
    """What a JSON text, as bytes, says that somebody else has written.

    Raises:
        ValueError: If it is none, or has too many parts or levels.
    """
    if text.count(b"[") + text.count(b"{") > _PARTS:
        raise ValueError(f"it has more than {_PARTS} parts")
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    level = [content]
    for _ in range(_LEVELS):
        level = [inner for outer in level for inner in _held(outer)]
        if not level:
            return content
    raise ValueError(f"it is nested more than {_LEVELS} levels deep")


def _held(node):
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def read(path, limit=math.inf):
    """The bytes of a file.

    Args:
        path: The `pathlib.Path`.
        limit: How many there may be. Defaults to any number that this
            machine's memory holds.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it is no file, or cannot be read.
        ValueError: If it has more bytes.
    """
    with open_file(path) as file:
        _check_size(file, min(limit, memory()))
        return file.read()


def _check_size(file, limit):
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise ValueError(f"it has {size} bytes, of {limit} at most")


def open_file(path):
    """Opens a file to read its bytes; what is no file is never waited for.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it is no file, or cannot be read.
    """
    try:
        check_file(path)
        return open(path, "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.filename is None:
            raise
        raise OSError(
            error.errno, f"Cannot read {path}: {error.strerror or error}."
        ) from error


def check_file(path):
    """Checks that what has the name of a file is one, or a link to one.

    Raises:
        FileNotFoundError: If there is nothing.
        OSError: If it is a folder, a pipe, a device or a socket.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise _in_the_way(path, "a file", _kind(mode))


def check_folder(path):
    """Checks that what has the name of a folder is one, and no link to one.

    Raises:
        FileNotFoundError: If there is nothing.
        OSError: If it is something else. What a link leads to is not ours.
    """
    mode = os.lstat(path).st_mode
    if not stat.S_ISDIR(mode):
        raise _in_the_way(path, "a folder", _kind(mode))


def _kind(mode):
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a link",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def _in_the_way(path, expected, found):
    return OSError(
        errno.EEXIST,
        f"{path} is in the way. Expected {expected}. Received: {found}. Move "
        "it away, or choose another directory.",
    )


def memory():
    """The bytes of memory of this machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return math.inf


def checksum(content):
    """SHA-256 of what JSON keeps of `content`, as 64 hexadecimal digits."""
    return _checksum(json.loads(dumps(content)))


def _checksum(content):
    text = dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest(path, limit=math.inf):
    """SHA-256 of a file, as 64 hexadecimal digits.

    Args:
        path: The `pathlib.Path`.
        limit: How many bytes there may be. Defaults to any number.

    Raises:
        As `read`.
    """
    with open_file(path) as file:
        _check_size(file, limit)
        return hashlib.file_digest(file, "sha256").hexdigest()


def dumps(content, **kwargs):
    """JSON in which what JSON does not know is its plain value or its name."""
    return json.dumps(content, default=_plain, **kwargs)


def _plain(value):
    return value.tolist() if hasattr(value, "tolist") else repr(value)


def check_room(folder, size, kept, ways_out):
    """Checks that a disk has room for new files.

    Args:
        folder: The `pathlib.Path` of their folder, or of one to be made.
        size: The bytes of all of them.
        kept: The bytes of the files that they replace.
        ways_out: What can be done, words for the error.

    Raises:
        OSError: If it has not.
    """
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free + kept
    # What says whose files they are needs some room too.
    needed = size + 2 * _BLOCK
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"{os.strerror(errno.ENOSPC)} for files in {folder}. Expected "
            f"{needed} free bytes. Received: {free}. {ways_out}",
        )


def allocate(path, ways_out):
    """Takes room on the disk for the whole of a file that has gaps.

    Args:
        path: The `pathlib.Path` of the file.
        ways_out: What can be done, words for the error.

    Raises:
        OSError: If there is none, as on a full disk.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    size = path.stat().st_size
    try:
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        raise OSError(
            error.errno,
            f"Cannot make room for {size} bytes in {path}: {error.strerror}. "
            f"{ways_out}",
        ) from error


def make_folder(path):
    """Makes a folder and those above it, if they are not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        _flush(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def remove(path):
    """Removes a file, or a link to anything, if it is there."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def remove_folder(path):
    """Removes a folder with all that is in it; links are not followed."""
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise _unwritable(path, error) from error


@contextlib.contextmanager
def temporary_folder():
    """Gives a folder, a `pathlib.Path`, that is gone afterwards.

    Raises:
        OSError: If it cannot be made, as on a full disk.
    """
    try:
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    except OSError as error:
        raise _unwritable(tempfile.gettempdir(), error) from error
    with folder as path:
        yield pathlib.Path(path)


@contextlib.contextmanager
def lock(path):
    """Holds a lock that ends with the process, however it ends.

    Args:
        path: The `pathlib.Path` of the lock file, which may stay behind.

    Raises:
        BlockingIOError: If another process, or thread, holds it.
        OSError: If the file cannot be written.
    """
    if fcntl is None:
        raise OSError(
            "Run directories need the file locks of Linux or macOS. Leave "
            "`directory=` out on this system."
        )
    try:
        with contextlib.suppress(FileNotFoundError):
            check_file(path)
        file = os.fdopen(os.open(path, _LOCK, 0o666), "ab")
    except OSError as error:
        raise _unwritable(path, error) from error
    # A worker process that outlives this one must not keep the lock.
    os.register_at_fork(after_in_child=lambda: _close(file))
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                error.errno,
                f"Another process is training in {path.parent}. Expected a "
                "directory that no other run uses. Wait for it to end, or "
                "choose another directory. The lock is free as soon as that "
                "process is gone.",
            ) from error
        yield


def _close(file):
    if not file.closed:
        os.close(file.fileno())


def _flush(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(path, error):
    return OSError(
        error.errno,
        f"Cannot write {path}: {error.strerror or error}. The last state that "
        "was saved is intact. Free space, or make the folder writable, and "
        "run the same script again to go on from there.",
    )
