"""Trainings whose teacher is computed once."""

import keras
import tensorflow as tf
from builders import compiled
from builders import data_set
from builders import learnable
from builders import mlp

import keras_ban

X, Y = learnable(50)


def unshuffled(x=X, y=Y, size=8, drop_remainder=False):
    return data_set(x, y).batch(size, drop_remainder)


def unknown_size():
    def batches():
        for start in range(0, 50, 8):
            yield X[start : start + 8], Y[start : start + 8]

    return tf.data.Dataset.from_generator(
        batches,
        output_signature=(
            tf.TensorSpec((None, 6), "float32"),
            tf.TensorSpec((None,), "int64"),
        ),
    )


def student():
    keras.utils.set_random_seed(1)
    model = mlp(8, keras.layers.Dropout(0.2), hidden="relu")
    return compiled(model, optimizer=keras.optimizers.Adam(0.02))


def fit(teacher, teacher_outputs, objective="ban+l", **given):
    model = student()
    distiller = keras_ban.Distiller(model, teacher, objective)
    keras.utils.set_random_seed(3)
    history = distiller.fit(
        teacher_outputs=teacher_outputs, epochs=3, verbose=0, **given
    )
    return model, history.history
