"""Few labels: examples beside them that have none, real ones and made ones.

`python benchmarks/evidence_unlabelled.py --set letter --network mlp` adds lines
to those of `evidence.py`, of the study "unlabelled". A quarter of the training
examples have labels, and five networks on these teach a student by BAN

- on all training examples ("on unlabelled ones too");
- of a table, on the examples with labels, which keep these, and on four made of
  each, which get what the teachers say ("on made ones too"): Fakoor et al.,
  "Fast, Accurate, and Simple Models for Tabular Data via Augmented
  Distillation", 2020, Section 3.

All networks are trained for as many steps.
"""

import functools

import evidence
import keras
import numpy as np
from evidence_methods import best
from evidence_methods import labels
from evidence_sets import Setting

import keras_ban

SETTING = Setting(labelled=0.25, epochs=4.0)
UNLABELLED, MADE = "on unlabelled ones too", "on made ones too"
TWIN = "labels, mild views"
COPIES, SMEAR = 4, 0.1


class Runs(evidence.Runs):
    """The labels alone, one from five, and students of more examples."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        is_table = self.task.all_inputs.ndim == 2
        self.names = (UNLABELLED, MADE) if is_table else (UNLABELLED,)

    def measured(self, seeds):
        """Yields the lines of the methods, and those of both students."""
        study = self.compared(seeds)
        yield from self.lines_of(study)
        is_one = self.task.strong is self.task.mild
        teaching = TWIN if is_one else "labels, strong views"
        for number, seed in enumerate(seeds):
            teachers = [one.model for one in study.lineages[teaching][number]]
            for name in self.names:
                taught = self.on_all if name == UNLABELLED else self.on_made
                line = {
                    "name": name,
                    "kind": "teachers",
                    "twin": TWIN,
                    "cost": 6.0,
                    "length": 1.0,
                    "seed": seed,
                }
                scores = self.scores([taught(teachers, seed)])
                yield self.what | line | scores

    def on_all(self, teachers, seed):
        """A student of all inputs, which needs no labels."""
        x = self.task.all_inputs
        return self._taught("ban", (x,), teachers, seed, self.task.mild)

    def on_made(self, teachers, seed):
        """A student of the labels, and of what teachers say of made rows."""
        x, y = self.task.train
        rng = np.random.default_rng(seed)
        made = np.concatenate([_smeared(x, rng) for _ in range(COPIES)])
        bane = keras_ban.ensemble(teachers)
        told = bane.predict(made, 500, verbose=0)
        y = np.concatenate([keras.utils.to_categorical(y, told.shape[1]), told])
        x = np.concatenate([x, made])
        return self._taught("labels", (x, y), None, seed, None)

    def _taught(self, objective, data, teacher, seed, views):
        """The network that is trained on the data, as long as the others."""
        rows, task = len(data[0]), self.task
        epochs = round(task.epochs * len(task.train[0]) / rows)
        run = keras_ban.BornAgain(
            functools.partial(_model, task, epochs, rows), objective, seed=seed
        )
        lineage = run.fit(
            *data,
            generations=0 if teacher is None else 1,
            teacher=teacher,
            augment=views,
            epochs=epochs,
            batch_size=task.batch,
            verbose=0,
        )
        return lineage[-1].model


def _model(task, epochs, rows):
    """A network whose loss takes distributions too."""
    model = task.model_fn(epochs, rows)
    model.compile(
        model.optimizer,
        keras.losses.CategoricalCrossentropy(from_logits=True),
        steps_per_execution=model.steps_per_execution,
        jit_compile=False,
    )
    return model


def _smeared(x, rng):
    """Rows with a share of the values taken from other rows."""
    others = np.stack([rng.permutation(column) for column in x.T], axis=-1)
    return np.where(rng.random(x.shape) < SMEAR, others, x)


def methods(task):
    """What the students are compared with."""
    return [*labels(task), best(task)]


if __name__ == "__main__":
    Runs("unlabelled", methods, SETTING).all()
