"""The printed table."""

import io

import rich.box
import rich.console
import rich.table

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
    "perplexity": ("perplexity", lambda v: f"{v:.2f}"),
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
