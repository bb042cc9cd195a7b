"""Models to disk and back, in Keras' safe mode."""

import warnings

import keras
import numpy as np

from keras_ban import files
from keras_ban.rows import first_rows
from keras_ban.runs import archive


def load_model(path):
    """Loads a `.keras` file in safe mode, and as `archive.check` has it.

    Args:
        path: The `pathlib.Path` of the file.

    Raises:
        ValueError: If it would run code, or holds a class or function that
            Keras does not know.
    """
    try:
        archive.check(path)
        with warnings.catch_warnings():
            # An optimizer that was never used has no variables to load.
            warnings.filterwarnings("ignore", "Skipping variable loading")
            return keras.models.load_model(path, safe_mode=True)
    except Exception as error:
        raise ValueError(
            f"Keras does not load {path} in safe mode: {_reason(error)} "
            "Register your own classes and functions with "
            "`@keras.saving.register_keras_serializable()`, give the classes "
            "a `get_config`, and write a Lambda as a layer class."
        ) from error


def _reason(error):
    """What Keras says, without the configurations it adds to it."""
    text = str(error).rsplit("Exception encountered: ", 1)[-1]
    return text.split("Full object config:")[0].split("\n\nconfig=")[0].strip()


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
        loaded = load_model(path)
    x = first_rows(x)
    before, after = (m(x, training=False) for m in (model, loaded))
    if not np.allclose(before, after, rtol=1e-4, atol=1e-5, equal_nan=True):
        raise ValueError(
            f"Keras does not restore the model {model.name!r}: it gives other "
            "outputs once it is saved and loaded. Every generation is saved in "
            "`directory=`. Make every layer and variable an attribute of its "
            "class, and give the class a `get_config` that is complete."
        )
