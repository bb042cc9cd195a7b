"""Recipes against the paper's words, and the published figures."""

import keras
import numpy as np
import pytest
import reference

from keras_ban import models
from keras_ban import recipes


def test_cifar_recipe_is_the_published_one():
    recipe = recipes.BY_DATA["cifar100"]
    assert recipe == recipes.BY_DATA["cifar10"]
    assert (recipe.epochs, recipe.batch_size) == (200, 128)
    assert recipe.augmentation == ("crop_and_flip",)
    assert recipe.weight_decay == 5e-4
    optimizer = recipe.optimizer(50_000)
    config = optimizer.get_config()
    assert config["momentum"] == 0.9 and config["nesterov"]
    steps = -(-50_000 // 128)
    for epoch, rate in [
        *((0, 0.1), (59, 0.1), (60, 0.02), (119, 0.02)),
        *((120, 0.004), (159, 0.004), (160, 0.0008), (199, 0.0008)),
    ]:
        optimizer.iterations.assign(epoch * steps + 1)
        found = keras.ops.convert_to_numpy(optimizer.learning_rate)
        np.testing.assert_allclose(found, rate, rtol=1e-6)


@pytest.mark.parametrize("one_hot", [False, True])
def test_a_recipe_compiles_for_its_labels(one_hot):
    model = models.wide_resnet(10, 1, 3, input_shape=(8, 8, 1))
    recipe = recipes.Recipe(epochs=1)
    assert recipe.compile(model, 4, one_hot) is model
    losses, numbers = keras.losses, np.array([0, 1, 2, 1])
    rows = reference.one_hot(numbers, 3)
    kinds = losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy
    assert type(model.loss) is kinds[one_hot]
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1))
    y = rows if one_hot else numbers
    model.fit(x, y, verbose=0)
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    z = model.predict(x, verbose=0)
    decay = sum(float(loss) for loss in model.losses)
    expected = reference.labels(rows, z)[0].mean() + decay
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["accuracy"] == np.mean(z.argmax(-1) == numbers)


@pytest.mark.parametrize(
    ("dataset", "teacher", "student", "trained", "errors"),
    [
        ("cifar10", "wide_resnet_28_10", None, "ban", [3.86]),
        ("cifar10", "densenet_80_120", None, "teacher", [3.37]),
        ("cifar100", "densenet_90_60", None, "ban", [16.69]),
        ("cifar100", "densenet_90_60", None, "BAN-3", [16.72]),
        ("cifar100", "densenet_80_120", None, "BAN-3", []),
        ("cifar100", "densenet_80_120", None, "Ens*3", []),
        ("cifar100", "densenet_80_120", None, "Ens*3 with the teacher", [14.9]),
        ("cifar100", "densenet_90_60", None, "BAN", [16.69]),
        ("cifar100", "densenet_90_60", "ban_densenet_4.0_1", "BAN", [16.64]),
        ("cifar100", "densenet_112_33", None, "dkpp", [17.84]),
        ("cifar100", "wide_resnet_28_2", "densenet_90_60", "ban", [18.49]),
        ("cifar100", "densenet_90_60", "ban_densenet_4_1", "ban", [16.64]),
        ("cifar100", "densenet_90_60", "ban_wide_resnet_4_0.5", "ban", [17.13]),
        ("cifar100", "ban_pre_resnet_14_1", None, "teacher", [18.84]),
        ("digits", "densenet_90_60", None, "ban", []),
    ],
)
def test_published_errors(dataset, teacher, student, trained, errors):
    found = recipes.published(dataset, teacher, student or teacher, trained)
    assert [row.error for row in found] == errors


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
def test_a_recipe_has_epochs_and_steps(name):
    with pytest.raises(ValueError, match=f"`{name}`.*at least 1.*: 0"):
        recipes.Recipe(**{name: 0})


def test_every_published_network_can_be_made_by_its_name():
    names = {row.student for row in recipes.PUBLISHED}
    names |= {row.teacher for row in recipes.PUBLISHED}
    assert len(names) == 21
    for name in names:
        family, *_ = name.rsplit("_", 2)
        assert hasattr(models, name) or hasattr(models, family), name
    assert {row.table for row in recipes.PUBLISHED} == {1, 2, 3, 4, 5}
