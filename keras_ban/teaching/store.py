"""Rows of arrays, in memory or in files."""

import contextlib
import pathlib
import tempfile

import numpy as np

from keras_ban import files

SHARD_BYTES = 2**28
_BLOCK = 512
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
        is_own: Whether the folder is this worker's; else it has a temporary
            one instead. Defaults to `True`.
    """

    def __init__(self, directory, made_of, is_own=True):
        self._temporary = None
        if directory and not is_own:
            self._temporary = tempfile.TemporaryDirectory(
                ignore_cleanup_errors=True
            )
            directory = pathlib.Path(self._temporary.name)
        self._directory = directory
        self._made_of = made_of
        self._arrays = []

    @contextlib.contextmanager
    def open(self, cluster):
        """Locks the chief's folder and opens what it holds, on all workers.

        Args:
            cluster: The `Cluster` of workers.

        Yields:
            Whether it held anything.
        """
        if self._directory is None:
            yield False
            return
        with contextlib.ExitStack() as stack:
            names = cluster.on_chief(lambda: self._held(stack))
            if names and cluster.several:
                cluster.send(self._directory, names)
                if self._temporary:
                    self._load()
            yield bool(names)

    def _held(self, stack):
        """The names of the files that the folder holds."""
        files.make_folder(self._directory)
        stack.enter_context(files.lock(self._directory / "lock"))
        if not self._json.exists():
            return []
        self._load()
        found = [p.filename for parts in self._arrays for p in parts]
        return [self._json.name, *(pathlib.Path(p).name for p in found)]

    def _load(self):
        content = files.read_json(self._json)
        for name, value in self._made_of.items():
            if content["made_of"][name] != value:
                raise ValueError(
                    f"{self._directory} holds outputs of another kind: "
                    f"`{name}` differs. Recorded: {content['made_of'][name]}. "
                    f"Received: {value}. Choose another folder, or remove it."
                )
        self._arrays = [
            [self._mapped(name, digest) for name, digest in parts]
            for parts in content["files"]
        ]

    def create(self, encoded, rows, views):
        """Makes room for `rows` like those of `encoded`, in each view.

        Raises:
            OSError: If the disk has not enough.
        """
        if self._directory:
            size = sum(rows * views * part[0].nbytes for part in encoded)
            kept = sum(
                path.lstat().st_blocks * _BLOCK
                for path in self._directory.glob("*-*.npy")
            )
            files.check_room(self._directory, size, kept, _WAYS_OUT)
        self._arrays = []
        for number, part in enumerate(encoded):
            row = part[0].nbytes * views
            size = max(1, SHARD_BYTES // row) if self._directory else rows
            self._arrays.append(
                [
                    self._room(
                        f"{number}-{start // size:05d}.npy",
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
        array = np.lib.format.open_memmap(path, "w+", dtype, shape)
        # A mapped file without it would end the process, where the disk turns
        # out to be full.
        files.allocate(path, _WAYS_OUT)
        return array

    def write(self, view, numbers, encoded):
        """Writes the rows of all arrays that have these numbers."""
        for parts, values in zip(self._arrays, encoded, strict=True):
            for shard, rows, here in _shards(parts, numbers):
                shard[view, rows] = values[here]

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
        """Writes down that the arrays are complete."""
        if self._directory is None:
            return
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
        if not path.exists() or files.digest(path) != digest:
            raise ValueError(
                f"{path} is missing or damaged. Expected the teacher's outputs "
                f"as they were written. Remove {self._directory}: they are "
                "computed again."
            )
        return np.load(path, mmap_mode="r", allow_pickle=False)

    @property
    def _json(self):
        return self._directory / "cache.json"


def _shards(parts, numbers):
    """Yields each array concerned, its rows, and where they stand."""
    size = parts[0].shape[1]
    for index in np.unique(numbers // size):
        here = numbers // size == index
        yield parts[index], numbers[here] - index * size, here
