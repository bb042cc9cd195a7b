"""Table 6 of Born-Again Neural Networks: language models that teach others.

    python examples/language_model.py --corpus ptb --model lstm \
        --directory runs/lstm
    python examples/language_model.py --corpus ptb --model cnn_lstm

`--corpus` is a folder with `ptb.train.txt`, `ptb.valid.txt` and `ptb.test.txt`,
or with the files of WikiText. Networks are trained on the words alone, then
students from the first of them by each of the objectives; beside every student
stands its twin, of the same seed and length, on the words alone. With
`--quick` it shows the same code at work in a minute, on a play that is here.

Sizes, dropout, batch and rates are those of the paper, as far as it says them:
stochastic gradient descent of which the rate falls when validation perplexity
does. Gradients are clipped as Zaremba et al. (2014) and Kim et al. (2016) do.
"""

import os

# Keeps down what TensorFlow says when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import pathlib

import keras

import keras_ban
from keras_ban import metrics
from keras_ban import models
from keras_ban.data import text

HERE = pathlib.Path(__file__).parent
# Perplexities of teacher and BAN+L, in validation and test.
PUBLISHED = {
    "lstm": ((75.11, 71.87), (71.19, 68.56)),
    "cnn_lstm": ((83.69, 80.05), (80.27, 76.97)),
}
RECIPES = {
    "lstm": {
        "batch": 32,
        "steps": 35,
        "rate": 1.0,
        "clip": 10.0,
        "factor": 0.25,
        "delta": 0.0,
        "epochs": 40,
        "options": {},
    },
    "cnn_lstm": {
        "batch": 20,
        "steps": 35,
        "rate": 2.0,
        "clip": 5.0,
        "factor": 0.5,
        "delta": 0.5,
        "epochs": 25,
        "options": {},
    },
    "gpt": {
        "batch": 32,
        "steps": 128,
        "rate": 3e-4,
        "clip": 1.0,
        "factor": 0.5,
        "delta": 0.0,
        "epochs": 20,
        "options": {},
    },
}
QUICK = {
    "lstm": {
        "rate": 4.0,
        "options": {"units": 48, "layers": 1, "dropout": 0.3},
    },
    "cnn_lstm": {
        "rate": 10.0,
        "clip": 0.3,
        "options": {
            "units": 48,
            "layers": 1,
            "dropout": 0.2,
            "filters": 8,
            "widths": (1, 2, 3),
            "highways": 1,
        },
    },
    "gpt": {
        "rate": 3e-3,
        "options": {"units": 48, "blocks": 2, "heads": 4, "length": 20},
    },
}
SHORT = {"batch": 10, "steps": 20, "epochs": 10, "clip": 1.0, "delta": 0.0}


def main():
    arguments = parse()
    recipe = RECIPES[arguments.model]
    if arguments.quick:
        recipe = recipe | SHORT | QUICK[arguments.model]
    corpus = text.from_folder(arguments.corpus, min_count=arguments.min_count)
    data = Data(corpus, recipe, starts=arguments.model != "gpt")
    lineages = train(arguments, recipe, data)
    print(table(lineages, data, arguments))


class Data:
    """A corpus as batches, for a network that carries its state or not."""

    def __init__(self, corpus, recipe, starts):
        self.vocabulary = corpus.vocabulary
        batch, steps = recipe["batch"], recipe["steps"]
        self.train = text.batches(corpus.train, batch, steps, starts)
        # To choose the rate by: as many streams as in training, in less time.
        self.validation = text.evaluation(
            corpus.validation, batch, steps, batch, starts=starts
        )
        # To report: each part as one stream.
        parts = {"valid": corpus.validation, "test": corpus.test}
        self.parts = {
            name: text.evaluation(words, 1, steps, starts=starts)
            for name, words in parts.items()
        }


def train(arguments, recipe, data):
    """A `Lineage` for "labels" and for each objective, a dict."""

    def model_fn():
        make = getattr(models, f"{arguments.model}_lm", None) or models.gpt
        model = make(data.vocabulary, **recipe["options"])
        kind = keras.optimizers.SGD
        if arguments.model == "gpt":
            kind = keras.optimizers.AdamW
        model.compile(
            kind(recipe["rate"], global_clipnorm=recipe["clip"]),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            weighted_metrics=[metrics.Perplexity()],
        )
        return model

    def schedule(generation):
        return keras.callbacks.ReduceLROnPlateau(
            "val_perplexity",
            factor=recipe["factor"],
            patience=1,
            min_delta=recipe["delta"],
            mode="min",
        )

    found = {}
    for objective in ("labels", *arguments.objective):
        learns = objective != "labels"
        cache = {}
        if learns and arguments.top_k:
            kept = keras_ban.TeacherCache(top_k=arguments.top_k)
            cache = {"teacher_outputs": kept}
        directory = arguments.directory
        ban = keras_ban.BornAgain(
            model_fn,
            objective,
            directory and pathlib.Path(directory) / objective,
            seed=arguments.seed,
        )
        found[objective] = ban.fit(
            data.train,
            generations=arguments.generations,
            epochs=arguments.epochs or recipe["epochs"],
            validation_data=data.validation,
            callbacks=schedule,
            teacher=found["labels"][0].model if learns else None,
            verbose=arguments.verbose,
            **cache,
        )
    return found


def table(lineages, data, arguments):
    """Perplexities, and the published ones where there are any."""
    published = {} if arguments.quick else PUBLISHED
    teacher, student = published.get(arguments.model, (None, None))
    head = f"{'perplexity':<22}{'valid':>9}{'test':>9}    published"
    lines = [f"{arguments.model}, {len(data.vocabulary):,} words", head]
    for objective, lineage in lineages.items():
        rows = {
            part: {row["name"]: row for row in lineage.evaluate(ds)}
            for part, ds in data.parts.items()
        }
        for name in rows["test"]:
            said = None
            if name == "Labels-0":
                said = teacher
            elif name == "Teacher":
                continue  # it is Labels-0
            elif (name, objective) == ("BAN-1", "ban+l"):
                said = student
            label = name if objective == "labels" else f"{objective} {name}"
            values = [rows[part][name]["perplexity"] for part in data.parts]
            line = f"{label:<22}" + "".join(f"{v:>9.2f}" for v in values)
            if said:
                line += f"    {said[0]} {said[1]} (Table 6)"
            lines.append(line)
    lines.append(
        "Labels-0 is the teacher, Labels-k the twin of each BAN-k, and its\n"
        "Ens* that of each Ens*."
    )
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--corpus", help="a folder with the files of a corpus")
    parser.add_argument("--model", choices=RECIPES, default="lstm")
    parser.add_argument("--objective", nargs="+", default=["ban", "ban+l"])
    parser.add_argument("--quick", action="store_true", help="small and short")
    parser.add_argument("--generations", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="default: the recipe's")
    parser.add_argument("--min-count", type=int, help="how often a word occurs")
    parser.add_argument("--top-k", type=int, help="cache so many probabilities")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directory", help="keep the runs here, and resume")
    parser.add_argument("--verbose", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.corpus is None:
        if not arguments.quick:
            parser.error("expected --corpus DIR, or --quick")
        arguments.corpus = HERE / "coriolanus"
    if arguments.min_count is None:
        # PTB and WikiText have their rare words replaced already.
        arguments.min_count = 2 if arguments.quick else 1
    if "labels" in arguments.objective:
        parser.error("the labels are always there, as the control")
    return arguments


if __name__ == "__main__":
    main()
