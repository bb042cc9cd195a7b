"""The network of an estimator that is given none."""

import keras
import numpy as np
from sklearn.preprocessing import StandardScaler

from keras_ban.tasks import kinds

_LOSSES = {
    kinds.CLASSES: keras.losses.CategoricalCrossentropy,
    kinds.MULTILABEL: keras.losses.BinaryCrossentropy,
}
_EPSILON = 1e-7


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
    # Neither columns nor values fit half precision, whatever the policy is.
    hidden = keras.layers.Normalization(
        mean=mean.tolist(),
        variance=np.square(scale).tolist(),
        dtype="float32",
    )(inputs)
    for units in hidden_units:
        hidden = keras.layers.Dense(units, "relu")(hidden)
    outputs = keras.layers.Dense(y.shape[1], dtype="float32")(hidden)
    if task != kinds.VALUES:
        model = keras.Model(inputs, outputs)
        loss = _LOSSES[task](from_logits=True)
        model.compile(keras.optimizers.Adam(learning_rate), loss)
        return model
    mean, scale = _spread(y)
    outputs = keras.layers.Rescaling(
        scale.tolist(), mean.tolist(), dtype="float32"
    )(outputs)
    model = keras.Model(inputs, outputs)
    # Adam's steps are then those on values that were standardised before.
    epsilon = _EPSILON * float(np.mean(np.square(scale)))
    optimizer = keras.optimizers.Adam(learning_rate, epsilon=epsilon)
    model.compile(optimizer, "mse")
    return model


def _spread(columns):
    """Mean and standard deviation, 1 where a column does not vary."""
    found = StandardScaler().fit(columns)
    return found.mean_, found.scale_
