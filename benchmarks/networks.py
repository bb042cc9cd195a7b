"""The networks that the benchmarks train."""

import keras

import keras_ban


def compiled(name, classes, shape=(32, 32, 3), jit_compile=False):
    """A network of a name like "wide_resnet_16_1", compiled with SGD."""
    # No penalties: what other libraries do in their optimizers is not timed.
    model = keras_ban.models.get(
        name, classes, input_shape=shape, weight_decay=0
    )
    model.compile(
        optimizer=sgd(),
        loss=cross_entropy(),
        metrics=["accuracy"],
        jit_compile=jit_compile,
    )
    return model


def sgd():
    return keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
