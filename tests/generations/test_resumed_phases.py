"""Runs in two phases that are stopped, and go on as they would have."""

import keras
import numpy as np
import pytest
from builders import Batches
from builders import compiled
from builders import data_set
from lineages import X
from lineages import Y
from phased import FIT
from phased import PHASES
from phased import model_fn
from phased import run
from phased import unfreeze
from weights import same

import keras_ban


@pytest.fixture(scope="module")
def lineage():
    return run()


class Stop(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._epoch:
            raise RuntimeError("stopped")


@pytest.mark.parametrize(
    "epoch, number",
    [
        (2, 0),
        (3, 1),
        *(
            pytest.param(*place, marks=pytest.mark.slow)
            for place in [(1, 0), (3, 0), (4, 0), (1, 1), (2, 1), (4, 1)]
        ),
    ],
)
def test_an_interrupted_run_has_the_same_bits(tmp_path, lineage, epoch, number):
    def stopping(k):
        return [Stop(epoch)] if k == number else [Stop(-1)]

    with pytest.raises(RuntimeError, match="stopped"):
        run(tmp_path, callbacks=stopping)
    resumed = run(tmp_path, callbacks=lambda k: [Stop(-1)])
    for one, other in zip(resumed, lineage, strict=True):
        assert same(one.model, other.model)
        assert one.history == other.history


def test_a_finished_run_is_loaded(tmp_path, lineage):
    run(tmp_path)
    assert same(keras_ban.load(tmp_path)[1].model, lineage[1].model)


def test_other_phases_are_another_run(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match="phases"):
        run(tmp_path, phases={3: unfreeze})


class Epochs(keras.callbacks.Callback):
    """The epochs that are trained, and the first input of each batch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)


def passes(kind):
    """Data of which an epoch is not a pass."""
    if kind == "PyDataset":
        return {"x": Batches(X[:48], Y[:48], size=8)}
    if kind == "arrays":
        return {"x": X[:60], "y": Y[:60], "batch_size": 4}
    return {"x": data_set(X[:60], Y[:60], size=4), "batch_size": None}


@pytest.mark.parametrize("kind", ["PyDataset", "arrays", "tf.data"])
def test_every_epoch_is_trained_once_wherever_a_pass_ends(kind, tmp_path):
    fit = dict(passes(kind), epochs=5, shuffle=False, steps_per_epoch=3)
    fit = {k: v for k, v in fit.items() if v is not None}

    def trained(directory=None, stop=-1):
        seen = Epochs()
        ban = keras_ban.BornAgain(
            lambda: model_fn(dropout=0.0), "labels", directory
        )
        found = ban.fit(
            generations=0,
            verbose=0,
            phases={3: unfreeze},
            callbacks=[seen, Stop(stop)],
            **fit,
        )
        return found[0], seen.seen

    whole, seen = trained()
    assert seen == [0, 1, 2, 3, 4]
    # Keras itself, by two calls.
    keras.utils.set_random_seed(whole.seed)
    model, rest = (
        model_fn(dropout=0.0),
        {k: fit[k] for k in fit if k != "epochs"},
    )
    model.fit(epochs=3, verbose=0, **rest)
    unfreeze(model)
    model.fit(epochs=5, initial_epoch=3, verbose=0, **rest)
    assert same(model, whole.model)
    with pytest.raises(RuntimeError, match="stopped"):
        trained(tmp_path, stop=4)
    resumed, _ = trained(tmp_path)
    assert same(resumed.model, whole.model)


def unbuilt():
    model = keras.Sequential(
        [keras.layers.Dense(8, "tanh", name="backbone"), keras.layers.Dense(4)]
    )
    model.get_layer("backbone").trainable = False
    return compiled(model, optimizer="adam")


def test_a_model_that_data_builds_resumes(tmp_path):
    def go(directory=None, stop=-1):
        ban = keras_ban.BornAgain(unbuilt, "labels", directory)
        fit = {**FIT, "generations": 0, "phases": PHASES}
        return ban.fit(X, Y, callbacks=[Stop(stop)], **fit)[0].model

    with pytest.raises(RuntimeError, match="stopped"):
        go(tmp_path, 3)
    assert same(go(tmp_path), go())


def test_metrics_keep_their_names_and_draws_their_seeds(tmp_path):
    def drawn(model):
        model.get_layer("backbone").trainable = True
        head = model.layers[-1]
        head.kernel.assign(np.random.normal(size=head.kernel.shape))
        compiled(model, optimizer="sgd", metrics=[own()])

    def own():
        return keras.metrics.SparseTopKCategoricalAccuracy(2)

    def fn():
        model = model_fn()
        return compiled(model, optimizer="adam", metrics=[own()])

    def go(directory=None, stop=None):
        ban = keras_ban.BornAgain(fn, "ban+l", directory)
        fit = {**FIT, "generations": 1, "phases": {2: drawn}}
        stops = [Stop(-1), Stop(-1)]
        if stop:
            stops[stop[0]] = Stop(stop[1])
        return ban.fit(X, Y, callbacks=lambda k: [stops[k]], **fit)

    whole = go()
    names = set(whole[0].history)
    assert len(names) == 2
    assert names < set(whole[1].history)
    with pytest.raises(RuntimeError, match="stopped"):
        go(tmp_path, (1, 2))
    for one, other in zip(go(tmp_path), whole, strict=True):
        assert same(one.model, other.model) and one.history == other.history
