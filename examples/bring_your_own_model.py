"""Born-again networks of models from elsewhere: Keras and KerasCV.

A network of `keras.applications`, and one with a backbone of KerasCV (extra
`vision`), as they are: a function that builds and compiles the model is all
that `BornAgain` needs.

    python examples/bring_your_own_model.py --quick

takes a minute or two on scikit-learn's digits. Without it: CIFAR-10, for a
GPU.
"""

import os

# Keeps down what TensorFlow says when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import importlib.util

import keras
from keras import layers

import keras_ban
from keras_ban.data import vision


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--generations", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--data-dir", help="where data sets are prepared")
    parser.add_argument("--download", action="store_true")
    arguments = parser.parse_args()
    if importlib.util.find_spec("keras_cv") is None:
        parser.error(
            "KerasCV is not installed. Expected it for the second network. "
            'Run `pip install ".[vision]"` in the clone.'
        )
    quick = arguments.quick
    data = vision.load(
        "digits" if quick else "cifar10",
        data_dir=arguments.data_dir,
        download=arguments.download,
    )
    epochs = arguments.epochs
    if epochs is None:
        epochs = 10 if quick else 100

    def from_applications():
        whole = keras.applications.MobileNet(
            input_shape=(32, 32, 3), include_top=False, weights=None
        )
        # Small images have no room for all of its strides.
        last = whole.get_layer("conv_pw_3_relu" if quick else "conv_pw_11_relu")
        return classifier(keras.Model(whole.inputs, last.output))

    def from_keras_cv():
        import keras_cv

        return classifier(
            keras_cv.models.DenseNetBackbone(
                stackwise_num_repeats=[2, 2] if quick else [6, 12, 24, 16],
                growth_rate=8 if quick else 32,
                include_rescaling=False,
                input_shape=(32, 32, 3),
            )
        )

    def classifier(backbone):
        inputs = keras.Input(data.shape)
        x = layers.Resizing(32, 32)(inputs)
        if data.shape[-1] == 1:
            x = layers.Concatenate()([x, x, x])
        x = layers.GlobalAveragePooling2D()(backbone(x))
        outputs = layers.Dense(len(data.class_names))(x)
        model = keras.Model(inputs, outputs)
        model.compile(
            keras.optimizers.Adam(2e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model

    for name, model_fn in (
        ("keras.applications' MobileNet", from_applications),
        ("KerasCV's DenseNetBackbone", from_keras_cv),
    ):
        print(f"{name} ...", flush=True)
        lineage = keras_ban.BornAgain(model_fn).fit(
            *data.train,
            generations=arguments.generations,
            epochs=epochs,
            batch_size=16 if quick else 128,
            validation_data=data.validation,
            verbose=0,
        )
        print(lineage.evaluate(*data.test, title=f"{name}: test images"))


if __name__ == "__main__":
    main()
