"""Several outputs: a task for each, by name."""

from typing import Any
from typing import NamedTuple

import keras

from keras_ban.distribution.parts import Mixed
from keras_ban.distribution.parts import Partly
from keras_ban.tasks import heads
from keras_ban.tasks import ignored
from keras_ban.tasks.base import Part
from keras_ban.tasks.base import Task
from keras_ban.tasks.several_scores import SeveralScores


class Several(Task):
    """Several outputs, each with a task of its own; scores are dicts by name.

    Args:
        parts: The `Task` of each output, a `heads.ByName`.
        weights: The weight of each output in the loss, a dict. Defaults to
            `None`: 1 each.

    Attributes:
        parts: As given.
    """

    name = "several"
    words = "several outputs"

    def __init__(self, parts, weights=None):
        self.parts = parts
        self._weights = weights or {}

    @property
    def names(self):
        return list(self.parts)

    @property
    def ignored(self):
        found = {name: task.ignored for name, task in self.parts.items()}
        return None if set(found.values()) == {None} else found

    def split(self, y):
        """Labels, weights or what else is given for outputs, by name.

        Args:
            y: As Keras takes labels: in the structure of the outputs, a dict
                by name, or a list in their order; `Mixed` labels of these;
                or one for all.

        Returns:
            A dict; `None` for outputs of which there is nothing.

        Raises:
            ValueError: If it is none of these.
        """
        if isinstance(y, Mixed):
            first, second = self.split(y.first), self.split(y.second)
            return {
                name: Mixed(first[name], second[name], y.share, y.part)
                for name in self.names
            }
        if isinstance(y, Partly):
            found = self.split(y.labels)
            return {k: y._replace(labels=v) for k, v in found.items()}
        if not keras.tree.is_nested(y):
            return dict.fromkeys(self.names, y)
        found = keras.tree.flatten(y)
        if isinstance(y, dict) and set(y) <= set(self.names):
            return {name: y.get(name) for name in self.names}
        if len(found) == len(self.names):
            return dict(zip(self.names, found, strict=True))
        held = (
            f"a dict of {', '.join(map(repr, y))}"
            if isinstance(y, dict)
            else f"a {type(y).__name__} of {len(found)}"
        )
        raise ValueError(
            "Labels or weights do not fit the outputs of the model. Expected "
            f"{', '.join(map(repr, self.names))}, in a dict or in this order. "
            f"Received: {held}. Give one for each output, by its name."
        )

    def scores(self, result):
        found = keras.tree.flatten(result)
        return {
            name: task.scores(output)
            for (name, task), output in zip(
                self.parts.items(), found, strict=True
            )
        }

    def comparable(self, student, teacher, other):
        pairs = {
            name: task.comparable(
                student[name], teacher[name], other.parts[name]
            )
            for name, task in self.parts.items()
            if name in teacher
        }
        found = student | {name: pair[0] for name, pair in pairs.items()}
        return found, {
            name: pairs[name][1] if name in pairs else None
            for name in self.names
        }

    def check_pair(self, student_shape, teacher_shape):
        for name, task in self.parts.items():
            if name in teacher_shape:
                task.check_pair(student_shape[name], teacher_shape[name])

    def labels_for(self, shape, y):
        if not isinstance(shape, heads.ByName):
            return None
        found = self.split(y)
        return {name: found.get(name) for name in shape}

    def check_alike(self, one, other):
        if list(one) != list(other):
            raise ValueError(
                "Models must have the same outputs. Received: "
                f"{', '.join(map(repr, one))}, and "
                f"{', '.join(map(repr, other))}. Name them alike."
            )
        for name, task in self.parts.items():
            task.check_alike(one[name], other[name])

    def check_same(self, other):
        shared = set(self.names) & set(other.parts or ())
        if not shared:
            held = ", ".join(map(repr, other.parts or ()))
            raise ValueError(
                f"The student has the outputs "
                f"{', '.join(map(repr, self.names))}. Expected a teacher that "
                "has one of them at least, by its name. Received: one with "
                f"{held or 'one output of another name'}. Name the outputs "
                "alike: the keys of a dict, or the last layers."
            )
        for name in shared:
            self.parts[name].check_same(other.parts[name])

    def check_objective(self, objective, shape, taught=None):
        objective.check_outputs(self.names, taught)
        for name, task in self.parts.items():
            task.check_objective(objective.for_output(name), shape[name])

    def learned(self, model, y, scores, teacher=None, weight=None):
        losses = heads.losses(model, self.names)
        scales = heads.loss_weights(model, self.names)
        labels, weights = self.split(y), self.split(weight)
        found = []
        for name, task in self.parts.items():
            # As in Keras, an output without a loss learns nothing.
            if losses is None or losses[name] is not None:
                own, counted = ignored.counting(
                    labels[name], scores[name], task.ignored
                )
                taught = teacher and teacher[name]
                loss = losses and losses[name]
                one = scales[name], task, loss, own, counted, taught
                found.append(Part(name, *one, weights[name]))
        return found

    def check_output(self, model, values):
        for name, task in self.parts.items():
            task.check_output(_Named(f"{model.name}/{name}"), values[name])

    def check_labels(self, y, shape, name="y"):
        for output, found in self._split(y, name).items():
            if found is not None and output in shape:
                task = self.parts[output]
                task.check_labels(found, shape[output], f"{name}[{output!r}]")

    def check_weight(self, weight, shape, name="sample_weight"):
        found = self.split(weight)
        for output in shape:
            self.parts[output].check_weight(
                found[output], shape[output], f"{name}[{output!r}]"
            )

    def _split(self, y, name):
        if len(self.names) > 1 and not keras.tree.is_nested(y):
            raise ValueError(
                f"The model has the outputs "
                f"{', '.join(map(repr, self.names))}. Expected labels of each "
                f"in `{name}`, in a dict or in this order. Received: one "
                f"array of shape {tuple(y.shape)}."
            )
        return self.split(y)

    def seen(self, y, shape):
        return {
            (output, label)
            for output, found in self.split(y).items()
            if found is not None
            for label in self.parts[output].seen(found, shape[output])
        }

    def default_compilation(self, row_shape, label_shape):
        shapes = self.split(label_shape)
        found = self.parts.map(lambda task: {"loss": None, "metrics": []})
        for name, task in self.parts.items():
            if shapes[name] is not None:
                found[name] = task.default_compilation(
                    row_shape[name], shapes[name]
                )
        return _compilation(found)

    def of_mean(self):
        return Several(self.parts.map(lambda task: task.of_mean()))

    def averaged(self, output, name, columns):
        found = keras.tree.flatten(output)
        return {
            key: task.averaged(one, f"{name}_of_{_layer(key)}", columns[key])
            for (key, task), one in zip(self.parts.items(), found, strict=True)
        }

    def columns(self, shapes):
        return {
            name: task.columns([shape[name] for shape in shapes])
            for name, task in self.parts.items()
        }

    def merged(self, members, weights, prefix=""):
        found = {
            name: task.merged(
                [member[name] for member in members],
                weights,
                f"{prefix}{_layer(name)}_",
            )
            for name, task in self.parts.items()
        }
        if not isinstance(self.parts.template, dict):
            # Outputs in a list are known by the names of their layers.
            found = {
                name: keras.layers.Identity(name=_layer(name))(one)
                for name, one in found.items()
            }
        return heads.ByName(found, self.parts.template).packed()

    def ensemble_compilation(self):
        found = self.parts.map(lambda task: task.ensemble_compilation())
        return _compilation(found) if any(found.values()) else {}

    def predictions(self, output):
        found = keras.tree.flatten(output)
        return {
            name: task.predictions(one)
            for (name, task), one in zip(self.parts.items(), found, strict=True)
        }

    def mean(self, predictions):
        return {
            name: task.mean([found[name] for found in predictions])
            for name, task in self.parts.items()
        }

    def counted(self, y, weight, shape, masks):
        labels, weights = self.split(y), self.split(weight)
        for name, task in self.parts.items():
            if labels[name] is not None and name in shape:
                labels[name], weights[name] = task.counted(
                    labels[name],
                    weights[name],
                    shape[name],
                    [mask.get(name) for mask in masks],
                )
        return labels, weights

    def measuring(self):
        return SeveralScores(
            {name: task.measuring() for name, task in self.parts.items()},
            self._weights,
            self.split,
        )


class _Named(NamedTuple):
    """What errors about an output call it.

    Attributes:
        name: The name.
    """

    name: Any


def _layer(name):
    """A name for a layer from the name of an output."""
    return name.replace("/", "_")


def _compilation(found):
    """Losses and metrics of each output as `compile` takes them, a dict.

    Args:
        found: A `heads.ByName` of dicts.
    """
    compiled = {
        "loss": found.map(lambda one: one.get("loss")).packed(),
        "metrics": found.map(lambda one: one.get("metrics", [])),
    }
    template = found.template
    is_flat = not any(keras.tree.is_nested(v) for v in _values(template))
    if not is_flat:
        # Keras takes no metrics of outputs within outputs.
        del compiled["metrics"]
    elif isinstance(template, dict):
        compiled["metrics"] = dict(compiled["metrics"])
    else:
        compiled["metrics"] = list(compiled["metrics"].values())
    return compiled


def _values(template):
    return template.values() if isinstance(template, dict) else template
