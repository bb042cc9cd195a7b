"""The picture of a comparison."""

from keras_ban.comparison.statistics import estimate
from keras_ban.reporting.plot import figure

_METHOD, _TWIN = "black", "grey"


def draw(results, path=None, measure=None):
    """Draws a measure by seed, beside the twins', and the differences.

    Args:
        results: The `Results`.
        path: The image file to write; its ending says the format. Defaults
            to `None`: none is written.
        measure: The `Measure`. Defaults to `None`, the first of those that
            networks are judged by.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: If matplotlib is not installed.
        OSError: If there is something else than a file, or if it cannot be
            written.
    """
    entries = results.design.entries
    size = (13, 1.6 + 0.45 * len(entries))
    picture = figure(path, figsize=size, layout="constrained")
    picture.suptitle(f"Methods and their twins, {results.title}")
    left, right = picture.subplots(1, 2, sharey=True)
    measure = measure or results.judged[0]
    name, scale = measure.name, measure.scale
    for place, entry in enumerate(entries):
        _draw(left, scale * results.scores(entry.name, name), place, _METHOD)
        if entry.twin:
            twins = scale * results.scores(entry.twin, name)
            _draw(left, twins, place + 0.25, _TWIN)
            differences = results.differences(entry.name, entry.twin, name)
            _draw(right, scale * differences, place, _METHOD)
    left.set_yticks(range(len(entries)), [_plain(e.name) for e in entries])
    left.set_ylim(len(entries) - 0.5, -0.5)
    left.set_xlabel(f"{measure.title} ({measure.unit})")
    low, high = left.get_xlim()
    left.set_xlim(max(low, 0), min(high, scale) if scale == 100 else high)
    left.set_title("a dot a seed, mean and 95 % interval; the twin in grey")
    right.axvline(0, color="grey", lw=1)
    right.set_xlabel(f"difference to the twin ({measure.difference_unit})")
    right.set_title("paired by seed, left of the line is better")
    if path is not None:
        picture.savefig(path, dpi=150)
    return picture


def _draw(axes, values, place, color):
    """Dots, and above them their mean with its interval."""
    found = estimate(values)
    axes.plot(values, [place] * len(values), "o", ms=4, color=color, alpha=0.35)
    half = 0 if found.half != found.half else found.half
    axes.errorbar(
        found.mean, place, xerr=half, fmt="|", ms=9, capsize=3, color=color
    )


def _plain(name):
    """The name as it stands: no formula, whatever it looks like."""
    return name.replace("$", r"\$")
