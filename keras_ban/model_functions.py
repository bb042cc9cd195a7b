"""What a user gives as `model_fn`, as functions that return fresh models."""

import functools

import keras

from keras_ban import signatures


def get(model_fn):
    """`model_fn` as a list of functions that return a fresh model.

    Args:
        model_fn: A function without arguments, or of the model of the
            generation before, a `keras.Model` to clone, or a sequence of
            these.

    Raises:
        ValueError: If it is none of these.
    """
    many = isinstance(model_fn, (list, tuple))
    entries = list(model_fn) if many else [model_fn]
    if entries and all(callable(entry) for entry in entries):
        return [
            functools.partial(_clone, entry)
            if isinstance(entry, keras.Model)
            else entry
            for entry in entries
        ]
    raise ValueError(
        "Invalid value for argument `model_fn`. Expected a function without "
        "arguments that returns a `keras.Model`, a `keras.Model` to clone, or "
        f"a list of these. Received: {model_fn!r}"
    )


def takes_parent(function):
    """Whether a function must be given the model of the generation before."""
    return signatures.required(function) == 1


def _clone(model):
    """A model of the same architecture and compilation, freshly drawn."""
    for layer in model.layers:
        if hasattr(layer, "adapt"):
            raise ValueError(
                f"The layer {layer.name!r} of the model {model.name!r} may "
                "have adapted to data, which a fresh clone would forget. "
                "Expected a model without such preprocessing layers. Pass a "
                "function that builds the model around the adapted layer."
            )
    try:
        clone = keras.models.clone_model(model)
        if model.compiled:
            clone.compile_from_config(model.get_compile_config())
    except Exception as error:
        raise ValueError(
            f"Keras cannot clone the model {model.name!r}: {error} Expected a "
            "functional or sequential model whose loss and metrics Keras can "
            "serialise. Pass a function that builds and compiles the model."
        ) from error
    return clone
