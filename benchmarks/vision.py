"""The columns of the paper's tables, small: Fashion-MNIST on a CPU.

Two networks, born again under each objective and taught by one another, with
label-only controls of the same budget, over several seeds. The test images
select nothing: what is reported is the last epoch.

A run that was interrupted goes on where it stood; several processes can share
the work, each with seeds or networks of its own and the same `--directory`.
"""

import argparse
import json
import math
import pathlib
import statistics

import tensorflow as tf
from measuring import save

import keras_ban
from keras_ban import models
from keras_ban import recipes
from keras_ban.data import vision

NETWORKS = ("wide_resnet_16_1", "densenet_22_12")
MATCHED = "ban_wide_resnet_1_1"
# Two-sided 95 % of Student's t, by the number of seeds.
T = {
    **{2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571},
    **{7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idx-files", help="folder of the four IDX files")
    parser.add_argument("--data-dir", help="where data sets are prepared")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--directory", default="runs/vision")
    parser.add_argument("--threads", type=int, help="of TensorFlow")
    parser.add_argument("--result", help="name of the result; none is written")
    arguments = parser.parse_args()
    seeds = arguments.seeds
    if len(seeds) > max(T) or len(set(seeds)) < len(seeds):
        parser.error(
            f"argument --seeds: expected 1 to {max(T)} different ones, for "
            f"which the 95 % interval is known. Received: {seeds}"
        )
    if arguments.threads:
        tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    experiment = Experiment(arguments)
    rows = [
        row
        for seed in arguments.seeds
        for network in arguments.networks
        for row in experiment.family(network, seed)
    ]
    table = summary(rows)
    print(markdown(table))
    if arguments.result:
        # Not where things were on this machine.
        places = ("directory", "idx_files", "data_dir")
        settings = {k: v for k, v in vars(arguments).items() if k not in places}
        content = {"arguments": settings, "table": table, "rows": rows}
        save(arguments.result, content)


class Experiment:
    """Runs that share data, recipe and folder."""

    def __init__(self, arguments):
        self.data = vision.load(
            "fashion_mnist",
            validation=0,
            data_dir=arguments.data_dir,
            idx_files=arguments.idx_files,
        )
        self.train = [part[: arguments.images] for part in self.data.train]
        self.recipe = recipes.Recipe(epochs=arguments.epochs)
        self.folder = pathlib.Path(arguments.directory)

    def family(self, network, seed):
        """All that descends from one teacher."""
        other = next(n for n in NETWORKS if n != network)
        labels = self._run(network, network, "labels", 3, seed)
        rows = (
            labels.rows
            + self._run(network, network, "ban", 3, seed, labels).rows
        )
        for objective in ("ban+l", "cwtm", "dkpp"):
            run = self._run(network, network, objective, 1, seed, labels)
            rows += run.rows
        rows += self._run(network, other, "ban", 1, seed, labels).rows
        if network.startswith("densenet"):
            # The students of Table 5, taught and on their own.
            rows += self._run(network, MATCHED, "ban", 1, seed, labels).rows
            rows += self._run(network, MATCHED, "labels", 1, seed, labels).rows
        return rows

    def _run(self, teacher, student, objective, generations, seed, given=None):
        folder = self.folder / f"{teacher}-{student}-{objective}-{seed}"
        return Run(
            self, folder, teacher, student, objective, generations, seed, given
        )


class Run:
    """One call of `BornAgain`, measured on the test images.

    Attributes:
        rows: Its networks and ensembles, without a teacher that was given.
    """

    def __init__(
        self,
        experiment,
        folder,
        teacher,
        student,
        objective,
        generations,
        seed,
        given,
    ):
        self._experiment, self._given = experiment, given
        self._folder, self._student = folder, student
        self._objective, self._generations = objective, generations
        self._seed = seed
        kept = folder / "rows.json"
        if not kept.exists():
            found = self._lineage().evaluate(*experiment.data.test)
            names = ("name", "error", "nll", "ece", "agreement")
            described = {
                "first": teacher,
                "network": student,
                "objective": objective,
                "seed": seed,
            }
            found = [
                described | {name: row[name] for name in names}
                for row in found
                if row["name"] != "Teacher"
                and (generations > 1 or "Ens" not in row["name"])
            ]
            kept.write_text(json.dumps(found))
            print(folder.name, [round(row["error"], 4) for row in found])
        self.rows = json.loads(kept.read_text())

    @property
    def teacher(self):
        """The first network of a run on labels."""
        return self._lineage()[0].model

    def _lineage(self):
        labels = self._objective == "labels"
        given = None if labels or not self._given else self._given.teacher
        matched = self._given.teacher if self._student == MATCHED else None

        def model_fn():
            model = models.get(
                self._student,
                num_classes=10,
                input_shape=self._experiment.data.shape,
                **{"teacher": matched, "share": not labels} if matched else {},
            )
            images = len(self._experiment.train[0])
            return self._experiment.recipe.compile(model, images)

        ban = keras_ban.BornAgain(
            model_fn, self._objective, self._folder, self._seed
        )
        return ban.fit(
            *self._experiment.train,
            generations=self._generations,
            teacher=given,
            augment=vision.crop_and_flip(),
            epochs=self._experiment.recipe.epochs,
            batch_size=self._experiment.recipe.batch_size,
            verbose=0,
        )


def summary(rows):
    """Mean and 95 % interval over the seeds of each, and against the control.

    The control of a network is the mean of the label-only retrainings of its
    seed, that of an ensemble the one of as many of them.
    """
    groups, controls = {}, {}
    for row in rows:
        key = row["first"], row["network"], row["objective"], row["name"]
        groups.setdefault(key, {})[row["seed"]] = row
        if row["objective"] == "labels":
            kind = row["name"].partition("-")[0]
            place = row["network"], kind, row["seed"]
            if row["name"] != "Labels-0":
                controls.setdefault(place, []).append(row["error"])
    lines = []
    for (first, network, objective, name), found in groups.items():
        kind = "Labels" if name.startswith("BAN") else name
        against = [
            100 * (row["error"] - statistics.mean(controls[network, kind, s]))
            for s, row in found.items()
            if objective != "labels" and (network, kind, s) in controls
        ]
        lines.append(
            {
                "first network": first,
                "network": network,
                "objective": objective,
                "name": name,
                "seeds": len(found),
                "test error, %": _interval(
                    [100 * row["error"] for row in found.values()]
                ),
                "NLL": _interval([row["nll"] for row in found.values()]),
                "ECE, %": _interval(
                    [100 * row["ece"] for row in found.values()]
                ),
                "error minus the control's, points": _interval(against),
            }
        )
    return lines


def markdown(lines):
    """The summary as a table, for `docs/paper.md`."""
    names = ("first network", "network", "objective", "name", "seeds")
    figures = [name for name in lines[0] if name not in names]
    rows = [[*names, *figures], ["---"] * (len(names) + len(figures))]
    for line in lines:
        found = [_text(line[name]) for name in figures]
        rows.append([str(line[name]) for name in names] + found)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _text(found):
    if not found:
        return ""
    half = "" if found["±"] is None else f" ± {found['±']:.2f}"
    return f"{found['mean']:.2f}{half}"


def _interval(values):
    """Mean and half the width of the 95 % interval, or `None`."""
    if not values:
        return None
    half = None
    if len(values) > 1:
        spread = statistics.stdev(values) / math.sqrt(len(values))
        half = T[len(values)] * spread
    return {"mean": statistics.mean(values), "±": half}


if __name__ == "__main__":
    main()
