"""Runs that are interrupted, and run again."""

import keras
from builders import compiled
from builders import mlp
from lineages import X
from lineages import Y
from lineages import model_fn
from weights import same

import keras_ban

STOPS = [(1, 1, 2)]


class Interrupted(RuntimeError):
    pass


def interrupt(number, stops):
    """A callback that fails at the first of the stops, once."""
    now = {}

    def batch_end(batch, logs):
        if stops and (number, now["epoch"], batch) == stops[0]:
            stops.pop(0)
            raise Interrupted

    return keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: now.update(epoch=epoch),
        on_train_batch_end=batch_end,
    )


def run(directory=None, stops=(), born=None, **fit):
    """Runs, and runs again after each stop, as a script would."""
    born = {"directory": directory, **(born or {})} if directory else {}
    stops, count = list(stops), 0
    while True:
        try:
            return fit_once(born, stops, **fit), count
        except Interrupted:
            count += 1


def fit_once(
    born, stops, model=model_fn, objective="ban", callbacks=None, **fit
):
    own = callbacks() if callbacks else lambda number: []
    if "x" not in fit:
        fit = {"x": X, "y": Y, "batch_size": 16, **fit}
    fit = {"generations": 1, "epochs": 2, "verbose": 0, **fit}
    return keras_ban.BornAgain(model, objective, seed=5, **born).fit(
        callbacks=lambda k: [*own(k), interrupt(k, stops)], **fit
    )


def check(tmp_path, stops=STOPS, **kwargs):
    """Compares it with a run without a directory; returns both."""
    expected, _ = run(**kwargs)
    actual, count = run(tmp_path, stops, **kwargs)
    assert count == len(stops)
    assert [g.history for g in actual] == [g.history for g in expected]
    assert [g.metrics for g in actual] == [g.metrics for g in expected]
    for one, other in zip(actual, expected, strict=True):
        if one.number or one.objective != "given":
            assert same(one.model, other.model)
    return actual, expected


def optimized(optimizer=keras.optimizers.Adam, graph=False, **kwargs):
    compilation = {"steps_per_execution": 2} if graph else {}

    def make():
        return compiled(
            mlp(),
            eager=not graph,
            optimizer=optimizer(learning_rate=0.02, **kwargs),
            **compilation,
        )

    return make
