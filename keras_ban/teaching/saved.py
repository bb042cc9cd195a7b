"""Teachers that are read from a path: model files and SavedModels."""

import pathlib

import keras
import tensorflow as tf

from keras_ban.networks import saving

_FILE = "saved_model.pb"
# Keras exports the first; what signatures are, TensorFlow calls the second.
_SERVE, _DEFAULT = "serve", "serving_default"


def load(path):
    """The model, or the function, that a path names.

    A `.keras` file is loaded in Keras' safe mode: it holds no code. A
    SavedModel is a graph of TensorFlow, which may do what TensorFlow's
    operations do, reading and writing files among it: like every program, it
    is run because its path was given.

    Args:
        path: The path of a `.keras` file or of a SavedModel's folder.

    Returns:
        A `keras.Model` or a `SavedModel`.

    Raises:
        ValueError: If it is neither, or cannot be loaded.
    """
    path = pathlib.Path(path).expanduser()
    if path.suffix == ".keras" and path.is_file():
        return saving.load_model(path)
    if (path / _FILE).is_file():
        return SavedModel(path)
    found, way_out = "nothing is there", ""
    if path.is_file():
        found = f"a file {path.suffix!r}"
        way_out = (
            " Load another one yourself, and save it by "
            "`model.save('teacher.keras')`."
        )
    elif path.is_dir():
        found = "a folder without one"
    if (path / "run.json").is_file():
        found = "the directory of a run"
        way_out = " Give a model of it: `keras_ban.load(path)[-1].model`."
    raise ValueError(
        "Invalid value for argument `teacher`. Expected the path of a "
        f"`.keras` file, or of a folder with a SavedModel, {_FILE}. Received: "
        f"{str(path)!r}, {found}.{way_out}"
    )


class SavedModel:
    """The function of a SavedModel, from a batch of inputs to its outputs.

    Args:
        path: The `pathlib.Path` of its folder.

    Attributes:
        words: What it is, in errors.

    Raises:
        ValueError: If it cannot be loaded, or has no such function.
    """

    def __init__(self, path):
        self.words = f"the SavedModel {path.name!r}"
        try:
            # Its variables last as long as this.
            self._loaded = tf.saved_model.load(str(path))
        except Exception as error:
            raise ValueError(
                f"TensorFlow does not load the SavedModel in {path}: "
                f"{error!r}. Expected a folder as `model.export(path)` or "
                "`tf.saved_model.save` writes it."
            ) from error
        signatures = dict(getattr(self._loaded, "signatures", {}))
        serve = getattr(self._loaded, _SERVE, signatures.get(_SERVE))
        self._signature = signatures.get(_DEFAULT)
        self._serve = serve if callable(serve) else None
        if self._serve is None and self._signature is None:
            raise ValueError(
                f"The SavedModel in {path} has neither {_SERVE!r} nor "
                f"{_DEFAULT!r}. Received: {sorted(signatures)}. Export it by "
                "`model.export(path)`, or call what you need of it in a "
                "function: `lambda x: tf.saved_model.load(path).name(x)`, "
                "loaded once, outside of it."
            )

    def __call__(self, x):
        """Returns its output."""
        if self._serve is not None:
            return self._serve(x)
        _, inputs = self._signature.structured_input_signature
        leaves = keras.tree.flatten(x)
        if not isinstance(x, dict):
            x = dict(zip(inputs, leaves, strict=True))
        found = self._signature(**x)
        return next(iter(found.values())) if len(found) == 1 else found
