"""Files that are there whole or not at all, and a lock on a folder."""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import shutil
import tempfile

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

TEMPORARY = "tmp"
_BLOCK = 4096


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


def read_json(path):
    """Reads what `write_json` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged.
    """
    try:
        content = json.loads(path.read_bytes())
        found = content.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}.") from error
    if found != checksum(content):
        raise ValueError(f"{path} is damaged: its checksum differs.")
    return content


def checksum(content):
    """SHA-256 of what JSON keeps of `content`, as 64 hexadecimal digits."""
    text = dumps(json.loads(dumps(content)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest(path):
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dumps(content, **kwargs):
    """JSON in which what JSON does not know is its plain value or its name."""
    return json.dumps(content, default=_plain, **kwargs)


def _plain(value):
    return value.tolist() if hasattr(value, "tolist") else repr(value)


def check_room(folder, size, kept, ways_out):
    """Checks that a disk has room for new files.

    Args:
        folder: The `pathlib.Path` of their folder, which is there.
        size: The bytes of all of them.
        kept: The bytes of the files that they replace.
        ways_out: What can be done, words for the error.

    Raises:
        OSError: If it has not.
    """
    free = shutil.disk_usage(folder).free + kept
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
    """Removes a file, or a folder with all that is in it, if it is there."""
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
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
        file = open(path, "ab")
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
