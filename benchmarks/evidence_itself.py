"""A network that teaches itself, beside its twin: PS-KD.

`python benchmarks/evidence_itself.py --set letter --network mlp` adds lines to
those of `evidence.py`, of the study "itself". The teacher of an epoch is the
network as it was at the end of the epoch before.

Source: Kim et al., "Self-Knowledge Distillation with Progressive Refinement of
Targets", 2021, Equations 4 and 5. The weight of the network's own targets rises
to 0.8, as theirs.
"""

import functools

import evidence
import keras
from evidence_methods import labels
from evidence_sets import Setting

import keras_ban

NAME = "taught by itself"
PSKD = keras_ban.objectives.KD(alpha=(1.0, 0.2), temperature=1.0)


class LastEpoch(keras.callbacks.Callback):
    """Makes a teacher of what the student is when an epoch begins."""

    def __init__(self, teacher):
        super().__init__()
        self._teacher = teacher

    def on_epoch_begin(self, epoch, logs=None):
        self._teacher.set_weights(self.model.student.get_weights())


class Runs(evidence.Runs):
    """The labels alone, and the network that teaches itself."""

    names = (NAME,)

    def measured(self, seeds):
        """Yields the lines of the labels alone, and one for each seed."""
        yield from super().measured(seeds)
        twin = "labels, mild views"
        for seed in seeds:
            yield {
                **self.what,
                "name": NAME,
                "kind": "teachers",
                "twin": twin,
                "cost": 1.0,
                "length": 1.0,
                "seed": seed,
                **self.scores([self.taught(seed)]),
            }

    def taught(self, seed):
        """A network that learned from the labels and its own last epoch."""
        task = self.task
        model_fn = functools.partial(task.model_fn, task.epochs)
        teacher = model_fn()
        lineage = keras_ban.BornAgain(model_fn, PSKD, seed=seed).fit(
            *task.train,
            generations=1,
            teacher=teacher,
            augment=task.mild,
            epochs=task.epochs,
            batch_size=task.batch,
            callbacks=lambda generation: [LastEpoch(teacher)],
            verbose=0,
        )
        return lineage[1].model


if __name__ == "__main__":
    Runs("itself", labels, Setting()).all()
