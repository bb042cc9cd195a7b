"""What watches over each training: its randomness, its numbers, its data."""

import random

import keras
import numpy as np

from keras_ban.state import seeds


class Seeded(keras.callbacks.Callback):
    """Seeds Python's and NumPy's generators anew for each epoch.

    So that an epoch draws the same whether or not the ones before it were
    run by the same process. The seeds that layers keep are part of a model's
    state. TensorFlow's global seed stays: setting it drops every compiled
    function.

    Args:
        run_seed: The seed of the run.
        number: The number of the generation.
    """

    def __init__(self, run_seed, number):
        super().__init__()
        self._run_seed = run_seed
        self._number = number

    def on_epoch_begin(self, epoch, logs=None):
        value = seeds.derive(self._run_seed, self._number, epoch)
        random.seed(value)
        np.random.seed(value)


class Finite(keras.callbacks.Callback):
    """Ends a training whose loss is no number any more.

    Args:
        generation: The name of the generation.
    """

    def __init__(self, generation):
        super().__init__()
        self._generation = generation
        self._epoch = 0

    def on_epoch_end(self, epoch, logs=None):
        if not logs:
            raise ValueError(
                f"{self._generation} read no data in epoch {epoch + 1}. "
                "Expected a data set that starts anew in each epoch. The "
                "generations before it are kept in `born_again.lineage`. "
                "Create the generator inside the function that "
                "`from_generator` is given, or add `.repeat()`."
            )
        self._epoch = epoch + 1
        if not np.isfinite(logs.get("loss", 0.0)):
            self._fail(f"loss of {self._generation} is {logs['loss']}")

    def on_train_end(self, logs=None):
        # The last update comes after the last loss.
        if not all(np.isfinite(w).all() for w in self.model.get_weights()):
            self._fail(f"weights of {self._generation} are not finite")

    def _fail(self, what):
        raise FloatingPointError(
            f"The {what} in epoch {self._epoch}. Expected finite numbers. The "
            "generations before it are kept in `born_again.lineage`. Lower "
            "the learning rate, clip the gradients (`clipnorm=` of the "
            "optimizer), or look for a float16 overflow."
        )
