"""What callbacks are told that ask which generation is trained."""

import itertools


def begun(callbacks, cluster, generation, recipe):
    """Tells those with a method `on_generation_begin`, on the first worker.

    Args:
        callbacks: The user's callbacks of the generation, a list.
        cluster: The `Cluster` of workers.
        generation: The `Generation`, its model untrained.
        recipe: What the run was told, a dict.
    """
    _tell(callbacks, cluster, "on_generation_begin", generation, recipe)


def ended(callbacks, cluster, lineage):
    """Tells those with a method `on_lineage_end`, on the first worker.

    Args:
        callbacks: The user's callbacks of each generation, a list of lists.
        cluster: The `Cluster` of workers.
        lineage: The `Lineage`.
    """
    given = itertools.chain.from_iterable(callbacks)
    _tell(given, cluster, "on_lineage_end", lineage)


def _tell(callbacks, cluster, event, *known):
    if cluster.number > 0:
        return
    for callback in {id(one): one for one in callbacks}.values():
        method = getattr(callback, event, None)
        if method is not None:
            method(*known)
