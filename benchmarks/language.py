"""Born-again language models of words, small enough for a CPU.

An LSTM that carries its state and a small transformer, each: trained on the
words alone (the teacher, and the control: it is of the length and the recipe of
its students); a student of the teacher by BAN+L, the teacher run in each step;
and the same student from the teacher's `--top-k` largest probabilities,
computed once. WikiText-2's valid part is trained on; of its test part the first
half chooses the learning rate, the second half is reported.

Each network is a line of JSON in `--out`. What is there is not trained again,
and a training that was interrupted goes on where it stood: processes can share
the work, each with models or seeds of its own.
"""

import argparse
import json
import pathlib
import statistics

import keras
import numpy as np
import scipy.stats

import keras_ban
from keras_ban import metrics
from keras_ban import models
from keras_ban.data import text

LINES = pathlib.Path(__file__).parent / "results" / "language.jsonl"
METHODS = ("labels", "ban+l", "ban+l top-k")
# What is published: Furlanello et al. (2018), Table 6, 4 to 5 % less.
SHOWN = ("network", "method", "choose", "report", "seconds", "outputs, MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="WikiText-2's folder")
    parser.add_argument("--models", nargs="+", default=["lstm", "gpt"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--words", type=int, default=6_000)
    parser.add_argument("--text", type=int, help="words of it that are read")
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--steps", type=int, default=35)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--top-k", type=int, default=64)
    parser.add_argument("--directory", default="runs/language")
    parser.add_argument("--out", default=LINES)
    parser.add_argument("--verbose", type=int, default=0)
    arguments = parser.parse_args()
    out = pathlib.Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    for model in arguments.models:
        for seed in arguments.seeds:
            experiment = Experiment(arguments, model, seed)
            for method in arguments.methods:
                known = {
                    (r["model"], r["seed"], r["method"]) for r in read(out)
                }
                if (model, seed, method) not in known:
                    lines = experiment.rows(method)
                    with out.open("a") as file:
                        file.writelines(f"{json.dumps(r)}\n" for r in lines)
    print(summary(read(out)))


def read(path):
    """The lines that are there, a list of dicts."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


class Experiment:
    """The networks of one kind and seed, which share a corpus and a teacher."""

    def __init__(self, arguments, model, seed):
        self._arguments, self._model, self._seed = arguments, model, seed
        folder = pathlib.Path(arguments.corpus)
        corpus = text.from_files(
            folder / "valid.txt", test=folder / "test.txt", size=arguments.words
        )
        cut = slice(arguments.text)
        test = corpus.test[cut]
        half = len(test) // 2
        batch, steps = arguments.batch_size, arguments.steps
        starts = model == "lstm"
        self._words = len(corpus.vocabulary)
        self._train = text.batches(corpus.train[cut], batch, steps, starts)
        # One stream, each word after all before it.
        self._parts = {
            "choose": text.evaluation(test[:half], 1, steps, starts=starts),
            "report": text.evaluation(test[half:], 1, steps, starts=starts),
        }

    def rows(self, method):
        """Trains by a method; a dict for each network that it trained."""
        lineage, size = self._lineage(method)
        found = {k: lineage.evaluate(ds) for k, ds in self._parts.items()}
        rows = []
        for row, other in zip(*found.values(), strict=True):
            if row["name"] == "Teacher" or row["objective"] == "ensemble":
                continue
            rows.append(
                {
                    "model": self._model,
                    "seed": self._seed,
                    "method": method,
                    "network": row["name"],
                    "choose": row["perplexity"],
                    "report": other["perplexity"],
                    "report nll": other["nll"],
                    "parameters": row["parameters"],
                    "epochs": self._arguments.epochs,
                    "seconds": row["seconds"],
                    "outputs, MB": size,
                }
            )
        return rows

    def _lineage(self, method):
        """The `Lineage` of a method, and MB of the teacher's outputs."""
        arguments, learns = self._arguments, method != "labels"
        folder = pathlib.Path(arguments.directory)
        folder /= f"{self._model}-{method.replace(' ', '-')}-{self._seed}"
        kept, extra = folder.with_name(f"{folder.name}-outputs"), {}
        if "top-k" in method:
            cache = keras_ban.TeacherCache(kept, top_k=arguments.top_k)
            extra = {"teacher_outputs": cache}
        objective = method.partition(" ")[0]
        ban = keras_ban.BornAgain(
            self._model_fn, objective, folder, seed=self._seed
        )
        lineage = ban.fit(
            self._train,
            generations=int(learns),
            epochs=arguments.epochs,
            teacher=self._lineage("labels")[0][0].model if learns else None,
            verbose=arguments.verbose,
            **extra,
        )
        files = kept.rglob("*") if extra else ()
        size = sum(f.stat().st_size for f in files if f.is_file()) / 1e6
        if method == "ban+l":
            # What all logits would take.
            batches = len(self._train) * arguments.batch_size
            size = batches * arguments.steps * self._words * 4 / 1e6
        return lineage, size

    def _model_fn(self):
        arguments = self._arguments
        if self._model == "lstm":
            model = models.lstm_lm(
                self._words, arguments.units, dropout=0.4, rows=64
            )
        else:
            model = models.gpt(
                self._words,
                arguments.units,
                heads=4,
                length=arguments.steps,
                dropout=0.2,
            )
        # When a plateau is seen is chance, and moved equal networks by 7 %.
        rate = keras.optimizers.schedules.CosineDecay(
            arguments.rate, arguments.epochs * len(self._train)
        )
        model.compile(
            keras.optimizers.Adam(rate, global_clipnorm=1.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            weighted_metrics=[metrics.Perplexity()],
        )
        return model


def summary(rows):
    """What was reported, and students against their teachers, by seed."""
    lines = ["  ".join(f"{name:>12}" for name in ("model", "seed", *SHOWN))]
    for row in rows:
        cells = [row["model"], row["seed"], *(row[name] for name in SHOWN)]
        texts = [f"{c:.2f}" if isinstance(c, float) else str(c) for c in cells]
        lines.append("  ".join(f"{cell:>12}" for cell in texts))
    by_place = {
        (r["model"], r["method"], r["network"], r["seed"]): r for r in rows
    }
    for model in dict.fromkeys(r["model"] for r in rows):
        teachers = {
            seed: row
            for (kind, _, network, seed), row in by_place.items()
            if (kind, network) == (model, "Labels-0")
        }
        for method in METHODS[1:]:
            ratios = [
                by_place[model, method, "BAN-1", seed]["report"] / row["report"]
                for seed, row in teachers.items()
                if (model, method, "BAN-1", seed) in by_place
            ]
            if ratios:
                lines.append(f"{model}, {method}: {_interval(ratios)}")
    return "\n".join(lines)


def _interval(ratios):
    """How much less perplexity, by the mean of the logarithms."""
    changes = 100 * np.log(ratios)
    words = f"perplexity {statistics.mean(changes):+.2f}"
    if len(changes) > 1:
        error = statistics.stdev(changes) / len(changes) ** 0.5
        half = error * scipy.stats.t.ppf(0.975, len(changes) - 1)
        words += f" ± {half:.2f}"
    return f"{words} % against its teacher ({len(changes)} seeds)"


if __name__ == "__main__":
    main()
