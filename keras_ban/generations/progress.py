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
        said = _waiting(standing, now), _to_go(standing, now)
        lines += filter(None, [*said, _silence(standing, now)])
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
        if one.step:
            of = f" of {one.steps}" if one.steps else ""
            text += f" and {one.step}{of} steps"
        figures = [
            f"{name} {np.mean(values[-1]):.4g}"
            for name, values in one.history.items()
            if values and _is_number(values[-1])
        ]
        ago = printed.duration(max(0, now - one.saved))
        text = f"{', '.join([text, *figures])}; saved {ago} ago"
        yield text + _within(one, epochs, now)


def _waiting(standing, now):
    """Says of what nothing is saved yet, if so."""
    part = next(p for p in _all(standing) if not is_finished(p))
    number = max(len(part.finished), int(part.has_teacher))
    if part.running or number not in part.lengths:
        return ""
    ago = printed.duration(max(0, now - part.changed))
    return (
        f"{part.name(number)}: none of {part.lengths[number]} epochs is saved "
        f"yet; begun {ago} ago"
    )


def _within(running, epochs, now):
    """How far its epoch should be by its pace, in words, or nothing."""
    pace = _pace_of(running)
    if pace is None or running.epoch == epochs:
        return ""
    share = running.done - running.epoch + (now - running.saved) / pace
    if not 0 <= share < 1:
        return ""
    return (
        f", by its pace {100 * share:.0f} % through epoch {running.epoch + 1}"
    )


def _pace_of(running):
    """Seconds of an epoch, or `None` if none is known."""
    return running.seconds / running.done if running.done else None


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
            found = _pace_of(one) or found
    return found


def _epochs(generation):
    return max(map(len, generation.history.values()), default=0)


def _to_go(standing, now):
    """The time that is left, in words, or nothing where it is not known."""
    outlook, places, since = Outlook(0), {}, now - standing.changed
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
                pace = _pace_of(one)
                outlook.passed([place], one.epoch, pace)
                since += (one.done - one.epoch) * (pace or 0)
    return outlook.to_go(since)


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
