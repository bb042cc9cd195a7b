"""Every network and the ensembles, measured in one pass over the data."""

import contextlib
import dataclasses
import hashlib
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_ban.reporting.table import Table
from keras_ban.tasks import heads
from keras_ban.tasks import kinds
from keras_ban.tasks.checks import taking
from keras_ban.tasks.scores import NOTHING


class Asked(NamedTuple):
    """What labels are of: the outputs of students.

    A teacher that was given may have others beside those that it teaches.

    Attributes:
        task: The `Task` of a student.
        name: What the student calls its output, if it has one.
    """

    task: Any
    name: str | None = None

    def chosen(self, generation, held):
        """What is asked for of that which a generation has for its outputs.

        Args:
            generation: The `Generation`.
            held: A dict by the names of its outputs; else that of its one.

        Returns:
            A dict of what it has, if students have several outputs; else that
            of the student's one.
        """
        if not self.task.parts:
            return held[self.name] if isinstance(held, dict) else held
        if not isinstance(held, dict):
            held = {heads.only_name(generation.model): held}
        return {name: held[name] for name in self.task.parts if name in held}

    def shapes_and_masks(self, generation, found):
        """The shapes and masks of that which a generation gives.

        Args:
            generation: The `Generation`.
            found: Its output and its mask, with the structure of the output.
        """
        output, mask = found
        named = heads.by_name(generation.model, output)
        if isinstance(named, heads.ByName):
            masks = keras.tree.flatten(mask)
            mask = dict(zip(named, masks, strict=True))
        shape = heads.shape_of(named)
        return self.chosen(generation, shape), self.chosen(generation, mask)

    def check_same(self, generation, task):
        """Refuses a generation whose outputs are of another kind.

        Args:
            generation: The `Generation`.
            task: Its `Task`.
        """
        found = self.chosen(generation, task.parts or task)
        if self.task.parts:
            for name, one in found.items():
                self.task.parts[name].check_same(one)
        else:
            self.task.check_same(found)


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
    generations,
    stream,
    title,
    predictor,
    said=kinds.UNSAID,
    ensembles=None,
    asked=None,
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
        asked: The `Asked` of what the labels are. Defaults to `None`: they are
            those of the last generation.

    Returns:
        A `Table`.
    """
    if ensembles is None:
        ensembles = groups(generations)
    everyone, generations = generations, [g for g in generations if g.predicts]
    if not generations:
        return Table(_rows(everyone, {}, {}), title)
    scores = None
    functions = [_function(g, predictor) for g in generations]
    labels_seen = hashlib.blake2b(digest_size=16)
    for x, y, weight in stream:
        for label in keras.tree.flatten(y):
            labels_seen.update(np.ascontiguousarray(label).tobytes())
        found = []
        for g, function in zip(generations, functions, strict=True):
            with taking(g.source, x):
                found.append(function(x))
        if scores is None:
            tasks, asked = _tasks(generations, found, said, y, asked)
            ensembles = _alike(ensembles, generations, tasks, asked)
            names = [g.name for g in generations] + list(ensembles)
            scores = {name: asked.task.measuring() for name in names}
        own = list(map(asked.shapes_and_masks, generations, found))
        shape, masks = own[-1][0], [mask for _, mask in own]
        asked.task.check_labels(y, shape)
        asked.task.check_weight(weight, shape)
        y, weight = asked.task.counted(y, weight, shape, masks)
        p = {
            g.name: asked.chosen(g, task.predictions(output))
            for g, task, (output, _) in zip(
                generations, tasks, found, strict=True
            )
        }
        for g in generations:
            scores[g.name].update(y, p[g.name], weight, p.get(g.teacher))
        for name, members in ensembles.items():
            mean = asked.task.mean([p[g.name] for g in members])
            scores[name].update(y, mean, weight)
    if scores is None:
        raise ValueError(NOTHING)
    rows = _rows(everyone, scores, ensembles)
    measuring = scores[generations[-1].name]
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


def _tasks(generations, found, said, y, asked):
    """The `Task` of each model, told by a batch, and what the labels are of.

    Args:
        generations: The `Generation`s.
        found: The output of each, and its mask.
        said: What the owner of the models says of them.
        y: The labels.
        asked: The `Asked`, or `None`.
    """
    shapes = [
        heads.shape_of(heads.by_name(g.model, output))
        for g, (output, _) in zip(generations, found, strict=True)
    ]
    last = generations[-1]
    if asked is None:
        task = _task(last, said, shapes[-1], y)
        asked = Asked(task, heads.only_name(last.model))
    tasks = [
        _task(g, said, shape, asked.task.labels_for(shape, y))
        for g, shape in zip(generations, shapes, strict=True)
    ]
    for g, task in zip(generations, tasks, strict=True):
        asked.check_same(g, task)
    return tasks, asked


def _task(generation, said, shape, y):
    if generation.given is not None:
        return generation.given.task
    model = generation.model
    return kinds.task_of(model, said.among(heads.names(model)), shape, y)


def _alike(ensembles, generations, tasks, asked):
    """The ensembles whose members all have the outputs that are measured."""
    own = {
        g.name: list(task.parts or ())
        for g, task in zip(generations, tasks, strict=True)
    }
    names = list(asked.task.parts or ())
    return {
        name: members
        for name, members in ensembles.items()
        if all(own[g.name] == names for g in members)
    }


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
