"""Small networks, and small data that they learn, for all tests.

The data has 6 features and 4 classes, and so have the networks.
"""

import keras
import numpy as np
import tensorflow as tf

SparseCE = keras.losses.SparseCategoricalCrossentropy


LOGITS = SparseCE(from_logits=True)


# --- Data


def learnable(rows=96, seed=0):
    """Samples whose class a network can learn: by one rule for every seed."""
    x = np.random.default_rng(seed).normal(size=(rows, 6)).astype("float32")
    return x, (x @ np.random.default_rng(1).normal(size=(6, 4))).argmax(-1)


def data_set(*arrays, size=None):
    """A `tf.data.Dataset` of the rows, or of batches of `size`."""
    arrays = arrays[0] if len(arrays) == 1 else arrays
    rows = tf.data.Dataset.from_tensor_slices(arrays)
    return rows.batch(size) if size else rows


class Batches(keras.utils.PyDataset):
    """The rows of arrays, in their order, in batches of `size`."""

    def __init__(self, *arrays, size=32):
        super().__init__()
        self.arrays = arrays
        self.size = size

    def __len__(self):
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, index):
        part = slice(index * self.size, (index + 1) * self.size)
        return tuple(a[part] for a in self.arrays)


def split_features(x):
    """The features as `two_inputs` takes them."""
    return {"a": x[:, :4], "b": x[:, 4:]}


def noisy(x, seed):
    """A view: what `augment=` may be."""
    return x + tf.random.stateless_normal(tf.shape(x), seed)


# --- Networks


def mlp(
    units=8,
    *between,
    outputs=4,
    last=None,
    hidden="tanh",
    l2=0.0,
    scale=1.0,
):
    """A hidden layer, the layers `between`, and the outputs.

    Args:
        units: Of the hidden layer.
        *between: Layers between it and the outputs.
        outputs: How many.
        last: Their activation.
        hidden: That of the hidden layer. The last bits of "tanh" depend on a
            row's place in its batch, those of "relu" do not.
        l2: Factor of the penalty on both kernels.
        scale: Factor of all initial weights; large ones give sharp outputs.
    """
    regularizer = keras.regularizers.L2(l2) if l2 else None
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(units, hidden, kernel_regularizer=regularizer),
            *between,
            keras.layers.Dense(outputs, last, kernel_regularizer=regularizer),
        ]
    )
    return model if scale == 1 else scaled(model, scale)


def functional_mlp(units=8, outputs=4, last=None, name=None):
    """As `mlp`, of Keras' functional API."""
    x = keras.Input((6,))
    h = keras.layers.Dense(units, "tanh")(x)
    return keras.Model(x, keras.layers.Dense(outputs, last)(h), name=name)


def linear(outputs=4, last=None, loss=LOGITS, seed=None):
    """One layer, compiled unless `loss` is `None`; `seed` fixes its kernel."""
    kernel = keras.initializers.GlorotUniform(seed)
    layer = keras.layers.Dense(outputs, last, kernel_initializer=kernel)
    model = keras.Sequential([keras.Input((6,)), layer])
    if loss is not None:
        model.compile("sgd", loss, run_eagerly=True)
    return model


def two_inputs(structure=dict, last=None):
    """As `mlp`, of 4 features "a" and 2 features "b", in a dict or a list."""
    x = {"a": keras.Input((4,), name="a"), "b": keras.Input((2,), name="b")}
    h = keras.layers.Concatenate()(list(x.values()))
    h = keras.layers.Dense(8, "tanh")(h)
    outputs = keras.layers.Dense(4, last)(h)
    return keras.Model(x if structure is dict else [*x.values()], outputs)


def two_outputs():
    x = keras.Input((6,))
    return keras.Model(x, [keras.layers.Dense(4)(x), keras.layers.Dense(4)(x)])


@keras.saving.register_keras_serializable(package="tests")
class Silent(keras.Model):
    """A class of its own: says neither its inputs nor whether it has logits."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(4)

    def call(self, x):
        return self.dense(x)


def silent():
    """A `Silent` that has weights."""
    model = Silent()
    model(np.zeros((1, 6), "float32"))
    return model


def tagger(last=None, time_distributed=False, mask_zero=True):
    """A class for each of 5 words of 7, of which 0 is none."""
    head = keras.layers.Dense(4, last)
    if time_distributed:
        head = keras.layers.TimeDistributed(head)
    inputs = keras.Input((5,), dtype="int32")
    h = keras.layers.Embedding(7, 8, mask_zero=mask_zero)(inputs)
    return keras.Model(inputs, head(h))


def compiled(model, eager=True, **compilation):
    """The model, compiled to learn class numbers from logits."""
    compilation = {
        "optimizer": keras.optimizers.SGD(0.1, momentum=0.9),
        "loss": SparseCE(from_logits=True),
        "metrics": ["accuracy"],
        **compilation,
    }
    model.compile(run_eagerly=eager, **compilation)
    return model


def scaled(model, factor):
    model.set_weights([factor * w for w in model.get_weights()])
    return model
