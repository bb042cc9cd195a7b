"""The network of an estimator that is given none."""

import keras
import numpy as np
from sklearn.preprocessing import StandardScaler

from keras_ban.tasks import kinds

_LOSSES = {
    kinds.CLASSES: keras.losses.CategoricalCrossentropy,
    kinds.MULTILABEL: keras.losses.BinaryCrossentropy,
}


def perceptron(X, y, task, hidden_units, learning_rate):
    """A multi-layer perceptron for a table, compiled.

    It knows the mean and the standard deviation of each column, of values to
    predict too, so neither needs to be scaled before.

    Args:
        X: Rows that it is trained on, of shape `(rows, columns)`.
        y: What it learns of them, of shape `(rows, outputs)`.
        task: "classes", "multilabel" or "values".
        hidden_units: How many units each hidden layer has, a sequence.
        learning_rate: Of Adam.

    Returns:
        A `keras.Model` that gives logits, or values.
    """
    inputs = keras.Input((X.shape[1],))
    mean, scale = _spread(X)
    # `Normalization` squares the scale, which float32 holds of few columns.
    hidden = _rescaled(inputs, np.ones_like(scale), -mean)
    hidden = _rescaled(hidden, 1 / scale, np.zeros_like(mean))
    for units in hidden_units:
        hidden = keras.layers.Dense(units, "relu")(hidden)
    outputs = keras.layers.Dense(y.shape[1], dtype="float32")(hidden)
    if task != kinds.VALUES:
        model = keras.Model(inputs, outputs)
        loss = _LOSSES[task](from_logits=True)
        model.compile(keras.optimizers.Adam(learning_rate), loss)
        return model
    mean, scale = _spread(y)
    model = keras.Model(inputs, _rescaled(outputs, scale, mean))
    # The gradients are then those of values that were standardised before:
    # Adam squares them.
    unit = 1 / float(np.mean(np.square(scale)))
    optimizer = keras.optimizers.Adam(learning_rate)
    model.compile(optimizer, "mse", loss_weights=unit)
    return model


def _rescaled(columns, scale, offset):
    # Neither columns nor values fit half precision, whatever the policy is.
    layer = keras.layers.Rescaling(
        scale.tolist(), offset.tolist(), dtype="float32"
    )
    return layer(columns)


def _spread(columns):
    """Mean and standard deviation, 1 where a column does not vary."""
    found = StandardScaler().fit(columns)
    return found.mean_, found.scale_
