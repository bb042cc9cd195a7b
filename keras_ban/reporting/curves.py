"""The picture of how networks were trained, epoch by epoch."""

import numpy as np

from keras_ban.reporting import plot

# So many metrics are drawn beside each other.
_PANELS = 4
_VALIDATION = "val_"


def draw(histories, path, title):
    """Draws each metric by epoch, a curve for each network.

    What was measured on validation data is a line, on training data a thin
    one.

    Args:
        histories: For the name of each network its metrics by epoch, a dict
            of lists.
        path: The image file to write; its ending says the format.
        title: What stands above it.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there is nothing to draw.
        ImportError: If matplotlib is not installed.
        OSError: If there is something else than a file, or if it cannot be
            written.
    """
    names = _metrics(histories)
    if not names:
        raise ValueError(
            "There is nothing to plot. Expected a run with an epoch that is "
            "finished. Wait until one is."
        )
    size = (1 + 4 * len(names), 4.2)
    picture = plot.figure(path, figsize=size, layout="constrained")
    picture.suptitle(title)
    panels = picture.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        for place, (network, history) in enumerate(histories.items()):
            color = f"C{place % 10}"
            held_out = _numbers(history.get(_VALIDATION + name))
            trained = _numbers(history.get(name))
            is_thin = held_out is not None
            label = None if is_thin else network
            _curve(axes, trained, color, 0.6 if is_thin else 1.6, label)
            _curve(axes, held_out, color, 1.6, network)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_title(name, fontsize=10)
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False, fontsize=8)
    picture.savefig(path, dpi=150)
    return picture


def _metrics(histories):
    """Names of metrics, those with validation data and the loss first."""
    found = dict.fromkeys(
        name.removeprefix(_VALIDATION)
        for history in histories.values()
        for name, values in history.items()
        if _numbers(values) is not None
    )
    measured = {name for history in histories.values() for name in history}
    order = sorted(
        found, key=lambda n: (n != "loss", _VALIDATION + n not in measured)
    )
    return order[:_PANELS]


def _numbers(values):
    """A column as an array, or `None` if it holds something else."""
    found = None if not values else np.array(values, dtype=object)
    if found is None or found.ndim != 1:
        return None
    kinds = {type(value) for value in values}
    return found.astype(float) if kinds <= {int, float} else None


def _curve(axes, values, color, width, label):
    if values is None:
        return
    epochs = np.arange(1, len(values) + 1)
    mark = "o" if len(values) == 1 else None
    axes.plot(
        epochs, values, color=color, lw=width, label=label, marker=mark, ms=4
    )
