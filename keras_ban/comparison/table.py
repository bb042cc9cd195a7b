"""The printed table, and the same in HTML."""

import html
import textwrap

from keras_ban.reporting import printed

WIDTH = 80
# Each column but the name: its heading, and what `_cells` calls it.
_HEADINGS = {
    "error": "error %",
    "nll": "NLL",
    "ece": "ECE %",
    "difference": "to twin",
    "training_cost": "train",
    "prediction_cost": "run",
}


class Rows(list):
    """Rows as dicts, one for each method and ensemble, printed as a table.

    Attributes:
        title: What was measured, and how often.
        notes: What the columns mean, a text.
        verdict: What can be told of them, a list of paragraphs.
    """

    def __init__(self, rows, title, notes, verdict):
        super().__init__(rows)
        self.title = title
        self.notes = notes
        self.verdict = verdict

    def __str__(self):
        """At most 80 columns, of ASCII alone."""
        columns = [list(map(printed.ascii, c)) for c in self._columns()]
        parts = [*_wrapped(self.title), *printed.aligned(columns, WIDTH), ""]
        parts += [*_wrapped(self.notes), ""]
        for paragraph in self.verdict:
            parts += _wrapped(f"- {paragraph}", "  ")
        return "\n".join(parts)

    def _repr_html_(self):
        """The table and the verdict, for notebooks."""
        texts = "".join(
            f"<p>{html.escape(text)}</p>"
            for text in (self.notes, *self.verdict)
        )
        table = printed.markup(self.title, self._columns())
        return (table + texts).replace("+-", "±")

    def _columns(self):
        """For each column, its heading and its texts."""
        cells = [_HEADINGS, *map(_cells, self)]
        names = ["method", *(row["name"] for row in self)]
        return [names, *([c[k] for c in cells] for k in _HEADINGS)]


def plus_minus(mean, half, digits, sign=False):
    """A mean and half of its interval, in ASCII; "?" if that is unknown."""
    form = f"{'+' if sign else ''}.{digits}f"
    spread = "?" if half != half else format(half, f".{digits}f")
    return f"{mean:{form}} +-{spread}"


def _cells(row):
    """The texts of a row's columns but the name."""
    cells = {
        "error": _cell(row, "error", 100, 2),
        "nll": _cell(row, "nll", 1, 3),
        "ece": _cell(row, "ece", 100, 1),
        "difference": "-",
        "training_cost": f"{row['training_cost']:.1f}",
        "prediction_cost": f"{row['prediction_cost']}",
    }
    if row["twin"]:
        cells["difference"] = _cell(row, "error_difference", 100, 2, sign=True)
    return cells


def _cell(row, name, scale, digits, sign=False):
    low, high = row[f"{name}_interval"]
    half = scale * (high - low) / 2
    return plus_minus(scale * row[name], half, digits, sign)


def _wrapped(text, indent=""):
    return textwrap.wrap(printed.ascii(text), WIDTH, subsequent_indent=indent)
