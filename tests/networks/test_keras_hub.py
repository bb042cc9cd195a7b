"""KerasHub's tasks, each from a configuration, through all of a run."""

import keras
import numpy as np
import pytest
from refusals import refused

import keras_ban
from keras_ban.objectives import Features

keras_hub = pytest.importorskip("keras_hub")
hub = keras_hub.models

RNG = np.random.default_rng(0)
ROWS, LENGTH, WORDS = 24, 6, 20
SMALL = {
    "vocabulary_size": WORDS,
    "num_layers": 1,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
    "max_sequence_length": LENGTH,
}
TOKENS = RNG.integers(1, WORDS, (ROWS, LENGTH))
MASK = (np.arange(LENGTH) < RNG.integers(2, LENGTH + 1, (ROWS, 1))).astype(int)


def images(preprocessor=None):
    backbone = hub.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=(8, 8, 3),
    )
    return hub.ImageClassifier(backbone, 3, preprocessor)


def texts():
    return hub.BertTextClassifier(hub.BertBackbone(**SMALL), 3)


def words():
    return hub.GPT2CausalLM(hub.GPT2Backbone(**SMALL), preprocessor=None)


TASKS = {
    "images": (
        images,
        RNG.normal(size=(ROWS, 8, 8, 3)).astype("float32"),
        RNG.integers(0, 3, ROWS),
        None,
    ),
    "texts": (
        texts,
        {"token_ids": TOKENS, "padding_mask": MASK, "segment_ids": 0 * TOKENS},
        RNG.integers(0, 3, ROWS),
        None,
    ),
    "words": (
        words,
        {"token_ids": TOKENS, "padding_mask": MASK},
        np.roll(TOKENS, -1, axis=1),
        MASK.astype("float32"),
    ),
}


def compiled(task):
    task.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return task


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_born_again_and_comes_back(name, tmp_path):
    task, x, y, weight = TASKS[name]
    ban = keras_ban.BornAgain(
        lambda: compiled(task()), "ban+l", tmp_path, seed=0
    )
    lineage = ban.fit(
        *(x, y, 1),
        sample_weight=weight,
        epochs=1,
        batch_size=8,
        validation_data=(x, y) if weight is None else (x, y, weight),
        verbose=0,
    )
    student = lineage[1].model
    assert type(student) is type(task())
    p = lineage.ensemble().predict(x, verbose=0)
    logits = [one.model.predict(x, verbose=0) for one in lineage]
    each = [keras.ops.softmax(z) for z in logits]
    np.testing.assert_allclose(p, np.mean(each, axis=0), atol=1e-6)
    loaded = keras_ban.load(tmp_path)[1].model
    assert type(loaded) is type(student)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), logits[1])
    # Not the default that KerasHub compiles with.
    assert isinstance(loaded.optimizer, keras.optimizers.SGD)
    assert float(loaded.optimizer.learning_rate) == np.float32(0.05)


def test_a_task_learns_what_plain_keras_learns_of_it():
    task, x, y, weight = TASKS["words"]

    def model_fn():
        keras.utils.set_random_seed(3)
        return compiled(task())

    ban = keras_ban.BornAgain(model_fn, "labels", seed=0)
    options = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0}
    lineage = ban.fit(x, y, 0, sample_weight=weight, **options)
    whole = model_fn()
    plain = keras.Model(whole.input, whole.output)
    compiled(plain).fit(x, y, sample_weight=weight, **options)
    for ours, theirs in zip(
        lineage[0].model.get_weights(), plain.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_layers_of_a_backbone_are_features():
    task, x, y, _ = TASKS["texts"]
    name = "bert_backbone/transformer_layer_0"
    objective = ["kd", Features({name: name})]
    ban = keras_ban.BornAgain(lambda: compiled(task()), objective)
    lineage = ban.fit(x, y, 1, epochs=1, verbose=0)
    assert lineage[1].history["feature_loss"][0] > 0


def test_a_preprocessor_is_refused():
    layer = keras.layers.Rescaling(1 / 255)
    refused(
        "`fit` of its own",
        "with `preprocessor=None`",
        model_fn=lambda: compiled(images(layer)),
    )
