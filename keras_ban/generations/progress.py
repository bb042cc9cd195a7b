"""How a run stands, in words: what is done, what is left, until when."""

import time

import numpy as np

from keras_ban.generations.outlook import Outlook
from keras_ban.reporting import evaluation
from keras_ban.reporting import printed
from keras_ban.reporting.table import Table

# Of so many epochs' time without a word one wonders.
_SILENT = 3
_LEAST = 60


def told(standing, now=None):
    """How a run stands, lines of text.

    Args:
        standing: The `Standing`.
        now: The time, as `time.time` counts. Defaults to `None`: now.

    Returns:
        A list of texts.
    """
    now = time.time() if now is None else now
    lines = []
    if standing.teachers:
        lines += _progress(standing.teachers, now, "teachers")
    lines += _progress(standing, now, "generations")
    if not is_finished(standing):
        lines += filter(None, [_to_go(standing, now), _silence(standing, now)])
    if not standing.finished:
        return lines
    return [*lines, "", str(table(standing))]


def table(standing):
    """What is known of the finished generations, a `Table`."""
    rows = evaluation.overview(standing.finished)
    for row, count in zip(rows, standing.parameters, strict=False):
        if count is not None:
            row["parameters"] = count
    title = "finished"
    if any(g.metrics for g in standing.finished):
        title += ", validation data"
    return Table(rows, title)


def is_finished(standing):
    """Whether all that was to be trained is."""
    return standing.count == len(standing.finished)


def _progress(standing, now, nouns):
    done = len(standing.finished)
    of = "" if standing.count is None else f" of {standing.count}"
    yield f"{standing.path}: {done}{of} {nouns} finished"
    for one in standing.running:
        epochs = standing.lengths.get(one.number)
        text = f"{one.name}: {one.epoch}"
        text += f" of {epochs} epochs" if epochs else " epochs"
        text += f" and {one.step} steps" * bool(one.step)
        figures = [
            f"{name} {np.mean(values[-1]):.4g}"
            for name, values in one.history.items()
            if values and _is_number(values[-1])
        ]
        ago = printed.duration(max(0, now - one.saved))
        yield f"{', '.join([text, *figures])}; saved {ago} ago"


def _is_number(value):
    return np.asarray(value).dtype.kind in "fiu"


def _all(standing):
    """A standing, behind that of its teachers if there is one."""
    return [*([standing.teachers] if standing.teachers else []), standing]


def _pace(standing):
    """Seconds of an epoch of the network that was trained last, or `None`."""
    found = None
    for part in _all(standing):
        for one in part.finished:
            epochs = _epochs(one)
            found = one.seconds / epochs if epochs else found
        for one in part.running:
            found = one.seconds / one.epoch if one.epoch else found
    return found


def _epochs(generation):
    return max(map(len, generation.history.values()), default=0)


def _to_go(standing, now):
    """The time that is left, in words, or nothing where it is not known."""
    outlook, places = Outlook(0), {}
    for part in _all(standing):
        first = int(part.has_teacher)
        for number in range(first, part.count or 0):
            place = places[id(part), number] = len(places)
            epochs = range(part.lengths[number])
            taught = part.is_taught and number > 0
            outlook.expect(place, epochs, None, taught)
    if not places:
        return ""
    for part in _all(standing):
        for one in part.finished:
            place, epochs = places.get((id(part), one.number)), _epochs(one)
            if place is not None:
                pace = one.seconds / epochs if epochs else None
                outlook.passed([place], None, pace)
        for one in part.running:
            place = places.get((id(part), one.number))
            if place is not None:
                pace = one.seconds / one.epoch if one.epoch else None
                outlook.passed([place], one.epoch, pace)
    return outlook.to_go(now - standing.changed)


def _silence(standing, now):
    """Says that nothing was saved for long, if so."""
    pace, silent = _pace(standing), now - standing.changed
    if pace is None or silent < max(_LEAST, _SILENT * pace):
        return ""
    return (
        f"Nothing was saved for {printed.duration(silent)}, where an epoch "
        f"takes {printed.duration(pace)}: it may have been stopped. The same "
        "script run again goes on."
    )
