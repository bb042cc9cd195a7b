"""What is known of a model that leaves, in Markdown: nothing is guessed."""

import datetime
import platform
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_ban import files
from keras_ban.networks.ensembles import symbolic_inputs
from keras_ban.networks.layers import sublayers
from keras_ban.reporting import printed
from keras_ban.shipping import precision
from keras_ban.shipping.formats import FORMATS
from keras_ban.tasks import heads
from keras_ban.tasks import kinds
from keras_ban.version import __version__

_SHORT = 200
_SCHEDULE = "epochs", "batch_size", "steps_per_epoch", "class_weight"
_VIEWS = "augment", "views", "teacher_augment", "teacher_outputs"


class Known(NamedTuple):
    """What is known of a model and of how it came about.

    Attributes:
        name: Its name, as "BAN-2" or "ensemble".
        model: The `keras.Model`.
        generations: The `Generation`s that it is, or is the mean of.
        recipe: What their run was told, a dict, or `None`.
        said: What the owner says of its outputs.
        table: The `Table` of the run, or `None`.
        control: That of a run on the labels alone, or `None`.
        comparison: What a comparison says of the run, in Markdown, or `None`.
    """

    name: str
    model: keras.Model
    generations: list
    recipe: dict | None
    said: Any
    table: Any
    control: Any = None
    comparison: str | None = None


def card(known, format, exported):
    """The text of a card.

    Args:
        known: The `Known`.
        format: The format of the file.
        exported: The `Exported`.
    """
    recipe = known.recipe or {}
    parts = [
        f"# {known.name}",
        _kind(known),
        "## Use",
        f"```python\n{_use(known, format, exported)}\n```",
        _needed(known, format),
        _compared(exported),
        "## The model",
        _listed(_of_model(known)),
        "## How it was trained",
        _listed(_of_training(known, recipe)),
        "## Data",
        _listed(_of_data(recipe)) if recipe else "Nothing is recorded.",
        "## Measured",
        *_measured(known),
        "## Written",
        _listed(_of_writing()),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _kind(known):
    if len(known.generations) > 1:
        names = ", ".join(g.name for g in known.generations)
        return f"The mean prediction of {names} of a born-again run."
    (generation,) = known.generations
    if generation.teacher:
        return (
            f"Generation {generation.number} of a born-again run, trained on "
            f"what {generation.teacher} gives."
        )
    return f"Generation {generation.number} of a born-again run."


def _use(known, format, exported):
    structure = symbolic_inputs(known.model)
    flat = ["x"]
    if isinstance(structure, dict):
        flat = [f'x["{name}"]' for name in sorted(structure)]
    elif len(keras.tree.flatten(structure)) > 1:
        count = len(keras.tree.flatten(structure))
        flat = [f"x[{place}]" for place in range(count)]
    text = FORMATS[format].use.replace("{name}", exported.path.name)
    return text.replace("{inputs}", f"[{', '.join(flat)}]")


def _needed(known, format):
    """What has to be imported first, or nothing."""
    classes = {type(layer) for layer in sublayers(known.model)}
    own = sorted(
        f"`{kind.__name__}` of {kind.__module__}"
        for kind in classes
        if kind.__module__.split(".")[0] != "keras"
    )
    if not own or format != "keras":
        return ""
    return (
        f"Not all of its layers are Keras' own. Import first what registers "
        f"{', '.join(own)}."
    )


def _compared(exported):
    rows = "row" if exported.rows == 1 else "rows"
    return (
        f"Loaded again, it was run on {exported.rows} {rows} beside the model "
        f"in memory: the largest difference was {exported.difference:.2g}, "
        f"where {exported.tolerance:g} is allowed."
    )


def _of_model(known):
    model = known.model
    inputs = keras.tree.map_structure(
        lambda spec: (
            f"{keras.backend.standardize_dtype(spec.dtype)}{_shape(spec.shape)}"
        ),
        symbolic_inputs(model),
    )
    yield "inputs", inputs
    shape = heads.spec(model)
    if isinstance(shape, heads.ByName):
        shape = {name: _shape(one) for name, one in shape.items()}
    elif shape is not None:
        shape = _shape(shape)
    yield "outputs", shape
    yield "it gives", _given(known)
    yield "parameters", f"{model.count_params():,}"
    yield "trained in", ", ".join(sorted(precision.reduced(model))) or None


def _shape(shape):
    return str(tuple(shape)).replace("None", "any")


def _given(known):
    """What its outputs are, in words, or `None` if it does not say it."""
    try:
        task = kinds.task_of(known.model, known.said)
    except (AttributeError, ValueError):
        # Layers that run on no symbols say nothing of themselves.
        return None
    if task.parts:
        return {name: _words(one) for name, one in task.parts.items()}
    return _words(task)


def _words(task):
    logits = getattr(task, "from_logits", None)
    if logits is None:
        return task.words
    return f"{task.words}: {'logits' if logits else 'probabilities'}"


def _of_training(known, recipe):
    generations = known.generations
    objective = recipe.get("objective")
    by_teacher = any(g.teacher for g in generations)
    yield (
        "objective",
        ", ".join(dict.fromkeys(g.objective for g in generations)),
    )
    if by_teacher and objective:
        known_by = {k: v for k, v in objective.items() if k != "class"}
        yield "its settings", known_by
    yield "seed of the run", recipe.get("seed")
    yield "seeds", {g.name: g.seed for g in generations if g.seed is not None}
    trained = {g.name: _epochs(g) for g in generations if _epochs(g)}
    yield "epochs trained", trained
    schedule = recipe.get("schedule") or {}
    for name in _SCHEDULE:
        yield name, schedule.get(name)
    views = recipe.get("views") or {}
    for name in _VIEWS:
        yield name, views.get(name)
    yield "teachers", recipe.get("teachers")
    optimizer = getattr(known.model, "optimizer", None)
    if optimizer is not None and len(generations) == 1:
        yield "optimizer", type(optimizer).__name__
        yield "learning rate at the end", _rate(optimizer)
    yield "seconds", f"{sum(g.seconds for g in generations):.1f}"


def _epochs(generation):
    return max(map(len, generation.history.values()), default=0)


def _rate(optimizer):
    return f"{float(keras.ops.convert_to_numpy(optimizer.learning_rate)):.4g}"


def _of_data(recipe):
    samples = recipe.get("samples") or {}
    for name in ("data", "validation data", "unlabelled"):
        found = recipe.get(name)
        if found:
            yield name, found
            yield f"checksums of a sample of {name}", samples.get(name)


def _measured(known):
    tables = [("", known.table), (", on the labels alone", known.control)]
    for words, table in tables:
        if table:
            yield f"{table.title}{words}:"
            yield table.to_markdown()
    if not known.table:
        yield "Nothing is recorded."
    elif known.table.intervals:
        yield (
            "In brackets 95 % intervals over the examples: how far other "
            "examples could have moved a figure. They say nothing of other "
            "seeds."
        )
    if known.comparison:
        yield "### Beside its twin"
        yield known.comparison


def _of_writing():
    yield "date", datetime.date.today().isoformat()
    yield "keras_ban", __version__
    yield "keras", keras.version()
    yield "tensorflow", tf.__version__
    yield "numpy", np.__version__
    yield "python", platform.python_version()


def _listed(pairs):
    """A table of what is known; what is not has no line."""
    held = [
        (name, _text(value))
        for name, value in pairs
        if value is not None and value not in ({}, [])
    ]
    names, values = zip(*held, strict=True)
    return printed.markdown([["what", *names], ["is known", *values]], "---")


def _text(value):
    text = value if isinstance(value, str) else files.dumps(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]} ..."
