"""The printed table, and the same in HTML."""

import html
import textwrap

WIDTH = 80
_LEAST_NAME = 8
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
        parts = [*_wrapped(self.title), *_lines(self), ""]
        parts += [*_wrapped(self.notes), ""]
        for paragraph in self.verdict:
            parts += _wrapped(f"- {paragraph}", "  ")
        return "\n".join(parts)

    def _repr_html_(self):
        """The table and the verdict, for notebooks."""
        head = "".join(f"<th>{h}</th>" for h in ("", *_HEADINGS.values()))
        body = "".join(_html_row(row) for row in self)
        verdict = "".join(f"<p>{_escaped(p)}</p>" for p in self.verdict)
        return (
            f"<table><caption>{_escaped(self.title)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{_escaped(self.notes)}</p>{verdict}"
        )


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


def _lines(rows):
    cells = [_HEADINGS, *map(_cells, rows)]
    widths = {k: max(len(c[k]) for c in cells) for k in _HEADINGS}
    names = ["method", *(_ascii(row["name"]) for row in rows)]
    longest = max(len(word) for name in names for word in name.split())
    gap, room = 2, WIDTH - sum(widths.values()) - 2 * len(widths)
    if room < max(_LEAST_NAME, longest):
        gap, room = 1, room + len(widths)
    width = min(room, max(map(len, names)))
    for name, found in zip(names, cells, strict=True):
        first, *more = textwrap.wrap(name, width)
        numbers = [found[k].rjust(widths[k]) for k in _HEADINGS]
        yield (" " * gap).join([first.ljust(width), *numbers])
        yield from more
        if found is _HEADINGS:
            yield "-" * (width + sum(widths.values()) + gap * len(widths))


def _wrapped(text, indent=""):
    return textwrap.wrap(_ascii(text), WIDTH, subsequent_indent=indent)


def _ascii(text):
    """The text, as any stream can print it."""
    return text.encode("ascii", "backslashreplace").decode()


def _html_row(row):
    cells = "".join(f"<td>{_escaped(c)}</td>" for c in _cells(row).values())
    return f"<tr><th>{_escaped(row['name'])}</th>{cells}</tr>"


def _escaped(text):
    return html.escape(text).replace("+-", "±")
