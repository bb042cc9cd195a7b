"""What the networks of the zoo are made of: from a tensor to a tensor."""

import keras
from keras import layers
from keras import regularizers


class Blocks:
    """Layers with one weight decay.

    Args:
        weight_decay: The factor `λ` of a gradient `λ w` that is added to each
            weight's own, as in SGD with weight decay. Keras is given the
            penalty `λ / 2 Σ w²`, of which it is the gradient.
        projected: Whether a shortcut between different shapes is a 1×1
            convolution, or the identity with channels of zeros added or the
            last ones left out, which has no parameters (He et al., "Deep
            Residual Learning for Image Recognition", 2016, options B and A).
            Defaults to `True`.
    """

    def __init__(self, weight_decay, projected=True):
        self._projected = projected
        self._penalty = regularizers.L2(weight_decay / 2)
        if not weight_decay:
            self._penalty = None

    def convolution(self, x, filters, size, strides=1):
        """A convolution without bias, He-initialised, `same` padding."""
        return layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            kernel_regularizer=self._penalty,
        )(x)

    def activated(self, x):
        """Batch normalisation and ReLU, before a convolution."""
        x = layers.BatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            beta_regularizer=self._penalty,
            gamma_regularizer=self._penalty,
        )(x)
        return layers.Activation("relu")(x)

    def residual(self, x, filters, strides=1, dropout=0.0):
        """Two 3×3 convolutions, and a shortcut."""
        shortcut, x = x, self.activated(x)
        shortcut = self._shortcut(shortcut, x, filters, strides)
        x = self.convolution(x, filters, 3, strides)
        x = self.activated(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
        return layers.Add()([shortcut, self.convolution(x, filters, 3)])

    def bottleneck(self, x, filters, inner, strides=1):
        """1×1, 3×3 and 1×1 convolutions, the first two to `inner` channels."""
        shortcut, x = x, self.activated(x)
        shortcut = self._shortcut(shortcut, x, filters, strides)
        x = self.convolution(x, inner, 1)
        x = self.convolution(self.activated(x), inner, 3, strides)
        x = self.convolution(self.activated(x), filters, 1)
        return layers.Add()([shortcut, x])

    def _shortcut(self, x, activated, filters, strides):
        if strides == 1 and x.shape[-1] == filters:
            return x
        if self._projected:
            return self.convolution(activated, filters, 1, strides)
        missing = filters - x.shape[-1]
        if missing < 0:
            return x[..., :filters]
        return keras.ops.pad(x, [[0, 0], [0, 0], [0, 0], [0, missing]])

    def classifier(self, inputs, x, num_classes, name):
        """The model that ends in the mean over the pixels and the logits."""
        x = layers.GlobalAveragePooling2D()(self.activated(x))
        outputs = layers.Dense(
            num_classes,
            kernel_regularizer=self._penalty,
            bias_regularizer=self._penalty,
            name="logits",
        )(x)
        return keras.Model(inputs, outputs, name=name)
