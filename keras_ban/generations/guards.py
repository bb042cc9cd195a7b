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


class Steady(keras.callbacks.Callback):
    """Sees to it that the model which is trained is the one that was made.

    Args:
        generation: The name of the generation.
        student: The model.
        workshop: The `Workshop` that may have trained it before.
    """

    def __init__(self, generation, student, workshop):
        super().__init__()
        self._generation = generation
        self._student = student
        self._workshop = workshop
        self._compilation = self._compiled()
        self._begun = False

    def on_epoch_begin(self, epoch, logs=None):
        self._check()

    def on_train_batch_begin(self, batch, logs=None):
        if not self._begun:
            self._begun = True
            self._check()
            if self._workshop.forget_changed(self._student):
                # As the first step would be traced, after all callbacks.
                self.model.make_train_function(force=True)
        elif self.model.train_function is None:
            self._check()

    def on_epoch_end(self, epoch, logs=None):
        self._check()

    def on_train_end(self, logs=None):
        self._check()

    def _compiled(self):
        return [self._student.optimizer, *self._student.metrics[:1]]

    def _check(self):
        pairs = zip(self._compilation, self._compiled(), strict=False)
        if self.model.train_function is None or any(
            held is not now for held, now in pairs
        ):
            raise ValueError(
                f"A callback compiled {self._generation} anew while it was "
                "trained. Expected a model that stays as `model_fn` compiled "
                "it: its optimizer's state would be lost, and could not be "
                "saved. Schedule the learning rate by "
                "`keras.callbacks.LearningRateScheduler`, compile what is to "
                "change in `model_fn` (a sequence of functions gives each "
                "generation its own), or compile the finished "
                "`lineage[k].model` and train it on."
            )
