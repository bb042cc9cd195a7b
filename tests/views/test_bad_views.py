"""Views that cannot be: one clear error each, before the first step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from builders import compiled
from builders import data_set
from builders import two_inputs
from lineages import X
from lineages import Y
from lineages import run

import keras_ban
from keras_ban import views
from keras_ban.views import names

WRONG = {
    "name": ("mixdown", "'crop_and_flip', 'cutmix', 'mixup'.*noise.*'mixdown'"),
    "name that needs more": ("noise", r"noise\(std\).*Received: 'noise'"),
    "number": (3, "Received: 3"),
    "name in a list": (["mixup", "cutout"], "Received: 'cutout'"),
    "class": (views.View, "Invalid value for argument `augment`"),
    "two that mix": (["mixup", views.cutmix(0.5)], r"mixup\(.*cutmix\(alpha=0"),
    "two that change labels": (
        ["mixup", lambda x, y, seed: (x, y)],
        "changes labels twice.*mixup.*lambda",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_unknown_views(case):
    augment, words = WRONG[case]
    with pytest.raises(ValueError, match=words):
        names.get(augment)
    with pytest.raises(ValueError, match=words):
        run(augment=augment)


@pytest.mark.parametrize(
    ("make", "given", "words"),
    [
        *(
            (views.mixup, v, "`alpha`.*'uniform'")
            for v in (0, -1, "beta", None)
        ),
        *((views.mixup, v, "`alpha`") for v in (float("nan"), float("inf"))),
        (views.cutmix, 0, "`alpha`.*Received: 0"),
        *((views.noise, v, "`std`.*positive") for v in (0, -1, "1", None)),
        *((views.shift, v, "`pixels`.*integer") for v in (0, 1.5, "1")),
        (views.crop_and_flip, -1, "`padding`.*integer of at least 0"),
        *((views.smear, v, "`p`.*0 to 1") for v in (-0.1, 1.1, "1", True)),
        (views.layer, "flip", "`keras_layer`.*'flip'"),
        (views.layer, keras.layers.RandomFlip, "`keras_layer`"),
    ],
)
def test_bad_arguments(make, given, words):
    with pytest.raises(ValueError, match=words):
        make(given)


def test_a_layer_with_weights_is_refused():
    layer = keras.layers.Normalization()
    layer.adapt(X)
    with pytest.raises(ValueError, match="has weights"):
        views.layer(layer)


def embedding():
    layers = [keras.layers.Embedding(9, 4), keras.layers.Flatten()]
    inputs = keras.Input((6,), dtype="int32")
    h = layers[1](layers[0](inputs))
    return compiled(keras.Model(inputs, keras.layers.Dense(4)(h)))


WORDS = np.array(["some", "words", "of", "text"])[np.arange(64) % 4][:, None]


def of_text():
    words = keras.layers.StringLookup(vocabulary=["some", "words"])
    inputs = keras.Input((1,), dtype="string")
    h = keras.layers.Embedding(3, 4)(words(inputs))
    return compiled(
        keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Flatten()(h)))
    )


INPUTS = {
    "words by number": (embedding, np.arange(384).reshape(64, 6) % 9, "int64"),
    "text": (of_text, WORDS, "string"),
}


@pytest.mark.parametrize("augment", ["mixup", ["cutmix"]])
@pytest.mark.parametrize("case", INPUTS)
def test_what_cannot_be_mixed_is_refused(case, augment):
    model, x, kind = INPUTS[case]
    words = f"cannot mix.*Received: {kind}.*embed words before"
    with pytest.raises(ValueError, match=words):
        run(model, x=x, augment=augment)


def test_integers_beside_floats_are_refused():
    def model_fn():
        return compiled(two_inputs())

    x = {"a": X[:, :4], "b": np.ones((64, 2), "int64")}
    with pytest.raises(ValueError, match=r"int64 of shape \('rows', 2\)"):
        run(model_fn, x=x, augment="mixup")


@pytest.mark.parametrize(
    ("augment", "words"),
    [
        ("crop_and_flip", r"crop_and_flip\(.*images of shape.*\('rows', 6\)"),
        (views.shift(1), "images of shape.*signals"),
        ("cutmix", r"cutmix.*x\[..., None\]"),
        (["mixup", views.shift(1)], "images of shape.*signals"),
        (views.layer(keras.layers.RandomFlip()), "cannot be applied"),
    ],
)
def test_tables_are_no_images(augment, words):
    with pytest.raises(ValueError, match=words):
        run(augment=augment)


def of_images():
    layers = [keras.layers.Flatten(), keras.layers.Dense(4)]
    return compiled(keras.Sequential([keras.Input((6, 6, 1)), *layers]))


def test_images_are_no_table():
    x = np.zeros((64, 6, 6, 1), "float32")
    with pytest.raises(ValueError, match=r"smear.*tables, of shape"):
        run(of_images, x=x, augment=views.smear(0.1))


def test_a_layer_that_changes_the_shape_is_refused():
    x = np.zeros((64, 6, 6, 1), "float32")
    crop = views.layer(keras.layers.RandomCrop(4, 4))
    with pytest.raises(ValueError, match="changes the shape"):
        run(of_images, x=x, augment=crop)


def tagger():
    layers = [keras.layers.Dense(4)]
    return compiled(keras.Sequential([keras.Input((6, 2)), *layers]))


def test_cutmix_knows_no_labels_of_positions():
    x = np.zeros((64, 6, 2), "float32")
    y = np.arange(384).reshape(64, 6) % 4
    with pytest.raises(ValueError, match=r"each position.*mixup"):
        run(tagger, x=x, y=y, augment="cutmix")
    distiller = keras_ban.Distiller(tagger(), tagger())
    with pytest.raises(ValueError, match=r"each position.*mixup"):
        distiller.fit(x, y, augment="cutmix", verbose=0)


class Own(keras.Model):
    def compute_loss(self, *args, **kwargs):
        return super().compute_loss(*args, **kwargs)


def own():
    x = keras.Input((6,))
    return compiled(Own(x, keras.layers.Dense(4)(x)))


def test_a_loss_of_ones_own_is_not_replaced_in_silence():
    run(own, "labels")
    with pytest.raises(ValueError, match="overrides `compute_loss`"):
        run(own, "labels", augment="mixup")


@pytest.mark.parametrize("augment", ["mixup", views.smear(0.1)])
def test_partners_of_a_batch_cannot_be_cached_where_batches_change(augment):
    data = data_set(X, Y, size=16)
    fit = {"x": data, "y": None, "batch_size": None, "augment": augment}
    fit |= {"views": 2, "teacher_outputs": "cached"}
    with pytest.raises(
        ValueError, match=r"other batches in each epoch.*arrays"
    ):
        run(shuffle=40, **fit)


def test_labels_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="whole class numbers"):
        run(y=Y + 0.5 * (Y < 3), augment="mixup")


def test_sparse_inputs_are_not_mixed():
    x = tf.sparse.from_dense(X)

    def model_fn():
        inputs = keras.Input((6,), sparse=True)
        return compiled(keras.Model(inputs, keras.layers.Dense(4)(inputs)))

    with pytest.raises(ValueError, match="Expected dense floats"):
        run(model_fn, x=x, augment="mixup")


def test_views_alone_ask_for_an_augmentation():
    with pytest.raises(ValueError, match="Give a view"):
        run(views=2)
