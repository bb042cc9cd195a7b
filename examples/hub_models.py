"""Born-again networks of KerasHub's models, built without a download.

A classifier of images, one of texts and a language model, each from a backbone
of a few layers that is configured here. A pretrained one is as welcome:
`keras_hub.models.BertTextClassifier.from_preset(name, num_classes=4,
preprocessor=None)`. Without a preprocessor in the task, what it would do is
done to the data once, before: students and teachers see the same numbers.

    python examples/hub_models.py --quick

takes a minute or two: digits of scikit-learn, and a play that is here.
"""

import os

# Keeps down what TensorFlow says when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import importlib.util
import pathlib

import keras
import numpy as np

import keras_ban
from keras_ban import metrics
from keras_ban.data import text
from keras_ban.data import vision

PLAY = pathlib.Path(__file__).parent / "coriolanus"
SPEAKERS = ["menenius", "marcius", "brutus", "volumnia"]
WORDS = 12
SEGMENT = 32


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a few epochs")
    parser.add_argument("--generations", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    arguments = parser.parse_args()
    if importlib.util.find_spec("keras_hub") is None:
        parser.error(
            "KerasHub is not installed. Expected it for the networks. "
            'Run `pip install ".[hub]"` in the clone.'
        )
    epochs = arguments.epochs or (8 if arguments.quick else 20)
    for title, example in (
        ("ImageClassifier of a ResNet: test images", images),
        ("BertTextClassifier, who says a line: lines kept back", lines),
        ("GPT2CausalLM, the next word: text kept back", words),
    ):
        print(f"{title} ...", flush=True)
        model_fn, train, test = example()
        lineage = keras_ban.BornAgain(model_fn, "ban+l", seed=0).fit(
            *train,
            generations=arguments.generations,
            epochs=epochs,
            batch_size=32,
            verbose=0,
        )
        print(lineage.evaluate(*test, title=title))


def images():
    """A `model_fn`, arrays to train on, and arrays to report."""
    import keras_hub

    data = vision.load("digits")

    def model_fn():
        backbone = keras_hub.models.ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[3],
            stackwise_num_filters=[64, 64],
            stackwise_num_blocks=[1, 1],
            stackwise_num_strides=[1, 2],
            block_type="basic_block",
            image_shape=data.shape,
        )
        return compiled(
            keras_hub.models.ImageClassifier(
                backbone, num_classes=len(data.class_names)
            )
        )

    return model_fn, data.train, data.test


def lines():
    """The same of the lines of a play, by who says them."""
    import keras_hub

    corpus = text.from_folder(PLAY)
    words = corpus.vocabulary

    def model_fn():
        backbone = keras_hub.models.BertBackbone(
            vocabulary_size=len(words) + 1,
            num_layers=2,
            num_heads=2,
            hidden_dim=32,
            intermediate_dim=64,
            max_sequence_length=WORDS,
        )
        return compiled(
            keras_hub.models.BertTextClassifier(
                backbone, num_classes=len(SPEAKERS), dropout=0.1
            )
        )

    found = spoken((PLAY / "train.txt").read_text())
    kept_back = found[::5]
    rest = [one for number, one in enumerate(found) if number % 5]
    return model_fn, arrays(rest, words), arrays(kept_back, words)


def spoken(play):
    """The lines of the speakers that count, and the numbers of these."""
    found, speaker = [], None
    for line in play.splitlines():
        if line.endswith(" :"):
            speaker = line.removesuffix(" :")
        elif speaker in SPEAKERS:
            found.append((line.split(), SPEAKERS.index(speaker)))
    return found


def arrays(found, words):
    """What a BERT takes, as its preprocessor would make it, and labels."""
    tokens = np.zeros((len(found), WORDS), "int32")
    for row, (line, _) in zip(tokens, found, strict=True):
        numbers = words.encode(line)[:WORDS]
        # 0 is for what is not there.
        row[: len(numbers)] = numbers + 1
    inputs = {
        "token_ids": tokens,
        "segment_ids": np.zeros_like(tokens),
        "padding_mask": (tokens > 0).astype("int32"),
    }
    return inputs, np.array([speaker for _, speaker in found])


def words():
    """The same of segments of the play, each word's label the next one."""
    import keras_hub

    corpus = text.from_folder(PLAY)

    def model_fn():
        backbone = keras_hub.models.GPT2Backbone(
            vocabulary_size=len(corpus.vocabulary),
            num_layers=2,
            num_heads=2,
            hidden_dim=32,
            intermediate_dim=64,
            max_sequence_length=SEGMENT,
        )
        model = keras_hub.models.GPT2CausalLM(backbone, preprocessor=None)
        return compiled(model, metrics.Perplexity())

    return model_fn, segments(corpus.train), segments(corpus.test)


def segments(stream):
    """Words of a text in rows, and those that follow each."""
    rows = (len(stream) - 1) // SEGMENT
    inputs, following = (
        stream[start : start + rows * SEGMENT].reshape(rows, SEGMENT)
        for start in (0, 1)
    )
    return {
        "token_ids": inputs,
        "padding_mask": np.ones_like(inputs),
    }, following


def compiled(task, metric="accuracy"):
    task.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[metric],
    )
    return task


if __name__ == "__main__":
    main()
