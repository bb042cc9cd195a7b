"""Layers of words: tied vectors, spellings and positions."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("keras_ban")
class TiedEmbedding(keras.layers.Layer):
    """Vectors of words that also tell which word follows.

    Called on numbers of words it gives their vectors; called on vectors, with
    `reverse=True`, their products with the vectors of all words, which are
    logits but for a `LogitBias`.

    Source: Press and Wolf, "Using the Output Embedding to Improve Language
    Models", 2017, Section 3.

    Args:
        words: How many words there are.
        units: Size of a vector.
        initializer: Of the vectors. Defaults to `"uniform"`.
        **kwargs: As in `keras.layers.Layer`.
    """

    def __init__(self, words, units, initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        self.words = words
        self.units = units
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape=None):
        """Makes the vectors."""
        self.vectors = self.add_weight(
            shape=(self.words, self.units),
            initializer=self.initializer,
            name="vectors",
        )

    def call(self, inputs, reverse=False):
        """The vectors of words, or products with them.

        Args:
            inputs: Numbers of words, shape `(...)`; or vectors, shape
                `(..., units)`.
            reverse: Whether it is the latter. Defaults to `False`.

        Returns:
            Shape `(..., units)`, or `(..., words)`.
        """
        if reverse:
            return ops.matmul(inputs, ops.transpose(self.vectors))
        vectors = ops.take(self.vectors, inputs, axis=0)
        return ops.cast(vectors, self.compute_dtype)

    def compute_output_spec(self, inputs, reverse=False):
        """What `call` gives."""
        if reverse:
            shape = (*inputs.shape[:-1], self.words)
        else:
            shape = (*inputs.shape, self.units)
        return keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self):
        """What the layer is made by."""
        return {
            **super().get_config(),
            "words": self.words,
            "units": self.units,
            "initializer": keras.initializers.serialize(self.initializer),
        }


@keras.saving.register_keras_serializable("keras_ban")
class LogitBias(keras.layers.Layer):
    """Adds a number to the logit of each word; the end of a language model."""

    def build(self, input_shape):
        """Makes the numbers, zeros."""
        self.bias = self.add_weight(
            shape=(input_shape[-1],), initializer="zeros", name="bias"
        )

    def call(self, inputs):
        """Logits, of the shape of the inputs."""
        return inputs + self.bias

    def compute_output_shape(self, input_shape):
        """As that of its inputs."""
        return input_shape


@keras.saving.register_keras_serializable("keras_ban")
class Spelling(keras.layers.Layer):
    """The characters of words, looked up; nothing of it is trained.

    Args:
        words: How many words there are.
        length: How many characters each has, padded.
        **kwargs: As in `keras.layers.Layer`.
    """

    def __init__(self, words, length, **kwargs):
        super().__init__(**{**kwargs, "trainable": False})
        self.words = words
        self.length = length

    def build(self, input_shape=None):
        """Makes a table of zeros, to be filled or loaded."""
        self.table = self.add_weight(
            shape=(self.words, self.length),
            initializer="zeros",
            dtype="int32",
            trainable=False,
            name="table",
        )

    def fill(self, characters):
        """Says how words are spelled; what they lack in length is 0.

        Args:
            characters: Numbers of characters, shape `(words, length)` or
                shorter.
        """
        missing = self.length - characters.shape[1]
        self.table.assign(np.pad(characters, [(0, 0), (0, missing)]))

    def call(self, inputs):
        """Characters of shape `(..., length)`, for words of shape `(...)`."""
        return ops.take(self.table, inputs, axis=0)

    def compute_output_spec(self, inputs):
        """What `call` gives."""
        return keras.KerasTensor((*inputs.shape, self.length), "int32")

    def get_config(self):
        """What the layer is made by."""
        own = {"words": self.words, "length": self.length}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("keras_ban")
class Positions(keras.layers.Layer):
    """Adds a learned vector to each position of a sequence.

    Source: Vaswani et al., "Attention Is All You Need", 2017, Section 3.5.

    Args:
        length: How many positions there are.
        initializer: Of the vectors. Defaults to `"uniform"`.
        **kwargs: As in `keras.layers.Layer`.
    """

    def __init__(self, length, initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        self.length = length
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        """Makes the vectors."""
        self.vectors = self.add_weight(
            shape=(self.length, input_shape[-1]),
            initializer=self.initializer,
            name="vectors",
        )

    def call(self, inputs):
        """As its inputs, shape `(batch, steps, units)`.

        Raises:
            ValueError: If there are more steps than positions.
        """
        steps = inputs.shape[1]
        if steps is not None and steps > self.length:
            raise ValueError(
                f"A segment is longer than the network has positions. "
                f"Expected {self.length} steps at most. Received: {steps}. "
                "Build it with a larger `length`, or cut the text into "
                "shorter segments by `steps=`."
            )
        return inputs + self.vectors[: ops.shape(inputs)[1]]

    def compute_output_shape(self, input_shape):
        """As that of its inputs."""
        return input_shape

    def get_config(self):
        """What the layer is made by."""
        return {
            **super().get_config(),
            "length": self.length,
            "initializer": keras.initializers.serialize(self.initializer),
        }
