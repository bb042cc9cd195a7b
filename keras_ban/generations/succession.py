"""Generation after generation, from where a run stands."""

import dataclasses


def train(trainer, run, lineage):
    """Trains the generations of a run that are not finished.

    Args:
        trainer: The `Trainer`.
        run: What keeps the run: an `OpenRun` or `Unkept`.
        lineage: An empty `Lineage`, to which each finished generation is
            added.

    Returns:
        Whether there was anything to train.
    """
    count = len(trainer.watches)
    finished = run.finished(trainer.trial.teacher)[:count]
    for generation in finished:
        lineage.append(generation)
    if 0 < len(finished) < count:
        # Callbacks that generations share go on from there.
        run.remind([w.remembered for w in trainer.watches[: len(finished)]])
    for number in range(len(finished), count):
        generation = trainer.generation(number, lineage, run)
        generation = _measured(
            generation, lineage, trainer.feed.validation, run.stop_now_if_asked
        )
        lineage.append(generation)
        run.record(generation, trainer.watches[number].remembered)
        lineage.keep(set(filter(run.keeps, range(number + 1))))
        run.stop_if_asked()
    return len(finished) < count


def _measured(generation, lineage, validation, watch):
    """The generation with its metrics on the validation data, if any."""
    if validation is None:
        return generation
    metrics = lineage.measure(generation, validation, watch=watch)
    return dataclasses.replace(generation, metrics=metrics)
