"""Generation after generation, from where a run stands."""

import dataclasses

from keras_ban.generations.abreast import Abreast
from keras_ban.generations.abreast import Part
from keras_ban.reporting.evaluation import Asked
from keras_ban.tasks import heads

# So many networks at most are trained side by side.
_WIDEST = 8


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
    trainer.outlook.finished(w.place for w in trainer.watches[: len(finished)])
    trainer.check_room(len(finished))
    abreast = Abreast()
    width = _WIDEST if trainer.is_independent else 1
    for first in range(len(finished), count, width):
        numbers = range(first, min(first + width, count))
        parts = [Part(trainer, number, lineage, run) for number in numbers]
        for generation in abreast.generations(parts):
            generation = _measured(generation, trainer, lineage, run)
            lineage.append(generation)
            number = generation.number
            run.record(generation, trainer.watches[number].remembered)
            lineage.keep(set(filter(run.keeps, range(number + 1))))
            run.stop_if_asked()
    return len(finished) < count


def _measured(generation, trainer, lineage, run):
    """The generation with its metrics on the validation data, if any."""
    validation = trainer.feed.validation
    if validation is None or not generation.predicts:
        return generation
    trial = trainer.trial
    asked = Asked(trial.task, heads.only_name(trial.models()[0]))
    metrics = lineage.measure(
        generation, validation, watch=run.stop_now_if_asked, asked=asked
    )
    return dataclasses.replace(generation, metrics=metrics)
