"""The moving averages of `BatchNormalization`, the same on all replicas.

Keras has each replica keep those of its own rows, so that the workers' models
would differ, and a run would go on with those of the chief alone. Here they
are their mean over the rows of the global batch.
"""

import keras
import tensorflow as tf

from keras_ban.distribution.replicas import place
from keras_ban.distribution.replicas import total


def averages(model):
    """The variables of a model in which its replicas differ after a step.

    Args:
        model: A `keras.Model`.
    """
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
        and layer.trainable
        and not layer.synchronized
    ]
    return [v for layer in layers for v in layer.non_trainable_variables]


def summands(variables, rows):
    """A replica's summands of the global averages, a list.

    Args:
        variables: What `averages` gives.
        rows: How many rows the replica has, an integer tensor.
    """
    if not variables:
        return []
    _, all_rows = place(rows)
    return [v.value * tf.cast(rows / all_rows, v.dtype) for v in variables]


def assign(variables, values):
    """Sets a replica's averages to the global ones.

    Args:
        variables: What `averages` gives.
        values: The sums of what `summands` gives.
    """
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def average(model, rows):
    """Makes the moving averages of a model global, in a sum of their own.

    Args:
        model: A `keras.Model`.
        rows: How many rows the replica has, an integer tensor.
    """
    variables = averages(model)
    assign(variables, total(summands(variables, rows)))
