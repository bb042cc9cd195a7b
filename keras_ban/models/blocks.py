"""What the networks of the zoo are made of: functions of a tensor."""

import keras
from keras import layers


def convolution(x, filters, size, strides=1):
    """A convolution without bias, He-initialised, `same` padding."""
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(x)


def activated(x):
    """Batch normalisation and ReLU, before a convolution."""
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
    return layers.Activation("relu")(x)


def classifier(inputs, x, num_classes, name):
    """The model that ends in the mean over the pixels and the logits."""
    x = layers.GlobalAveragePooling2D()(activated(x))
    outputs = layers.Dense(num_classes, name="logits")(x)
    return keras.Model(inputs, outputs, name=name)
