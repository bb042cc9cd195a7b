"""Every network and the ensembles, measured in one pass over the data."""

import contextlib
import dataclasses
import hashlib

import keras
import numpy as np
import tensorflow as tf

from keras_ban.metrics import Scores
from keras_ban.metrics import leading
from keras_ban.metrics import two_columns
from keras_ban.reporting.table import Table
from keras_ban.tasks import kinds
from keras_ban.tasks import labels
from keras_ban.tasks.checks import taking


def overview(generations):
    """The rows of generations that were not evaluated.

    Args:
        generations: A sequence of `Generation`s.

    Returns:
        A list of dicts.
    """
    return [
        {
            "name": g.name,
            "teacher": g.teacher,
            "objective": g.objective,
            **g.metrics,
            **({"parameters": g.model.count_params()} if g.model else {}),
            "seconds": g.seconds,
        }
        for g in generations
    ]


def groups(generations):
    """The ensembles that a table shows, by name: lists of generations.

    `Ens*2` and `Ens*3` are the last two and three students (Furlanello et
    al., 2018, Table 2), `Ens*all` every generation. Those of which a model
    was not kept are left out.
    """
    students = generations[1:]
    found = {f"Ens*{n}": students[-n:] for n in (2, 3) if len(students) >= n}
    if len(generations) > 1:
        found["Ens*all"] = list(generations)
    return {
        name: members
        for name, members in found.items()
        if all(g.model for g in members)
    }


def evaluate(
    generations, stream, title, predictor, from_logits=None, ensembles=None
):
    """Evaluates every generation and the ensembles in one pass.

    A generation whose model was not kept has a row without figures.

    Args:
        generations: A sequence of `Generation`s.
        stream: Batches, as `Examples.labelled` gives them.
        title: What the data is.
        predictor: The `Predictor` that runs the models.
        from_logits: As in `outputs.gives_logits`. Defaults to `None`.
        ensembles: By name, lists of generations whose mean is measured too.
            Defaults to `None`: those of `groups`.

    Returns:
        A `Table`.
    """
    if ensembles is None:
        ensembles = groups(generations)
    everyone, generations = generations, [g for g in generations if g.model]
    names = [g.name for g in generations] + list(ensembles)
    scores = {name: Scores() for name in names}
    give_logits = [kinds.classifier(g.model, from_logits) for g in generations]
    functions = [predictor.function(g.model) for g in generations]
    labels_seen = hashlib.blake2b(digest_size=16)
    for x, y, weight in stream:
        labels_seen.update(np.ascontiguousarray(y).tobytes())
        found = []
        for g, function in zip(generations, functions, strict=True):
            with taking(g.model, x):
                found.append(function(x))
            kinds.check(g.model, found[-1][0].shape, y)
        p = {
            g.name: probabilities(output, is_logits)
            for g, (output, _), is_logits in zip(
                generations, found, give_logits, strict=True
            )
        }
        labels.check(y, found[0][0].shape)
        labels.check_weight(weight, found[0][0].shape)
        weight = _counted(weight, [mask for _, mask in found])
        for g in generations:
            scores[g.name].update(y, p[g.name], weight, p.get(g.teacher))
        for name, members in ensembles.items():
            mean = np.mean([p[g.name] for g in members], axis=0)
            scores[name].update(y, mean, weight)
    rows = overview([dataclasses.replace(g, metrics={}) for g in everyone])
    for row in rows:
        if row["name"] in scores:
            row |= scores[row["name"]].result()
    by_name = {row["name"]: row for row in rows}
    for name, members in ensembles.items():
        own = [by_name[g.name] for g in members]
        rows.append(
            {
                "name": name,
                "teacher": None,
                "objective": "ensemble",
                **scores[name].result(),
                "parameters": sum(row["parameters"] for row in own),
                "seconds": sum(row["seconds"] for row in own),
            }
        )
    curves = {name: score.reliability() for name, score in scores.items()}
    intervals = {name: score.intervals() for name, score in scores.items()}
    return Table(rows, title, curves, intervals, labels_seen.hexdigest())


def _counted(weight, masks):
    """Sample weights of which masked positions have none."""
    mask = next((m for m in masks if m is not None), None)
    if mask is None:
        return weight
    mask = np.asarray(mask, "float64")
    if weight is None:
        return mask
    return mask * weight.reshape(leading(weight.shape, mask.shape))


@contextlib.contextmanager
def quiet_retracing():
    """Keeps back TensorFlow's advice on functions that are traced often.

    Each generation is a new model, so its functions are traced anew.
    """

    def other(record):
        return "triggered tf.function retracing" not in record.getMessage()

    tf.get_logger().addFilter(other)
    try:
        yield
    finally:
        tf.get_logger().removeFilter(other)


def probabilities(output, from_logits):
    """The output of a model as probabilities in float64.

    Args:
        output: NumPy array of shape `(..., n)`, or `(..., 1)` if binary.
        from_logits: Whether they are logits.

    Returns:
        Shape `(..., n)`, two classes if binary.
    """
    z = np.asarray(keras.ops.convert_to_numpy(output), "float64")
    if not from_logits:
        return two_columns(z)
    if z.shape[-1] == 1:
        z = np.concatenate([np.zeros_like(z), z], axis=-1)
    z = np.exp(z - z.max(-1, keepdims=True))
    return z / z.sum(-1, keepdims=True)
