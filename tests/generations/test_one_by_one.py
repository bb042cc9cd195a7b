"""What cannot be trained side by side is trained one by one."""

import keras
import pytest
import side_by_side
from builders import Batches
from builders import compiled
from builders import data_set
from builders import mlp
from lineages import X
from lineages import Y
from side_by_side import FIT
from side_by_side import check
from side_by_side import end
from side_by_side import kept
from side_by_side import plain
from side_by_side import seeds
from side_by_side import together

from keras_ban.generations import hindrances
from keras_ban.generations.abreast import Part
from keras_ban.networks.layers import multiplications


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """The sizes of the groups that were trained side by side."""
    return side_by_side.counted(monkeypatch)


def xla():
    return compiled(mlp(), eager=False, jit_compile=True)


def several():
    return compiled(
        mlp(), eager=False, jit_compile=False, steps_per_execution=2
    )


def eager():
    return compiled(mlp(), jit_compile=False)


@keras.saving.register_keras_serializable(package="test_one_by_one")
class Double(keras.layers.Layer):
    def call(self, x):
        return 2 * x


def own_layer():
    return compiled(mlp(8, Double()), eager=False, jit_compile=False)


def large():
    return compiled(mlp(200_000), eager=False, jit_compile=False)


def made_from(model):
    return plain()


SHARED = keras.callbacks.LambdaCallback()
SHUFFLED = data_set(X, Y).shuffle(64).batch(16)
GENERATED = {"y": None, "batch_size": None}
ALONE = {
    "XLA": seeds(xla),
    "executions": seeds(several),
    "eager": seeds(eager),
    "own layer": seeds(own_layer),
    "large": seeds(large),
    "one": seeds(count=1),
    "shared callback": seeds(callbacks=[SHARED]),
    "shuffled": seeds(x=SHUFFLED, **GENERATED),
    "cached": seeds(x=data_set(X, Y, size=16).cache(), **GENERATED),
    "PyDataset": seeds(x=Batches(X, Y, size=16), **GENERATED),
    "validation": seeds(validation_data=SHUFFLED),
    "made from the one before": seeds([plain, made_from]),
    "validation of one": [*seeds(count=1), *seeds(validation_split=0.2)],
}


@pytest.mark.parametrize("name", ALONE)
def test_what_is_trained_one_by_one(name):
    def train(opened, abreast):
        parts = [Part(one.trainer, 0, one.lineage, one.run) for one in opened]
        if name == "made from the one before":
            end(opened, [0, 0], abreast)
            parts = [part._replace(number=1) for part in parts]
        found.append(hindrances.hindrance(parts)[0])

    found = []
    together(ALONE[name], train)
    assert found[0] is not None


def test_few_steps_are_trained_one_by_one(monkeypatch, calls):
    monkeypatch.setattr(hindrances, "_STEPS", 7)
    check(seeds())
    assert calls == []
    together(seeds(epochs=3))
    assert calls == [2, 2]


def test_short_epochs_that_are_saved(monkeypatch, calls, tmp_path):
    monkeypatch.setattr(hindrances, "_SAVED_STEPS", 4)
    together(kept(tmp_path, "run"))
    assert calls == []


@pytest.mark.slow
def test_what_is_trained_one_by_one_is_trained(calls):
    check(seeds(several, callbacks=lambda number: [], **FIT))
    assert calls == []


def test_multiplications_of_layers():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10),
        ]
    )
    assert multiplications(model) == 64 * 3 * 9 * 4 + 40
    words = keras.Sequential([keras.Input((5, 6)), keras.layers.LSTM(7)])
    assert multiplications(words) == 5 * (6 * 28 + 7 * 28)
