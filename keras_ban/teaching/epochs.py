"""Objectives that change from epoch to epoch are told where they are."""

import keras

from keras_ban.objectives import Objective
from keras_ban.reporting.bar import bars


class Epochs(keras.callbacks.Callback):
    """Tells an objective which epoch begins.

    Args:
        objective: The `Objective` of the network that is trained.
        epochs: The number of epochs of the training.
    """

    def __init__(self, objective, epochs):
        super().__init__()
        self._objective = objective
        self._epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        """As in Keras."""
        for one in (self._objective, *self._objective.copies.values()):
            one.begin_epoch(epoch, self._epochs)


def telling(trained, epochs):
    """What tells the objective of a training its epochs, if that asks for it.

    Args:
        trained: A `Distiller`, or a model that learns from the labels.
        epochs: The number of epochs.

    Returns:
        A list of callbacks.
    """
    objective = getattr(trained, "objective", None)
    asks = getattr(type(objective), "begin_epoch", Objective.begin_epoch)
    is_asked = asks is not Objective.begin_epoch
    return [Epochs(objective, epochs)] if is_asked else []


def told(distiller, arguments):
    """The arguments of `keras.Model.fit`, with what a training needs beside.

    Args:
        distiller: A `Distiller`.
        arguments: Those of its `fit`, a dict.

    Returns:
        A dict, whose callbacks are those that were given, what `telling` adds,
        and the bar.
    """
    given = keras.tree.flatten(arguments.get("callbacks") or [])
    first = telling(distiller, arguments.get("epochs", 1))
    last = bars(arguments.get("verbose", "auto"), given)
    if not first and not last:
        return arguments
    for one in given:
        # What Keras adds to a list, it would add to a list in a list again.
        is_list = type(one) is keras.callbacks.CallbackList
        first += one.callbacks if is_list else [one]
    return arguments | {"callbacks": [*first, *last]}
