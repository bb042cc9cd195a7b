"""The printed table, and the same in HTML."""

import html
import math
import textwrap

from keras_ban.reporting import printed

WIDTH = 80
# Scores: the heading, by what they are multiplied, and decimals, `None` for
# three digits.
SCORES = {
    "loss": ("loss", 1, 3),
    "error": ("error %", 100, 2),
    "rmse": ("RMSE", 1, None),
    "mae": ("MAE", 1, None),
    "nll": ("NLL", 1, 3),
    "ece": ("ECE %", 100, 1),
}
# Each other column but the name: its heading, and what `_cells` calls it.
_HEADINGS = {
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

    def to_markdown(self):
        """The table, what it shows and the verdict, in Markdown."""
        table = printed.markdown(self._columns())
        verdict = "\n".join(f"- {text}" for text in self.verdict)
        parts = f"{self.title}:", table, self.notes, verdict
        return "\n\n".join(parts).replace("+-", "±")

    def _columns(self):
        """For each column, its heading and its texts."""
        headings = {name: _form(name)[0] for name in _shown(self[0])}
        headings |= _HEADINGS
        cells = [headings, *map(_cells, self)]
        names = ["method", *(row["name"] for row in self)]
        return [names, *([c[k] for c in cells] for k in headings)]


def scores_among(names):
    """Those of the names that a comparison has, in its order.

    Args:
        names: Names of scores; of several outputs, each but the loss begins
            with the name of an output.
    """
    found = [name for name in SCORES if name in names]
    found += [name for name in names if name.rpartition("_")[2] in SCORES]
    return list(dict.fromkeys(found))


def _shown(row):
    """The scores for which a table has room: of several outputs two."""
    found = scores_among([name for name in row if f"{name}_interval" in row])
    found = [name for name in found if not name.endswith("_kept")]
    return found[:2] if "loss" in found else found


def _form(score):
    """Heading, scale and decimals of a score."""
    if score in SCORES:
        return SCORES[score]
    output, _, known = score.rpartition("_")
    heading, *rest = SCORES[known]
    return f"{output} {heading}", *rest


def plus_minus(mean, half, digits, sign=False):
    """A mean and half of its interval, in ASCII; "?" if that is unknown."""
    form = f"{'+' if sign else ''}.{digits}f"
    spread = "?" if half != half else format(half, f".{digits}f")
    return f"{mean:{form}} +-{spread}"


def decimals(value, digits=None):
    """How many decimals of a value are shown: as given, or for three digits."""
    if digits is not None:
        return digits
    size = abs(value)
    return min(max(2 - math.floor(math.log10(size)), 0), 9) if size else 3


def _cells(row):
    """The texts of a row's columns but the name."""
    scores = _shown(row)
    cells = {name: _cell(row, name, name) for name in scores}
    cells |= {
        "difference": "-",
        "training_cost": f"{row['training_cost']:.1f}",
        "prediction_cost": f"{row['prediction_cost']}",
    }
    if row["twin"]:
        first = scores[0]
        cells["difference"] = _cell(row, f"{first}_difference", first, True)
    return cells


def _cell(row, name, score, sign=False):
    _, scale, digits = _form(score)
    low, high = row[f"{name}_interval"]
    half, mean = scale * (high - low) / 2, scale * row[name]
    # Differences of values are shown as finely as the values.
    digits = decimals(scale * row[score], digits)
    return plus_minus(mean, half, digits, sign)


def _wrapped(text, indent=""):
    return textwrap.wrap(printed.ascii(text), WIDTH, subsequent_indent=indent)
