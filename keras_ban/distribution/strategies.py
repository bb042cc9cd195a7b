"""The strategy to train under: GPUs, `TF_CONFIG`, Slurm."""

import contextlib
import functools
import os
import shutil

import tensorflow as tf

from keras_ban.distribution import cluster
from keras_ban.distribution import environment
from keras_ban.distribution import rendezvous


def get(identifier):
    """Returns the strategy to train under, or `None` if nothing is to be done.

    Args:
        identifier: "auto", a `tf.distribute.Strategy`, or `None`.

    Raises:
        ValueError: If it is none of these, or if the environment tells of a
            cluster in a way that is malformed.
    """
    if isinstance(identifier, tf.distribute.Strategy) or identifier is None:
        return identifier
    if identifier != "auto":
        raise ValueError(
            "Invalid value for argument `strategy`. Expected 'auto', a "
            "`tf.distribute.Strategy` or `None`. Received: "
            f"{identifier!r}"
        )
    if tf.distribute.has_strategy():
        return tf.distribute.get_strategy()
    environment.check()
    resolver = _cluster()
    if resolver is not None:
        return _workers(resolver)
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return _mirrored()
    return None


def is_told():
    """Whether the environment says anything of a cluster, of one even."""
    return "TF_CONFIG" in os.environ or "SLURM_STEP_NUM_TASKS" in os.environ


@functools.cache
def _mirrored():
    # TensorFlow confuses the reductions of two in one process.
    return tf.distribute.MirroredStrategy()


@functools.cache
def _cluster():
    """What knows the other workers, or `None` if there are none."""
    if "TF_CONFIG" in os.environ:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    elif int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        resolver = _slurm()
    else:
        return None
    addresses, _ = cluster.places(resolver)
    return resolver if len(addresses) > 1 else None


def _slurm():
    try:
        return _slurm_resolver()
    except Exception as error:
        # TensorFlow finds by one error or another that they do not fit.
        names = ("PROCID", "NODELIST", "NUM_TASKS", "TASKS_PER_NODE")
        known = {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith("SLURM_") and name.endswith(names)
        }
        raise ValueError(
            "The environment variables of Slurm tell of no cluster: "
            f"{error!r}. Expected those that `srun` sets. Received: {known}. "
            "Start the script by `srun`, or take SLURM_STEP_NUM_TASKS out of "
            "the environment to train in this process alone."
        ) from error


def _slurm_resolver():
    resolvers = tf.distribute.cluster_resolver
    if shutil.which("nvidia-smi"):
        return resolvers.SlurmClusterResolver()
    # On nodes without GPUs it fails, unless it thinks that each task has one.
    known = resolvers.SlurmClusterResolver(
        gpus_per_node=int(os.environ["SLURM_STEP_NUM_TASKS"]),
        gpus_per_task=1,
        auto_set_gpu=False,
    )
    return resolvers.SimpleClusterResolver(
        known.cluster_spec(),
        task_type=known.task_type,
        task_id=known.task_id,
        num_accelerators={"GPU": 0},
    )


@functools.cache
def _workers(resolver):
    rendezvous.meet(*cluster.places(resolver))
    try:
        with rendezvous.watchdog():
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except RuntimeError as error:
        raise RuntimeError(
            "TensorFlow has begun already, too late to connect it to the "
            f"other workers: {error} Start the script on each machine by "
            "`python -m keras_ban.launch script.py`, which connects them "
            "before it begins, or create `keras_ban.BornAgain` first, before "
            "any model or tensor."
        ) from error


def scope(strategy):
    """The scope of a strategy, or of nothing for `None`."""
    return strategy.scope() if strategy else contextlib.nullcontext()
