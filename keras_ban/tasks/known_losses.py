"""Losses that say what kind of task a model has."""

import keras

from keras_ban.tasks.outputs import compiled_loss

BINARY = "binary"
CLASSES = "classes"
EMBEDDINGS = "embeddings"
GAUSSIAN = "gaussian"
SEQUENCES = "sequences"
VALUES = "values"

# A binary loss judges each output by itself. Losses that are not named here
# say nothing: hinge losses, which serve classes and labels alike, those of
# segmentation, and those that users write.
KNOWN = {
    VALUES: (
        "CosineSimilarity",
        "Huber",
        "LogCosh",
        "MeanAbsoluteError",
        "MeanAbsolutePercentageError",
        "MeanSquaredError",
        "MeanSquaredLogarithmicError",
        "Poisson",
        "cosine_similarity",
        "huber",
        "log_cosh",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_error",
        "mean_squared_logarithmic_error",
        "poisson",
    ),
    CLASSES: (
        "CategoricalCrossentropy",
        "CategoricalFocalCrossentropy",
        "SparseCategoricalCrossentropy",
        "categorical_crossentropy",
        "categorical_focal_crossentropy",
        "sparse_categorical_crossentropy",
    ),
    EMBEDDINGS: ("Circle", "circle"),
    BINARY: (
        "BinaryCrossentropy",
        "BinaryFocalCrossentropy",
        "binary_crossentropy",
        "binary_focal_crossentropy",
    ),
    SEQUENCES: ("CTC", "ctc"),
}


def by_loss(model):
    """The task that the compiled loss stands for, or `None`.

    Args:
        model: A `keras.Model`.
    """
    loss = compiled_loss(model)
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:  # Keras' own words for what fits the labels
            return None
    for task, names in KNOWN.items():
        for name in names:
            known = getattr(keras.losses, name, None)
            if isinstance(known, type) and isinstance(loss, known):
                return task
            if known is not None and loss is known:
                return task
    return None


def of_values(model):
    """The compiled loss, if it is one of Keras' for values, or `None`.

    Args:
        model: A `keras.Model`.
    """
    return compiled_loss(model) if by_loss(model) == VALUES else None
