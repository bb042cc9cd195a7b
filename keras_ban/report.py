"""The table and the picture of a lineage."""

import contextlib
import dataclasses
import io

import keras
import numpy as np
import rich.box
import rich.console
import rich.table
import tensorflow as tf

from keras_ban import data_checks
from keras_ban import outputs
from keras_ban.metrics import BINS
from keras_ban.metrics import Scores
from keras_ban.metrics import leading
from keras_ban.metrics import two_columns

_COLUMNS = {
    "name": ("network", str),
    "teacher": ("learned from", str),
    "leaves": ("leaves", lambda v: f"{v:,}"),
    "depth": ("depth", str),
    "fidelity": ("fidelity %", lambda v: f"{100 * v:.2f}"),
    "real_fidelity": ("on real rows %", lambda v: f"{100 * v:.2f}"),
    "r2": ("R²", lambda v: f"{v:.4f}"),
    "accuracy": ("accuracy %", lambda v: f"{100 * v:.2f}"),
    "error": ("error %", lambda v: f"{100 * v:.2f}"),
    "nll": ("NLL", lambda v: f"{v:.4f}"),
    "ece": ("ECE %", lambda v: f"{100 * v:.2f}"),
    "agreement": ("agreement %", lambda v: f"{100 * v:.2f}"),
    "parameters": ("parameters", lambda v: f"{v:,}"),
    "seconds": ("seconds", lambda v: f"{v:.1f}"),
}


class Table(list):
    """Rows as dicts, one for each network, printed as a table.

    Attributes:
        title: What the figures were measured on.
        reliability: For each network's name, what
            `metrics.Scores.reliability` returns.
    """

    def __init__(self, rows, title, reliability=None):
        super().__init__(rows)
        self.title = title
        self.reliability = reliability or {}

    def __str__(self):
        """The rows in aligned columns; what was not measured is a dash."""
        used = [c for c in _COLUMNS if any(c in row for row in self)]
        table = rich.table.Table(title=self.title, box=rich.box.SIMPLE)
        for column in used:
            justify = "left" if column in ("name", "teacher") else "right"
            table.add_column(_COLUMNS[column][0], justify=justify)
        for row in self:
            table.add_row(*[_cell(column, row.get(column)) for column in used])
        console = rich.console.Console(
            file=io.StringIO(),
            width=120,
            force_jupyter=False,
            force_terminal=False,
        )
        console.print(table)
        lines = console.file.getvalue().splitlines()
        return "\n".join(line.rstrip() for line in lines).strip("\n")


def _cell(column, value):
    missing = value is None or value != value
    return "-" if missing else _COLUMNS[column][1](value)


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


def evaluate(generations, stream, title, predictor, from_logits=None):
    """Evaluates every generation and the ensembles in one pass.

    A generation whose model was not kept has a row without figures.

    Args:
        generations: A sequence of `Generation`s.
        stream: Batches, as `batches.read` gives them.
        title: What the data is.
        predictor: The `Predictor` that runs the models.
        from_logits: As in `outputs.gives_logits`. Defaults to `None`.

    Returns:
        A `Table`.
    """
    ensembles = groups(generations)
    everyone, generations = generations, [g for g in generations if g.model]
    names = [g.name for g in generations] + list(ensembles)
    scores = {name: Scores() for name in names}
    kinds = [outputs.gives_logits(g.model, from_logits) for g in generations]

    functions = [predictor.function(g.model) for g in generations]
    for x, y, weight in stream:
        found = [function(x) for function in functions]
        p = {
            g.name: probabilities(output, kind)
            for g, (output, _), kind in zip(
                generations, found, kinds, strict=True
            )
        }
        data_checks.labels(y, found[0][0].shape)
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
        of = [by_name[g.name] for g in members]
        rows.append(
            {
                "name": name,
                "teacher": None,
                "objective": "ensemble",
                **scores[name].result(),
                "parameters": sum(row["parameters"] for row in of),
                "seconds": sum(row["seconds"] for row in of),
            }
        )
    curves = {name: score.reliability() for name, score in scores.items()}
    return Table(rows, title, curves)


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


def plot(table, path):
    """Draws error, NLL and calibration of an evaluated lineage.

    Args:
        table: A `Table` that `evaluate` gave.
        path: The image file to write; its ending says the format.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "The plot needs matplotlib, which is not installed. Install it "
            "by `pip install keras_ban[plots]`."
        ) from error
    measured = [row for row in table if "error" in row]
    table = Table(measured, table.title, table.reliability)
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    figure.suptitle(f"Born-again networks, {table.title}")
    left, middle, right = figure.subplots(1, 3)
    _by_generation(left, table, "error", "error (%)", 100)
    _by_generation(middle, table, "nll", "negative log-likelihood (nats)", 1)
    _calibration(right, table)
    figure.savefig(path, dpi=150)


def _by_generation(axes, table, column, label, scale):
    nets = [row for row in table if row["objective"] != "ensemble"]
    values = [scale * row[column] for row in nets]
    axes.plot(range(len(nets)), values, "o-", color="black", label="single")
    ensembles = [row for row in table if row["objective"] == "ensemble"]
    for i, row in enumerate(ensembles):
        axes.axhline(
            scale * row[column], ls="--", color=f"C{i}", label=row["name"]
        )
    axes.set_xticks(range(len(nets)), [row["name"] for row in nets])
    axes.set_ylabel(label)
    axes.set_title(f"{label.split(' (')[0]}, lower is better")
    axes.legend(frameon=False)


def _calibration(axes, table):
    axes.plot([0, 1], [0, 1], color="grey", lw=1, label="perfect")
    shown = {table[0]["name"], table[-1]["name"]}
    shown |= {row["name"] for row in table if row["name"] == "Ens*3"}
    for row in table:
        if row["name"] in shown:
            confidence, accuracy, share, _ = table.reliability[row["name"]]
            filled = share > 0
            axes.plot(
                confidence[filled],
                accuracy[filled],
                "o-",
                ms=3,
                label=f"{row['name']}, ECE {100 * row['ece']:.1f} %",
            )
    axes.set_xlabel(f"confidence ({BINS} bins)")
    axes.set_ylabel("accuracy")
    axes.set_title("calibration, the diagonal is best")
    axes.legend(frameon=False)
