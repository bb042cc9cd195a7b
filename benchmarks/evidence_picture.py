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
TITLES = {"error": "error", "nll": "negative log-likelihood"}
LEAST_SEEDS = 4
BETTER, WORSE, EITHER = "tab:blue", "tab:red", "grey"
NETWORKS = {
    "mlp": "MLP",
    "cnn": "CNN",
    "cnn1d": "CNN",
    "residual_mlp": "residual MLP",
    "resnet": "ResNet",
}


def shown(path):
    """The `Cell`s of the picture: all sets, and those with wrong labels."""
    found = [*cells("noise", path), *cells(path=path)]
    found = [cell for cell in found if len(cell.seeds(BEST)) >= LEAST_SEEDS]
    return sorted(found, key=lambda cell: (-cell.setting.noise, cell.where))


def draw(found, path):
    """Draws differences to the strongest training on the labels.

    Args:
        found: The `Cell`s.
        path: The image file to write.
    """
    size = (9, 1.9 + 0.27 * len(found))
    picture, axes = plt.subplots(
        1, 2, sharey=True, figsize=size, layout="constrained"
    )
    seeds = sorted({len(cell.seeds(BEST)) for cell in found})
    picture.suptitle(
        "One network taught by five, against the strongest training on the "
        f"labels alone\ntest data, mean and 95 % interval over {seeds[0]} to "
        f"{seeds[-1]} seeds",
        fontsize=11,
    )
    for panel, (measure, title) in zip(axes, TITLES.items(), strict=True):
        for place, cell in enumerate(found):
            rival = cell.strongest(measure)
            against = cell.difference(BEST, rival, measure)
            whole = cell.scores(rival, measure, cell.seeds(BEST, rival)).mean()
            panel.errorbar(
                100 * against.mean / whole,
                place,
                xerr=100 * against.half / whole,
                fmt="o",
                ms=5,
                capsize=3,
                color=_color(against),
            )
        panel.axvline(0, color="black", lw=1)
        panel.set_xlabel(f"{title}, change in % of theirs")
        panel.grid(axis="x", alpha=0.3)
        panel.text(
            0.02,
            1.01,
            "← better",
            color=BETTER,
            transform=panel.transAxes,
        )
        panel.text(
            0.98,
            1.01,
            "worse →",
            color=WORSE,
            ha="right",
            transform=panel.transAxes,
        )
    axes[0].set_yticks(range(len(found)), list(map(_name, found)))
    axes[0].set_ylim(len(found) - 0.5, -0.5)
    picture.savefig(path, dpi=110)


def _name(cell):
    name, network = cell.where
    noise = cell.setting.noise
    wrong = f", {100 * noise:.0f} % of labels drawn anew" if noise else ""
    return f"{name}{wrong}, {NETWORKS[network]}"


def _color(against):
    if against.is_negative:
        return BETTER
    return WORSE if against.is_positive else EITHER


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--lines", default=LINES)
    parser.add_argument("--picture", default=PICTURE)
    arguments = parser.parse_args()
    draw(shown(arguments.lines), arguments.picture)


if __name__ == "__main__":
    main()
