"""What the files of a run may say: each field is checked before it is used.

Whoever can write a file can make its checksum fit. So no number, name or path
that a file gives is used before it is known to be one that a run writes.
"""

import math
import re

from keras_ban.reporting.generation import called
from keras_ban.state import remembered

SCHEMA = 1
_SHA256 = re.compile("[0-9a-f]{64}")
# More than any computer, and still a number that all parts can work with.
_LARGEST = 2**53
# What is measured of each generation at least: of classes, of values, of
# several outputs.
_KEPT = {"accuracy", "error", "nll", "ece"}, {"rmse", "mae"}, {"loss"}


def run(content):
    """Checks what `run.json` says.

    Args:
        content: A dict. One of another schema is not looked into.

    Raises:
        ValueError: If a field is missing, or is not of its kind.
    """
    schema = content.get("schema")
    if not _is_count(schema):
        raise _wrong("schema", content, "a number")
    if schema != SCHEMA:
        return
    _check_fields(content, _RUN)
    _check_fields(content, _RUN_LATER, is_needed=False)
    for number, record in enumerate(content["generations"]):
        try:
            if not isinstance(record, dict):
                raise ValueError("it is not one")
            generation(record, number)
            _check_fields(record, {"kept": _RECORD_KEPT})
        except ValueError as error:
            raise ValueError(f"in generation {number}, {error}") from error


def generation(record, number=None):
    """Checks what is said of a finished generation.

    Args:
        record: A dict.
        number: The number of the generation. Defaults to `None`: any.

    Raises:
        ValueError: If a field is missing, or is not of its kind.
    """
    _check_fields(record, _RECORD)
    found = record["number"]
    if number not in (None, found):
        raise _wrong("number", record, f"{number}")
    names = [called(found, is_taught) for is_taught in (True, False)]
    if record["name"] not in names:
        raise _wrong("name", record, f"one of {names}")
    before = [called(found - 1, True), None] if found else [None]
    if record["teacher"] not in before:
        raise _wrong("teacher", record, f"one of {before}")
    _check_fields(record, _RECORD_LATER, is_needed=False)
    if (record["model"] is None) != ("given" in record and found == 0):
        raise _wrong("model", record, "null of a teacher that is none")
    held = remembered.check_arrays(record.get("arrays"))
    remembered.check(record["callbacks"], held)


def state(meta, arrays):
    """Checks what is said of the state of a running training.

    Args:
        meta: What a state file says of its arrays.
        arrays: The list of arrays.

    Raises:
        ValueError: If a field is missing, or is not of its kind.
    """
    if not isinstance(meta, dict):
        raise ValueError("it says nothing of its arrays")
    _check_fields(meta, _STATE)
    _check_fields(meta, _STATE_LATER, is_needed=False)
    held = len(arrays) - meta["variables"]
    if held < 0:
        raise _wrong("variables", meta, f"at most {len(arrays)}")
    if not all(_is_logged(value, held) for value in meta["logs"].values()):
        raise _wrong("logs", meta, f"numbers, or one of {held} arrays")
    remembered.check(meta["callbacks"], held)
    _check_history(meta["callbacks"])


def _check_history(callbacks):
    """Checks what is said of the first `History`, which Keras goes on with."""
    found = next((c for c in callbacks if c["class"] == "History"), None)
    state = found["state"] if found else {}
    columns, _ = state.get("history", [{"dict": []}, 0])
    epochs, _ = state.get("epoch", [{"list": []}, 0])
    pairs = columns.get("dict") if isinstance(columns, dict) else None
    is_history = isinstance(pairs, list) and all(
        isinstance(name, str) and _is_encoded_list(column)
        for name, column in pairs
    )
    if not is_history or not _is_encoded_list(epochs):
        raise _wrong("state", found, "lists of numbers by name")


def _is_encoded_list(held):
    return isinstance(held, dict) and set(held) == {"list"}


def _check_fields(content, fields, is_needed=True):
    for name, (is_valid, expected) in fields.items():
        if name not in content:
            if not is_needed:
                continue
            raise ValueError(f"it has no `{name}`")
        if not is_valid(content[name]):
            raise _wrong(name, content, expected)


def _wrong(name, content, expected):
    found = ascii(content.get(name))
    if len(found) > 80:
        found = f"{found[:80]} ..."
    return ValueError(f"`{name}` is {found}. Expected {expected}")


def _is_count(value):
    return type(value) is int and 0 <= value <= _LARGEST


def _is_number(value):
    is_float = type(value) is float
    return is_float or (type(value) is int and abs(value) <= _LARGEST)


def _is_duration(value):
    return _is_number(value) and math.isfinite(value) and value >= 0


def _is_text(value):
    return isinstance(value, str) and len(value) < 1000 and value.isprintable()


def _is_digest(value):
    return isinstance(value, str) and bool(_SHA256.fullmatch(value))


def _is_truth(value):
    return isinstance(value, bool)


def _is_figure(value):
    """What a metric may be: a number, several of them, or their text."""
    if isinstance(value, dict):
        return all(map(_is_figure, value.values()))
    if isinstance(value, list):
        return all(map(_is_figure, value))
    return _is_number(value) or value is None or isinstance(value, (bool, str))


def _is_logged(value, arrays):
    """What a metric is in a state: a number, or one of the arrays."""
    if not isinstance(value, dict):
        return _is_number(value)
    number = value.get("array")
    return set(value) == {"array"} and _is_count(number) and number < arrays


def _is_history(value):
    return isinstance(value, dict) and all(
        isinstance(column, list) and _is_figure(column)
        for column in value.values()
    )


def _is_samples(value):
    """What `Feed.samples` gives: checksums by name, or nothing."""
    if not isinstance(value, dict):
        return value is None
    return all(
        held is None
        or (isinstance(held, dict) and all(map(_is_text, held.values())))
        for held in value.values()
    )


def _is_measured(value):
    if not isinstance(value, dict) or not all(map(_is_number, value.values())):
        return False
    return not value or any(kept <= set(value) for kept in _KEPT)


def _is_each(check, value):
    """Whether a value is of a kind, or each by the name of an output."""
    held = value.values() if isinstance(value, dict) else [value]
    return all(map(check, held))


def _is_fingerprint(value):
    if value is None:
        return True
    if not isinstance(value, dict) or not isinstance(value.get("run"), dict):
        return False
    networks, callbacks = value.get("networks"), value.get("callbacks")
    return (
        _is_filled(networks, (dict, type(None)))
        and _is_filled(callbacks, list)
        and isinstance(value["run"].get("schedule", {}), dict)
    )


def _is_filled(value, kinds):
    """Whether it is a list of one or more of these."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(held, kinds) for held in value)
    )


_RUN = {
    "fingerprint": (_is_fingerprint, "what makes a run this one"),
    "generations": (lambda value: isinstance(value, list), "a list"),
}
_DIGEST = (_is_digest, "64 hexadecimal digits")
_NUMBER = (_is_count, "a number from 0")
_FROM_ONE = (lambda v: _is_count(v) and v > 0, "a number from 1")
_RUN_LATER = {
    "samples": (_is_samples, "checksums of rows"),
    "planned": _FROM_ONE,
}
_SECONDS = (_is_duration, "seconds")
_RECORD_KEPT = (_is_truth, "true or false")
_RECORD = {
    "number": _NUMBER,
    "name": (_is_text, "a name"),
    "objective": (_is_text, "a name"),
    "teacher": (lambda v: v is None or _is_text(v), "a name or null"),
    "seed": (lambda v: v is None or (_is_count(v) and v < 2**32), "a seed"),
    "history": (_is_history, "lists of numbers by name"),
    "seconds": _SECONDS,
    "metrics": (
        _is_measured,
        "accuracy, error, nll and ece, or rmse and mae, or none of them",
    ),
    "model": (lambda v: v is None or _is_digest(v), "64 digits or null"),
    "fingerprint": _DIGEST,
    "from_logits": (
        lambda v: v is None or _is_each(_is_truth, v),
        "true, false or null, or a dict of these",
    ),
    "callbacks": (lambda v: isinstance(v, list), "a list"),
}
# What earlier versions did not write.
_RECORD_LATER = {
    "replicas": _FROM_ONE,
    "task": (lambda v: _is_each(_is_text, v), "a name, or a dict of names"),
    "given": (_is_text, "what was given as generation 0"),
}
_STATE_LATER = {"steps_per_execution": _FROM_ONE}
_STATE = {
    "number": _NUMBER,
    "fingerprint": _DIGEST,
    "epoch": _NUMBER,
    "step": _NUMBER,
    "total": _NUMBER,
    "stopped": (_is_truth, "true or false"),
    "logs": (lambda v: isinstance(v, dict), "numbers by name"),
    "seconds": _SECONDS,
    "callbacks": (lambda v: isinstance(v, list), "a list"),
    "variables": _NUMBER,
    "replicas": _FROM_ONE,
}
