"""The picture of a lineage."""

import contextlib
import io
import os

from keras_ban import checks
from keras_ban import files
from keras_ban.metrics import BINS
from keras_ban.reporting.table import Table


def draw(table, path=None):
    """Draws error, NLL and calibration of an evaluated lineage.

    Args:
        table: A `Table` that `evaluate` gave.
        path: The image file to write; its ending says the format. Defaults
            to `None`: none is written.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: If matplotlib is not installed.
        OSError: If there is something else than a file, or if it cannot be
            written.
    """
    picture = figure(path, figsize=(13, 4.2), layout="constrained")
    measured = [row for row in table if "error" in row]
    table = Table(measured, table.title, table.reliability)
    picture.suptitle(f"Born-again networks, {table.title}")
    left, middle, right = picture.subplots(1, 3)
    _by_generation(left, table, "error", "error (%)", 100)
    _by_generation(middle, table, "nll", "negative log-likelihood (nats)", 1)
    _calibration(right, table)
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
