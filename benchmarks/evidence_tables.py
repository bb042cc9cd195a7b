"""Tables of what `evidence.py` measured, from its lines.

`python benchmarks/evidence_tables.py` prints as Markdown what one network from
five gains and how all methods do, or those that are named, as `noise`; `--into
docs/when.md` writes all that this document has.

The strongest training on the labels of the same length is chosen on the
validation data: by its mean error for differences of the error, by its mean
NLL for those of the NLL. Intervals are of 95 %, Student's t, paired by seed.
"""

import argparse
import pathlib
import re

import numpy as np
from evidence_cells import LINES
from evidence_cells import MEASURES
from evidence_cells import cells
from evidence_methods import LONG

BEST, ONE = "one from five", "one from one"
IMAGES = ("digits", "fashion")
DIGITS = {"error": 2, "nll": 3}
NAMES = {"error": "error %", "nll": "NLL"}
VARIED = {
    "examples": "rows",
    "noise": "noise",
    "length": "epochs",
    "dropout": "dropout",
    "average": "average",
}
# Generations, and the first of them whose mean is measured.
SHOWN = (1, 2, 3, 5, 7, 10)
BLOCK = re.compile(r"(?s)(<!-- table (\S+) -->\n)(.*?)(<!-- end -->)")


def gains(path, name=BEST):
    """A method beside its twin and the strongest on the labels."""
    columns = ["set, network", "seeds"]
    for title in NAMES.values():
        columns += [f"{title} on labels", "to it", "to the twin"]
    yield from _head([*columns, "kept"])
    for cell in cells(path=path):
        row = [", ".join(cell.where), str(len(cell.seeds(name)))]
        twin = cell.one(name)["twin"]
        for measure in MEASURES:
            rival = cell.strongest(measure)
            row.append(_mean(cell, rival, measure))
            for other in (rival, twin):
                row.append(told(cell.difference(name, other, measure), measure))
        kept = cell.kept(name)
        yield _row([*row, "-" if kept is None else f"{kept.mean:.2f}"])


def methods(path):
    """How each method does over all sets and networks."""
    found = cells(path=path)
    yield from _head(
        ["method", "networks", "error: better, worse", "mean", "NLL", "mean"]
    )
    for name in _names(found):
        rows = [cell for cell in found if name in cell.lines]
        row = [name, f"{rows[0].one(name)['cost']:g}"]
        for measure in MEASURES:
            all_of = [
                cell.difference(name, cell.strongest(measure), measure)
                for cell in rows
            ]
            better = sum(one.is_negative for one in all_of)
            worse = sum(one.is_positive for one in all_of)
            row.append(f"{better}, {worse} of {len(rows)}")
            mean = np.mean([one.mean for one in all_of])
            row.append(f"{mean:+.{DIGITS[measure]}f}")
        yield _row(row)


def cost(path):
    """A network from five beside one on the labels, at one total cost."""
    columns = ["set, network", "seeds"]
    for title in NAMES.values():
        columns += [f"{title} on labels, 6x as long", BEST, "difference"]
    yield from _head(columns)
    plain = {cell.where: cell for cell in cells(path=path)}
    for long in cells("cost", path):
        cell = plain[long.where].beside(long)
        seeds = cell.seeds(BEST, LONG)
        row = [", ".join(cell.where), str(len(seeds))]
        for measure in MEASURES:
            row += [_mean(cell, name, measure, seeds) for name in (LONG, BEST)]
            row.append(told(cell.difference(BEST, LONG, measure), measure))
        yield _row(row)


def choice(path):
    """What the method was chosen by: ratios to the strongest on the labels."""
    found = cells("choice", path)
    measures = [f"{part}{m}" for part in ("validation_", "") for m in MEASURES]
    kinds = {"images": IMAGES, "signals, tables": None}
    columns = ["method", "networks"]
    for kind in kinds:
        for part in ("validation", "test"):
            columns += [f"{kind}: {part} error", "NLL"]
    yield from _head(columns)
    for name in _names(found):
        there = [cell for cell in found if name in cell.lines]
        row = [name, f"{there[0].one(name)['cost']:g}"]
        for kind in kinds:
            of_kind = [
                cell
                for cell in there
                if (cell.where[0] in IMAGES) == (kind == "images")
            ]
            for measure in measures:
                logs = [np.log(c.ratio(name, measure)) for c in of_kind]
                row.append(f"{np.exp(np.mean(logs)):.3f}" if logs else "-")
        yield _row(row)


def settings(study, path, names=(BEST, ONE)):
    """A row for each setting of a study, the plain one among them."""
    field = VARIED[study]
    found = cells(study, path)
    varied = {cell.where for cell in found}
    found += [cell for cell in cells(path=path) if cell.where in varied]
    columns = ["set, network", field, "seeds"]
    for title in NAMES.values():
        columns += [f"{title} on labels", *names]
    yield from _head(columns)
    found.sort(key=lambda cell: (cell.where, getattr(cell.setting, field)))
    for cell in found:
        known = [name for name in names if name in cell.lines]
        row = [", ".join(cell.where), f"{getattr(cell.setting, field):g}"]
        row.append(str(len(cell.seeds(*known))))
        for measure in MEASURES:
            rival = cell.strongest(measure)
            row.append(_mean(cell, rival, measure))
            row += [_against(cell, name, rival, measure) for name in names]
        yield _row(row)


def every(study, path):
    """A row for each method of a study, beside the strongest on the labels."""
    columns = ["set, network", "method", "seeds"]
    for title in NAMES.values():
        columns += [title, "to labels"]
    yield from _head(columns)
    for cell in cells(study, path):
        for name in cell.lines:
            # Of a sequence some say enough.
            number = re.search(r"(?:generation|mean of) (\d+)$", name)
            if number and int(number[1]) not in SHOWN:
                continue
            row = [", ".join(cell.where), name, str(len(cell.seeds(name)))]
            for measure in MEASURES:
                rival = cell.strongest(measure)
                row.append(_mean(cell, name, measure))
                row.append(_against(cell, name, rival, measure))
            yield _row(row)


def told(found, measure):
    """An `Estimate` in words, bold where it is told from 0 and better."""
    digits = DIGITS[measure]
    text = f"{found.mean:+.{digits}f} ± {found.half:.{digits}f}"
    return f"**{text}**" if found.is_negative else text


def _names(found):
    names = dict.fromkeys(name for cell in found for name in cell.lines)
    kinds = {n: c.one(n)["kind"] for c in found for n in c.lines}
    return [name for name in names if kinds[name] == "teachers"]


def _mean(cell, name, measure, seeds=None):
    mean = cell.scores(name, measure, seeds).mean()
    return f"{mean:.{DIGITS[measure]}f}"


def _against(cell, name, rival, measure):
    """A method beside the strongest on the labels; empty for that itself."""
    if name not in cell.lines or name == rival:
        return ""
    return told(cell.difference(name, rival, measure), measure)


def _head(columns):
    yield _row(columns)
    yield "|" + "---|" * len(columns)


def _row(texts):
    return "| " + " | ".join(texts) + " |"


def table(name, path=LINES):
    """A table as Markdown.

    Args:
        name: "gains", "methods", "cost", "choice" or the name of a study.
        path: The file of the lines.
    """
    if name in VARIED:
        lines = settings(name, path)
    else:
        whole = {
            "gains": gains,
            "methods": methods,
            "cost": cost,
            "choice": choice,
        }
        lines = whole[name](path) if name in whole else every(name, path)
    return "\n".join(lines)


def written(text, path=LINES):
    """A document, with its tables made anew.

    Args:
        text: The document, in which a table is between the comments
            `<!-- table NAME -->` and `<!-- end -->`.
        path: The file of the lines.
    """
    return BLOCK.sub(lambda m: f"{m[1]}{table(m[2], path)}\n{m[4]}", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", default=["gains", "methods"])
    parser.add_argument("--lines", default=LINES)
    parser.add_argument("--into", type=pathlib.Path, help="a document")
    arguments = parser.parse_args()
    if arguments.into:
        text = arguments.into.read_text()
        arguments.into.write_text(written(text, arguments.lines))
        return
    for name in arguments.names:
        print(f"{table(name, arguments.lines)}\n")


if __name__ == "__main__":
    main()
