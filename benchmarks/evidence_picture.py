"""Draws what `evidence.py` measured: `docs/evidence.png`, from its lines.

Run it with `python benchmarks/evidence_picture.py`.
"""

import argparse
import pathlib

import matplotlib.pyplot as plt
from evidence_cells import LINES
from evidence_cells import cells
from evidence_tables import BEST

PICTURE = pathlib.Path(__file__).parent.parent / "docs" / "evidence.png"
TITLES = {
    "error": "error, points",
    "nll": "negative log-likelihood, nats",
}
BETTER, WORSE, EITHER = "tab:blue", "tab:red", "dimgrey"


def draw(found, path):
    """Draws differences to the strongest training on the labels.

    Args:
        found: The `Cell`s.
        path: The image file to write.
    """
    size = (9, 1.7 + 0.27 * len(found))
    picture, axes = plt.subplots(
        1, 2, sharey=True, figsize=size, layout="constrained"
    )
    seeds = {len(cell.seeds(BEST)) for cell in found}
    picture.suptitle(
        "One network taught by five, minus the strongest training on labels\n"
        f"{' to '.join(map(str, sorted({min(seeds), max(seeds)})))} seeds, "
        "mean and 95 % interval, test data; blue: told from 0 and better",
        fontsize=11,
    )
    for panel, (measure, title) in zip(axes, TITLES.items(), strict=True):
        for place, cell in enumerate(found):
            against = cell.difference(BEST, cell.strongest(measure), measure)
            panel.errorbar(
                against.mean,
                place,
                xerr=against.half,
                fmt="o",
                ms=5,
                capsize=3,
                color=_color(against),
            )
        panel.axvline(0, color="black", lw=1)
        panel.set_xlabel(f"{title} (left is better)")
        panel.grid(axis="x", alpha=0.3)
    names = [", ".join(cell.where) for cell in found]
    axes[0].set_yticks(range(len(found)), names)
    axes[0].set_ylim(len(found) - 0.5, -0.5)
    picture.savefig(path, dpi=110)


def _color(against):
    if against.is_negative:
        return BETTER
    return WORSE if against.is_positive else EITHER


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--lines", default=LINES)
    parser.add_argument("--picture", default=PICTURE)
    arguments = parser.parse_args()
    draw(cells(path=arguments.lines), arguments.picture)


if __name__ == "__main__":
    main()
