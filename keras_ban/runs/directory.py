"""The directory of a run: locked, saved to, loaded from.

Of several workers the chief has the directory; the others have a copy of it
for as long as it is open, and do in it whatever the chief does.
"""

import concurrent.futures
import contextlib
import functools

import keras

from keras_ban import checks
from keras_ban import files
from keras_ban.distribution.cluster import Cluster
from keras_ban.distribution.ending import Ending
from keras_ban.lineage import Lineage
from keras_ban.networks import saving
from keras_ban.runs import fingerprint
from keras_ban.runs import folders
from keras_ban.runs.backup import check_callbacks
from keras_ban.runs.open_run import OpenRun
from keras_ban.runs.open_run import generations
from keras_ban.runs.records import Records
from keras_ban.runs.signals import Signals
from keras_ban.runs.steady import steadily
from keras_ban.runs.unkept import Unkept


def load(directory, custom_objects=None):
    """Loads the finished generations of a run, without training.

    The run may still go on, in this process or another.

    Args:
        directory: The directory of the run.
        custom_objects: As in `keras.models.load_model`: classes and functions
            by name, those that are not registered with Keras. Defaults to
            `None`.

    Returns:
        A `Lineage`. A model that `keep` left out is `None`.

    Raises:
        ValueError: If there is no finished generation, or if a file is
            damaged, or a model cannot be loaded in Keras' safe mode, or
            would read another file.
        OSError: If what has the name of a file is none, or cannot be read.

    Example:
    >>> lineage = keras_ban.load("runs/digits")
    >>> print(lineage.evaluate(test_ds))
    """
    path = checks.folder("directory", directory)
    return steadily(path, lambda: _loaded(path, custom_objects))


def _loaded(path, custom_objects):
    records = Records(path)
    if not records.finished:
        raise ValueError(
            f"{path} holds no finished generation. Expected the directory "
            "of a run, `BornAgain(..., directory=...)`. Received: "
            f"{'one without any' if path.is_dir() else 'no directory'}. "
            "Check the path, or run `fit` until a generation is finished."
        )
    with keras.saving.custom_object_scope(custom_objects or {}):
        teachers = None
        if (path / folders.TEACHERS / folders.RUN_JSON).is_file():
            teachers = functools.partial(
                load, path / folders.TEACHERS, custom_objects
            )
        return Lineage(
            generations(records),
            teachers=teachers,
            recipe=records.recipe,
            **records.said,
        )


def get(directory, keep="all", save_every=None, overwrite=False, cluster=None):
    """Where a run is kept, as `BornAgain` was told.

    Args:
        directory: The folder, or `None`.
        keep: As `RunDirectory` takes it. Defaults to `"all"`.
        save_every: As `RunDirectory` takes it. Defaults to `None`.
        overwrite: As `RunDirectory` takes it. Defaults to `False`.
        cluster: The `Cluster` of workers. Defaults to `None`: there is one.

    Returns:
        A `RunDirectory`, or `Unkept`.

    Raises:
        ValueError: If an argument is not of its kind.
    """
    if directory is not None:
        return RunDirectory(directory, keep, save_every, overwrite, cluster)
    given = {
        "keep": keep != "all",
        "save_every": save_every is not None,
        "overwrite": overwrite,
    }
    for name in (name for name, is_given in given.items() if is_given):
        raise ValueError(
            f"`{name}` says how a directory is used. Expected "
            "`directory=` beside it. Received: none. Give a directory, or "
            f"leave `{name}` out."
        )
    return Unkept()


class RunDirectory:
    """The directory of a run.

    Args:
        path: The folder.
        keep: Which models stay: "all", "best" and the last one, or so many
            of the last ones. Defaults to `"all"`.
        save_every: Steps between two savings, `None` for each epoch. Defaults
            to `None`.
        overwrite: Whether to remove the run that is there. Defaults to
            `False`.
        cluster: The `Cluster` of workers. Defaults to `None`: there is one.

    Raises:
        ValueError: If an argument is not of its kind.
    """

    def __init__(
        self,
        path,
        keep="all",
        save_every=None,
        overwrite=False,
        cluster=None,
    ):
        self._path = checks.folder("directory", path)
        _check_keep(keep)
        if save_every is not None:
            checks.integer("save_every", save_every, 1)
        self._keep = keep
        self._save_every = save_every
        self._overwrite = overwrite
        self._cluster = cluster or Cluster()

    @property
    def way_on(self):
        """How a run that was stopped goes on."""
        return f"Run the same again to go on from what is in {self._path}."

    def told(self):
        """How it is kept, a dict; where, only the chief need know."""
        return {
            "directory": "one",
            "keep": self._keep,
            "save_every": self._save_every,
        }

    def check_model(self, model, x):
        """Checks that a model can be kept.

        Args:
            model: A built model.
            x: A batch of inputs.

        Raises:
            ValueError: If Keras does not restore what it saves of it.
        """
        saving.check_savable(model, x)

    def describe(self, model):
        """What a run must have in common with another of a fresh model."""
        return fingerprint.network(model)

    def within(self, name):
        """The `RunDirectory` of a run that belongs to this one.

        Args:
            name: The name of its folder, `folders.TEACHERS`.
        """
        return RunDirectory(
            self._path / name,
            save_every=self._save_every,
            cluster=self._cluster,
        )

    def check(self, feed, callbacks, needs_all=False):
        """Checks that a run can be kept and resumed.

        Args:
            feed: The `Feed`.
            callbacks: The callbacks of each generation, a list of lists.
            needs_all: Whether each generation needs the models of all before.
                Defaults to `False`.

        Raises:
            ValueError: If it cannot.
        """
        for given in callbacks:
            check_callbacks(given)
        if needs_all and self._keep != "all":
            raise ValueError(
                "learn_from='all' needs the models of all generations. "
                f"Expected keep='all'. Received: keep={self._keep!r}. Leave "
                "`keep` out, or learn from the parent."
            )
        if self._keep == "best" and feed.validation is None:
            raise ValueError(
                "keep='best' chooses by validation data. Received: none. Pass "
                "`validation_data=` or `validation_split=`, or another `keep`."
            )

    @contextlib.contextmanager
    def open(self, describe, feed):
        """Locks the directory and reads it; holds signals back meanwhile.

        Args:
            describe: Function without arguments that gives what
                `fingerprint.run` gives of the run that is to be trained.
            feed: The `Feed`, scanned.

        Yields:
            An `OpenRun`.

        Raises:
            ValueError: If it holds another run, a damaged file, or a
                generation's folder that is not the run's.
            OSError: If something else has the name of one of its files.
            BlockingIOError: If another process has locked it.
        """
        with contextlib.ExitStack() as stack:
            signals = stack.enter_context(Signals())
            path = self._path
            names = self._cluster.on_chief(lambda: self._prepare(stack))
            if self._cluster.number > 0:
                path = stack.enter_context(files.temporary_folder())
            if self._cluster.several:
                self._cluster.send(path, names)
            writer = stack.enter_context(
                concurrent.futures.ThreadPoolExecutor(1)
            )
            records = Records(path)
            ending = stack.enter_context(Ending(self._cluster))
            yield OpenRun(
                records,
                describe(),
                feed,
                self._keep,
                self._save_every,
                self._cluster,
                signals,
                ending,
                writer,
            )

    def _prepare(self, stack):
        """Locks the directory and sweeps it; returns the names of its files."""
        files.make_folder(self._path)
        stack.enter_context(files.lock(self._path / "lock"))
        folders.check(self._path, self._overwrite)
        if self._overwrite:
            for path in folders.teachers(self._path):
                folders.check(path, overwrite=True)
                folders.clear(path)
            folders.clear(self._path)
            # A second `fit` is to extend what the first one trains.
            self._overwrite = False
        folders.sweep(self._path)
        found = folders.generation_files(self._path)
        if (self._path / folders.RUN_JSON).is_file():
            found.append(self._path / folders.RUN_JSON)
        return [str(p.relative_to(self._path)) for p in found]


def _check_keep(keep):
    if keep in ("all", "best"):
        return
    if isinstance(keep, str):
        raise ValueError(
            "Invalid value for argument `keep`. Expected 'all', 'best' or "
            f"a positive integer. Received: {keep!r}"
        )
    checks.integer("keep", keep, 1)
