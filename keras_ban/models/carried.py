"""Recurrent layers whose state is carried from batch to batch."""

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("keras_ban")
class CarriedLSTM(keras.layers.Layer):
    """An LSTM that goes on, in each row, where the last batch ended.

    Row i of a batch begins with the state that row i had last ended with, or
    with zeros where `starts` says that a stream begins. Gradients end at the
    first step (truncated backpropagation through time). So two halves of a
    segment give what the whole one gives.

    Training and inference each carry a state of their own: a validation does
    not disturb the training that it interrupts. The states are no weights:
    neither files nor `get_weights` have them.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; state
    and segments as in Zaremba et al., "Recurrent Neural Network
    Regularization", 2014, Section 4.1.

    Args:
        units: Size of the hidden state and of the cell state.
        rows: Rows of a batch at most. Defaults to `256`.
        initializer: Of the kernel and of the recurrent kernel. Defaults to
            `"glorot_uniform"`.
        **kwargs: As in `keras.layers.Layer`.

    Example:
    >>> layer = keras_ban.models.CarriedLSTM(650)
    >>> hidden = layer(sequence, starts)
    """

    def __init__(self, units, rows=256, initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.rows = rows
        self.initializer = keras.initializers.get(initializer)
        self.lstm = keras.layers.LSTM(
            units,
            kernel_initializer=self.initializer,
            # Used twice, one would draw the same weights twice.
            recurrent_initializer=self.initializer.clone(),
            return_sequences=True,
            return_state=True,
            dtype=self.dtype_policy,
            name="lstm",
        )

    @property
    def carried(self):
        """What is carried: the states in training and in inference.

        Two `tf.Variable`s of shape `(rows, 2, units)`, or none before the
        layer is built.
        """
        return [self._in_training, self._in_inference] if self.built else []

    def build(self, sequence_shape, starts_shape):
        """Makes the weights and two states of zeros."""
        self.lstm.build(sequence_shape)
        self._in_training = self._zeros("training")
        self._in_inference = self._zeros("inference")

    def _zeros(self, name):
        # One of Keras' own would be a weight.
        shape = self.rows, 2, self.units
        zeros = tf.zeros(shape, self.variable_dtype)
        return tf.Variable(zeros, trainable=False, name=f"carried_in_{name}")

    def call(self, sequence, starts, training=False):
        """The hidden states.

        Args:
            sequence: Shape `(batch, steps, features)`.
            starts: For each row whether it begins a stream, shape `(batch,)`,
                bool.
            training: Whether it is a step of training. Defaults to `False`.

        Returns:
            Shape `(batch, steps, units)`.

        Raises:
            ValueError: If there are more rows than the layer carries, as far
                as shapes say it; else `tf.errors.InvalidArgumentError`.
        """
        carried = self._in_training if training else self._in_inference
        count = self._count(sequence)
        held = carried.read_value()
        state = ops.cast(held[:count], self.compute_dtype)
        state = tf.where(starts[:, None, None], tf.zeros_like(state), state)
        hidden, *state = self.lstm(
            sequence,
            initial_state=[state[:, 0], state[:, 1]],
            training=training,
        )
        state = ops.cast(ops.stack(state, axis=1), self.variable_dtype)
        carried.assign(tf.concat([state, held[count:]], axis=0))
        return hidden

    def _count(self, sequence):
        """How many rows a batch has: no more than are carried."""
        words = (
            f"A batch has more rows than the layer {self.name!r} carries "
            f"states for. Expected {self.rows} at most. Build the network with "
            "larger `rows`, or make smaller batches."
        )
        count = sequence.shape[0]
        if count is None:
            count = tf.shape(sequence)[0]
            with tf.control_dependencies(
                [tf.debugging.assert_less_equal(count, self.rows, words)]
            ):
                return tf.identity(count)
        if count > self.rows:
            raise ValueError(f"{words} Received: {count}.")
        return count

    def get_config(self):
        """What the layer is made by."""
        initializer = keras.initializers.serialize(self.initializer)
        own = {"units": self.units, "rows": self.rows}
        return {**super().get_config(), **own, "initializer": initializer}
