"""What is printed: text that any stream can write, as wide as the terminal."""

import html
import shutil
import sys
import textwrap

# Of a file, or of a pipe.
WIDTH = 120
_LEAST = 8


def ascii(text):
    """The text, as a stream of any encoding can print it."""
    return text.encode("ascii", "backslashreplace").decode()


def say(text):
    """Prints text at once, on a stream of any encoding."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    print(shown, flush=True)


def duration(seconds):
    """A time in the unit that fits it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def width():
    """Columns of the terminal, or of what `COLUMNS` says; else 120."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def wide(columns, gap=2):
    """How wide aligned columns are, lists of texts of equal length."""
    return sum(max(map(len, texts)) + gap for texts in columns) - gap


def aligned(columns, room, left=1):
    """Columns side by side, and a line under their headings.

    Where they are wider than there is room, they stand closer, and then the
    texts of the first one are folded.

    Args:
        columns: Lists of texts of equal length, of ASCII alone, each with its
            heading first.
        room: How wide they may be, in characters.
        left: So many columns have their texts on the left, the others on the
            right. Defaults to `1`.

    Yields:
        The lines.
    """
    gap = 2 if wide(columns) <= room else 1
    widths = [max(map(len, texts)) for texts in columns]
    folded = widths[0] - max(0, wide(columns, gap) - room)
    widths[0] = max(min(widths[0], _LEAST), folded)
    for number, row in enumerate(zip(*columns, strict=True)):
        first, *more = textwrap.wrap(row[0], widths[0]) or [""]
        cells = [
            text.ljust(size) if place < left else text.rjust(size)
            for place, (text, size) in enumerate(
                zip((first, *row[1:]), widths, strict=True)
            )
        ]
        yield (" " * gap).join(cells).rstrip()
        yield from more
        if number == 0:
            yield "-" * (sum(widths) + gap * (len(widths) - 1))


def markup(title, columns):
    """The same in HTML, for notebooks.

    Args:
        title: What stands above it.
        columns: Lists of texts, each with its heading first.
    """
    head, *rows = [
        [html.escape(text) for text in row]
        for row in zip(*columns, strict=True)
    ]
    body = "".join(
        f"<tr><th>{name}</th>{''.join(f'<td>{text}</td>' for text in row)}</tr>"
        for name, *row in rows
    )
    head = "".join(f"<th>{text}</th>" for text in head)
    return (
        f"<table><caption>{html.escape(title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def markdown(columns, others="---:"):
    """The same in Markdown.

    Args:
        columns: Lists of texts, each with its heading first.
        others: What Markdown says of columns beside the first one. Defaults to
            `"---:"`: their texts are on the right.
    """
    head, *rows = [
        [text.replace("|", "\\|").replace("\n", " ") for text in row]
        for row in zip(*columns, strict=True)
    ]
    line = ["---", *([others] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, line, *rows))
