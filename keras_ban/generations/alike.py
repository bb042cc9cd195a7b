"""Whether all workers were asked for the same run."""

import hashlib

import numpy as np

from keras_ban import files
from keras_ban.generations.blueprints import returned_model
from keras_ban.runs import fingerprint
from keras_ban.state import seeds

_SHOWN = 100


def check_asked(ban, run, feed, teacher, callbacks):
    """Checks that all workers were given the same arguments and models.

    That is before a model is made on their devices, which all make together.
    What the data holds is looked at by `check_found`.

    Args:
        ban: The `BornAgain`.
        run: The `Wanted`.
        feed: The `Feed`.
        teacher: The `Teacher` that was given, or `None`.
        callbacks: The callbacks of each network, a list of lists.

    Raises:
        ValueError: On all of them, if one was given something else.
    """
    if ban._cluster.several:
        given = _asked(ban, run, feed, teacher)
        given["callbacks"] = [fingerprint.callbacks(held) for held in callbacks]
        _check_same(ban._cluster, given)


def check_found(cluster, feed, teacher):
    """Checks that all workers have the same values in their data.

    Args:
        cluster: The `Cluster` of workers.
        feed: The `Feed`, scanned.
        teacher: The `Teacher` that was given, or `None`.

    Raises:
        ValueError: On all of them, if one has other values.
    """
    if not cluster.several:
        return
    samples = feed.samples()
    for name in samples:
        text = files.dumps(samples[name])
        if len(set(_digests(cluster, text))) == 1:
            continue
        # Random, so that another sample means nothing.
        is_random = files.dumps(feed.sample_anew(name)) != text
        if not any(cluster.numbers(int(is_random))):
            _check_same(cluster, {f"values of {name}": samples[name]})
    if teacher:
        known = teacher.fingerprint(feed.train)
        _check_same(cluster, {"values of the teacher": known})


def _asked(ban, run, feed, teacher):
    """What a worker was given, a dict."""
    found = fingerprint.shared(
        ban.seed, ban.objective, ban._said, feed, None, run.plans.describe()
    )
    ancestry = run.ancestry
    epochs = {"epochs": feed.lengths} if feed.lengths else {}
    return {
        "generations": run.generations,
        **found.pop("schedule"),
        **epochs,
        **found.pop("views"),
        "teachers": ancestry.teachers,
        "learn_from": "all" if ancestry.takes_all else "parent",
        "phases": [phase.start for phase in run.phases.parts(0)][1:],
        **ban._run.told(),
        **found,
        "teacher": teacher and type(teacher).__name__,
        "model_fn": _networks(ban._blueprints, teacher),
    }


def _networks(blueprints, teacher):
    """What each function makes, outside of the devices of the strategy."""
    found, model = [], teacher and teacher.model
    with seeds.undisturbed(), seeds.Names().again():
        for function in blueprints.different:
            model = returned_model(function, model)
            found.append(fingerprint.network(model))
    return found


def _check_same(cluster, given):
    text = files.dumps(given)
    digests = _digests(cluster, text)
    others = [k for k, digest in enumerate(digests) if digest != digests[0]]
    if not others:
        return
    chief, other = (
        files.json.loads(cluster.share(text.encode(), number))
        for number in (0, others[0])
    )
    name, *values = fingerprint.difference(chief, other)
    one, two = map(_short, values)
    raise ValueError(
        f"Worker {others[0]} was given {name}={two}, the chief {name}={one}. "
        "Expected the same script, arguments and data on all "
        f"{cluster.size} workers, which train one model together. Start all "
        "with the same."
    )


def _digests(cluster, text):
    """A checksum of the text of each worker, a list."""
    own = hashlib.sha256(text.encode()).digest()[:8]
    return cluster.numbers(int(np.frombuffer(own, "int64")[0]))


def _short(value):
    text = files.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
