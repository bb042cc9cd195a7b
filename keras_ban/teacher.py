"""Where the teacher's logits come from."""

import tensorflow as tf

from keras_ban import outputs
from keras_ban.ensemble import ensemble


class Teacher:
    """A frozen model as a function from a batch of inputs to its logits.

    It only ever runs in inference mode, so the model comes out as it went
    in: weights, `trainable` flags, compile state. It is a plain object, so
    that Keras does not count the teacher among the student's layers.

    Args:
        model: A trained `keras.Model`, or a list of them, which stands for
            their mean prediction.
        from_logits: Says what the model gives, if it does not say it itself.
            Defaults to `None`.

    Attributes:
        model: The model, one for a list of them.
        from_logits: Whether it gives logits.
        function: This function, compiled as it is first called.
    """

    def __init__(self, model, from_logits=None):
        if isinstance(model, (list, tuple)):
            model = ensemble(model, from_logits=from_logits)
            from_logits = False
        self.model = model
        self.from_logits = outputs.gives_logits(model, from_logits)
        self.function = tf.function(self, reduce_retracing=True)

    def __call__(self, x):
        """Returns logits `(..., n)`, or `(..., 1)` if binary, for inputs."""
        return outputs.to_logits(
            self.model(x, training=False), self.from_logits
        )
