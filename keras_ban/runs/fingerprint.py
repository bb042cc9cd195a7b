"""What makes two runs the same run, and how two differ."""

import keras

from keras_ban import files
from keras_ban.networks.likeness import plain
from keras_ban.networks.likeness import serialized
from keras_ban.state.callbacks import keras_arguments

# Of longer lists an error shows no beginning.
_LONG = 200
# Callbacks of Keras that change how a model trains.
_ACTING = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.SwapEMAWeights,
)


def run(common, networks, callbacks_given):
    """What makes a run this one.

    Args:
        common: What `shared` gives.
        networks: What `network` gives for each generation that is trained,
            or `None` for a given teacher.
        callbacks_given: The callbacks of each generation, a list of lists.

    Returns:
        A dict that JSON can hold.
    """
    return {
        "run": common,
        "networks": networks,
        "callbacks": [callbacks(held) for held in callbacks_given],
    }


def shared(seed, objective, said, feed, teacher, views):
    """What all generations of a run share.

    Args:
        seed: The seed of the run.
        objective: The `Objective`.
        said: What the owner of the models says of them.
        feed: The `Feed`.
        teacher: What tells the teacher that was given from others, a text,
            or `None`.
        views: How examples are shown, a dict.

    Returns:
        A dict that JSON can hold.
    """
    return plain(
        {
            "seed": seed,
            "objective": _objective(objective),
            "from_logits": said.from_logits,
            # Runs of earlier versions do not have it.
            **({} if said.task == "auto" else {"task": said.described()}),
            **feed.describe(),
            "views": _named(views),
            "teacher": teacher,
        }
    )


def generation(fingerprint, number):
    """The part of what `run` gives that a generation depends on, a dict."""
    networks, held = fingerprint["networks"], fingerprint["callbacks"]
    return {
        **fingerprint["run"],
        **(networks[min(number, len(networks) - 1)] or {}),
        "callbacks": held[min(number, len(held) - 1)],
    }


def trimmed(fingerprint):
    """What `run` gives, its lists without the repetitions at their ends."""
    return {k: _trimmed(v) for k, v in fingerprint.items()}


def _trimmed(values):
    if isinstance(values, list):
        while len(values) > 1 and values[-1] == values[-2]:
            values = values[:-1]
    return values


def network(model):
    """What a fresh model is and how it was compiled, as a dict."""
    compiled = model.compiled
    return plain(
        {
            "architecture": serialized(model),
            "weights": [[list(w.shape), w.dtype] for w in model.weights],
            "optimizer": serialized(model.optimizer) if compiled else "adam",
            "loss": serialized(model.loss) if compiled else None,
        }
    )


def callbacks(given):
    """Those callbacks of a generation that change how it trains."""
    found = []
    for callback in given:
        if isinstance(callback, _ACTING):
            names = keras_arguments(callback)
            held = {k: v for k, v in vars(callback).items() if k in names}
            # Keras turns its sign once it knows what an improvement is.
            if "min_delta" in held:
                held["min_delta"] = abs(held["min_delta"])
            found.append({"class": type(callback).__name__, **held})
    return plain([_named(c) for c in found])


def difference(recorded, received, path=""):
    """The first leaf at which two dicts differ.

    Returns:
        Its path and both values, or `None` if they are equal.
    """
    if isinstance(recorded, dict) and isinstance(received, dict):
        pairs = [
            (f"{path}.{k}".lstrip("."), recorded.get(k), received.get(k))
            for k in {**recorded, **received}
        ]
    elif (
        isinstance(recorded, list)
        and isinstance(received, list)
        and len(recorded) == len(received)
    ):
        pairs = [
            (f"{path}[{i}]", *pair)
            for i, pair in enumerate(zip(recorded, received, strict=True))
        ]
    elif files.dumps(recorded) == files.dumps(received):
        return None
    else:
        return path, _told(recorded), _told(received)
    return next(filter(None, (difference(a, b, p) for p, a, b in pairs)), None)


def _told(value):
    """A value; of a long list how many it holds."""
    is_long = isinstance(value, list) and len(files.dumps(value)) > _LONG
    return f"{len(value)} entries" if is_long else value


def _objective(objective):
    config = dict(objective.get_config())
    if "function" in config:
        config["function"] = objective.function
    if "objectives" in config:
        held = objective.copies.items()
        config["objectives"] = {k: _objective(v) for k, v in held}
    if objective.features:
        config["objective"] = _objective(objective.objective)
        config["features"] = list(map(_objective, objective.features))
    return _named({"class": type(objective).__name__, **config})


def _named(config):
    """Functions by their names: their code is no part of a fingerprint."""
    return {k: _name(v) for k, v in config.items()}


def _name(value):
    if isinstance(value, list):
        return [_name(one) for one in value]
    if not callable(value):
        return value
    return getattr(value, "__qualname__", type(value).__name__)
