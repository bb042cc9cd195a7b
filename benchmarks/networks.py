"""The networks that the benchmarks train."""

import keras

import keras_ban


def compiled(name, classes, shape=(32, 32, 3), jit_compile=False):
    """A network of a name like "wide_resnet_16_1", compiled with SGD."""
    kind, depth, width = name.rsplit("_", 2)
    model = getattr(keras_ban.models, kind)(
        int(depth), int(width), classes, input_shape=shape
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
