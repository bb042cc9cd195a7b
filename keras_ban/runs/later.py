"""Finished generations that an older copy of run.json does not list."""

import itertools

from keras_ban import files


def later_records(held, first, known, path_of):
    """The records of generations that are finished, from a number on.

    Args:
        held: The records that the folders hold, a dict by their numbers.
        first: The number of the first one that run.json does not list.
        known: The checksum of what generations depend on, by number.
        path_of: Function from a number to the path of its model.

    Returns:
        A list of dicts. The model of the last one is there, sound; one before
        it may be gone, as `keep` has it.
    """
    found = []
    for number in itertools.count(first):
        record = held.get(number)
        if record is None:
            break
        path = path_of(number)
        kept = path.exists()
        if record.get("fingerprint") != known.get(number) or (
            kept and not _is_sound(path, record)
        ):
            break
        found.append({**record, "kept": kept})
    while found and not found[-1]["kept"]:
        found.pop()
    return found


def _is_sound(path, record):
    try:
        return files.digest(path) == record.get("model")
    except OSError:  # Gone meanwhile, or unreadable.
        return False
