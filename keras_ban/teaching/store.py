"""Rows of arrays, in memory or in files."""

import contextlib
import pathlib
import secrets
import shutil
import tempfile
import weakref

import numpy as np

from keras_ban import files

SHARD_BYTES = 2**28
_BLOCK = 512
_JSON = "cache.json"
_WAYS_OUT = (
    "Free space, choose another folder, keep less by "
    "`keras_ban.TeacherCache(folder, dtype='float16')` or its `top_k`, or pass "
    "`teacher_outputs='online'`."
)


class Store:
    """Arrays of rows, in memory or in files that are mapped into it.

    Args:
        directory: The folder, or `None`.
        made_of: What the arrays were made of, a dict.
        rows: How many rows there are.
        cluster: The `Cluster` of workers. The folder is the chief's; others
            have a temporary one instead, unless they see the chief's too.

    Attributes:
        is_shared: Whether all workers see one folder, in which the chief
            alone writes rows.
    """

    def __init__(self, directory, made_of, rows, cluster):
        self._cluster = cluster
        self.is_shared = bool(directory) and _is_seen_by_all(directory, cluster)
        if directory and cluster.number and not self.is_shared:
            directory = pathlib.Path(tempfile.mkdtemp())
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        self._directory = directory
        self._made_of = made_of
        self._rows = rows
        self._arrays = []

    @property
    def _is_read(self):
        """Whether another worker writes what is read here."""
        return self.is_shared and self._cluster.number > 0

    @contextlib.contextmanager
    def open(self):
        """Locks the chief's folder and opens what it holds, on all workers.

        Yields:
            Whether it held anything.
        """
        if self._directory is None:
            yield False
            return
        with contextlib.ExitStack() as stack:
            names = self._cluster.on_chief(lambda: self._held(stack))
            if names and self._cluster.several and not self.is_shared:
                self._cluster.send(self._directory, names)
            if names and self._cluster.number:
                self._load()
            yield bool(names)

    def _held(self, stack):
        """The names of the files that the folder holds."""
        _make_folder(self._directory)
        stack.enter_context(files.lock(self._directory / "lock"))
        if not self._json.exists():
            return []
        self._load()
        found = [p.filename for parts in self._arrays for p in parts]
        return [self._json.name, *(pathlib.Path(p).name for p in found)]

    def _load(self):
        content = files.read_json(self._json, _check)
        for name, value in self._made_of.items():
            if content["made_of"].get(name) != value:
                raise ValueError(
                    f"{self._directory} holds outputs of another kind: "
                    f"`{name}` differs. Recorded: "
                    f"{content['made_of'].get(name)}. Received: {value}. "
                    "Choose another folder, or remove it."
                )
        self._arrays = [
            [self._mapped(name, digest) for name, digest in parts]
            for parts in content["files"]
        ]
        self._check_shapes()

    def _check_shapes(self):
        """Checks that the arrays hold the rows that they are to hold."""
        kinds = _kinds(self._made_of)
        fits = len(kinds) == len(self._arrays)
        for parts, (dtype, last) in zip(self._arrays, kinds, strict=False):
            views, size, *row = parts[0].shape
            shapes = [
                (views, min(size, self._rows - start), *row)
                for start in range(0, self._rows, max(size, 1))
            ]
            fits = (
                fits
                and [part.shape for part in parts] == shapes
                and all(part.dtype == dtype for part in parts)
                and views == self._made_of["views"]
                and last in (None, row[-1:])
            )
        if not fits:
            raise self._damaged(self._json)

    def create(self, encoded, rows, views):
        """Makes room for `rows` like those of `encoded`, in each view.

        Raises:
            OSError: If the disk has not enough.
        """
        if self._is_read:
            return
        if self._directory:
            check_room(self._directory, ["."], size_of(encoded, rows, views))
        self._arrays = []
        for number, part in enumerate(encoded):
            row = part[0].nbytes * views
            size = max(1, SHARD_BYTES // row) if self._directory else rows
            self._arrays.append(
                [
                    self._room(
                        _name(number, start // size),
                        (views, min(size, rows - start), *part.shape[1:]),
                        part.dtype,
                    )
                    for start in range(0, rows, size)
                ]
            )

    def _room(self, name, shape, dtype):
        if self._directory is None:
            return np.empty(shape, dtype)
        path = self._directory / name
        # What it may be a link to is not written to.
        files.remove(path)
        array = np.lib.format.open_memmap(path, "w+", dtype, shape)
        # A mapped file without it would end the process, where the disk turns
        # out to be full.
        files.allocate(path, _WAYS_OUT)
        return array

    def write(self, view, numbers, encoded):
        """Writes the rows of all arrays that have these numbers.

        Args:
            view: The number of the view.
            numbers: The numbers of the examples.
            encoded: Their rows of each array, or `None` where another worker
                writes them.
        """
        if self._is_read:
            return
        for parts, values in zip(self._arrays, encoded, strict=True):
            for shard, rows, here in _shards(parts, numbers):
                shard[view, rows] = values[here]

    def exchange(self, view, number, source, content):
        """What a worker has computed for a batch, where it is written.

        Args:
            view: The number of the view.
            number: That of the batch's first example.
            source: That of the worker.
            content: On that worker the bytes, else `None`.

        Returns:
            The bytes, or `None` where another worker writes them.
        """
        if not self.is_shared:
            return self._cluster.share(content or b"", source)
        if source == 0:
            return None if self._is_read else content
        path = self._directory / f"{view}-{number}.part"
        if source == self._cluster.number:
            files.remove(path)
            path.write_bytes(content)
        self._cluster.meet()
        if self._is_read:
            return None
        content = path.read_bytes()
        path.unlink()
        return content

    def read(self, view, numbers):
        """Returns the rows of all arrays."""
        found = []
        for parts in self._arrays:
            shape = len(numbers), *parts[0].shape[2:]
            values = np.empty(shape, parts[0].dtype)
            for shard, rows, here in _shards(parts, numbers):
                values[here] = shard[view, rows]
            found.append(values)
        return found

    def specs(self):
        """The type of each array and the shape of its rows."""
        return [(parts[0].dtype, parts[0].shape[2:]) for parts in self._arrays]

    def close(self):
        """Writes down that the arrays are complete; others then read them."""
        if self._directory is None:
            return
        if not self._is_read:
            self._complete()
        if self.is_shared:
            self._cluster.meet()
        if self._is_read:
            self._load()

    def _complete(self):
        for parts in self._arrays:
            for part in parts:
                part.flush()
        held = [
            [
                [pathlib.Path(p.filename).name, files.digest(p.filename)]
                for p in parts
            ]
            for parts in self._arrays
        ]
        files.write_json(self._json, {"made_of": self._made_of, "files": held})

    def _mapped(self, name, digest):
        path = self._directory / name
        try:
            files.check_file(path)
            found = np.lib.format.open_memmap(path, mode="r")
            size = found.offset + found.nbytes
            # A file that is longer is not read to its end.
            if found.ndim > 2 and path.stat().st_size == size:
                if files.digest(path) == digest:
                    return found
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                raise
            raise self._damaged(path) from error
        except Exception as error:  # Whatever is made of somebody's bytes.
            raise self._damaged(path) from error
        raise self._damaged(path)

    def _damaged(self, path):
        return ValueError(
            f"{path} is missing or damaged. Expected the teacher's outputs "
            f"as they were written. Remove {self._directory}: they are "
            "computed again."
        )

    @property
    def _json(self):
        return self._directory / _JSON


def _is_seen_by_all(directory, cluster):
    """Whether several workers see the chief's folder under its path."""
    if not cluster.several:
        return False
    mark = f"{secrets.token_hex(8)}.mark".encode()
    path = directory / cluster.share(mark).decode()

    def leave():
        _make_folder(directory)
        path.touch()

    cluster.on_chief(leave)
    found = all(cluster.numbers(path.exists()))
    cluster.on_chief(path.unlink)
    return found


def _make_folder(directory):
    # The user's folder may be a link; one for a generation is ours.
    if directory.name.startswith("generation-"):
        with contextlib.suppress(FileNotFoundError):
            files.check_folder(directory)
    files.make_folder(directory)


def check_room(directory, folders, size):
    """Checks that a disk has room for arrays that are not there yet.

    Args:
        directory: The `pathlib.Path` of the folder of a `TeacherCache`.
        folders: The names of those in it, each for a teacher.
        size: The bytes of the arrays of each.

    Raises:
        OSError: If it has not.
    """
    left = [directory / f for f in folders]
    left = [folder for folder in left if not (folder / _JSON).exists()]
    kept = sum(
        path.lstat().st_blocks * _BLOCK
        for folder in left
        for path in folder.glob("*-*.npy")
    )
    if left:
        files.check_room(directory, size * len(left), kept, _WAYS_OUT)


def size_of(encoded, rows, views):
    """The bytes of arrays of rows like those of `encoded`, in each view."""
    return sum(rows * views * part[0].nbytes for part in encoded)


def _shards(parts, numbers):
    """Yields each array concerned, its rows, and where they stand."""
    size = parts[0].shape[1]
    for index in np.unique(numbers // size):
        here = numbers // size == index
        yield parts[index], numbers[here] - index * size, here


def _name(number, shard):
    return f"{number}-{shard:05d}.npy"


def _check(content):
    """Checks that a record names the files that `close` names."""
    made_of, arrays = content.get("made_of"), content.get("files")
    if not isinstance(made_of, dict) or not isinstance(arrays, list):
        raise ValueError("it does not say what it holds")
    for number, parts in enumerate(arrays):
        if not isinstance(parts, list) or not parts:
            raise ValueError(f"it names no files for array {number}")
        for shard, held in enumerate(parts):
            name = _name(number, shard)
            if not isinstance(held, list) or held[:1] != [name]:
                raise ValueError(f"it names another file than {name}")
            if len(held) != 2 or not isinstance(held[1], str):
                raise ValueError(f"it has no checksum of {name}")


def _kinds(made_of):
    """The type of each array, and the last axis of its rows if it is known."""
    dtype, top_k = made_of["dtype"], made_of["top_k"]
    if top_k is None:
        return [(dtype, None)] * len(made_of.get("outputs", [None]))
    return [(dtype, [top_k]), ("int32", [top_k]), ("float32", [1])]
