"""Teachers that are no Keras models, each the same function as one that is."""

import numpy as np
import tensorflow as tf
from builders import learnable

# Batches of 16: the same rows come together in training and before it.
X, Y = learnable(64)


def by_tensorflow(model, folder):
    return lambda x: model(x, training=False)


def compiled_before(model, folder):
    return tf.function(lambda x: model(x, training=False))


def by_numpy(model, folder):
    """In float32, as the network computes; "tanh" of NumPy's own."""
    first, bias, last, shift = model.get_weights()

    def function(x):
        assert isinstance(x, np.ndarray)
        return np.tanh(x @ first + bias) @ last + shift

    return function


def predictions(model, folder):
    return np.concatenate(
        [model(X[i : i + 16], training=False) for i in range(0, len(X), 16)]
    )


def keras_file(model, folder):
    model.save(folder / "teacher.keras")
    return folder / "teacher.keras"


def exported(model, folder):
    model.export(folder / "exported", verbose=False)
    return str(folder / "exported")


def signature_alone(model, folder):
    """A SavedModel as TensorFlow writes it, without Keras' `serve`."""

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 6], tf.float32)])
        def predict(self, rows):
            return {"logits": self.model(rows, training=False)}

    module = Module()
    module.model = model
    path = str(folder / "signature")
    tf.saved_model.save(module, path, {"serving_default": module.predict})
    return path


FORMS = {
    "TensorFlow": by_tensorflow,
    "tf.function": compiled_before,
    "NumPy": by_numpy,
    "predictions": predictions,
    ".keras": keras_file,
    "SavedModel": exported,
    "signature": signature_alone,
}
