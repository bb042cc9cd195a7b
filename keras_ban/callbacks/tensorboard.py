"""A run in TensorBoard: its generations beside each other."""

import keras
import numpy as np
import tensorflow as tf

from keras_ban import checks
from keras_ban import files

# Keras counts the name of a file from its end.
_BY_EPOCH, _MEASURED, _TABLE = ".by_epoch", ".measured", ".table"
_EVENTS = "events.out.tfevents.*"
_PLAIN = bool, int, float, str


class TensorBoard(keras.callbacks.Callback):
    """Writes the metrics of each generation by epoch, as a run of its own.

    One callback serves all generations of `BornAgain.fit`, which tells it
    which one begins: their runs are called "Teacher", "BAN-1", "BAN-2" and so
    on, with hyperparameters. When all are trained, it adds what each reached
    on the validation data, over the numbers of generations, and the table as
    a text.

    Each epoch stands there once, also where a run was interrupted and goes on
    from its `directory=`: what was written of a generation is written again,
    from what the callback remembers of it. So a run that begins anew in the
    same folder takes the place of the one before. Of several workers the
    first alone writes.

    Outside of `BornAgain.fit` it writes nothing: see
    `keras.callbacks.TensorBoard`.

    Args:
        folder: The folder of the logs.

    Raises:
        ValueError: If it is no folder.
        ImportError: If tensorboard, of the extra `tensorboard`, is missing.

    Example:
    >>> board = keras_ban.callbacks.TensorBoard("logs/digits")
    >>> lineage = ban.fit(ds, generations=4, callbacks=[board])
    """

    def __init__(self, folder):
        super().__init__()
        self._folder = checks.folder("folder", folder)
        with checks.needing("tensorboard", "tensorboard", "`TensorBoard`"):
            from tensorboard.plugins.hparams import api
        self._hparams = api.hparams
        self._generation = self._recipe = self._writer = None
        # What was written of the generation that is trained: remembered.
        self.rows = []

    def on_generation_begin(self, generation, recipe):
        """Called by `BornAgain.fit` before a generation is trained.

        Args:
            generation: The `Generation`, its model untrained.
            recipe: What the run was told, a dict.
        """
        self._generation, self._recipe = generation, recipe
        self.rows = []

    def on_epoch_begin(self, epoch, logs=None):
        """Opens the file, once it is known what was written before."""
        if self._generation is None or self._writer is not None:
            return
        folder = self._folder / self._generation.name
        self._writer = _writer(folder, _BY_EPOCH)
        with self._writer.as_default():
            self._hparams(self._hyperparameters())
        for number, figures in self.rows:
            self._write(number, figures)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the metrics of an epoch."""
        if self._writer is None:
            return
        figures = {
            name: float(value)
            for name, value in (logs or {}).items()
            if np.ndim(value) == 0
        }
        rate = getattr(self.model.optimizer, "learning_rate", None)
        if rate is not None:
            rate = keras.ops.convert_to_numpy(rate)
            figures["learning_rate"] = float(rate)
        self.rows.append([epoch, figures])
        self._write(epoch, figures)

    def on_train_end(self, logs=None):
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def on_lineage_end(self, lineage):
        """Called by `BornAgain.fit` when all generations are trained.

        Args:
            lineage: The `Lineage`.
        """
        for generation in (*(lineage.teachers or ()), *lineage):
            if not generation.metrics:
                continue
            writer = _writer(self._folder / generation.name, _MEASURED)
            with writer.as_default(generation.number):
                for name, value in generation.metrics.items():
                    tf.summary.scalar(f"generation/{name}", value)
            writer.close()
        writer = _writer(self._folder, _TABLE)
        with writer.as_default(0):
            tf.summary.text("table", lineage.to_markdown())
        writer.close()

    def _write(self, epoch, figures):
        with self._writer.as_default(epoch):
            for name, value in figures.items():
                tf.summary.scalar(f"epoch/{name}", value)
        self._writer.flush()

    def _hyperparameters(self):
        """What tells this generation from others, numbers and texts."""
        generation = self._generation
        schedule = self._recipe.get("schedule") or {}
        told = {
            "generation": generation.number,
            "objective": generation.objective,
            "learned from": generation.teacher,
            "seed": generation.seed,
            "epochs": self.params.get("epochs"),
            "batch_size": schedule.get("batch_size"),
            **(self._recipe.get("views") or {}),
            "optimizer": type(self.model.optimizer).__name__,
        }
        if generation.teacher:
            told |= self._recipe.get("objective") or {}
            told["objective"] = generation.objective
        return {k: v for k, v in told.items() if type(v) in _PLAIN}


def _writer(folder, suffix):
    """A writer of a new file, in place of those of the same kind."""
    if folder.is_dir():
        for path in folder.glob(_EVENTS + suffix):
            files.remove(path)
    return tf.summary.create_file_writer(str(folder), filename_suffix=suffix)
