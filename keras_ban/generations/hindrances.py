"""What stands against training several networks side by side."""

import keras
import numpy as np
import tensorflow as tf

from keras_ban import checks
from keras_ban import objectives
from keras_ban.networks import likeness
from keras_ban.networks.layers import multiplications
from keras_ban.rows import count_rows
from keras_ban.runs.unkept import Unkept
from keras_ban.state import seeds

# Beyond so many multiplications in the forward pass of a batch, the time that
# is saved is less than what is lost to many at a time.
_LARGE = 20_000_000
# So many steps pay for compiling a function for several networks.
_STEPS = 500
# Of epochs of so many steps that are saved, five MLPs took 0.7 of the time side
# by side; of shorter ones, the disk takes the most.
_SAVED_STEPS = 20


def hindrance(parts, known=()):
    """What stands against training these side by side.

    They are trained one after another, as ever, where side by side is not
    sure to give the same bits, or not sure to be faster:

    - on several replicas, or on a GPU, where it was not measured; in phases;
    - compiled by XLA, `run_eagerly`, or with several `steps_per_execution`;
    - a step or a layer that is not Keras' own, an objective that is not the
      package's, a network that is made from the one before;
    - data that is no `tf.data.Dataset` to Keras, is shuffled by itself, or
      whose readings share something; validation data that only some have;
    - a callback that two of them share;
    - large networks, whose steps keep all cores busy by themselves;
    - so few steps that they do not pay for compiling;
    - runs that are kept, if their epochs are short: the disk takes the time.

    Callbacks that see single batches are none: steps are then done one at a
    time.

    Args:
        parts: A list of `Part`s.
        known: Keys that were returned before, of what is compiled already.
            Defaults to none.

    Returns:
        What it is, in words, or `None`; and a key of what would be compiled.
    """
    if len(parts) < 2:
        return "there is one training", None
    if tf.config.list_logical_devices("GPU"):
        return "a GPU", None
    reason = _of_callbacks(parts)
    for part in parts:
        reason = reason or _of_data(part.trainer.feed)
    if len({part.trainer.feed.validation is None for part in parts}) > 1:
        reason = "only some have validation data"
    key = None
    if not reason:
        reason, key = _of_networks(parts)
    if not reason and key not in known and _fewest_steps(parts) < _STEPS:
        reason = "few steps"
    return reason or _of_saving(parts), key


def _of_callbacks(parts):
    given = [id(c) for p in parts for c in p.trainer.watches[p.number].given]
    return "a shared callback" if len(set(given)) < len(given) else None


def _of_data(feed):
    if not feed.train.is_steady():
        return "the data"
    if feed.validation is not None and not feed.validation.is_steady():
        return "the validation data"
    if keras.config.max_epochs() or keras.config.max_steps_per_epoch():
        return "a limit of Keras"
    return None


def _of_saving(parts):
    kept = [p for p in parts if not isinstance(p.run, Unkept)]
    steps = [part.trainer.feed.train.epoch_steps() for part in kept]
    return "saving" if min(steps, default=_SAVED_STEPS) < _SAVED_STEPS else None


def _of_networks(parts):
    """What stands against it in the networks, and the key of their kinds."""
    found, keys = {}, []
    for part in parts:
        trainer, number, lineage, _ = part
        if trainer.given(number, lineage) is not None:
            return "no training", None
        # Networks of one function are alike.
        kind = id(trainer.trial), trainer.function(number), number > 0
        if kind not in found:
            found[kind] = _of_network(part)
        reason, key = found[kind]
        if reason:
            return reason, None
        keys.append(key)
    return None, tuple(keys)


def _of_network(part):
    trainer, number, lineage, _ = part
    trial = trainer.trial
    if trial.blueprints.strategy is not None:
        return "a strategy", None
    if trial.phases:
        return "several phases", None
    learns = trial.objective.needs_teacher and number > 0
    if learns and type(trial.objective) not in objectives.BUILT_IN:
        return "an objective of one's own", None
    if checks.arity(trainer.function(number)) == 1:
        return "a network made from another", None
    with seeds.undisturbed():
        model = trainer.fresh(number, lineage)
        rows, _ = trial.workshop.batch
        if not model.built:
            model(rows, training=False)
    if model.run_eagerly or model.jit_compile or model.steps_per_execution > 1:
        return "how it is compiled", None
    key, own, _ = likeness.describe(model, compiled=True)
    if key is None or own:
        return "a network of one's own", None
    x, _, _ = next(iter(trainer.feed.train.read(1)))
    if multiplications(model) * count_rows(x) > _LARGE:
        return "a large network", None
    objective = likeness.of_objective(trial.objective) if learns else None
    return None, (key, objective)


def _fewest_steps(parts):
    feeds = [p.trainer.feed.for_generation(p.number) for p in parts]
    return np.min(
        [(f.epochs - f.initial_epoch) * f.train.epoch_steps() for f in feeds]
    )
