"""Errors that lead on: what was received, in its own words, and a way out."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import LOGITS
from builders import compiled
from builders import learnable
from builders import mlp

import keras_ban
from keras_ban.feeding import feed
from keras_ban.tasks import labels

X, Y = learnable(60)


def told(y=Y, x=X, outputs=4, objective="ban", **compilation):
    """What `fit` says of data, a network or an objective."""

    def model_fn():
        model = mlp(outputs=outputs)
        model.compile("adam", **{"loss": LOGITS, **compilation})
        return model

    with pytest.raises(ValueError) as caught:
        keras_ban.BornAgain(model_fn, objective).fit(x, y, verbose=0)
    return " ".join(str(caught.value).split())


def test_labels_that_begin_at_1():
    message = told(1 + Y % 3, outputs=3)
    assert "Received: labels from 1 to 3. Subtract 1" in message


@pytest.mark.parametrize("mark", [-1, 255])
def test_a_label_that_marks_what_is_ignored(mark):
    message = told(np.where(np.arange(60) % 7, Y, mark))
    assert f"If {mark} marks what is to be ignored" in message
    assert f"ignore_class={mark})`" in message


def test_labels_that_are_wrong_in_many_ways_are_not_explained_away():
    message = told(Y + 3)
    assert "Received: labels from 3 to 6." in message
    assert "ignore" not in message and "Subtract" not in message


def test_labels_that_are_texts():
    message = told(np.array(["cat", "dog"])[Y % 2])
    assert "numpy.unique(labels, return_inverse=True)" in message
    assert "'cat'" in message or "'dog'" in message


def test_inputs_that_are_texts():
    message = told(x=np.array(["some words"] * 60))
    assert "Received: texts [60]" in message and "TextVectorization" in message
    assert len(message) < 900


def test_a_list_of_texts_is_not_printed():
    message = told(x=["some words"] * 300)
    assert "a list that holds a str" in message and len(message) < 300


def test_one_hot_labels_beside_a_sparse_loss():
    message = told(np.eye(4)[Y])
    assert "a categorical one for one-hot labels" in message


@pytest.mark.parametrize("y", [[Y, Y], {"a": Y, "b": Y}])
def test_labels_of_several_outputs_for_one(y):
    message = told(y)
    assert "Expected one, as the model has one output. Received" in message
    assert "a model with an output for each" in message


@pytest.mark.parametrize(
    "objective",
    [
        keras.distillation.LogitsDistillation(temperature=5.0),
        keras.losses.KLDivergence(),
        "kl_divergence",
        "soft_targets",
    ],
)
def test_a_divergence_has_a_name_of_ours(objective):
    message = told(objective=objective)
    temperature = getattr(objective, "temperature", 3.0)
    assert f"objectives.KD(alpha=0.5, temperature={temperature})" in message


def test_features_are_named():
    features = keras.distillation.FeatureDistillation("mse", "a", "b")
    assert "Features of inner layers" in told(objective=features)


def test_what_is_far_from_any_is_not_explained():
    assert told(objective="nonsense").endswith("Received: 'nonsense'")


def test_models_that_are_right_are_not_refused():
    ban = keras_ban.BornAgain(lambda: compiled(mlp()))
    ban.fit(X, Y, generations=1, verbose=0)


def test_numbers_are_not_called_texts():
    x = tf.constant(X[:, :5])
    assert "float32[" in told(x=x, y=tf.constant(Y))


@pytest.mark.parametrize("temperature", [np.ones(2), "warm", None])
def test_a_loss_of_ones_own_with_a_temperature(temperature):
    class Distil(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return y_pred

    loss = Distil()
    loss.temperature = temperature
    assert "temperature=3.0" in told(objective=loss)


def test_a_word_that_holds_another_is_none():
    assert told(objective="sparkle").endswith("Received: 'sparkle'")


def test_a_sigmoid_has_two_classes():
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    message = told(1 + Y % 2, outputs=1, loss=loss)
    assert message.endswith("Subtract 1 from the labels.")


def test_no_labels_at_all():
    with pytest.raises(ValueError, match="Expected numbers"):
        labels.check(np.array([], "U3"), (0, 4))


def test_a_metric_that_is_wrong_is_no_loss_that_is():
    message = told(metrics=["acuracy"])
    assert message.startswith("A metric of the model")
    assert "acuracy" in message and "sparse cross-entropy" not in message
    message = told(metrics=[keras.metrics.F1Score()])
    assert message.startswith("A metric of the model")


def test_a_sparse_loss_of_one_output():
    message = told(y=Y % 2, outputs=1)
    assert "One output for two classes takes a binary cross-entropy" in message


def test_examples_without_a_batch():
    ds = tf.data.Dataset.from_tensor_slices((X, Y))
    assert "`ds.batch(32)`" in told(x=ds, y=None)


def test_lengths_say_whose_they_are():
    with pytest.raises(ValueError, match="weights of 10 rows"):
        keras_ban.BornAgain(lambda: mlp(outputs=4)).fit(
            X, Y, sample_weight=np.ones(10), verbose=0
        )


def test_validation_without_labels_is_not_helped_by_a_teacher():
    with pytest.raises(ValueError, match=r"`validation_data=\(x, y\)`"):
        keras_ban.BornAgain(lambda: compiled(mlp(outputs=4))).fit(
            X, Y, validation_data=X, verbose=0
        )


def test_arguments_of_fit_that_one_may_have_meant():
    ban = keras_ban.BornAgain(lambda: mlp(outputs=4))
    with pytest.raises(ValueError, match="Did you mean `generations`"):
        ban.fit(X, Y, generation=2)
    with pytest.raises(ValueError, match=r"`objectives.KD\(alpha=0.3\)`"):
        ban.fit(X, Y, temperature=2)
    with pytest.raises(ValueError, match=r"`BornAgain\.fit` takes it"):
        distiller = keras_ban.Distiller(mlp(outputs=4), None, "labels")
        distiller.fit(X, Y, generations=2)
    known = inspect.signature(keras_ban.BornAgain.fit).parameters
    plain = inspect.signature(keras.Model.fit).parameters
    assert set(feed.OWN) == set(known) - set(plain) - {"fit_arguments"}


def test_what_holds_a_model_is_no_teacher():
    lineage = keras_ban.Lineage(
        [keras_ban.Generation(0, "Teacher", compiled(mlp()), "labels")]
    )
    ban = keras_ban.BornAgain(lambda: mlp(outputs=4))
    for teacher, words in (
        (lineage[0], "Give its `.model`"),
        (lineage, r"`lineage\[-1\].model`"),
        ("teacher.keras", "nothing is there"),
    ):
        with pytest.raises(ValueError, match=words):
            ban.fit(X, Y, teacher=teacher)


def test_augmentation_within_the_model_is_told():
    def model_fn():
        images = keras.Input((4, 4, 1))
        hidden = keras.layers.RandomFlip()(images)
        hidden = keras.layers.Flatten()(hidden)
        model = keras.Model(images, keras.layers.Dense(4)(hidden))
        model.compile("sgd", LOGITS)
        return model

    x = np.random.default_rng(0).normal(size=(60, 4, 4, 1))
    with pytest.warns(UserWarning, match=r"'random_flip.*\(RandomFlip\)"):
        keras_ban.BornAgain(model_fn).fit(x, Y, generations=1, verbose=0)


def test_short_names_of_what_was_made():
    kd = keras_ban.objectives.KD(0.3, 4.0)
    assert repr(kd) == "KD(alpha=0.3, temperature=4.0)"
    one = keras_ban.Generation(
        1, "BAN-1", None, "kd", "Teacher", metrics={"error": 0.25}
    )
    assert repr(one) == (
        "<Generation BAN-1 of 'kd', learned from Teacher, error 0.25>"
    )
    lineage = keras_ban.Lineage([one])
    with pytest.raises(IndexError, match=r"No generation 7: .*BAN-1"):
        lineage[7]
    assert "1 generation, validation data" in str(lineage)
