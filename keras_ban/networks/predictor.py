"""Models in inference mode, those of one architecture by one function."""

import keras
import tensorflow as tf

from keras_ban.networks import likeness
from keras_ban.networks.layers import carried
from keras_ban.tasks.losses import keras_mask


class Predictor:
    """Runs models; what it traced for one serves all that are built alike."""

    def __init__(self):
        self._functions = {}

    def __getstate__(self):
        # Where it is copied or pickled, functions are traced anew.
        return {"_functions": {}}

    def function(self, model):
        """Returns a function from inputs to the model's output and its mask.

        Args:
            model: A built `keras.Model`, whose weights are read now.
        """
        key, own, _ = likeness.describe(model, compiled=False)
        # What one carries on is no other's.
        if key is None or own or carried(model):
            return tf.function(
                lambda x: _with_mask(model(x, training=False)),
                reduce_retracing=True,
            )
        held, function = self._functions.get(key, (None, None))
        # Another shape is traced anew, of the first model as it is then.
        if held is None or likeness.describe(held, compiled=False).key != key:
            function = _stateless(model)
            self._functions[key] = model, function
        weights = [
            [v.value.read_value() for v in group]
            for group in (
                model.trainable_variables,
                model.non_trainable_variables,
            )
        ]
        return lambda x: function(*weights, x)


def _stateless(model):
    """The model as a function of its weights and inputs."""

    @tf.function(reduce_retracing=True)
    def call(trainable, non_trainable, x):
        output, _ = model.stateless_call(
            trainable, non_trainable, x, training=False
        )
        return _with_mask(output)

    return call


def _with_mask(output):
    return output, keras.tree.map_structure(keras_mask, output)
