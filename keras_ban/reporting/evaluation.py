"""Every network and the ensembles, measured in one pass over the data."""

import contextlib
import dataclasses
import hashlib

import keras
import numpy as np
import tensorflow as tf

from keras_ban.reporting.table import Table
from keras_ban.tasks import heads
from keras_ban.tasks import kinds
from keras_ban.tasks.checks import taking
from keras_ban.tasks.scores import NOTHING


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
    # A teacher that is no Keras model is part of none.
    networks = [g for g in generations if g.given is None]
    if len(networks) > 1 and networks not in found.values():
        found["Ens*all"] = networks
    return {
        name: members
        for name, members in found.items()
        if all(g.model for g in members)
    }


def beside(table, other):
    """The table of a control, if it was measured on the same data.

    Args:
        table: The `Table` of a run.
        other: That of the control.

    Raises:
        ValueError: If its labels are others.
    """
    if other.data != table.data:
        raise ValueError(
            "The control was evaluated on other data. Expected that of "
            f"{table.title!r}. Received: {other.title!r}, of other "
            "labels. Call `evaluate` of both on the same data."
        )
    return other


def evaluate(
    generations, stream, title, predictor, said=kinds.UNSAID, ensembles=None
):
    """Evaluates every generation and the ensembles in one pass.

    A generation whose model was not kept has a row without figures.

    Args:
        generations: A sequence of `Generation`s.
        stream: Batches, as `Examples.labelled` gives them.
        title: What the data is.
        predictor: The `Predictor` that runs the models.
        said: What the owner of the models says of them. Defaults to nothing.
        ensembles: By name, lists of generations whose mean is measured too.
            Defaults to `None`: those of `groups`.

    Returns:
        A `Table`.
    """
    if ensembles is None:
        ensembles = groups(generations)
    everyone, generations = generations, [g for g in generations if g.predicts]
    if not generations:
        return Table(_rows(everyone, {}, {}), title)
    names = [g.name for g in generations] + list(ensembles)
    tasks, scores = None, None
    functions = [_function(g, predictor) for g in generations]
    labels_seen = hashlib.blake2b(digest_size=16)
    for x, y, weight in stream:
        for label in keras.tree.flatten(y):
            labels_seen.update(np.ascontiguousarray(label).tobytes())
        found = []
        for g, function in zip(generations, functions, strict=True):
            with taking(g.source, x):
                found.append(function(x))
        outputs = [
            heads.by_name(g.model, output)
            for g, (output, _) in zip(generations, found, strict=True)
        ]
        if tasks is None:
            tasks = _tasks(generations, outputs, said, y)
            scores = {name: tasks[0].measuring() for name in names}
        p = {
            g.name: task.predictions(output)
            for g, (output, _), task in zip(
                generations, found, tasks, strict=True
            )
        }
        shape = heads.shape_of(outputs[0])
        # One that was given may have been compiled with another loss.
        tasks[-1].check_labels(y, shape)
        tasks[-1].check_weight(weight, shape)
        masks = [mask for _, mask in found]
        y, weight = tasks[-1].counted(y, weight, shape, masks)
        for g in generations:
            scores[g.name].update(y, p[g.name], weight, p.get(g.teacher))
        for name, members in ensembles.items():
            mean = tasks[0].mean([p[g.name] for g in members])
            scores[name].update(y, mean, weight)
    if scores is None:
        raise ValueError(NOTHING)
    rows = _rows(everyone, scores, ensembles)
    measuring = next(iter(scores.values()))
    return Table(
        rows,
        title,
        {name: score.reliability() for name, score in scores.items()},
        {name: score.intervals() for name, score in scores.items()},
        labels_seen.hexdigest(),
        measuring.kept,
        measuring.judged,
    )


def _function(generation, predictor):
    """A function from inputs to a generation's output and its mask."""
    if generation.given is None:
        return predictor.function(generation.model)
    return lambda x: (generation.given.output(x), None)


def _rows(generations, scores, ensembles):
    """The rows of generations and of ensembles, measured or not.

    Args:
        generations: A sequence of `Generation`s.
        scores: What was measured, by name.
        ensembles: By name, lists of generations.

    Returns:
        A list of dicts.
    """
    results = {name: score.result() for name, score in scores.items()}
    rows = overview([dataclasses.replace(g, metrics={}) for g in generations])
    for row in rows:
        if row["name"] in results:
            row |= results[row["name"]]
    by_name = {row["name"]: row for row in rows}
    for name, members in ensembles.items():
        own = [by_name[g.name] for g in members]
        rows.append(
            {
                "name": name,
                "teacher": None,
                "objective": "ensemble",
                **results[name],
                "parameters": sum(row["parameters"] for row in own),
                "seconds": sum(row["seconds"] for row in own),
            }
        )
    return rows


def _tasks(generations, found, said, y):
    """The `Task` of each model, told by a batch.

    Args:
        generations: The `Generation`s.
        found: The output of each, or a `ByName`.
        said: What the owner of the models says of them.
        y: The labels.
    """
    tasks = [
        kinds.task_of(g.model, said, heads.shape_of(output), y)
        if g.given is None
        else g.given.task
        for g, output in zip(generations, found, strict=True)
    ]
    for task in tasks:
        tasks[0].check_same(task)
    return tasks


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
