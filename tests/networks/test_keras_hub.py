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
    "dropout": 0.0,
}
TOKENS = RNG.integers(1, WORDS, (ROWS, LENGTH))
MASK = (np.arange(LENGTH) < RNG.integers(2, LENGTH + 1, (ROWS, 1))).astype(int)


def images(preprocessor=None):
    backbone = hub.ViTBackbone(
        image_shape=(8, 8, 3),
        patch_size=4,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
    )
    return hub.ViTImageClassifier(backbone, 3, preprocessor)


def texts():
    return hub.BertTextClassifier(hub.BertBackbone(**SMALL, name="backbone"), 3)


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


def compiled(task, eager=True):
    task.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=eager,
    )
    return task


SLOW = pytest.param("images", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", ["texts", "words", SLOW])
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
    whole = compiled(task())
    other = task()
    other.set_weights(whole.get_weights())
    plain = keras.Model(other.input, other.output)
    for model in (keras_ban.Distiller(whole, None, "labels"), compiled(plain)):
        model.fit(
            *(x, y, 8, 2),
            sample_weight=weight,
            shuffle=False,
            verbose=0,
        )
    for ours, theirs in zip(
        whole.get_weights(), plain.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_layers_of_a_backbone_are_features():
    task, x, y, _ = TASKS["texts"]
    name = "backbone/transformer_layer_0"
    objective = ["kd", Features({name: name})]
    ban = keras_ban.BornAgain(lambda: compiled(task(), False), objective)
    lineage = ban.fit(x, y, 1, epochs=1, verbose=0)
    assert lineage[1].history["feature_loss"][0] > 0


def test_a_preprocessor_is_refused():
    layer = keras.layers.Rescaling(1 / 255)
    refused(
        "`fit` of its own",
        "with `preprocessor=None`",
        model_fn=lambda: compiled(images(layer)),
    )
