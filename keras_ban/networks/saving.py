"""Models to disk and back, in Keras' safe mode."""

import contextlib
import functools
import math
import numbers
import threading
import warnings

import keras
import numpy as np

from keras_ban import files
from keras_ban.networks import archive
from keras_ban.networks.stand_in import overridden
from keras_ban.rows import first_rows
from keras_ban.rows import map_arrays
from keras_ban.rows import tensor

# Numbers that a model has and does not save: those of metrics, say.
_UNSAVED = 2**26
# What Keras says of a class that it does not know takes some hundred.
_WORDS = 2000
# What makes them, of all layers and metrics.
_MAKING = (keras.Layer, "add_weight"), (keras.Metric, "add_variable")
_LOCK = threading.RLock()


def load_model(path, name=None):
    """Loads a `.keras` file in safe mode, and as `archive.check` has it.

    Args:
        path: The `pathlib.Path` of the file.
        name: What errors call it. Defaults to `None`, its path.

    Raises:
        ValueError: If it would run code, or holds a class or function that
            Keras does not know.
    """
    try:
        count = archive.check(path)
        with warnings.catch_warnings(), _at_most(count + _UNSAVED):
            # An optimizer that was never used has no variables to load.
            warnings.filterwarnings("ignore", "Skipping variable loading")
            # Weights that are not in the file would stay random ones.
            warnings.filterwarnings("error", "Skipping nested container")
            # Done here instead.
            warnings.filterwarnings("ignore", r"`compile\(\)` was not called")
            model = keras.models.load_model(path, safe_mode=True)
            _compile(model, path)
            return model
    except Exception as error:
        raise ValueError(
            f"Keras does not load {name or path} in safe mode: "
            f"{_reason(error)} "
            "Register your own classes and functions with "
            "`@keras.saving.register_keras_serializable()`, give the classes "
            "a `get_config`, and write a Lambda as a layer class."
        ) from error


def _compile(model, path):
    """Compiles what Keras does not: classes with a `compile` of their own.

    KerasHub's tasks would be compiled by their default in place of what they
    were trained with.
    """
    config = archive.compilation(path)
    if config and overridden(model, "compile"):
        model.compile(**keras.saving.deserialize_keras_object(config))


def _reason(error):
    """What Keras says, without the configurations it adds to it."""
    text = str(error).rsplit("Exception encountered: ", 1)[-1]
    text = text.split("Full object config:")[0].split("\n\nconfig=")[0].strip()
    return text if len(text) <= _WORDS else f"{text[:_WORDS]} ..."


@contextlib.contextmanager
def _at_most(count):
    """Lets this thread make weights of so many numbers, and no more.

    Keras fills what a configuration asks for before it looks whether the file
    has as much: that would take all memory, or seconds where there is none.
    """
    left, own = count, threading.get_ident()

    def counted(make):
        @functools.wraps(make)
        def made(one, *args, **kwargs):
            nonlocal left
            if threading.get_ident() == own:
                sizes = _sizes(*args[:1], **kwargs)
                left -= math.prod(sizes)
                if left < 0:
                    raise ValueError(
                        f"its {one.name!a} has weights of shape {sizes}, more "
                        "than the file holds."
                    )
            return make(one, *args, **kwargs)

        return made

    with _LOCK, contextlib.ExitStack() as stack:
        for kind, name in _MAKING:
            make = getattr(kind, name)
            stack.callback(setattr, kind, name, make)
            setattr(kind, name, counted(make))
        yield


def _sizes(shape=(), **kwargs):
    found = keras.tree.flatten(shape)
    return [int(n) for n in found if isinstance(n, numbers.Integral)]


def check_savable(model, x):
    """Checks that Keras restores a model from what it saves of it.

    Args:
        model: A built model.
        x: A batch of inputs.

    Raises:
        ValueError: If it does not, or only in part.
    """
    with files.temporary_folder() as folder:
        path = folder / "model.keras"
        try:
            files.write(path, model.save)
        except OSError:
            raise
        except Exception as error:
            raise ValueError(
                f"Keras cannot save the model {model.name!r}: {error} Every "
                "generation is saved in `directory=`. Give its classes a "
                "`get_config`, or leave `directory=` out."
            ) from error
        loaded = load_model(path, f"what is saved of {model.name!r}")
    x = map_arrays(tensor, first_rows(x))
    before, after = (
        [
            np.asarray(keras.ops.convert_to_numpy(output), "float64")
            for output in keras.tree.flatten(one(x, training=False))
        ]
        for one in (model, loaded)
    )
    near = functools.partial(np.allclose, rtol=1e-4, atol=1e-5, equal_nan=True)
    if len(before) != len(after) or not all(map(near, before, after)):
        raise ValueError(
            f"Keras does not restore the model {model.name!r}: it gives other "
            "outputs once it is saved and loaded. Every generation is saved in "
            "`directory=`. Make every layer and variable an attribute of its "
            "class, and give the class a `get_config` that is complete."
        )
