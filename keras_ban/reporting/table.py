"""The printed table, and the same in HTML."""

import textwrap

from keras_ban.reporting import printed

_COLUMNS = {
    "name": ("network", str),
    "teacher": ("learned from", str),
    "loss": ("loss", lambda v: f"{v:.4f}"),
    "leaves": ("leaves", lambda v: f"{v:,}"),
    "depth": ("depth", str),
    "fidelity": ("fidelity %", lambda v: f"{100 * v:.2f}"),
    "real_fidelity": ("on real rows %", lambda v: f"{100 * v:.2f}"),
    "r2": ("R2", lambda v: f"{v:.4f}"),
    "f1_micro": ("F1 micro %", lambda v: f"{100 * v:.2f}"),
    "f1_macro": ("F1 macro %", lambda v: f"{100 * v:.2f}"),
    "average_precision": ("avg. precision %", lambda v: f"{100 * v:.2f}"),
    "accuracy": ("accuracy %", lambda v: f"{100 * v:.2f}"),
    "error": ("error %", lambda v: f"{100 * v:.2f}"),
    "perplexity": ("perplexity", lambda v: f"{v:.2f}"),
    "rmse": ("RMSE", lambda v: f"{v:.4g}"),
    "mae": ("MAE", lambda v: f"{v:.4g}"),
    "nll": ("NLL", lambda v: f"{v:.4f}"),
    "coverage": ("coverage %", lambda v: f"{100 * v:.2f}"),
    "ece": ("ECE %", lambda v: f"{100 * v:.2f}"),
    "agreement": ("agreement %", lambda v: f"{100 * v:.2f}"),
    "distance": ("from teacher", lambda v: f"{v:.4g}"),
    "parameters": ("parameters", lambda v: f"{v:,}"),
    "seconds": ("seconds", lambda v: f"{v:.1f}"),
}
_TEXTS = ("name", "teacher")
# What a narrow terminal is spared first; the accuracy is 100 less the error.
_SPARED = (
    "accuracy",
    "parameters",
    "teacher",
    "real_fidelity",
    "seconds",
    "agreement",
    "distance",
    "f1_micro",
    "ece",
    "depth",
)


class Table(list):
    """Rows as dicts, one for each network, printed as a table.

    Attributes:
        title: What the figures were measured on.
        reliability: For each network's name, what
            `metrics.Scores.reliability` returns.
        intervals: For each network's name, what `metrics.Scores.intervals`
            returns.
        data: What tells the labels that it was measured on from others, a
            text; empty if it was not.
        kept: The scores that are recorded of each generation, names.
        judged: The two that networks are judged by, names.
    """

    def __init__(
        self,
        rows,
        title,
        reliability=None,
        intervals=None,
        data="",
        kept=(),
        judged=("error", "nll"),
    ):
        super().__init__(rows)
        self.kept = kept
        self.judged = judged
        self.title = title
        self.reliability = reliability or {}
        self.intervals = intervals or {}
        self.data = data

    def to_frame(self):
        """The rows as a `pandas.DataFrame`.

        Raises:
            ImportError: If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "`to_frame` needs pandas, which is not installed. Install it "
                "by `pip install pandas`, or take the rows as they are: they "
                "are a list of dicts."
            ) from error
        return pandas.DataFrame(list(self))

    def __str__(self):
        """The rows in aligned columns; what was not measured is a dash.

        As wide as the terminal at most, in ASCII. Columns for which there is
        no room are named below.
        """
        columns = {
            name: list(map(printed.ascii, texts))
            for name, texts in self._columns().items()
        }
        room, spared = printed.width(), []
        for column in self._spared(columns):
            if printed.wide(columns.values()) > room:
                spared.append(column)
                del columns[column]
        lines = textwrap.wrap(printed.ascii(self.title), room)
        left = sum(name in columns for name in _TEXTS)
        lines += printed.aligned(list(columns.values()), room, left)
        if spared:
            text = f"Not shown, but in its rows: {', '.join(spared)}."
            lines += ["", *textwrap.wrap(text, room)]
        return "\n".join(lines)

    def _spared(self, columns):
        """What there may be no room for, of several outputs that of each."""
        found = [name for name in _SPARED if name in columns]
        kinds = (*_SPARED, *_COLUMNS)
        found += [
            name
            for kind in dict.fromkeys(kinds)
            for name in reversed(list(columns))
            if name not in _COLUMNS and name.endswith(f"_{kind}")
        ]
        return dict.fromkeys(found)

    def _repr_html_(self):
        """All columns, for notebooks."""
        return printed.markup(self.title, self._columns().values())

    def to_markdown(self):
        """All columns in Markdown, with 95 % intervals where there are some."""
        return printed.markdown(list(self._columns(self._interval).values()))

    def _interval(self, row, column, text):
        """The interval of a figure, in brackets, or nothing."""
        pair = self.intervals.get(row["name"], {}).get(column)
        return f" [{text(pair[0])}, {text(pair[1])}]" if pair else ""

    def _columns(self, more=lambda row, column, text: ""):
        """For each column that is used, its heading and its texts.

        Args:
            more: Function of a row, the name of a column and a function that
                makes a text of a figure, that gives what follows the figure.
                Defaults to one that gives nothing.
        """
        used = dict.fromkeys(name for row in self for name in row)
        found = {}
        for known, (heading, text) in _COLUMNS.items():
            for name in used:
                output = name.removesuffix(known).removesuffix("_")
                if name not in (known, f"{output}_{known}"):
                    continue
                # A longer name of a column may end in a shorter one.
                if name != known and name in _COLUMNS:
                    continue
                title = f"{output} {heading}".strip()
                cells = (
                    _cell(text, row.get(name)) + more(row, name, text)
                    for row in self
                )
                found[name] = [title, *cells]
        return found


def _cell(text, value):
    missing = value is None or value != value
    return "-" if missing else text(value)
