"""The picture of a lineage."""

import contextlib
import io
import os

from keras_ban import checks
from keras_ban import files
from keras_ban.tasks.scores import BINS

_RUN = {"color": "black", "label": "this run", "shift": 0.0}
_CONTROL = {"color": "tab:orange", "label": "on the labels alone", "shift": 0.2}
# By the mark of a curve; none of them is the control's.
_COLORS = {"o": "tab:blue", "s": "tab:green", "^": "tab:purple"}
_SCALES = {
    "error": (100, "error (%)"),
    "nll": (1, "negative log-likelihood (nats)"),
    "rmse": (1, "RMSE (units of the labels)"),
    "mae": (1, "MAE (units of the labels)"),
    "loss": (1, "loss"),
}


def draw(table, path=None, control=None):
    """Draws error, NLL and calibration of an evaluated lineage, or its RMSE.

    Bars are 95 % intervals over the examples: how far other ones of as many
    could have moved a point. They say nothing of other seeds.

    Args:
        table: A `Table` that `evaluate` gave.
        path: The image file to write; its ending says the format. Defaults
            to `None`: none is written.
        control: The `Table` of a run on the labels alone, measured on the
            same data, to be drawn beside it. Defaults to `None`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: If matplotlib is not installed.
        OSError: If there is something else than a file, or if it cannot be
            written.
    """
    rows = _measured(table)
    names = [row["name"] for row in rows]
    places = {_key(row): place for place, row in enumerate(rows)}
    width = 9 + 0.3 * max(12, len(names))
    picture = figure(path, figsize=(width, 4.4), layout="constrained")
    picture.suptitle(f"Born-again networks, {table.title}")
    curves = any(curve is not None for curve in table.reliability.values())
    left, middle, *others = picture.subplots(1, 2 + curves)
    for axes, column in zip((left, middle), table.judged, strict=True):
        if control is not None:
            _draw_points(axes, control, column, places, _CONTROL)
        _draw_points(axes, table, column, places, _RUN)
        _label(axes, names, column)
    if control is not None:
        left.legend(frameon=False)
    for axes in others:
        _calibration(axes, table)
    if path is not None:
        picture.savefig(path, dpi=150)
    return picture


def figure(path, **options):
    """An empty figure of matplotlib, for a picture that can be written.

    Args:
        path: Where it is to be written, or `None`.
        **options: As `matplotlib.figure.Figure` takes them.

    Raises:
        ImportError: If matplotlib is not installed.
        OSError: If there is something else than a file.
    """
    if isinstance(path, (str, os.PathLike)):
        with contextlib.suppress(FileNotFoundError):
            files.check_file(path)
    with checks.needing("matplotlib", "plots", "The plot"):
        from matplotlib.figure import Figure

    class Picture(Figure):
        """A figure that a notebook shows, whether or not it uses pyplot."""

        def _repr_png_(self):
            written = io.BytesIO()
            self.savefig(written, format="png", dpi=100)
            return written.getvalue()

    return Picture(**options)


def _measured(table):
    return [row for row in table if table.judged[0] in row]


def _key(row):
    """What stands for the same in a run and in its control."""
    if row["objective"] == "ensemble" or "-" not in row["name"]:
        return row["name"].replace("Teacher", "0")
    return row["name"].rpartition("-")[2]


def _draw_points(axes, table, column, places, style):
    """A point with its interval for each network and ensemble of a table."""
    scale, style = _scale(column)[0], dict(style)
    shift = style.pop("shift")
    for row in _measured(table):
        if _key(row) not in places:
            continue
        value = row[column]
        # A sum over several outputs has none.
        intervals = table.intervals[row["name"]]
        low, high = intervals.get(column, (value, value))
        axes.errorbar(
            places[_key(row)] + shift,
            scale * value,
            yerr=[
                [scale * max(0, value - low)],
                [scale * max(0, high - value)],
            ],
            fmt="s" if row["objective"] == "ensemble" else "o",
            ms=5,
            capsize=3,
            **style,
        )
        # Once in the legend.
        style["label"] = None


def _label(axes, names, column):
    """Names, and room, so that small differences look small."""
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_xlim(-0.5, len(names) - 0.3)
    low, high = axes.get_ylim()
    room = 0.25 * (high - low)
    axes.set_ylim(max(0, low - room), high + room)
    axes.grid(axis="y", alpha=0.3)
    axes.set_ylabel(_scale(column)[1])
    axes.set_title("lower is better; bars: 95 %, over examples", fontsize=9)


def _scale(column):
    """By what a score is multiplied, and the words on its axis."""
    if column in _SCALES:
        return _SCALES[column]
    output, _, score = column.rpartition("_")
    scale, words = _SCALES[score]
    return scale, f"{output}: {words}"


def _calibration(axes, table):
    """Accuracy by confidence, bins as large as their share of the examples."""
    rows = _measured(table)
    axes.plot([0, 1], [0, 1], color="grey", lw=1, label="perfect")
    shown = {rows[0]["name"]: "o", rows[-1]["name"]: "s"}
    best = min(rows[1:] or rows, key=lambda row: row["nll"])
    shown.setdefault(best["name"], "^")
    for row in rows:
        if row["name"] not in shown:
            continue
        confidence, accuracy, share, _ = table.reliability[row["name"]]
        filled = share > 0
        color = _COLORS[shown[row["name"]]]
        axes.plot(
            confidence[filled], accuracy[filled], lw=1, alpha=0.6, color=color
        )
        axes.scatter(
            confidence[filled],
            accuracy[filled],
            s=4 + 150 * share[filled],
            marker=shown[row["name"]],
            color=color,
            alpha=0.6,
            label=f"{row['name']}, ECE {100 * row['ece']:.1f} %",
        )
    axes.set_xlabel(f"confidence ({BINS} bins, as large as their share)")
    axes.set_ylabel("accuracy")
    axes.set_title(
        "calibration of this run: on the diagonal is best", fontsize=9
    )
    axes.legend(frameon=False, fontsize=8)
